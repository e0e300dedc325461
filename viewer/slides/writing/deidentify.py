"""A copy of a slide without label, macro and texts, its pyramid untouched."""

from __future__ import annotations

import logging
import os
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tifffile import TiffFile, TiffFileError

from viewer.errors import reason_of
from viewer.files.atomic_write import atomic_write
from viewer.limits import LimitError, NoRegularFileError, check_regular, open_regular
from viewer.slides.access_errors import access_error
from viewer.slides.dicom.kinds import HEAD_BYTES, is_dicom
from viewer.slides.errors import SlideError
from viewer.slides.files.slide_files import home_of, slide_files
from viewer.slides.opener import check_file
from viewer.slides.remote.address import is_address
from viewer.slides.tiff_words import TIFF_MAGIC
from viewer.slides.writing.deidentifying.directory_bounds import check_directories
from viewer.slides.writing.deidentifying.level_check import LevelCheck
from viewer.slides.writing.deidentifying.ndpi import kept_of_ndpi
from viewer.slides.writing.deidentifying.ome import kept_of_ome
from viewer.slides.writing.deidentifying.philips import kept_of_philips
from viewer.slides.writing.deidentifying.report import Report
from viewer.slides.writing.deidentifying.source_version import unchanged
from viewer.slides.writing.deidentifying.svs import kept_of_svs
from viewer.slides.writing.deidentifying.tiff_copy import TiffCopy
from viewer.slides.writing.errors import DamagedFileError, UnknownKindError, WritingError
from viewer.slides.writing.places import check_place, ending, in_folder
from viewer.slides.writing.sampling import check_same_pixels
from viewer.slides.writing.tiff_output import Layout, TiffOutput
from viewer.slides.writing.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from tifffile import TiffPage

    from viewer.slides.file_version import FileVersion
    from viewer.slides.writing.deidentifying.tiff_copy import KeptDirectory

_KINDS: dict[str, Callable[[TiffFile, Report, LevelCheck], list[KeptDirectory]]] = {
    "Aperio SVS": kept_of_svs,
    "Hamamatsu NDPI": kept_of_ndpi,
    "Philips TIFF": kept_of_philips,
    "OME-TIFF": kept_of_ome,
}
_NDPI_TAG = 65420
_PARSERS = ("tifffile", "pydicom")
_MOST_TAGS = 4096
_MOST_FILES = 2000
_COPIED_SHARE = 0.95


def deidentify(
    slide: Path, out: Path, *, overwrite: bool = False, watch: Watch | None = None
) -> tuple[Path, Report]:
    """Write a copy of a slide without label, macro and texts; return its place and the report.

    The copy is written anew: of the source it holds the coded pixels of the levels and what a
    reader needs to show them, and nothing else. Level 0 has the same pixels.

    Parameters
    ----------
    out
        The copy; where it is an existing folder, the copy gets a name in it that tells nothing.

    Raises
    ------
    UnknownKindError
        It is none of SVS, NDPI, Philips TIFF, OME-TIFF and DICOM.
    WritingError
        It cannot be copied, or not there.
    SlideError
        The slide cannot be read.
    OSError
        The copy cannot be written.
    """
    with _quiet_parsers():
        return _deidentified(slide, out, overwrite=overwrite, watch=watch or Watch())


@contextmanager
def _quiet_parsers() -> Generator[None]:
    """Let parsers log nothing meanwhile: they quote the texts of what they cannot read."""
    loggers = [logging.getLogger(name) for name in _PARSERS]
    before = [each.disabled for each in loggers]
    try:
        for each in loggers:
            each.disabled = True
        yield
    finally:
        for each, is_disabled in zip(loggers, before, strict=True):
            each.disabled = is_disabled


def _deidentified(slide: Path, out: Path, *, overwrite: bool, watch: Watch) -> tuple[Path, Report]:
    if is_address(slide):
        raise WritingError(f"{slide.name} lies on a server: download it, and de-identify the copy.")
    if not slide.exists():
        raise access_error(slide, FileNotFoundError())
    try:
        check_regular(slide)
        check_file(slide)
        if is_dicom_slide(slide):
            target = in_folder(out, "")
            check_place(slide, target, overwrite=overwrite)
            return target, _deidentified_dicom(home_of(slide), target, watch)
        if slide.is_dir():
            raise UnknownKindError(_refusal(slide))
        with open_regular(slide) as file:
            head = file.read(4)
            if head not in TIFF_MAGIC:
                raise UnknownKindError(_refusal(slide))
            target = in_folder(out, ending(slide))
            check_place(slide, target, overwrite=overwrite)
            with unchanged(slide, slide_files(slide)) as version:
                report = _copy_tiff(slide, file, target, version, watch)
    except NoRegularFileError as error:
        reason = f"{slide.name} cannot be de-identified: {reason_of(error)}."
        raise UnknownKindError(reason) from error
    except LimitError as error:
        raise WritingError(str(error)) from error
    except PermissionError as error:
        if error.filename != str(slide):
            raise
        raise access_error(slide, error) from error
    if target.stem.casefold() == slide.stem.casefold():
        report.notes.append(
            "The copy is named like the slide: rename it if that name tells of the patient."
        )
    return target, report


