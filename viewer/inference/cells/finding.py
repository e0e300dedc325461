"""Cells of a block with outlines, measurements and classes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from viewer.inference.cells.detection import StainImages, expanded
from viewer.inference.cells.measuring import (
    AREA_RATIO,
    CELL_AREA,
    NUCLEUS_AREA,
    Runs,
    classified,
    shape_of,
    stain_measurements,
)
from viewer.inference.cells.outlines import perimeters, star_outlines
from viewer.overlays.objects import Objects

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.geometry import Box
    from viewer.inference.cells.detection import Labels
    from viewer.inference.cells.measuring import Column
    from viewer.inference.cells.settings import CellSettings


def measured_cells(
    labels: Labels,
    images: StainImages,
    box: Box,
    core: Box,
    settings: CellSettings,
    *,
    is_preview: bool = False,
    features: NDArray[np.float16] | None = None,
) -> Objects:
    """Return numbered nuclei, from 1 without gaps, as cells: those with their middle in `core`.

    Parameters
    ----------
    images, box
        Of the requested pixel size, and the level-0 box that they show.
    is_preview
        Whether only what is needed to show and grade them is measured.
    features
        Of each number of `labels`, from 0, which are kept with the cells.
    """
    count = int(labels.max(initial=0))
    if not count:
        return Objects.none()
    nuclei = Runs.of(labels, count)
    shape = shape_of(nuclei)
    needs_cells = settings.compartment != "Nucleus" or not settings.include_nucleus
    has_cells = bool(settings.cell_expansion_um) and (needs_cells or not is_preview)
    cells = expanded(labels, settings) if has_cells else labels
    outlined = labels if settings.include_nucleus else cells
    whole = Runs.of(cells, count) if has_cells else nuclei
    points, starts = star_outlines(
        outlined, shape["x"], shape["y"], (nuclei if outlined is labels else whole).areas_px
    )
    pixel_um = settings.requested_pixel_size_um
    measured = _shape_measurements(shape, perimeters(points, starts), settings)
    names, stains = settings.stains.names, (images.hematoxylin, images.second)
    measured |= stain_measurements("Nucleus", nuclei, names, stains)
    if has_cells:
        ring = Runs.of(np.where(labels > 0, 0, cells), count)
        measured |= stain_measurements("Cytoplasm", ring, names, stains)
        measured[CELL_AREA] = (whole.areas_px * pixel_um**2).astype(np.float32)
        measured |= stain_measurements("Cell", whole, names, stains)
        measured[AREA_RATIO] = (nuclei.areas_px / whole.areas_px).astype(np.float32)
    scored = measured.get(settings.score_measurement, np.full(count, np.nan, np.float32))
    scale = box.width / labels.shape[1]
    centroids = np.stack([shape["x"], shape["y"]], 1) * scale + (box.x0, box.y0)
    found = Objects(
        (points * scale + (box.x0, box.y0)).astype(np.float32),
        starts,
        centroids.astype(np.float32),
        classified(scored, settings),
        measured,
        features=None if features is None else features[1:],
    )
    # A pixel of slack: what is counted twice for it, the map of objects tells.
    x, y = centroids.T
    return found.taken(
        (x >= core.x0 - scale) & (x < core.x1 + scale)
        & (y >= core.y0 - scale) & (y < core.y1 + scale)
    )  # fmt: skip


def _shape_measurements(
    shape: dict[str, np.ndarray], perimeters_px: np.ndarray, settings: CellSettings
) -> dict[str, Column]:
    pixel_um = settings.requested_pixel_size_um
    area = shape["area"] * pixel_um**2
    perimeter = perimeters_px * pixel_um
    measured = {NUCLEUS_AREA: area}
    if settings.include_nucleus:
        circularity = np.minimum(4 * math.pi * area / np.maximum(perimeter, 1e-6) ** 2, 1.0)
        measured |= {"Nucleus: Perimeter µm": perimeter, "Nucleus: Circularity": circularity}
    measured["Nucleus: Eccentricity"] = shape["eccentricity"]
    return {name: column.astype(np.float32) for name, column in measured.items()}
