"""Nuclei where an image of density stands out above its background: labels, without learning.

After QuPath's cell detection: background by opening, smoothing, and nuclei where the density bulges
(its Laplacian is negative) and exceeds a threshold, so that their outlines lie where it falls most
steeply, whatever the contrast of the scanner. What touches is parted where it is narrow.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from viewer.inference.basins import joined
from viewer.inference.cells.stain_vectors import optical_density
from viewer.inference.typed_skimage import expand_labels, watershed
from viewer.typed.scipy import (
    distance_transform_cdt,
    gaussian_filter,
    grey_opening,
    label,
    laplace,
    maximum_filter,
    median_filter,
    zoom,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.inference.cells.settings import CellSettings
    from viewer.inference.cells.stain_vectors import FloatImage
    from viewer.slides.source import RgbImage

    Labels = NDArray[np.int32]

_BACKGROUND_UM = 2.0
"""Pixel in which the background is looked for: it has no detail."""
_TRUNCATE = 3.0
_MAP_SIGMA_SHARE = 1 / 3
"""Of sigma that smooths a map of probability, which is smooth already."""
_DEPTH_SMOOTH_PX = 1.0
_APART_PX = 7
"""Side of the square in which one peak of the depth is the highest."""
_NECK = 0.75
"""Share of the lesser of two depths that the depth between them has where they are parted."""
_LEAST_NECK_PX = 0.5
_THREAD = 0.4
"""Share of a nucleus' depth below which what hangs on it is a thread, and no part of it."""


class StainImages:
    """The images of density that cells are found in and measured by, made from pixels once."""

    def __init__(self, rgb: RgbImage, settings: CellSettings) -> None:
        density = optical_density(rgb, settings.stains.white)
        stains = density @ settings.stains.weights()
        self.hematoxylin: FloatImage = np.ascontiguousarray(stains[..., 0])
        self.second: FloatImage = np.ascontiguousarray(stains[..., 1])
        is_sum = settings.detection_image == "Optical density sum"
        self.detection: FloatImage = density.sum(-1) if is_sum else self.hematoxylin
        self.background = _background(self.detection, settings)
        self._smoothed: tuple[FloatImage, NDArray[np.bool_]] | None = None
        self._smoothed_by: tuple[float, float] = (0.0, 0.0)

    def smoothed(self, settings: CellSettings) -> tuple[FloatImage, NDArray[np.bool_]]:
        """Return the density above background, smoothed, and where it bulges; kept for next time.

        `settings` may differ from those that the images were made by in what filters them alone.
        """
        by = settings.median_radius_um, settings.sigma_um
        if self._smoothed is not None and by == self._smoothed_by:
            return self._smoothed
        image, pixel_um = self.detection, settings.requested_pixel_size_um
        if settings.background_radius_um > 0:
            image = image - np.minimum(self.background, image)
        if radius_px := round(settings.median_radius_um / pixel_um):
            image = median_filter(image, _disk(radius_px))
        filtered = gaussian_filter(image, settings.sigma_um / pixel_um, truncate=_TRUNCATE)
        smooth = np.asarray(filtered, np.float32)
        self._smoothed_by = by
        self._smoothed = smooth, laplace(smooth) < 0
        return self._smoothed


def detected(images: StainImages, settings: CellSettings) -> Labels:
    """Return nuclei (height, width), numbered from 1, in images of the requested pixel size."""
    smooth, bulges = images.smoothed(settings)
    mask = (smooth > settings.threshold) & bulges
    if settings.exclude_dab:
        mask &= images.hematoxylin >= images.second
    if settings.background_radius_um > 0:
        mask &= images.background <= settings.max_background
    return parted(_opened(_filled(mask)), settings)


def nuclei_by_settings(probability: FloatImage, settings: CellSettings) -> Labels:
    """Return nuclei of a network's map of probability, by the same settings as those of density."""
    smooth = gaussian_filter(
        probability,
        _MAP_SIGMA_SHARE * settings.sigma_um / settings.requested_pixel_size_um,
        truncate=_TRUNCATE,
    )
    return parted(_filled(smooth > settings.threshold), settings)


def parted(mask: NDArray[np.bool_], settings: CellSettings) -> Labels:
    """Return the nuclei of a mask, parted by shape where that is set, and of an allowed area."""
    labels, _ = label(mask)
    if settings.split_by_shape:
        labels = _parted_by_shape(mask, labels)
    return of_area(labels, settings)