def _deidentified_dicom(slide: Path, target: Path, watch: Watch) -> Report:
    # What it needs takes half a second to import.
    from viewer.slides.writing.deidentifying.dicom import deidentify_dicom

    report = deidentify_dicom(slide, target, watch)
    watch.progressed(1.0)
    return report


def _copy_tiff(
    slide: Path, file: BinaryIO, target: Path, version: FileVersion, watch: Watch
) -> Report:
    is_ndpi = _is_ndpi(file)
    check_directories(file, slide.name, is_ndpi=is_ndpi)
    try:
        tiff = TiffFile(slide, is_ndpi=is_ndpi)
    except (TiffFileError, ValueError, struct.error) as error:
        raise DamagedFileError(slide.name, error) from error
    with tiff:
        try:
            kind = _kind_of(tiff)
        except Exception as error:
            raise DamagedFileError(slide.name, error) from error
        if kind is None:
            raise UnknownKindError(_refusal(slide))
        report = Report(kind)
        try:
            with closing(LevelCheck(slide)) as check:
                kept = _KINDS[kind](tiff, report, check)
            removed_px = _sizes_px(_all_pages(tiff)) - _sizes_px(_kept_pages(kept))
        except (WritingError, LimitError, SlideError):
            raise
        except Exception as error:  # a damaged file can make the parser fail in any way
            raise DamagedFileError(slide.name, error) from error
        layout = Layout.BIG if tiff.is_bigtiff else Layout.NDPI if is_ndpi else Layout.CLASSIC
        with atomic_write(target) as out:
            output = TiffOutput(out, tiff.byteorder, layout)
            TiffCopy(tiff, file, output, report).write(kept, watch.part(0, _COPIED_SHARE))
            out.flush()
            watch.check()
            with ThreadPoolExecutor(1, "sync") as pool:
                # The disk takes it meanwhile; its errors come when the file gets its name.
                pool.submit(os.fsync, out.fileno())
                check_same_pixels(slide, Path(out.name), removed_px)
            version.check()
            watch.check()
    watch.progressed(1.0)
    return report


def _all_pages(tiff: TiffFile) -> Generator[TiffPage]:
    for index in range(len(tiff.pages)):
        page = tiff.pages[index].aspage()
        yield page
        if page.subifds and page.pages:
            yield from (sub.aspage() for sub in page.pages)


def _kept_pages(kept: list[KeptDirectory]) -> Generator[TiffPage]:
    for directory in kept:
        yield directory.page
        yield from _kept_pages(directory.subs)


def _sizes_px(pages: Iterable[TiffPage]) -> set[tuple[int, int]]:
    return {(page.imagewidth, page.imagelength) for page in pages}


def _kind_of(tiff: TiffFile) -> str | None:
    try:
        page = tiff.pages.first
    except IndexError:  # the directories of a file that was cut short lay behind its end
        raise ValueError("none of its directories can be read") from None
    if tiff.is_ndpi:
        return "Hamamatsu NDPI"
    if page.description.startswith("Aperio"):
        return "Aperio SVS"
    if str(page.tags.valueof(305, "")).startswith("Philips") and "DPUfsImport" in page.description:
        return "Philips TIFF"
    return "OME-TIFF" if tiff.is_ome else None


def _refusal(slide: Path) -> str:
    return (
        f"{slide.name} cannot be de-identified: only Aperio SVS, Hamamatsu NDPI, Philips TIFF, "
        "OME-TIFF and DICOM can; convert it to OME-TIFF first (coverslip convert)."
    )


def is_dicom_slide(path: Path) -> bool:
    """Return whether a path is a DICOM file, or a folder that holds one. Raises OSError."""
    if path.is_dir():
        files = sorted(path.iterdir())[:_MOST_FILES]
        return any(is_dicom_slide(each) for each in files if each.is_file())
    with open_regular(path) as file:
        return is_dicom(file.read(HEAD_BYTES))


def _is_ndpi(file: BinaryIO) -> bool:
    """Return whether the first directory, found by NDPI's wide offset, has NDPI's own tag."""
    file.seek(0)
    head = file.read(12)
    if head[:4] != b"II*\0" or len(head) < 12:
        return False
    file.seek(0, 2)
    size = file.tell()
    (place,) = struct.unpack("<Q", head[4:])
    if not 0 < place < size - 2:
        return False
    file.seek(place)
    (count,) = struct.unpack("<H", file.read(2))
    entries = file.read(12 * min(count, _MOST_TAGS))
    codes = [struct.unpack_from("<H", entries, at)[0] for at in range(0, len(entries) - 11, 12)]
    return _NDPI_TAG in codes
