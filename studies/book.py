"""The study in its storage: the few reads and writes that the ledger is made of."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState

from ..errors import UsageError
from ..task import Direction
from .database import open_states
from .records import outcome_record
from .tally import Tally
from .trial import Outcome


class Pages:
    """The trials of one study and their counts, read as they change; nothing is written.

    Args:
        storage: of the study.
        name: of the study.

    Raises:
        KeyError: there is no study of that name.
    """

    def __init__(self, storage: BaseStorage, name: str) -> None:
        self.tally = Tally()
        self._storage = storage
        self._study_id = storage.get_study_id_from_name(name)
        self._trials: list[FrozenTrial] = []
        self._open: list[int] = []  # numbers of those that were not finished when last read

    def trials(self) -> Sequence[FrozenTrial]:
        """All trials by number, and the tally brought up to date.

        The list is kept, and only what may have changed is read: trials that were not finished and
        trials that are new.
        """
        if not self._trials:
            self._trials = self._storage.get_all_trials(self._study_id, deepcopy=False)
            self._open = list(range(len(self._trials)))
        elif isinstance(self._storage, RDBStorage):
            self._read_changed(self._storage)
        else:
            for number in self._open:
                self.read(number)
            self._read_new()
        self._open = [n for n in self._open if not self._trials[n].state.is_finished()]
        self.tally.update(self._trials)
        return self._trials

    def read(self, number: int) -> FrozenTrial:
        """One trial as it is now; a state that did not change does not say that nothing did."""
        self._trials[number] = trial = self._storage.get_trial(self._id(number))
        return trial

    def _read_changed(self, storage: RDBStorage) -> None:
        known = len(self._trials)
        states = open_states(storage, self._study_id, known)
        for number in self._open:
            if states.get(number) != self._trials[number].state:
                self.read(number)
        for number in sorted(n for n in states if n >= known):
            self._append(number)

    def _read_new(self) -> None:
        with contextlib.suppress(KeyError):  # there is no further trial
            while True:
                self._append(len(self._trials))

    def _append(self, number: int) -> None:
        self._trials.append(self._storage.get_trial(self._id(number)))
        self._open.append(number)

    def _id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)


class Book(Pages):
    """One study, its trials and their counts, to be written on.

    Args:
        storage: of the study.
        name: of the study; it is made when it is not there.
        directions: by objective, in the order of the values.

    Raises:
        UsageError: the study exists with other objectives.
    """

    def __init__(
        self, storage: BaseStorage, name: str, directions: Mapping[str, Direction]
    ) -> None:
        self.study = open_study(storage, name, directions)
        super().__init__(storage, name)
        self._objectives = tuple(directions)

    def add(self, trial: FrozenTrial) -> int:
        """Store a trial, one write; its number."""
        trial_id = self._storage.create_new_trial(self._study_id, trial)
        return self._storage.get_trial_number_from_id(trial_id)

    def claim(self, number: int, owner: str) -> bool:
        """Start a waiting trial, unless somebody else was faster."""
        trial_id = self._id(number)
        with contextlib.suppress(UpdateFinishedTrialError):
            if self._storage.set_trial_state_values(trial_id, TrialState.RUNNING):
                self._storage.set_trial_user_attr(trial_id, "owner", owner)
                return True
        return False

    def finish(self, outcome: Outcome) -> None:
        """Finish a running trial, two writes: COMPLETE with values, or FAIL.

        Raises:
            UpdateFinishedTrialError: somebody else finished it.
        """
        trial_id = self._id(outcome.number)
        self._storage.set_trial_user_attr(trial_id, "outcome", outcome_record(outcome))
        if outcome.error:
            self._storage.set_trial_state_values(trial_id, TrialState.FAIL)
            return
        values = [float(outcome.values[name]) for name in self._objectives]
        self._storage.set_trial_state_values(trial_id, TrialState.COMPLETE, values)

    def note(self, key: str, value: Any) -> None:
        """Keep plain data beside the trials, as an attribute of the study."""
        self.study.set_user_attr(key, value)


def open_study(
    storage: BaseStorage, name: str, directions: Mapping[str, Direction]
) -> optuna.Study:
    """The study of that name, made when it is not there.

    Raises:
        UsageError: it is there, with other objectives.
    """
    sampler = optuna.samplers.RandomSampler()
    try:  # to open what is there writes nothing
        study = optuna.load_study(storage=storage, study_name=name, sampler=sampler)
    except KeyError:
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=list(directions.values()),
            sampler=sampler,
            load_if_exists=True,
        )
    with warnings.catch_warnings():  # metric names, which optuna-dashboard shows, are a preview
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if study.metric_names is None:
            study.set_metric_names(list(directions))
        names = study.metric_names or []
    found = [f"{d.name.lower()} {n}" for d, n in zip(study.directions, names, strict=True)]
    asked = [f"{d} {n}" for n, d in directions.items()]
    if found != asked:
        raise UsageError(
            f"the objectives of a study stay as they are: the study {name!r} is to "
            f"{', '.join(found)}; asked for was {', '.join(asked)}"
        )
    return study
