"""All objects of a slide, by block: what is drawn and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.geometry import Box
from viewer.overlays.area import blocks_of, holds
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.box_overlap import box_ious
from viewer.overlays.objects import Objects
from viewer.overlays.patch_mask import PatchMask
from viewer.overlays.result_map import ResultMap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from viewer.overlays.area import Area
    from viewer.overlays.result_map import BlockResult

_SAME_UM = 2.0
"""Centroids nearer than this are one object: no two nuclei are."""
_SAME_OVERLAP = 0.3
"""Boxes of a class whose intersection over union is larger are one object: what a border cuts is
seen smaller from one side."""
_SAME_SHARE = 0.8
"""Of the larger of two areas at one place that the smaller has, if they are of one object."""


class ObjectMap(ResultMap):
    """Objects in the blocks of a grid.

    Neighboring blocks see an object on their border each for itself; it is kept in the block
    that came first and left out of the other.

    Parameters
    ----------
    mpp_um
        Micrometers per level-0 pixel.
    are_boxes
        Whether objects are boxes, of which two of a class are one where they overlap; else they
        are one where their middles are near.
    """

    def __init__(self, grid: BlockGrid, mpp_um: float, *, are_boxes: bool = False) -> None:
        self.grid = grid
        self.mpp_um = mpp_um
        self._same = _SAME_UM / mpp_um
        self._are_boxes = are_boxes
        self._blocks: dict[BlockKey, Objects] = {}
        self._filled: dict[BlockKey, None] = {}
        self._unanswered: set[BlockKey] = set()
        self._unlike: set[BlockKey] = set()
        self.count = 0
        self._by_class = np.zeros(0, np.int64)

    def __contains__(self, key: BlockKey) -> bool:
        return key in self._blocks

    def __iter__(self) -> Iterator[tuple[BlockKey, Objects]]:
        return iter(list(self._blocks.items()))

    @property
    def as_objects(self) -> ObjectMap:
        return self

    @property
    def done(self) -> set[BlockKey]:
        """Return the blocks that are known, empty ones among them."""
        return set(self._blocks)

    @property
    def unanswered(self) -> PatchMask:
        """Return the blocks for which the model gave no answer."""
        return self._mask_of(self._unanswered.copy())

    def unanswered_in(self, area: Area) -> PatchMask:
        """Return the blocks that an area meets and for which the model gave no answer."""
        return self._mask_of(self._unanswered.intersection(blocks_of(self.grid, area)))

    @property
    def unlike(self) -> PatchMask:
        """Return the blocks that are unlike what the model was trained on."""
        return self._mask_of(self._unlike.copy())

    def unlike_in(self, area: Area) -> PatchMask:
        """Return the blocks that an area meets and that are unlike the training data."""
        return self._mask_of(self._unlike.intersection(blocks_of(self.grid, area)))

    def counts(self, classes: int) -> list[int]:
        """Return how many objects of each class are known."""
        padded = np.zeros(max(classes, len(self._by_class)), np.int64)
        padded[: len(self._by_class)] = self._by_class
        return padded[:classes].tolist()

    @property
    def with_objects(self) -> list[BlockKey]:
        """Return the blocks that are not empty."""
        return list(self._filled)

    def take(self, key: BlockKey, result: BlockResult) -> None:
        if not isinstance(result, Objects):
            raise self._foreign(result)
        self.add(key, result)

    def add(self, key: BlockKey, objects: Objects) -> Objects:
        """Take what a model found in a block, and return what is kept of it."""
        if objects.is_unanswered:
            self._unanswered.add(key)
            return objects
        self._unanswered.discard(key)
        (self._unlike.add if objects.is_unlike else self._unlike.discard)(key)
        before = self._blocks.get(key)
        if before is not None:
            self._tally(before, -1)
            del self._blocks[key]
        kept = objects.taken(~self._is_known(key, objects))
        self._keep(key, kept)
        return kept

    def put(self, key: BlockKey, objects: Objects) -> None:
        """Take all objects of a block as they are, such as those of a file."""
        if (before := self._blocks.get(key)) is not None:
            self._tally(before, -1)
        self._keep(key, objects)

    def of_block(self, key: BlockKey) -> Objects | None:
        return self._blocks.get(key)

    def inside(self, box: Box) -> Iterable[tuple[BlockKey, Objects]]:
        """Return the known blocks that a level-0 box meets."""
        for key in self.grid.covering(box):
            objects = self._blocks.get(key)
            if objects is not None:
                yield key, objects

    def all_objects(self) -> Objects:
        return Objects.joined([self._blocks[key] for key in sorted(self._blocks)])

    def _mask_of(self, keys: set[BlockKey]) -> PatchMask:
        mask = np.zeros((self.grid.rows, self.grid.columns), bool)
        for key in keys:
            mask[key.row, key.column] = True
        return PatchMask(mask, self.grid.side)

    def _keep(self, key: BlockKey, objects: Objects) -> None:
        self._blocks[key] = objects
        self._tally(objects, 1)
        if len(objects):
            self._filled[key] = None
        else:
            self._filled.pop(key, None)

    def _tally(self, objects: Objects, sign: int) -> None:
        """Count the objects of a block, or with a sign of -1 no longer."""
        self.count += sign * len(objects)
        if not len(objects):
            return
        counts = np.bincount(objects.classes)
        if len(counts) > len(self._by_class):
            self._by_class = np.pad(self._by_class, (0, len(counts) - len(self._by_class)))
        self._by_class[: len(counts)] += sign * counts

    def _is_known(self, key: BlockKey, objects: Objects) -> NDArray[np.bool_]:
        """Return (n,) whether a neighbor has the same object."""
        if self._are_boxes:
            return self._is_known_box(key, objects)
        known = np.zeros(len(objects), bool)
        core = self.grid.core_box(key)
        x, y = objects.centroids[:, 0], objects.centroids[:, 1]
        reach = 2 * self._same
        edge = (
            (x < core.x0 + reach)
            | (x > core.x1 - reach)
            | (y < core.y0 + reach)
            | (y > core.y1 - reach)
        )
        mine = np.nonzero(edge)[0]
        if not len(mine):
            return known
        edges = objects.centroids[mine]
        around = Box(*edges.min(0).tolist(), *edges.max(0).tolist()).grown(reach)
        for other in self._beside(key):
            theirs = np.nonzero(holds(around, *other.centroids.T))[0]
            offsets = edges[:, None] - other.centroids[theirs][None]
            one, two = np.nonzero((offsets**2).sum(-1) < self._same**2)
            if len(one):
                one, two = mine[one], theirs[two]
                known[one[_may_be_same(objects, one, other, two)]] = True
        return known

    def _is_known_box(self, key: BlockKey, objects: Objects) -> NDArray[np.bool_]:
        """Return (n,) whether a neighbor has a box of the same class that is much the same."""
        known = np.zeros(len(objects), bool)
        boxes = objects.boxes
        for other in self._beside(key):
            is_same = objects.classes[:, None] == other.classes[None]
            known |= (is_same & (box_ious(boxes, other.boxes) > _SAME_OVERLAP)).any(1)
        return known

    def _beside(self, key: BlockKey) -> Iterator[Objects]:
        """Yield the objects of the blocks round one, where there are any."""
        for column in (-1, 0, 1):
            for row in (-1, 0, 1):
                other = self._blocks.get(BlockKey(key.column + column, key.row + row))
                if other is not None and len(other):
                    yield other


def _may_be_same(
    objects: Objects, mine: NDArray[np.intp], other: Objects, theirs: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Return (pairs,) whether two objects at one place are of one class or about one size.

    A cell lies round its nucleus and is another object; the class of one nucleus can differ by the
    block in which it is seen.
    """
    is_same = objects.classes[mine] == other.classes[theirs]
    unsure = ~is_same
    if unsure.any():
        one, two = _areas_of(objects, mine[unsure]), _areas_of(other, theirs[unsure])
        is_same[unsure] = np.minimum(one, two) > _SAME_SHARE * np.maximum(one, two)
    return is_same


def _areas_of(objects: Objects, indices: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the area of the outline at each index, level-0 pixels."""
    chosen, places = np.unique(indices, return_inverse=True)
    wanted = np.zeros(len(objects), bool)
    wanted[chosen] = True
    return outline_areas(objects.taken(wanted))[places]


def outline_areas(objects: Objects) -> NDArray[np.float64]:
    """Return (n,) the areas of the outlines, square level-0 pixels."""
    points = objects.points.astype(float) - objects.points[:1]
    following = np.roll(points, -1, 0)
    last = objects.starts[1:][np.diff(objects.starts) > 0] - 1
    first = objects.starts[:-1][np.diff(objects.starts) > 0]
    following[last] = points[first]
    cross = points[:, 0] * following[:, 1] - following[:, 0] * points[:, 1]
    sums = np.concatenate([np.zeros(1), np.cumsum(cross)])
    return np.abs(sums[objects.starts[1:]] - sums[objects.starts[:-1]]) / 2
