"""What a reader can see of a slide from afar: numbers of the pixels, and nothing else.

The hidden region's mask is not read here. Each goal has a map over cells of 64 um: how much a cell
looks like what the reader is after, in standard deviations over the tissue of the slide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from viewer.attention.density import nuclei_per_cell
from viewer.geometry import Box
from viewer.slides.region import read_region
from viewer.slides.tissue import tissue_mask

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from viewer.slides.source import SlideSource

    Map = NDArray[np.float64]

CELL_UM = 64.0
_AFAR_UM, _NEAR_UM = 4.0, 2.0
_LEAST_TISSUE = 0.5
"""Of a cell that anything is thought of."""
_ALIKE_SHARE = 0.06
"""Of the slide's cells that must look alike for a cell to look usual."""
_BORDER_CELLS = 3
_POWERS = ("fine", "coarse", "patchy")
"""Features that are compared by their logarithms."""
_STAINS = np.array([[0.650, 0.704, 0.286], [0.072, 0.990, 0.105], [0.268, 0.570, 0.776]])
_UNMIX = np.linalg.inv(_STAINS / np.linalg.norm(_STAINS, axis=1, keepdims=True))
"""Color deconvolution, Ruifrok and Johnston 2001."""
_NUCLEUS_PX, _LARGE_PX = 1.2, 3.0
"""Deviations at `_NEAR_UM` that a small and a large nucleus answer to."""
_LEAST_OD = 0.12
_LARGE = 0.62
"""Share of its height that the peak of a large nucleus keeps when it is blurred."""


def impressions(source: SlideSource, mpp_um: float) -> dict[str, Map]:
    """Return (rows, columns) by goal; NaN where there is no tissue.

    other
        How unlike the rest of the slide a cell looks: the distance, in colors, stains and texture
        at low power, to the nearest 6 % of the other cells.
    border
        How much the two sides of a cell differ, about 200 um to each side.
    pattern
        The strength of coarse patterns, 50 to 150 um wide, in brightness.
    kind
        The share of large nuclei among the nuclei, and not how many there are.
    drill
        How many nuclei there are.

    Raises
    ------
    TileError
        The slide cannot be read.
    """
    base = source.levels[0]
    cell = CELL_UM / mpp_um
    shape = int(np.ceil(base.height_px / cell)), int(np.ceil(base.width_px / cell))
    tissue = _tissue(source, shape, cell)
    features = _features(_densities(source, mpp_um, _AFAR_UM, shape), round(CELL_UM / _AFAR_UM))
    standard = _standardized(features, tissue)
    counts = nuclei_per_cell(source, mpp_um, cell, shape)
    maps: dict[str, Callable[[], Map]] = {
        "other": lambda: _unusual(standard, tissue),
        "border": lambda: _contrast(standard, tissue),
        "pattern": lambda: np.log(features["coarse"] + 1e-6),
        "kind": lambda: _large_share(source, mpp_um, shape),
        "drill": lambda: ndimage.gaussian_filter(counts.astype(np.float64), 1.5, mode="constant"),
    }
    return {goal: _scored(make(), tissue) for goal, make in maps.items()}


def _tissue(source: SlideSource, shape: tuple[int, int], cell: float) -> NDArray[np.bool_]:
    mask = tissue_mask(source)
    y = ((np.arange(4 * shape[0]) + 0.5) * cell / 4 / mask.cell_px[1]).astype(int)
    x = ((np.arange(4 * shape[1]) + 0.5) * cell / 4 / mask.cell_px[0]).astype(int)
    rows, columns = mask.cells.shape
    fine = mask.cells[np.minimum(y, rows - 1)][:, np.minimum(x, columns - 1)]
    return fine.reshape(shape[0], 4, shape[1], 4).mean((1, 3)) >= _LEAST_TISSUE


