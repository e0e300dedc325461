"""TIFF files on servers: plain and OME-TIFF, and of vendors' files those of plain tiles.

OpenSlide reads files of the disk only. Of the vendors that it knows the tiles of Aperio are read as
they lie, which has been shown to give its pixels; the files of others are refused, since their
tiles overlap, lie scattered or are none, and shown as plain tiles they would be another picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tifffile import COMPRESSION, PHOTOMETRIC, TiffFile, TiffPage

from viewer.geometry import Optics
from viewer.slides.errors import TileError, UnsupportedSlideError, check_image, damaged_image
from viewer.slides.readers.coded_size import check_page
from viewer.slides.readers.openslide.aperio import (
    SUBFILES,
    levels_beside,
    note_on_beside,
    picture_beside,
)
from viewer.slides.readers.openslide.unread_profiles import picture_tags
from viewer.slides.readers.tiff.metadata import icc_profile
from viewer.slides.readers.tiff.profile_beside import profiles_beside
from viewer.slides.readers.tiff.source import is_tiff, open_tiff, open_tiff_file
from viewer.slides.readers.tiff_directory import read_directories
from viewer.slides.readers.tile_decoders import direct_decoder
from viewer.slides.readers.turning import UPRIGHT
from viewer.slides.readers.vendor_tiff import StoredLevel, VendorTiffSource
from viewer.slides.remote.errors import size_text
from viewer.slides.remote.ranged import ranges_of
from viewer.slides.resolution import positive, scale_doubt
from viewer.slides.source import SlideInfo

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides.readers.tiff_directory import Directory
    from viewer.slides.source import RgbImage, SlideSource

_NDPI_TAG, _XMP_TAG, _SOFTWARE = 65420, 700, "Software"
_ORIENTATION_TAG = 274
_LEICA = "http://www.leica-microsystems.com/scn/"
_LARGE_STRIPS_PX = 1 << 24
_MOST_ASSOCIATED_BYTES = 192 << 20


def open_remote_tiff(path: Path, image: int | None = None) -> SlideSource | None:
    """Open a TIFF on a server; None for other files.

    Raises
    ------
    SlideError
        It cannot be read by ranges; the sentence says so.
    OSError
        It cannot be fetched.
    """
    if not is_tiff(path):
        return None
    with open_tiff_file(path) as tiff:
        vendor = _other_vendor(tiff)
        if vendor:
            raise UnsupportedSlideError(path, _only_on_disk(path, f"a slide of {vendor}"))
        aperio = _aperio(path, tiff) if _is_aperio(tiff) else None
        if aperio is None and _is_in_large_strips(tiff):
            raise UnsupportedSlideError(path, _only_on_disk(path, "a TIFF without tiles"))
    if aperio is None:
        return open_tiff(path, image)
    check_image(path, image)
    return aperio


def _only_on_disk(path: Path, kind: str) -> str:
    ranges = ranges_of(path)
    size = size_text(ranges.size_bytes) if ranges is not None else "it"
    return (
        f"{path.name} is {kind}, which can be read from the disk only: download {size} and open "
        "the copy, or convert it on the server to a tiled pyramidal TIFF."
    )


def _other_vendor(tiff: TiffFile) -> str:
    """Return whose slide it is, of those that OpenSlide knows and that are no plain tiles."""
    page = _first(tiff)
    description = page.description[: 1 << 16]
    if _NDPI_TAG in page.tags:
        return "Hamamatsu (NDPI)"
    if _LEICA in description:
        return "Leica (SCN)"
    xmp = page.tags.valueof(_XMP_TAG)
    if b"<iScan" in (bytes(xmp) if isinstance(xmp, bytes) else b"") or "<iScan" in description:
        return "Ventana (BIF)"
    software = str(page.tags.valueof(_SOFTWARE) or "")
    if software.startswith("Philips"):
        return "Philips"
    return "Trestle" if software.startswith("MedScan") else ""


def _is_in_large_strips(tiff: TiffFile) -> bool:
    page = _first(tiff)
    return not page.is_tiled and page.imagewidth * page.imagelength > _LARGE_STRIPS_PX


def _first(tiff: TiffFile) -> TiffPage:
    page = tiff.pages.first
    assert isinstance(page, TiffPage)
    return page


# Aperio -----------------------------------------------------------------------------------------


def _is_aperio(tiff: TiffFile) -> bool:
    page = _first(tiff)
    is_turned = page.tags.valueof(_ORIENTATION_TAG, UPRIGHT) != UPRIGHT
    return page.is_tiled and page.description.startswith("Aperio") and not is_turned


def _aperio(path: Path, tiff: TiffFile) -> VendorTiffSource | None:
    """Return an Aperio slide whose tiles can be decoded as they lie; None otherwise."""
    tiled = [page for page in read_directories(path) if page.is_tiled]
    stored: list[StoredLevel] = []
    for page in tiled:
        decode = direct_decoder(page)
        if decode is None:
            return None
        stored.append(StoredLevel.of_page(page, _downsample(tiled[0], page), decode))
    tags = picture_tags(path, "aperio", {})
    others = levels_beside(tags, [each.level for each in stored])
    stored = [each for number, each in enumerate(stored) if number not in others]
    first = _first(tiff)
    properties = _properties(first.description)
    is_jpeg = all(page.compression == COMPRESSION.JPEG for page in tiled)
    beside = _beside(tiff)
    directories = {name: page.index for name, page in beside.items()}
    optics = _optics(properties)
    doubt = scale_doubt(optics)
    info = SlideInfo(
        vendor="aperio",
        reader=f"direct {'JPEG' if is_jpeg else 'JPEG 2000'} TIFF",
        optics=optics,
        associated=tuple(sorted(beside)),
        icc_profile=icc_profile(first),
        profiles_beside=profiles_beside(beside, first),
        properties=properties,
        notes=tuple(filter(None, (note_on_beside([*others.values()]), doubt))),
    )

    def sparse_tile(level: int, column: int, row: int) -> RgbImage:
        if level:
            raise TileError(
                level, column, row, "the file does not store it; zoom in, where it may be stored"
            )
        width, height = stored[0].level.tile_size_px(column, row)
        return np.full((height, width, 3), 255, np.uint8)

    return VendorTiffSource(
        path,
        stored,
        info,
        sparse_tile=sparse_tile,
        read_associated=lambda name: _associated(path, name, directories[name]),
    )


def _downsample(finest: Directory, page: Directory) -> float:
    """Return the mean of both sides, as OpenSlide has it."""
    return (finest.imagewidth / page.imagewidth + finest.imagelength / page.imagelength) / 2


def _properties(description: str) -> dict[str, str]:
    """Return what Aperio writes of the scan, by OpenSlide's names."""
    properties = {"openslide.vendor": "aperio", "openslide.comment": description}
    for part in description.split("|")[1:]:
        name, equals, value = part.partition("=")
        if equals:
            properties[f"aperio.{name.strip()}"] = value.strip()
    if mpp := properties.get("aperio.MPP"):
        properties["openslide.mpp-x"] = properties["openslide.mpp-y"] = mpp
    if power := properties.get("aperio.AppMag"):
        properties["openslide.objective-power"] = power
    return properties


