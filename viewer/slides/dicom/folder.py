"""A folder of DICOM files as slides: one a series, the largest first shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.plain_text import shown_line
from viewer.slides.dicom.first_frame import misleads_openslide
from viewer.slides.dicom.header import dicom_header
from viewer.slides.errors import IncompleteSlideError, UnsupportedSlideError, check_image
from viewer.slides.files.companions import check_no_pipes
from viewer.slides.level_places import has_one_step
from viewer.slides.source import ImageEntry
from viewer.suffixes import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from viewer.slides.dicom.header import DicomHeader

MOST_FILES = 2000
_OPENSLIDE_SHOWS = {
    "1.2.840.10008.1.2.1": ("RGB",),
    "1.2.840.10008.1.2.4.50": ("RGB", "YBR_FULL_422"),
    "1.2.840.10008.1.2.4.90": ("RGB", "YBR_RCT"),
    "1.2.840.10008.1.2.4.91": ("RGB", "YBR_RCT", "YBR_ICT"),
}
"""Photometric interpretations by transfer syntax: explicit little endian, baseline JPEG, JPEG
2000."""
OPENSLIDE_READS = frozenset(_OPENSLIDE_SHOWS)
_OPENSLIDE_BITS = 8
_UNKNOWN = ("", 0)
"""What a header says where the beginning of the file does not tell it."""
_MOST_LOOKED_AT = 16
"""Files after which a folder without DICOM is taken for one that holds none."""
_BESIDE_SLIDES = {"ANN": "annotations of a slide", "SEG": "a segmentation"}
"""By modality."""
_CODE_LETTERS = 16
_OTHER_SUFFIXES = SUFFIXES - {".dcm"}
_IGNORED = frozenset(("dicomdir", "thumbs.db", "desktop.ini", "license", "readme"))
_IGNORED_SUFFIXES = frozenset((".txt", ".md", ".json", ".xml", ".csv", ".sha256", ".md5"))


class DicomSeries(msgspec.Struct, frozen=True):
    """One slide of a folder: its files, and what their headers say."""

    uid: str
    files: tuple[tuple[Path, DicomHeader], ...]

    @property
    def volumes(self) -> list[tuple[Path, DicomHeader]]:
        """Return the files with the slide's own pixels."""
        return [each for each in self.files if each[1].is_volume]

    @property
    def size_px(self) -> tuple[int, int]:
        """Return width and height of the largest level; 0, 0 where there is none."""
        sizes = [(header.columns, header.rows) for _, header in self.volumes]
        return max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))

    @property
    def main_file(self) -> Path:
        """Return a file of the largest level."""
        return next(
            path for path, each in self.volumes if (each.columns, each.rows) == self.size_px
        )

    @property
    def needs_more(self) -> bool:
        """Return whether OpenSlide refuses the slide, or shows a part of it only."""
        if any(_needs_more(path, header) for path, header in self.files):
            return True
        # OpenSlide stretches levels of other proportions.
        whole_px = self.size_px
        sizes = {(each.columns, each.rows) for _, each in self.volumes}
        return any(min(size) > 0 and not has_one_step(whole_px, size) for size in sizes)

    def entry(self, index: int) -> ImageEntry:
        """Return the series as one of the images of its folder."""
        header = self.volumes[0][1]
        sizes = {(each.columns, each.rows) for _, each in self.volumes}
        name = header.description or header.container or f"Series {index + 1}"
        return ImageEntry(index, name, *self.size_px, len(sizes))


def holds_dicom_only(folder: Path) -> bool:
    """Return whether all of the folder's files, notes apart, are DICOM images of slides.

    Raises
    ------
    OSError
        The folder cannot be read.
    """
    # By names first: of a folder of 300,000 slides nothing more is asked.
    others = (path for path in folder.iterdir() if path.suffix.lower() in _OTHER_SUFFIXES)
    if any(not path.name.startswith(".") and path.is_file() for path in others):
        return False
    found = False
    for path in _files(folder)[:_MOST_LOOKED_AT]:
        try:
            header = dicom_header(path)
        except OSError:
            continue
        if header is None and path.stat().st_size > 0:
            return False
        found = found or (header is not None and header.is_whole_slide)
    return found


def series_in(folder: Path) -> list[DicomSeries]:
    """Return the series of whole-slide images in a folder, in the order of their first files.

    Raises
    ------
    OSError
        The folder cannot be read.
    """
    found: dict[str, list[tuple[Path, DicomHeader]]] = {}
    for path in _files(folder)[:MOST_FILES]:
        try:
            header = dicom_header(path)
        except OSError:
            continue  # one that may not be read is missed where its slide is opened
        if header is not None and header.is_whole_slide:
            found.setdefault(header.series, []).append((path, header))
    return [DicomSeries(uid, tuple(files)) for uid, files in found.items()]


