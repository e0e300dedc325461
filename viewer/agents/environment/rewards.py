"""What an agent is rewarded for: a right answer, finding what is hidden, seeing the tissue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec
import numpy as np

from viewer.geometry import Box
from viewer.slides.tissue import tissue_mask

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.recording.field_of_view import FieldOfView
    from viewer.slides.source import SlideSource
    from viewer.slides.tissue import TissueMask


class SlideTask(msgspec.Struct, frozen=True):
    """One slide, and what is to be done on it.

    Attributes
    ----------
    choices, answer
        What may be answered, and which of it is right (counted from 0; None: nothing is known).
    targets
        Boxes in level-0 pixels that are to be found.
    """

    slide: Path
    question: str = ""
    choices: tuple[str, ...] = ()
    answer: int | None = None
    targets: tuple[Box, ...] = ()


class Transition(msgspec.Struct, frozen=True):
    """One step, as a reward sees it.

    Attributes
    ----------
    kind
        "move", "zoom", "stop" or "answer".
    answer
        Index of the choice that was given; None but for an answer.
    before, after
        The fields of view.
    """

    kind: str
    answer: int | None
    before: FieldOfView
    after: FieldOfView


class Reward(Protocol):
    """Rewards the steps of one episode after the other."""

    def begin(self, task: SlideTask, source: SlideSource) -> None:
        """Start an episode."""
        ...

    def of(self, step: Transition) -> float:
        """Return what a step is worth."""
        ...


class AnswerReward(msgspec.Struct):
    """1 for the right answer, 0 for all else."""

    _answer: int | None = None

    def begin(self, task: SlideTask, source: SlideSource) -> None:
        del source
        self._answer = task.answer

    def of(self, step: Transition) -> float:
        return float(step.answer is not None and step.answer == self._answer)


class TargetReward(msgspec.Struct):
    """1 for each target that is found: its middle in the field, its longer side a tenth of it."""

    least_share: float = 0.1
    _open: list[Box] = msgspec.field(default_factory=list[Box])

    def begin(self, task: SlideTask, source: SlideSource) -> None:
        del source
        self._open = list(task.targets)

    def of(self, step: Transition) -> float:
        seen = step.after.box
        found = [
            target
            for target in self._open
            if seen.contains(target.center)
            and max(target.width / seen.width, target.height / seen.height) >= self.least_share
        ]
        self._open = [target for target in self._open if target not in found]
        return float(len(found))


class CoverageReward(msgspec.Struct):
    """The share of the tissue that a step shows for the first time, at `most_downsample` or finer.

    An episode that shows all of it is worth 1.
    """

    most_downsample: float = 4.0
    _open: NDArray[np.bool_] = msgspec.field(default_factory=lambda: np.zeros((0, 0), bool))
    _cell_px: tuple[float, float] = (1.0, 1.0)
    _whole: int = 1
    _mask: TissueMask | None = None
    _source: SlideSource | None = None

    def begin(self, task: SlideTask, source: SlideSource) -> None:
        del task
        if self._mask is None or self._source is not source:  # one slide has many episodes
            self._mask, self._source = tissue_mask(source), source
        mask = self._mask
        self._open, self._cell_px = mask.cells.copy(), mask.cell_px
        self._whole = max(int(mask.cells.sum()), 1)

    def of(self, step: Transition) -> float:
        if step.after.downsample > self.most_downsample:
            return 0.0
        box, (width_px, height_px) = step.after.box, self._cell_px
        columns = slice(max(round(box.x0 / width_px), 0), max(round(box.x1 / width_px), 0))
        rows = slice(max(round(box.y0 / height_px), 0), max(round(box.y1 / height_px), 0))
        fresh = int(self._open[rows, columns].sum())
        self._open[rows, columns] = False
        return fresh / self._whole


REWARDS: dict[str, type[AnswerReward | TargetReward | CoverageReward]] = {
    "answer": AnswerReward,
    "targets": TargetReward,
    "coverage": CoverageReward,
}
"""The rewards that `SlideEnv` knows by name."""
