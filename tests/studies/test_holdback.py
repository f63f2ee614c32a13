"""Which validation samples the search sees, and which it does not."""

from collections import UserDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
import torch

from hierprune.data.rows import Rows
from hierprune.studies import holdback
from hierprune.studies.holdback import STRIDE, can_hold_back, searched, unseen
from hierprune.task import Task


class Labelled(dict[str, Any]):
    """Its items are its attributes too."""

    def __init__(self, items: Mapping[str, Any]) -> None:
        super().__init__(items)
        self.__dict__ = self


class Encoding(UserDict[str, Any]):
    """As tokenizers of transformers give them."""

    def __getattr__(self, name: str) -> Any:
        if name not in self.__dict__.get("data", {}):
            raise AttributeError(name)
        return self.data[name]


class Named(Mapping[str, Any]):
    """It cannot be made of a mapping."""

    def __init__(self, name: str, items: Mapping[str, Any]) -> None:
        self.name, self.items_ = name, items

    def __getitem__(self, key: str) -> Any:
        return self.items_[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.items_)

    def __len__(self) -> int:
        return len(self.items_)


class Columns(list[Any]):
    """A list that torch does not look into."""


class Pair(tuple[Any, Any]):
    """A tuple that torch does not look into."""


def task_of(val: object) -> Task:
    return Task("t", torch.nn.Identity, val, val, val)


def rows(count: int, batch: int) -> Rows:
    return Rows((torch.arange(count).float()[:, None],), torch.arange(count), batch)


def targets(task: Task) -> list[int]:
    return [int(t) for _, batch in task.batches("val") for t in batch]


@pytest.mark.parametrize("batch", [1, 2, 7, 100])
def test_the_two_parts_are_the_whole_whatever_the_batches(batch: int) -> None:
    whole = task_of(rows(20, batch))
    seen = targets(searched(whole, held_back=True))
    held = targets(unseen(searched(whole, held_back=True)))
    assert [h // STRIDE for h in held] in (list(range(6)), list(range(7)))
    assert sorted(seen + held) == list(range(20))
    assert targets(searched(whole, held_back=True)) == seen


def test_a_third_of_every_class_is_held_back_though_classes_come_in_turns() -> None:
    held = targets(unseen(searched(task_of(rows(9000, 64)), held_back=True)))
    assert len(held) == 3000
    for kind in range(STRIDE):
        assert sum(h % STRIDE == kind for h in held) == pytest.approx(1000, abs=100)


def test_inputs_stay_with_their_targets_in_any_structure() -> None:
    batch = ({"a": torch.arange(6), "b": [torch.arange(6) * 2, 5]}, torch.arange(6) * 3)
    held = unseen(searched(task_of(lambda: [batch]), held_back=True))
    ((inputs, found),) = held.batches("val")
    assert len(found) == 2
    assert (3 * inputs["a"]).tolist() == found.tolist()
    assert (3 * inputs["b"][0]).tolist() == (2 * found).tolist()
    assert inputs["b"][1] == 5


def test_nothing_is_held_back_unless_asked() -> None:
    whole = task_of(rows(20, 5))
    assert searched(whole, held_back=False) is whole
    with pytest.raises(TypeError, match="held back"):
        unseen(whole)


def test_only_large_splits_in_a_fixed_order_and_in_plain_tensors_are_divided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(holdback, "ENOUGH", 20)
    assert can_hold_back(task_of(rows(20, 7)))
    assert not can_hold_back(task_of(rows(19, 7)))
    assert not can_hold_back(task_of(replace(rows(2000, 1000), shuffle=True)))
    boxes = [(torch.zeros(20, 3), [torch.zeros(i % 3, 4) for i in range(20)])]
    assert not can_hold_back(task_of(boxes))


@pytest.mark.parametrize(
    "part",
    [
        [f"word {i}" for i in range(100)],
        list(range(100)),
        (1.0, 2.0),
        [torch.zeros(99)],
        tuple(torch.arange(100)),
        list(torch.arange(100)),
        [torch.zeros(100), torch.tensor(1.0)],
        [{"label": i} for i in range(100)],
        [{"label": label} for label in torch.arange(100)],
        [UserDict(label=i) for i in range(100)],
        [{"boxes": torch.zeros(100, 4), "label": 3}],
        [[] for _ in range(100)],
        [{} for _ in range(100)],
        ([torch.tensor(1.0)], [torch.tensor(2.0)]),
        Columns([torch.zeros(100)]),
        Named("a", {"x": torch.zeros(100)}),
    ],
)
def test_lists_that_may_belong_to_single_samples_are_not_divided(part: object) -> None:
    assert not holdback.is_divisible(part, 100)
    assert not holdback.is_divisible({"images": torch.zeros(100, 2), "extra": part}, 100)


def test_what_stands_for_all_samples_may_pass() -> None:
    part = {"images": torch.zeros(100, 2), "pair": (torch.zeros(100), torch.ones(100)), "rate": 0.5}
    assert holdback.is_divisible(part, 100)


@pytest.mark.parametrize("make", [UserDict, Labelled, Encoding, MappingProxyType])
def test_mappings_of_any_type_are_divided_and_keep_it(
    make: Callable[[Mapping[str, Any]], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holdback, "ENOUGH", 30)
    x = torch.arange(30)
    inputs = make({"x": x, "deep": make({"y": (2 * x,)}), "rate": 0.5, "none": None})
    whole = task_of([(inputs, make({"z": 3 * x}))])
    assert can_hold_back(whole)
    ((found, wanted),) = unseen(searched(whole, held_back=True)).batches("val")
    assert type(found) is type(found["deep"]) is type(inputs)
    assert len(wanted["z"]) == 10
    assert torch.equal(3 * found["x"], wanted["z"])
    assert torch.equal(3 * found["deep"]["y"][0], 2 * wanted["z"])
    assert (found["rate"], found["none"]) == (0.5, None)
    if isinstance(found, Labelled | Encoding):
        assert torch.equal(found.x, found["x"])


def test_a_shuffled_order_is_seen_in_mappings_of_any_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holdback, "ENOUGH", 30)

    def shuffled() -> list[Any]:
        order = torch.randperm(30)
        return [(UserDict(x=order), UserDict(y=order))]

    assert not can_hold_back(task_of(shuffled))


def test_a_batch_that_torch_does_not_look_into_is_not_divided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(holdback, "ENOUGH", 30)
    x = torch.arange(30)
    assert can_hold_back(task_of([[x, x]]))
    assert not can_hold_back(task_of([Pair((x, x))]))
