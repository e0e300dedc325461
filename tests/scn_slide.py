"""A slide of Leica whose scan begins at bounds, as MIRAX and SCN have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import openslide
import tifffile
from scipy import ndimage

if TYPE_CHECKING:
    from pathlib import Path

BOUNDS = (3000, 2000)
_IMAGE = """<image name="{name}" uuid="urn:uuid:{name}">
<creationDate>2020-01-01T00:00:00Z</creationDate>
<device model="Leica SCN400;Leica SCN" version="1.0"/><pixels sizeX="{width}" sizeY="{height}">
<dimension sizeX="{width}" sizeY="{height}" r="0" ifd="{ifd}"/></pixels>
<view sizeX="{wide}" sizeY="{high}" offsetX="{left}" offsetY="{top}"/><scanSettings>
<objectiveSettings><objective>{power}</objective></objectiveSettings><illuminationSettings>
<illuminationSource>brightfield</illuminationSource></illuminationSettings></scanSettings></image>"""


def write_scn(path: Path, profiles: tuple[bytes | None, bytes | None] = (None, None)) -> Path:
    """Write a slide with one scan of 1024 x 768 px at 3000, 2000 of its level 0, three discs.

    The color profiles are those of the macro and of the scan.
    """
    about = "".join([
        '<?xml version="1.0"?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">',
        '<collection name="s" uuid="urn:uuid:1" sizeX="4000000" sizeY="3000000">',
        _IMAGE.format(name="macro", width=400, height=300, ifd=0, wide=4000000, high=3000000,
                      left=0, top=0, power="0.6"),
        _IMAGE.format(name="scan", width=1024, height=768, ifd=1, wide=512000, high=384000,
                      left=1500000, top=1000000, power=20),
        "</collection></scn>",
    ])  # fmt: skip
    scan = np.full((768, 1024, 3), (235, 180, 215), np.uint8)
    rows, columns = np.ogrid[:768, :1024]
    for x, y in [(150, 260), (300, 400), (700, 500)]:
        scan[np.hypot(rows - y, columns - x) < 14] = (70, 30, 110)
    scan = ndimage.gaussian_filter(scan, (1.5, 1.5, 0))  # no optics draw an edge of one pixel
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        macro = np.full((300, 400, 3), 240, np.uint8)
        pages = ((macro, about), (scan, None))
        for (pixels, text), profile in zip(pages, profiles, strict=True):
            file.write(
                pixels, description=text, compression="jpeg", tile=(256, 256), photometric="rgb",
                iccprofile=profile, metadata=None,
            )  # fmt: skip
    with openslide.OpenSlide(path) as slide:
        assert slide.dimensions == (8000, 6000)
        told = [int(slide.properties[f"openslide.bounds-{axis}"]) for axis in "xy"]
        assert tuple(told) == BOUNDS
    return path