def of_area(labels: Labels, settings: CellSettings) -> Labels:
    """Return the labels whose area is allowed, numbered anew without gaps."""
    areas_um2 = np.bincount(labels.ravel()) * settings.requested_pixel_size_um**2
    is_kept = (areas_um2 >= settings.min_area_um2) & (areas_um2 <= settings.max_area_um2)
    is_kept &= areas_um2 > 0
    is_kept[0] = False
    return np.where(is_kept, np.cumsum(is_kept), 0).astype(np.int32)[labels]


def renumbered(labels: Labels) -> Labels:
    """Return labels numbered anew from 1 without gaps."""
    is_there = np.bincount(labels.ravel()) > 0
    is_there[0] = False
    return np.where(is_there, np.cumsum(is_there), 0).astype(np.int32)[labels]


def expanded(labels: Labels, settings: CellSettings) -> Labels:
    """Return the cells of nuclei: each grown as far as set, and no farther than its neighbors."""
    if not settings.cell_expansion_um:
        return labels
    return expand_labels(labels, settings.cell_expansion_um / settings.requested_pixel_size_um)


def _filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask with its holes: the background that does not reach the edge of the picture."""
    outside, count = label(~mask)
    reaches = np.zeros(count + 1, bool)
    for edge in (outside[0], outside[-1], outside[:, 0], outside[:, -1]):
        reaches[edge] = True
    reaches[0] = False
    return ~reaches[outside]


def _opened(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask without what is thinner than three pixels: opened by a cross."""
    padded = np.pad(mask, 1)
    eroded = padded.copy()
    eroded[1:-1, 1:-1] = (
        mask & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    )
    eroded[[0, -1]] = eroded[:, [0, -1]] = False
    return (
        eroded[1:-1, 1:-1] | eroded[:-2, 1:-1] | eroded[2:, 1:-1]
        | eroded[1:-1, :-2] | eroded[1:-1, 2:]
    )  # fmt: skip


def _parted_by_shape(mask: NDArray[np.bool_], pieces: Labels) -> Labels:
    """Return pieces parted at their necks: watershed of the depth within those of several peaks."""
    # An octagon's distance is within a tenth of the true one, and takes a quarter of its time.
    chess, taxi = (
        distance_transform_cdt(mask, metric).astype(np.float32)
        for metric in ("chessboard", "taxicab")
    )
    octagon = np.maximum(chess, taxi * np.float32(math.sqrt(0.5)))
    smooth = gaussian_filter(octagon, _DEPTH_SMOOTH_PX, truncate=_TRUNCATE)
    depth = np.asarray(smooth, np.float32)
    peaks, count = label((depth == maximum_filter(depth, _APART_PX)) & mask)
    at = np.flatnonzero(peaks)
    first_of = np.zeros(count + 1, np.intp)
    first_of[peaks.ravel()[at]] = at
    per_piece = np.bincount(pieces.ravel()[first_of[1:]], minlength=int(pieces.max()) + 1)
    is_several = per_piece > 1
    is_several[0] = False
    several = is_several[pieces]
    if not several.any():
        return pieces
    basins = watershed(-depth, np.where(several, peaks, np.int32(0)), several)
    basins = joined(basins, depth, _is_parted)
    return np.where(several, basins + np.int32(pieces.max()) * (basins > 0), pieces)


def _is_parted(low: np.float32, high: np.float32, saddle: np.float32) -> bool:
    """Return whether there is a neck between two peaks, or but a thread to the lower one."""
    is_neck = saddle < _NECK * low and low - saddle > _LEAST_NECK_PX
    return bool(is_neck or low < _THREAD * high)


def _background(image: FloatImage, settings: CellSettings) -> FloatImage:
    """Return the background: an opening with a disk, of the image in coarse pixels."""
    if settings.background_radius_um <= 0:
        return np.zeros_like(image)
    step = max(1, round(_BACKGROUND_UM / settings.requested_pixel_size_um))
    height, width = image.shape
    padded = np.pad(image, ((0, -height % step), (0, -width % step)), mode="edge")
    rows, columns = padded.shape[0] // step, padded.shape[1] // step
    coarse = padded.reshape(rows, step, columns, step).mean((1, 3))
    radius = max(
        1, round(settings.background_radius_um / (step * settings.requested_pixel_size_um))
    )
    opened = grey_opening(coarse, _disk(radius))
    fine = zoom(opened, step)
    return np.asarray(fine[:height, :width], np.float32)


def _disk(radius: int) -> NDArray[np.bool_]:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return x * x + y * y <= radius * radius
