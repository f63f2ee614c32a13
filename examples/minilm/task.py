"""Opinions in sentences as a ready-made task: ``minilm-sentiment``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ...task import Task
from ..folder import required_folder
from .data import CONTENTS, HEAD, NAME, load_sentences, trained_model, weights_file


def minilm_sentiment(data_dir: str | None = None) -> Task:
    """A trained Transformer encoder (22.6 M parameters) that tells good from bad opinions."""
    folder = required_folder(NAME, data_dir, CONTENTS)
    splits = load_sentences(folder)
    return Task(
        name="minilm-sentiment",
        build_model=partial(trained_model, weights_file(), folder / HEAD),
        train=replace(splits.train, batch=32, shuffle=True),
        val=splits.val,
        test=splits.test,
        data=splits.name,
    )
