"""Readers that need libraries which the window never holds; for the process of a slide alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.slides.readers.czi import open_czi
from viewer.slides.readers.dicom.source import open_dicom
from viewer.slides.readers.ome_zarr.source import open_ome_zarr
from viewer.slides.readers.vendor import open_vendor

if TYPE_CHECKING:
    from viewer.slides.opening_here import Reader

FIRST: tuple[Reader, ...] = (open_ome_zarr, open_dicom, open_czi, open_vendor)
"""Asked before `opening_here.READERS`: each knows its own files from those of all others."""
