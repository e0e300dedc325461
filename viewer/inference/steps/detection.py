"""Boxes of a block as objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from viewer.inference.errors import ModelFailedError
from viewer.inference.instances import AREA, CONFIDENCE
from viewer.inference.tasks.detection import box_layout
from viewer.overlays.box_overlap import box_ious
from viewer.overlays.objects import Objects

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.inference.models.description import ModelDescription
    from viewer.inference.runs.block_reading import Patches
    from viewer.overlays.blocks import BlockGrid, BlockKey
    from viewer.slides.source import RgbImage

LEAST_SCORE = 0.25
MOST_OVERLAP = 0.45
"""IoU of two boxes of one class, above which only the likelier stays."""
_MOST_BOXES = 3000
"""Of a patch, the likeliest."""
_LEAST_SIDE_PX = 1.0


class Boxes(NamedTuple):
    """n boxes.

    Attributes
    ----------
    corners
        (n, 4) left, top, right, bottom in pixels of what the model was fed.
    scores, classes
        (n,) each.
    """

    corners: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]

    def taken(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> Boxes:
        return Boxes(self.corners[which], self.scores[which], self.classes[which])


def boxes_of(answer: NDArray[np.float32], about: ModelDescription) -> Boxes:
    """Return the boxes of an answer (rows, columns), also the unlikely ones.

    Raises
    ------
    ModelFailedError
        The answer is of another layout, or its scores are none.
    """
    layout, why = box_layout(about.boxes, len(about.classes), *answer.shape)
    if layout is None:
        said = f"{answer.shape[0]} x {answer.shape[1]} numbers"
        raise ModelFailedError(f"The model {about.name} answers with {said}, {why}.")
    rows = answer.T if layout == "scores" else answer
    first, second, third = rows[:, 0:2], rows[:, 2:4], rows[:, 4:]
    if layout == "corners":
        corners = np.concatenate([first, second], 1)
        scores, classes = third[:, 0], third[:, 1].astype(np.int64)
    else:
        corners = np.concatenate([first - second / 2, first + second / 2], 1)
        shares = third if layout == "scores" else third[:, 1:] * third[:, :1]
        scores, classes = shares.max(1), shares.argmax(1)
    if len(scores) and (scores.min() < -_ROUNDING or scores.max() > 1 + _ROUNDING):
        raise ModelFailedError(
            f"The model {about.name} answers with scores below 0 or above 1: export it with the "
            "sigmoid of its scores."
        )
    if layout == "corners" and ((classes < 0) | (classes >= len(about.classes))).any():
        raise ModelFailedError(
            f"The model {about.name} answers with a class beyond the {len(about.classes)} that "
            "model.json names."
        )
    return Boxes(corners.astype(np.float32), scores, classes)


_ROUNDING = 0.01


def likeliest(boxes: Boxes, least_score: float, most_overlap: float) -> Boxes:
    """Return the boxes that are likely enough, of those of a class that overlap the likeliest."""
    boxes = boxes.taken(boxes.scores >= least_score)
    sides = boxes.corners[:, 2:] - boxes.corners[:, :2]
    is_box = np.isfinite(boxes.corners).all(1) & (sides >= _LEAST_SIDE_PX).all(1)
    boxes = boxes.taken(np.asarray(is_box))
    boxes = boxes.taken(np.argsort(-boxes.scores, kind="stable")[:_MOST_BOXES])
    is_open = np.ones(len(boxes.scores), bool)
    kept: list[int] = []
    for index in range(len(is_open)):
        if is_open[index]:
            kept.append(index)
            others = np.flatnonzero(is_open & (boxes.classes == boxes.classes[index]))
            overlap = box_ious(boxes.corners[index : index + 1], boxes.corners[others])[0]
            is_open[others[overlap > most_overlap]] = False
    return boxes.taken(np.array(kept, np.int64))


class DetectionSteps:
    """One image a block; its boxes are objects."""

    def __init__(self, model: ModelDescription, grid: BlockGrid, mpp_um: float) -> None:
        self._model = model
        self._grid = grid
        self._mpp_um = mpp_um

    def images(self, region: RgbImage, patches: Patches) -> list[RgbImage]:  # noqa: ARG002
        return [region]

    def result(
        self,
        answers: NDArray[np.float32],
        region: RgbImage,  # noqa: ARG002
        key: BlockKey,
        patches: Patches,  # noqa: ARG002
    ) -> Objects:
        if not np.isfinite(answers[0]).all():
            return Objects.unanswered()
        numbers = self._model.decoding
        boxes = likeliest(
            boxes_of(answers[0], self._model),
            numbers.get("least_score", LEAST_SCORE),
            numbers.get("most_overlap", MOST_OVERLAP),
        )
        grid = self._grid
        box, core = grid.input_box(key), grid.core_box(key)
        fed_px = self._model.input.resize_px or self._model.patch_px
        corners = boxes.corners * (box.width / fed_px) + np.tile([box.x0, box.y0], 2)
        middles = (corners[:, :2] + corners[:, 2:]) / 2
        slack = grid.downsample  # what is found twice for it, the map of objects tells
        inside = (
            (middles >= np.array([core.x0, core.y0]) - slack)
            & (middles < np.minimum([core.x1, core.y1], grid.slide) + slack)
        ).all(1)
        corners = corners[inside]
        sides_um = (corners[:, 2:] - corners[:, :2]) * self._mpp_um
        points = corners[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 2)
        return Objects(
            points.astype(np.float32),
            np.arange(len(corners) + 1, dtype=np.int64) * 4,
            middles[inside].astype(np.float32),
            boxes.classes[inside].astype(np.uint8),
            {
                AREA: sides_um.prod(1).astype(np.float32),
                CONFIDENCE: boxes.scores[inside].astype(np.float32),
            },
        )
