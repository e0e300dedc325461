"""A folder of slides as a tray: which files to show, and a small picture of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.limits import FOLDER_SLIDES, FileTooLargeError, open_regular
from viewer.slides.dicom.header import HEADER_BYTES, parsed_header
from viewer.slides.dicom.kinds import dicom_kind
from viewer.slides.displayed import displayed
from viewer.slides.errors import DamagedSlideError, SlideLostError, TileError
from viewer.slides.files.slide_folders import is_slide_folder
from viewer.slides.natural_order import natural
from viewer.suffixes import SUFFIXES

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides.source import Level, RgbImage, SlideSource

_ARCHIVES = (".zarr.zip", ".ozx")


def slides_in(folder: Path) -> list[Path]:
    """Return the slides of a folder by suffix, in natural order (2 before 10).

    Folders in it that are slides as a whole, OME-Zarr and DICOM, are among them.

    Files that belong to another are left out: of a DICOM series all but the first file, DICOM
    annotations, and the pictures beside a .vms file. Hidden files are left out too.

    Raises
    ------
    OSError
        The folder cannot be read, or holds more than are listed.
    """
    files: list[Path] = []
    for path in folder.iterdir():
        if not path.name.startswith(".") and _is_listed(path):
            files.append(path)
            if len(files) > FOLDER_SLIDES.most:
                raise FileTooLargeError(folder, FOLDER_SLIDES.sentence(folder.name))
    files.sort(key=lambda path: natural(path.name))
    # A Hamamatsu VMS slide keeps its pixels in JPEG files named after it.
    vms_stems = tuple(path.stem for path in files if path.suffix.lower() == ".vms")
    slides: list[Path] = []
    series_seen: set[str] = set()
    for path in files:
        suffix = path.suffix.lower()
        if suffix in (".jpg", ".jpeg") and path.name.startswith(vms_stems):
            continue
        series = None
        if suffix == ".dcm":
            head = _head(path)
            if dicom_kind(head) is not None:
                continue
            header = parsed_header(head)
            series = header.series if header is not None and header.series else None
        if series is not None:
            if series in series_seen:
                continue
            series_seen.add(series)
        slides.append(path)
    return slides


def slides_at(path: Path) -> list[Path]:
    """Return the slide that a path is, or the slides in a folder.

    Raises
    ------
    OSError
        The folder cannot be read.
    """
    return slides_in(path) if path.is_dir() and not is_slide_folder(path) else [path]


def thumbnail(source: SlideSource, max_side_px: int) -> RgbImage:
    """Return the slide as a picture of at most `max_side_px` a side, uint8 (height, width, 3).

    It is made from the coarsest level that is large enough; unreadable tiles are gray.

    Raises
    ------
    DamagedSlideError
        Not one tile of that level can be read.
    SlideLostError
        Nothing more can be read of the slide.
    """
    return _fitted(_overview(source, max_side_px), max_side_px)


def shown_thumbnail(source: SlideSource, max_side_px: int, *, uses_icc: bool = True) -> RgbImage:
    """Return `thumbnail` in the colors of `displayed`; raises what it raises."""
    shown = displayed(source.info, _overview(source, max_side_px), uses_icc=uses_icc)
    return _fitted(shown, max_side_px)


def _overview(source: SlideSource, max_side_px: int) -> RgbImage:
    """Return all of the level that a thumbnail is made from. Raises SlideError."""
    index, level = _fitting_level(source.levels, max_side_px)
    canvas = np.full((level.height_px, level.width_px, 3), 190, np.uint8)
    error: TileError | None = None
    tiles_read = 0
    for row in range(level.rows):
        for column in range(level.columns):
            x_px, y_px = column * level.tile_width_px, row * level.tile_height_px
            width, height = level.tile_size_px(column, row)
            try:
                canvas[y_px : y_px + height, x_px : x_px + width] = source.read_tile(
                    index, column, row
                )
                tiles_read += 1
            except SlideLostError:
                raise
            except TileError as unreadable:
                error = unreadable
    if error is not None and tiles_read == 0:
        sentence = f"{source.path.name} has no readable overview ({error.reason})."
        raise DamagedSlideError(source.path, sentence) from error
    return canvas


def _fitted(picture: RgbImage, max_side_px: int) -> RgbImage:
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((max_side_px, max_side_px), Image.Resampling.BOX)
    return np.array(image)


def _fitting_level(levels: tuple[Level, ...], side_px: int) -> tuple[int, Level]:
    for index in range(len(levels) - 1, 0, -1):
        if max(levels[index].width_px, levels[index].height_px) >= side_px:
            return index, levels[index]
    return 0, levels[0]


def _is_listed(path: Path) -> bool:
    if path.is_dir():
        return is_slide_folder(path)
    return path.suffix.lower() in SUFFIXES or path.name.lower().endswith(_ARCHIVES)


def _head(path: Path) -> bytes:
    """Return the beginning of a file; empty where it cannot be read."""
    try:
        with open_regular(path) as file:
            return file.read(HEADER_BYTES)
    except OSError:
        return b""
