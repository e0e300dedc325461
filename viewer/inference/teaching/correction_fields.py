"""Corrected outlines as the fields that a nuclei network learns from and is measured on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import shapely

from viewer.annotations.masks.label_strips import LabelPainter, covered, region_edges
from viewer.annotations.shape_numbers import bounds_of_all
from viewer.geometry import Box, Size
from viewer.inference.teaching.corrections import met_by_areas
from viewer.inference.teaching.errors import TeachingError
from viewer.overlays.blocks import BlockGrid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.annotations.masks.label_strips import Edges
    from viewer.inference.models.description import ModelDescription
    from viewer.inference.teaching.corrections import CorrectedSlide
    from viewer.overlays.blocks import BlockKey

CORE_PX, MARGIN_PX = 384, 64
FIELD_PX = CORE_PX + 2 * MARGIN_PX
MOST_FIELDS = 96
"""Some 4 MB each in the model process, 3.5 mm² at 0.5 µm/px."""
LEAST_OUTLINES, LEAST_HELD = 20, 5
_BLOCK_UM = 40.0
"""Side of what is held back together, unless whole slides are: some four nuclei."""
_PARTS = 3
"""One of these is held back."""
_ROUND_UM = 3.0
"""So far round an outline nothing else is, where nobody said in which area all are outlined."""
UNKNOWN = -1


class HeldBack(msgspec.Struct, frozen=True):
    """Which part of the corrections measures alone, and teaches nothing.

    Attributes
    ----------
    by
        "slide" where whole slides are held back, else "block".
    remainder
        Of the number of a slide, or of column plus row of a block, by `_PARTS`.
    learned, held
        How many outlines teach and measure.
    """

    by: str
    remainder: int
    learned: int
    held: int

    def is_held(self, number: int, x_um: NDArray[Any], y_um: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which places of a slide (by its number; µm) are held back."""
        if self.by == "slide":
            return np.full(np.broadcast(x_um, y_um).shape, number % _PARTS == self.remainder)
        blocks = np.floor(x_um / _BLOCK_UM) + np.floor(y_um / _BLOCK_UM)
        return blocks.astype(np.int64) % _PARTS == self.remainder


class FieldPlan(msgspec.Struct, frozen=True):
    """Where a field lies, and what is known of it.

    Attributes
    ----------
    number
        Of the slide.
    box
        Level-0 pixels.
    labels
        int32 (side, side): the number of each nucleus, 0 where there is none, `UNKNOWN` where
        nobody said.
    is_held
        (side, side): what measures; the rest teaches.
    is_whole
        Whether all nuclei of the area are outlined.
    """

    number: int
    box: Box
    labels: NDArray[np.int32]
    is_held: NDArray[np.bool_]
    is_whole: bool


def held_back(slides: Sequence[CorrectedSlide]) -> HeldBack:
    """Choose what is held back: a third of the outlines, by slides where three have enough.

    Raises
    ------
    TeachingError
        There are too few outlines to learn from and to measure by.
    """
    centers = [_centers_um(each) for each in slides]
    total = sum(map(len, centers))
    if total < LEAST_OUTLINES:
        outlines = "outline is" if total == 1 else "outlines are"
        raise TeachingError(
            f"{total:,} corrected {outlines} too few to learn from and to measure by: outline "
            f"{LEAST_OUTLINES} nuclei or more."
        )
    has_slides = sum(len(each) >= LEAST_HELD for each in centers) >= _PARTS
    best: HeldBack | None = None
    for by in ("slide", "block") if has_slides else ("block",):
        for remainder in range(_PARTS):
            asked = HeldBack(by, remainder, 0, 0)
            held = sum(
                int(asked.is_held(number, *each.T).sum()) for number, each in enumerate(centers)
            )
            found = HeldBack(by, remainder, total - held, held)
            if best is None or _unevenness(found) < _unevenness(best):
                best = found
        if best is not None and min(best.held, best.learned) >= LEAST_HELD:
            return best
    raise TeachingError(
        "All corrected outlines lie side by side, so that none can be held back to measure by: "
        f"correct places more than {_BLOCK_UM:.0f} µm apart."
    )