def _optics(properties: dict[str, str]) -> Optics:
    mpp_um = positive(properties.get("aperio.MPP"))
    power = positive(properties.get("aperio.AppMag"))
    return Optics((mpp_um, mpp_um) if mpp_um else None, power)


def _beside(tiff: TiffFile) -> dict[str, TiffPage]:
    """Return the thumbnail, which comes second, and what a tag or the second line names."""
    names = {subfile: name for name, subfile in SUBFILES.items()}
    found: dict[str, TiffPage] = {}
    for index, page in enumerate(tiff.pages):
        if not isinstance(page, TiffPage) or page.is_tiled:
            continue
        name = picture_beside(page.description)
        if name not in SUBFILES:
            name = names.get(page.subfiletype, "")
        if index == 1:
            name = name or "thumbnail"
        if name:
            found[name] = page
    return found


def _is_read(page: TiffPage) -> bool:
    """Return whether decoding gives the red, green and blue of a picture, or its gray."""
    is_converted = page.photometric == PHOTOMETRIC.YCBCR and page.compression == COMPRESSION.JPEG
    is_plain = page.photometric in (PHOTOMETRIC.RGB, PHOTOMETRIC.MINISBLACK)
    return page.dtype == np.uint8 and (is_plain or is_converted)


def _associated(path: Path, name: str, directory: int) -> RgbImage:
    try:
        with open_tiff_file(path) as tiff:
            page: Any = tiff.pages[directory]
            if page.nbytes > _MOST_ASSOCIATED_BYTES:
                raise ValueError("it is too large")
            check_page(page)
            if not _is_read(page):
                raise ValueError("its colors are stored in another way than as 8-bit RGB or gray")
            pixels = page.asarray()
    except Exception as error:  # a damaged file can make the parser fail in any way
        raise damaged_image(path, name, error) from error
    rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[..., np.newaxis], 3, axis=2)
    return np.ascontiguousarray(rgb[..., :3], dtype=np.uint8)
