"""Cells of one field found again and again while settings change: what did not change is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from viewer.inference.cells.detection import StainImages, detected, nuclei_by_settings
from viewer.inference.cells.finding import measured_cells
from viewer.overlays.objects import Objects

if TYPE_CHECKING:
    from viewer.geometry import Box
    from viewer.inference.cells.detection import Labels
    from viewer.inference.cells.settings import CellSettings
    from viewer.inference.cells.stain_vectors import FloatImage
    from viewer.slides.source import RgbImage


class FieldPreview:
    """Used by one thread."""

    def __init__(self) -> None:
        self._rgb: RgbImage = np.zeros((0, 0, 3), np.uint8)
        self._chances: FloatImage | None = None
        self._images: StainImages | None = None
        self._made_by: tuple[object, ...] = ()
        self._labels: Labels | None = None
        self._detected_by: CellSettings | None = None

    def set_field(self, rgb: RgbImage, chances: FloatImage | None = None) -> None:
        """Look for cells in another field, uint8 (height, width, 3), from now on.

        Parameters
        ----------
        chances
            float32 (height, width), by which a network takes a pixel for a nucleus; None where
            cells are looked for in the pixels themselves.
        """
        self._rgb, self._images, self._chances = rgb, None, chances

    def cells(self, box: Box, settings: CellSettings) -> Objects:
        """Return the cells of the field, which shows a level-0 box at the requested pixel size."""
        if not self._rgb.size:
            return Objects.none()
        made_by = (
            settings.stains, settings.detection_image, settings.background_radius_um,
            settings.requested_pixel_size_um,
        )  # fmt: skip
        if self._images is None or made_by != self._made_by:
            self._images, self._made_by = StainImages(self._rgb, settings), made_by
            self._labels = None
        detected_by = replace(
            settings, threshold_1=0.0, threshold_2=0.0, threshold_3=0.0, single_threshold=False,
            is_scored=False, compartment="Nucleus", statistic="mean", include_nucleus=True,
        )  # fmt: skip
        if self._labels is None or detected_by != self._detected_by:
            self._detected_by = detected_by
            self._labels = (
                detected(self._images, settings)
                if self._chances is None
                else nuclei_by_settings(self._chances, settings)
            )
        return measured_cells(self._labels, self._images, box, box, settings, is_preview=True)
