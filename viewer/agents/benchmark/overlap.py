"""How well a place that an agent names is the one that was asked for, as the papers measure it.

Boxes after PathVG (RefPath): intersection over union, right above 0.5. Outlines after PathMR:
intersection over union and Dice of pixels.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import shapely

from viewer.agents.chat.json_in_text import objects_in
from viewer.agents.grounding import WRITTEN_BOX
from viewer.annotations.formats.coco_runs import mask_of_runs
from viewer.untyped import is_list, is_mapping, is_sequence

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from viewer.agents.findings import GroundedAnswer

_BOX_KEYS = ("bbox", "box", "bbox_2d", "box_2d", "boxes", "bboxes")
_OUTLINE_KEYS = ("polygons", "polygon", "outline", "outlines", "points", "segmentation", "mask")
RIGHT_IOU = 0.5


class Overlap(msgspec.Struct, frozen=True):
    """Pixels of what was named and of what was asked for, and of both together."""

    intersection_px: float
    named_px: float
    wanted_px: float

    @property
    def union_px(self) -> float:
        return self.named_px + self.wanted_px - self.intersection_px

    @property
    def iou(self) -> float:
        """Return intersection over union; 1 where both are empty."""
        return self.intersection_px / self.union_px if self.union_px else 1.0

    @property
    def dice(self) -> float:
        both = self.named_px + self.wanted_px
        return 2 * self.intersection_px / both if both else 1.0


def named_region(answer: GroundedAnswer) -> BaseGeometry | None:
    """Return the place that an answer names, in pixels of the image; None where it names none.

    It stands in the answer's JSON, in its words as [x0, y0, x1, y1], or with its first claim.
    """
    for found in reversed(objects_in(answer.text)):
        shapes = [
            *_outlines(_first(found, _OUTLINE_KEYS)),
            *(_boxes(_first(found, _BOX_KEYS))),
        ]
        if shapes:
            return shapely.union_all(shapes)
    written = [_box([float(side) for side in each]) for each in WRITTEN_BOX.findall(answer.text)]
    if shapes := [each for each in written if each is not None]:
        return shapes[-1]
    return next((shapely.box(*claim.box) for claim in answer.claims if claim.box), None)


def box_overlap(named: BaseGeometry, box: tuple[float, float, float, float]) -> Overlap:
    """Return the overlap of the box around what was named with the box that was asked for."""
    around, wanted = shapely.box(*named.bounds), shapely.box(*box)
    return Overlap(around.intersection(wanted).area, around.area, wanted.area)


def mask_overlap(named: BaseGeometry, masks: str) -> Overlap:
    """Return the overlap of what was named with masks, by the middles of pixels."""
    wanted = wanted_mask(masks)
    height, width = map(int, wanted.shape)
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    shapely.prepare(named)
    covered = shapely.contains_xy(named, x, y)
    return Overlap(float((covered & wanted).sum()), float(covered.sum()), float(wanted.sum()))


def wanted_mask(masks: str) -> NDArray[np.bool_]:
    """Return the masks of a question as one, (height, width). Raises ValueError."""
    runs = list(_runs(json.loads(masks)))
    if not runs:
        raise ValueError("it has no mask")
    found = mask_of_runs(runs[0])
    for each in runs[1:]:
        another = mask_of_runs(each)
        if another.shape != found.shape:
            raise ValueError("its masks differ in size")
        found = found | another
    return found


def _runs(masks: object) -> Iterable[dict[str, object]]:
    if is_list(masks):
        for each in masks:
            yield from _runs(each)
    elif is_mapping(masks):
        if "counts" in masks:
            yield masks
        else:
            yield from _runs(masks.get("segmentation"))


def _first(found: dict[str, object], keys: tuple[str, ...]) -> object:
    return next((found[key] for key in keys if found.get(key)), None)


def _boxes(value: object) -> list[BaseGeometry]:
    if is_mapping(value):
        value = [value.get(key) for key in ("x0", "y0", "x1", "y1")]
    if not is_list(value):
        return []
    if any(isinstance(each, list | dict) for each in value):
        return [box for each in value for box in _boxes(each)]
    box = _box(value)
    return [] if box is None else [box]


def _box(sides: Sequence[object]) -> BaseGeometry | None:
    numbers = [side for side in sides if isinstance(side, int | float)]
    if len(sides) != 4 or len(numbers) != 4:
        return None
    x0, y0, x1, y1 = numbers
    return shapely.box(x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def _outlines(value: object) -> list[BaseGeometry]:
    """Return polygons from a list of points, a flat list of coordinates, or lists of these."""
    if not is_list(value) or not value:
        return []
    if all(isinstance(each, int | float) for each in value):
        value = list(zip(value[::2], value[1::2], strict=False))
    pairs = [
        [float(number) for number in each if isinstance(number, int | float)]
        for each in value
        if is_sequence(each) and len(each) == 2
    ]
    points = [(each[0], each[1]) for each in pairs if len(each) == 2]
    if len(points) == len(value):
        if len(points) < 3:
            return []
        shape = shapely.make_valid(shapely.Polygon(points))
        return [shape] if shape.area else []
    return [shape for each in value for shape in _outlines(each)]
