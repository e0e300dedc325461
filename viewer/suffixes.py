"""Suffixes of files, known without loading what reads them."""

from __future__ import annotations

_SLIDE_SUFFIXES = (
    ".svs",
    ".svslide",
    ".ndpi",
    ".mrxs",
    ".scn",
    ".bif",
    ".vms",
    ".vmu",
    ".dcm",
    ".vsi",
    ".czi",
    ".isyntax",
    ".i2syntax",
    ".zarr",
    ".ozx",
)
_TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".tf2", ".tf8", ".qptiff")
_PICTURE_SUFFIXES = (
    *_TIFF_SUFFIXES,
    *(".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif"),
    *(".jxl", ".avif", ".tga", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    *(".jp2", ".j2k", ".j2c", ".jpc", ".jpx", ".jpf"),
)
SUFFIXES = frozenset((*_SLIDE_SUFFIXES, *_PICTURE_SUFFIXES))
"""Of files that the readers may open, in lower case."""
QUPATH_PROJECT = ".qpproj"
"""Of the projects of QuPath."""
