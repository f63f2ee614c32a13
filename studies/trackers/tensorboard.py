"""TensorBoard: scalars by trial number, in ``RUN/trackers/tensorboard``."""

from __future__ import annotations

from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from ..run_record import RunRecord
from .base import Point, Told


class TensorBoard:
    """Writes event files; what was told is on disk at once."""

    def __init__(self, run: Path, record: RunRecord) -> None:
        self._writer = SummaryWriter(str(run / "trackers" / "tensorboard"))

    def trial(self, told: Told) -> None:
        """See :class:`Tracker`; failed trials have nothing to draw."""
        numbers = {n: v for n, v in told.choices.items() if isinstance(v, int | float)}
        for name, value in {**numbers, **told.values}.items() if not told.error else ():
            self._writer.add_scalar(f"trial/{name}", value, told.number)
        self._writer.flush()

    def point(self, point: Point) -> None:
        """See :class:`Tracker`."""
        for name, value in point.values.items():
            self._writer.add_scalar(f"study/{name}", value, point.step)

    def close(self) -> None:
        """See :class:`Tracker`."""
        self._writer.close()
