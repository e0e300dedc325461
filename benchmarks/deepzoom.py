"""A slide as ready-made DeepZoom tiles on the disk, the form that web viewers read fastest.

The tiles of the slide are its own JPEG, copied: nothing is decoded, and nothing computed when the
browser asks for one.
"""

from __future__ import annotations

import io
import math
import shutil
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

_START, _END = b"\xff\xd8", b"\xff\xd9"
_QUALITY = 75
_DESCRIPTION = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" Format="jpeg" Overlap="0" '
    'TileSize="{tile}"><Size Width="{width}" Height="{height}"/></Image>'
)


def ensure(slide: Path) -> Path:
    """Return the folder with `slide.dzi` and `slide_files`, which is written first if need be.

    Parameters
    ----------
    slide
        A square TIFF of JPEG tiles whose levels halve, as `big_slide` writes it.
    """
    folder = slide.with_name(f"{slide.stem}-deepzoom")
    if not (folder / "slide.dzi").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _write(slide, folder)
    return folder


def _write(slide: Path, folder: Path) -> None:
    with tifffile.TiffFile(slide) as tiff:
        pages = [page.aspage() for page in tiff.pages]
        finest = pages[0]
        top = math.ceil(math.log2(max(finest.imagewidth, finest.imagelength)))
        for page in pages:
            level = math.ceil(math.log2(max(page.imagewidth, page.imagelength)))
            _copy_tiles(page, folder / "slide_files" / str(level))
        coarsest = Image.fromarray(pages[-1].asarray())
        small = math.ceil(math.log2(max(coarsest.size)))
    for level in range(small):
        step = 2 ** (small - level)
        size = math.ceil(coarsest.width / step), math.ceil(coarsest.height / step)
        reduced = coarsest.resize(size)
        path = folder / "slide_files" / str(level) / "0_0.jpeg"
        path.parent.mkdir(parents=True)
        buffer = io.BytesIO()
        reduced.save(buffer, "jpeg", quality=_QUALITY)
        path.write_bytes(buffer.getvalue())
    assert top == len(pages) - 1 + small, "the levels of the slide do not halve"
    # Written last: it says that all tiles are there.
    (folder / "slide.dzi").write_text(
        _DESCRIPTION.format(
            tile=finest.tilewidth, width=finest.imagewidth, height=finest.imagelength
        )
    )


def _copy_tiles(page: tifffile.TiffPage, folder: Path) -> None:
    folder.mkdir(parents=True)
    columns = math.ceil(page.imagewidth / page.tilewidth)
    tables = (page.jpegtables or _START + _END).removesuffix(_END)
    places = np.stack([page.dataoffsets, page.databytecounts], axis=1).tolist()
    with page.parent.filehandle.lock:
        for index, (offset, size) in enumerate(places):
            page.parent.filehandle.seek(offset)
            tile = page.parent.filehandle.read(size)
            row, column = divmod(index, columns)
            (folder / f"{column}_{row}.jpeg").write_bytes(tables + tile.removeprefix(_START))