def _densities(
    source: SlideSource, mpp_um: float, at_um: float, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Return (rows, columns, 3) the amounts of hematoxylin, eosin and a rest, whole cells."""
    side = round(CELL_UM / at_um)
    height, width = shape[0] * side, shape[1] * side
    box = Box(0, 0, width * at_um / mpp_um, height * at_um / mpp_um)
    optical = -np.log10((read_region(source, box, width, height).astype(np.float32) + 1) / 256)
    return optical @ _UNMIX.astype(np.float32)


def _features(densities: NDArray[np.float32], side: int) -> dict[str, Map]:
    """Return (rows, columns) each: means and textures of cells of `side` pixels."""
    hematoxylin, eosin, rest = np.moveaxis(densities, -1, 0)
    gray = densities.sum(-1)
    fine = gray - ndimage.gaussian_filter(gray, 1.5)
    coarse = ndimage.gaussian_filter(gray, 4) - ndimage.gaussian_filter(gray, 12)
    of_pixels = {
        "hematoxylin": hematoxylin,
        "eosin": eosin,
        "rest": rest,
        "fine": fine**2,
        "coarse": ndimage.gaussian_filter(coarse**2, 12),
        "patchy": (hematoxylin - ndimage.gaussian_filter(hematoxylin, 3)) ** 2,
    }
    return {name: _means(values, side) for name, values in of_pixels.items()}


def _means(values: NDArray[np.floating], side: int) -> Map:
    rows, columns = values.shape[0] // side, values.shape[1] // side
    return values.reshape(rows, side, columns, side).mean((1, 3), dtype=np.float64)


def _standardized(features: dict[str, Map], tissue: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return (features, rows, columns) of about unit deviation over the tissue, smoothed."""
    smooth: list[Map] = []
    weight = ndimage.uniform_filter(tissue.astype(np.float64), 3, mode="constant")
    for name, values in features.items():
        known = np.where(tissue, np.log(values + 1e-4) if name in _POWERS else values, 0)
        local = ndimage.uniform_filter(known, 3, mode="constant") / np.maximum(weight, 1e-9)
        inside = local[tissue]
        middle = np.median(inside)
        spread = np.subtract(*np.quantile(inside, [0.8, 0.2])) + 1e-9
        smooth.append((local - middle) / spread)
    return np.stack(smooth)


def _unusual(standard: NDArray[np.float64], tissue: NDArray[np.bool_]) -> Map:
    points = standard[:, tissue].T
    apart = np.sqrt(((points[:, None] - points) ** 2).sum(-1))
    nearest = max(1, round(_ALIKE_SHARE * len(points)))
    found = np.full(tissue.shape, np.nan)
    found[tissue] = np.partition(apart, nearest, 1)[:, nearest]
    return found


def _contrast(standard: NDArray[np.float64], tissue: NDArray[np.bool_]) -> Map:
    """Return how much the means of the two sides differ, where both hold tissue."""
    reach = _BORDER_CELLS
    total = np.zeros(tissue.shape)
    for axis in (0, 1):
        size = [3, 3]
        size[axis] = reach
        weight = _box_means(tissue.astype(np.float64), tuple(size))
        squares = np.zeros(tissue.shape)
        for values in standard:
            sums = _box_means(np.where(tissue, values, 0), tuple(size))
            means = sums / np.maximum(weight, 1e-9)
            after, before = (np.roll(means, by * (reach // 2 + 1), axis) for by in (-1, 1))
            squares += (after - before) ** 2
        held = [np.roll(weight, by * (reach // 2 + 1), axis) > 0.7 for by in (-1, 1)]
        total += np.where(held[0] & held[1], squares, 0)
    return ndimage.uniform_filter(np.sqrt(total), 3, mode="constant")


def _box_means(values: Map, size: tuple[int, ...]) -> Map:
    # SciPy's stubs know no size by axis.
    means = ndimage.uniform_filter(values, size, mode="constant")  # pyright: ignore[reportArgumentType]
    return np.asarray(means)


def _large_share(source: SlideSource, mpp_um: float, shape: tuple[int, int]) -> Map:
    hematoxylin = np.maximum(_densities(source, mpp_um, _NEAR_UM, shape)[..., 0], 0)
    sharp = ndimage.gaussian_filter(hematoxylin, _NUCLEUS_PX)
    is_peak = (ndimage.maximum_filter(sharp, 5) == sharp) & (sharp > _LEAST_OD)
    is_peak &= sharp > ndimage.uniform_filter(hematoxylin, 15)
    is_large = is_peak & (ndimage.gaussian_filter(hematoxylin, _LARGE_PX) > _LARGE * sharp)
    side = round(CELL_UM / _NEAR_UM)
    large, every = (
        ndimage.uniform_filter(_means(each.astype(np.float32), side) * side**2, 5, mode="constant")
        for each in (is_large, is_peak)
    )
    return (large + 0.3) / (every + 1.0)


def _scored(values: Map, tissue: NDArray[np.bool_]) -> Map:
    """Return standard deviations over the tissue; NaN elsewhere."""
    inside = np.where(tissue, values, np.nan)
    return (inside - np.nanmean(inside)) / (np.nanstd(inside) + 1e-9)