def series_of(path: Path) -> DicomSeries | None:
    """Return the series that a DICOM file belongs to; None for other files.

    Raises
    ------
    OSError
        The file or its folder cannot be read.
    """
    own = dicom_header(path)
    if own is None or not own.is_whole_slide:
        return None
    return next((each for each in series_in(path.parent) if each.uid == own.series), None)


def _needs_more(path: Path, header: DicomHeader) -> bool:
    colors = _OPENSLIDE_SHOWS.get(header.transfer_syntax)
    return bool(
        colors is None
        or header.photometric not in (*_UNKNOWN, *colors)
        or header.bits_stored not in (*_UNKNOWN, _OPENSLIDE_BITS)
        or (header.is_volume and (header.focal_planes > 1 or header.optical_paths > 1))
        or (not header.is_volume and header.concatenation)
        or header.samples == 1
        or header.planar
        or header.bits_allocated > _OPENSLIDE_BITS
        or misleads_openslide(path, header)
    )


def chosen_series(
    folder: Path, image: int | None
) -> tuple[DicomSeries, int, tuple[ImageEntry, ...]]:
    """Return the series to open, its number, and all that are slides.

    Parameters
    ----------
    image
        Which of them, counted from 0; None for the largest.

    Raises
    ------
    SlideError
        No series of the folder is a slide, or there is no such image.
    OSError
        The folder cannot be read.
    """
    empty = next((path for path in _files(folder) if path.stat().st_size == 0), None)
    if empty is not None:
        raise IncompleteSlideError(
            folder,
            f"The file {empty.name} of {folder.name} is empty; copy it again from where it came, "
            "or take it away if it is no part of the slide.",
        )
    series = series_in(folder)
    slides = [each for each in series if each.volumes]
    if not slides:
        roles = sorted({header.role for each in series for _, header in each.files})
        raise IncompleteSlideError(
            folder,
            f"{folder.name} holds the {' and '.join(roles)} of a slide alone; copy the files with "
            "the slide's pixels to the same folder.",
        )
    entries = tuple(each.entry(index) for index, each in enumerate(slides))
    check_image(folder, image, len(slides))
    if image is None:
        image = max(range(len(slides)), key=lambda index: entry_area(entries[index]))
    return slides[image], image, entries


def entry_area(entry: ImageEntry) -> int:
    """Return how many pixels an image has."""
    return entry.width_px * entry.height_px


def checked_series(path: Path) -> DicomSeries | None:
    """Return the series of a DICOM file, with all of the slide's own pixels; None for other files.

    Raises
    ------
    UnsupportedSlideError
        It is no image of a slide, or a pipe or device lies beside it.
    IncompleteSlideError
        It is a label or an overview alone, or a level is in several files of which one is missing.
    OSError
        The file or its folder cannot be read.
    """
    own = dicom_header(path)
    if own is None:
        return None
    if not own.is_whole_slide:
        raise UnsupportedSlideError(path, _no_slide(path, own))
    check_no_pipes(path, path.parent.iterdir())
    series = next((each for each in series_in(path.parent) if each.uid == own.series), None)
    files = [] if series is None else [header for _, header in series.files]
    if not own.is_volume and not any(header.is_volume for header in files):
        raise IncompleteSlideError(
            path,
            f"{path.name} is the {own.role} of a slide alone, and the files with the slide's "
            "pixels are not beside it; put all files of the series into one folder.",
        )
    _check_parts(path, files)
    return series


def _no_slide(path: Path, header: DicomHeader) -> str:
    if beside := _BESIDE_SLIDES.get(header.modality):
        return f"{path.name} holds {beside} in DICOM: open the slide, and import the file there."
    of = (
        f" of the modality {shown_line(header.modality[:_CODE_LETTERS])}" if header.modality else ""
    )
    return f"{path.name} is a DICOM file{of} and no whole-slide image; choose a file of a slide."


def _check_parts(path: Path, files: Iterable[DicomHeader]) -> None:
    """Refuse levels that are cut into several files of which one is missing."""
    parts: dict[str, set[int]] = {}
    wanted: dict[str, int] = {}
    for header in files:
        if header.concatenation and header.is_volume:
            parts.setdefault(header.concatenation, set()).add(header.part)
            last = max(header.parts, header.part, wanted.get(header.concatenation, 0))
            wanted[header.concatenation] = last
    for uid, found in parts.items():
        missing = sorted(set(range(1, wanted[uid] + 1)) - found)
        if missing:
            raise IncompleteSlideError(
                path,
                f"Part {missing[0]} of {wanted[uid]} of a level of {path.name} is missing; copy "
                "all files of the DICOM series to the same folder.",
            )


def _files(folder: Path) -> list[Path]:
    """Return the files that can be DICOM, by name; hidden ones and notes are left out."""
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".")
        and path.name.lower() not in _IGNORED
        and path.suffix.lower() not in _IGNORED_SUFFIXES
        and path.is_file()
    )