def planned_fields(
    slides: Sequence[CorrectedSlide], held: HeldBack, about: ModelDescription
) -> tuple[list[FieldPlan], list[str]]:
    """Return the fields that hold what was corrected, and sentences on what does not fit."""
    plans: list[FieldPlan] = []
    places: list[tuple[int, BlockGrid, BlockKey]] = []
    painters: list[tuple[LabelPainter, Edges]] = []
    for number, slide in enumerate(slides):
        grid = BlockGrid(
            Size(*slide.place.size_px), about.mpp_um / slide.mpp_um, CORE_PX, MARGIN_PX
        )
        outlines = slide.corrections.outlines
        areas: NDArray[np.object_] = np.array(slide.corrections.areas, dtype=object)
        if not len(areas):
            areas = shapely.buffer(np.array(outlines, dtype=object), _ROUND_UM / slide.mpp_um)
        painters.append((LabelPainter(outlines, range(1, len(outlines) + 1)), region_edges(areas)))
        places += [(number, grid, key) for key in _touched(areas, grid)]
    notes: list[str] = []
    if len(places) > MOST_FIELDS:
        side_um = CORE_PX * about.mpp_um
        notes.append(
            f"{MOST_FIELDS} of {len(places):,} corrected fields of {side_um:.0f} µm are learned "
            "from, spread evenly."
        )
        steps = np.linspace(0, len(places) - 1, MOST_FIELDS).round().astype(int)
        places = [places[step] for step in steps.tolist()]
    for number, grid, key in places:
        plans.append(_plan(slides[number], number, grid, key, *painters[number], held))
    return plans, notes


def _touched(areas: NDArray[np.object_], grid: BlockGrid) -> list[BlockKey]:
    """Return the blocks that hold a part of an area. Raises TeachingError."""
    keys = grid.covering(Box(*bounds_of_all(areas))) if len(areas) else []
    cores = np.array([grid.core_box(key).polygon for key in keys], dtype=object)
    return [keys[index] for index in met_by_areas(areas, cores)]


def _plan(
    slide: CorrectedSlide,
    number: int,
    grid: BlockGrid,
    key: BlockKey,
    nuclei: LabelPainter,
    areas: Edges,
    held: HeldBack,
) -> FieldPlan:
    left, top = (each * CORE_PX - MARGIN_PX for each in (key.column, key.row))
    size, scale = (FIELD_PX, FIELD_PX), (grid.downsample, grid.downsample)
    labels = nuclei.painted(left, top, size, scale, np.int32)
    is_known = covered(areas, left, top, size, scale) | (labels > 0)
    rows, columns = np.ogrid[:FIELD_PX, :FIELD_PX]
    pixel_um = grid.downsample * slide.mpp_um
    is_held = held.is_held(number, (columns + left + 0.5) * pixel_um, (rows + top + 0.5) * pixel_um)
    # A nucleus is held back as a whole, or not at all.
    centers = _centers_um(slide)
    own = np.zeros(len(centers) + 1, bool)
    own[1:] = held.is_held(number, *centers.T)
    is_held = np.where(labels > 0, own[labels], is_held)
    labels[~is_known] = UNKNOWN
    is_whole = bool(slide.corrections.areas)
    return FieldPlan(number, grid.input_box(key), labels, is_held, is_whole)


def _centers_um(slide: CorrectedSlide) -> NDArray[np.float64]:
    """Return (n, 2) the middles of the outlines."""
    shapes: object = np.array(slide.corrections.outlines, dtype=object)
    return shapely.get_coordinates(shapely.centroid(shapes)).reshape(-1, 2) * slide.mpp_um


def _unevenness(held: HeldBack) -> float:
    """Return how far the share that is held back is from the wanted one."""
    return abs(held.held / max(held.held + held.learned, 1) - 1 / _PARTS)
