import json

import pytest
import torch

import hierprune
from hierprune.errors import UsageError
from hierprune.studies.progress import Silent
from hierprune.studies.trained import UNFINISHED

BASE = ("prune", "stripes.py:task", "--epochs", "2", "--lr", "1e-2", "--out", "small")


@pytest.mark.parametrize("granularity", ["channel", "weight"])
def test_a_folder_that_loads_and_verifies(command, home, granularity):
    done = command(*BASE, "--density", "0.3", "--granularity", granularity, "--json")
    assert done.code == 0, done.err
    assert done.json["values"]["params"] < 0.4
    assert done.json["plan"]["recovery"]["schedule"] == "gradual"
    for spans in done.json["intervals"].values():
        assert spans["accuracy"][0] < spans["accuracy"][1]
    assert "±" in (home / "small" / "card.md").read_text(encoding="utf-8")
    assert command("verify", "small").code == 0
    fast = ("--precision", "bfloat16", "--average", "0.1", "--schedule", "rigl")
    again = command(*BASE[:-1], "again", "--plan", "small/plan.json", *fast)
    assert again.code == 0, again.err
    assert "±" in again.out
    plans = [json.loads((home / f / "plan.json").read_text()) for f in ("small", "again")]
    assert plans[0]["density"] == plans[1]["density"]


class Stopping(Silent):
    """Presses Ctrl-C in the middle of the second of two passes."""

    def __init__(self):
        self.training = False

    def note(self, text):
        self.training = text.startswith("training")

    def share(self, done):
        if self.training and 0.7 < done < 0.8:
            raise KeyboardInterrupt


def test_stopped_and_resumed_is_the_same(home):
    settings = {"density": 0.2, "granularity": "weight", "epochs": 2.0, "lr": 1e-2, "distil": 0.3}
    settings |= {"average": 0.2, "schedule": "rewind"}
    hierprune.prune_task("stripes.py:task", "warm", **settings)
    with pytest.raises(KeyboardInterrupt, match="--resume"):
        hierprune.prune_task("stripes.py:task", "small", progress=Stopping(), **settings)
    assert (home / "small" / UNFINISHED).is_file()
    with pytest.raises(UsageError, match="unfinished training"):
        hierprune.prune_task("stripes.py:task", "small", **settings)
    with pytest.raises(UsageError, match=r"another lr: 0\.01, now 1\.0"):
        hierprune.prune_task("stripes.py:task", "small", resume=True, **settings | {"lr": 1.0})
    found = hierprune.prune_task("stripes.py:task", "small", resume=True, **settings)
    whole = hierprune.load("warm")
    state = found.model.state_dict()
    assert all(torch.equal(t, state[n]) for n, t in whole.state_dict().items())
    assert not (home / "small" / UNFINISHED).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "either a plan or a density"),
        (("--density", "0.3", "--plan", "plan.json"), "either a plan or a density"),
        (("--density", "0.3", "--schedule", "gradul"), "did you mean 'gradual'"),
        (("--density", "1.3"), "density"),
        (("--plan", "nowhere.json"), "nowhere.json"),
        (("--density", "0.3", "--resume"), "no unfinished training"),
        (("--density", "0.3", "--epochs", "-1"), "epochs"),
        (("--density", "0.3", "--average", "1"), "average must be in [0, 1), got 1"),
        (("--density", "0.3", "--weight-decay", "-1"), "weight_decay must be 0 or more"),
        (("--density", "0.3", "--precision", "bfloat"), "did you mean 'bfloat16'"),
        (("--density", "0.3", "--allocation", "globl"), "did you mean 'global'"),
    ],
)
def test_bad_input_writes_nothing(command, home, arguments, message):
    done = command(*BASE, *arguments)
    assert done.code == 2, done.err
    assert message in done.err
    assert not (home / "small").exists()
