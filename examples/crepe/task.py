"""Pitches of notes as a ready-made task: ``crepe-pitch``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ...task import Task
from ..folder import required_folder
from .data import CONTENTS, NAME, load_notes, trained_model, weights_file
from .pitch import pitch_loss, within_50_cents


def crepe_pitch(data_dir: str | None = None) -> Task:
    """The trained pitch tracker CREPE (486,552 parameters), scored by notes it gets right."""
    folder = required_folder(NAME, data_dir, CONTENTS)
    splits = load_notes(folder)
    return Task(
        name="crepe-pitch",
        build_model=partial(trained_model, weights_file(folder)),
        train=replace(splits.train, batch=32, shuffle=True),
        val=splits.val,
        test=splits.test,
        loss=pitch_loss,
        metrics={"within_50_cents": within_50_cents},
        data=splits.name,
    )
