"""De-identifying DICOM slides: a new file for each level, labels and overviews left out."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomFileLike
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, UID

from viewer.files.atomic_write import atomic_write
from viewer.files.replace_whole import replace_by
from viewer.files.unfinished import unfinished_folder
from viewer.limits import DICOM_HEADER_BYTES, LimitError, open_regular
from viewer.slides.dicom.header import WHOLE_SLIDE, dicom_header
from viewer.slides.dicom.kinds import HEAD_BYTES, is_dicom
from viewer.slides.dicom.plain_form import REWRITTEN, UNDEFINED_LENGTH
from viewer.slides.files.slide_files import dicom_series
from viewer.slides.readers.dicom.files import check_elements
from viewer.slides.readers.dicom.frames import HALF_CHROMA
from viewer.slides.writing.deidentifying.dicom_attributes import AttributeCleaner
from viewer.slides.writing.deidentifying.dicom_pixels import (
    copy_encapsulated,
    copy_native,
    encapsulated_frames,
)
from viewer.slides.writing.deidentifying.report import Report
from viewer.slides.writing.deidentifying.source_version import unchanged
from viewer.slides.writing.errors import DamagedFileError, WritingError
from viewer.slides.writing.places import new_pseudonym
from viewer.slides.writing.sampling import check_same_pixels
from viewer.typed.pydicom import header_in

if TYPE_CHECKING:
    from typing import IO

    from pydicom.dataset import Dataset

    from viewer.slides.file_version import FileVersion
    from viewer.slides.writing.watch import Watch

_TISSUE = frozenset(("VOLUME", "THUMBNAIL"))
_BESIDE = ("LABEL", "OVERVIEW", "LOCALIZER", "MACRO")
_IMPLICIT = "1.2.840.10008.1.2"
_NATIVE = frozenset((_IMPLICIT, "1.2.840.10008.1.2.1"))
_BURNED_IN = "A file says that text is burned into its pixels: it stays, so look at the copy."
_MOST_FILES = 2000
_COPIED_SHARE = 0.95


class _Instance(msgspec.Struct, frozen=True):
    """One file that is kept.

    Attributes
    ----------
    pixels_at
        Where the element with the pixels begins.
    """

    path: Path
    attributes: Dataset
    syntax: str
    pixels_at: int


class _Header(io.BufferedReader):
    """A file of whose header no more is read than a header has. Raises LimitError.

    A value is as long as a file says, and may be a hole of gigabytes.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(open_regular(path).detach())
        self._path = path
        self._size_bytes = path.stat().st_size
        self._read_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(self._size_bytes - self.tell(), 0)
        self._read_bytes += left if size is None or size < 0 else min(size, left)
        DICOM_HEADER_BYTES.check(self._read_bytes, self._path.name)
        return super().read(size)


def deidentify_dicom(slide: Path, target: Path, watch: Watch) -> Report:
    """Write the instances of a DICOM slide to a folder, or one to a file; return the report.

    Raises WritingError, SlideError and OSError.
    """
    report = Report("DICOM")
    # Values that break the standard's rules go with their attribute; nobody needs to hear of them.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        files = _series_files(slide)
        with unchanged(slide, files) as version:
            return _deidentified(slide, files, target, version, report, watch)


def _deidentified(
    slide: Path,
    files: list[Path],
    target: Path,
    version: FileVersion,
    report: Report,
    watch: Watch,
) -> Report:
    kept = _kept(files, report)
    cleaner = AttributeCleaner(report, new_pseudonym())
    if target.suffix.lower() == ".dcm":
        if len(kept) > 1:
            raise WritingError(f"The slide is {len(kept)} files: give OUT as a folder.")
        with atomic_write(target) as out:
            _write(kept[0], out, cleaner, report, watch.part(0, _COPIED_SHARE))
            out.flush()
            check_same_pixels(slide, Path(out.name))
            version.check()
            watch.check()
        return report
    with unfinished_folder(target.parent) as unfinished:
        folder = unfinished / "whole"
        folder.mkdir()
        for number, instance in enumerate(kept):
            share = _COPIED_SHARE / len(kept)
            with (folder / f"instance-{number + 1}.dcm").open("w+b") as out:
                part = watch.part(number * share, (number + 1) * share)
                _write(instance, out, cleaner, report, part)
        check_same_pixels(slide, folder)
        version.check()
        watch.check()
        replace_by(folder, target)
    return report


def _files_in(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir())[:_MOST_FILES] if path.is_file()]


def _is_dicom(path: Path) -> bool:
    with open_regular(path) as file:
        return is_dicom(file.read(HEAD_BYTES))


def _series_files(slide: Path) -> list[Path]:
    """Return the files of a slide: all of a folder, or those of the series of a file."""
    if slide.is_dir():
        return [path for path in _files_in(slide) if _is_dicom(path)]
    series = dicom_series(slide)
    files = [path for path in _files_in(slide.parent) if _is_dicom(path)]
    return [path for path in files if path == slide or dicom_series(path) == series]


def _check_form(path: Path) -> None:
    """Raise WritingError where all of a file is deflated or big-endian.

    Asked ahead of the parser, which would unpack a deflated file whole.
    """
    header = dicom_header(path)
    if header is not None and header.transfer_syntax in REWRITTEN:
        raise WritingError(
            f"{path.name} is stored in a form of DICOM that is out of use "
            f"({header.transfer_syntax}). Convert it to Explicit VR Little Endian first, for "
            "example with dcmconv +te."
        )


def _kept(files: list[Path], report: Report) -> list[_Instance]:
    """Return the instances that show tissue, the finest first. Raises WritingError."""
    kept: list[_Instance] = []
    for path in files:
        check_elements(path)
        _check_form(path)
        with _Header(path) as file:
            try:
                attributes = header_in(file)
            except (LimitError, OSError):
                raise
            except Exception as error:  # a damaged file can make the parser fail in any way
                raise DamagedFileError(path.name, error) from error
            at = file.tell()
        syntax = str(attributes.file_meta.get("TransferSyntaxUID", ""))
        if str(attributes.get("SOPClassUID", "")) != WHOLE_SLIDE:
            report.remove("file that is no image of the slide")
        elif beside := _beside(attributes):
            report.remove(beside)
        else:
            kept.append(_Instance(path, attributes, syntax, at))
            if str(attributes.get("BurnedInAnnotation", "")).strip().upper() == "YES":
                report.notes.append(_BURNED_IN)
    if not kept:
        raise WritingError("The slide holds no image of tissue, or all show its label.")
    series = {str(each.attributes.get("SeriesInstanceUID", "")) for each in kept}
    if len(series) > 1:
        raise WritingError(
            f"The folder holds {len(series)} slides, which must not be mixed: give one file of "
            "each in turn."
        )
    width = "TotalPixelMatrixColumns"
    return sorted(kept, key=lambda each: -int(each.attributes.get(width, 0) or 0))


def _beside(attributes: Dataset) -> str:
    """Return what an image that is not of tissue alone is; "" for one that is."""
    kinds = [_word(each) for each in attributes.get("ImageType") or ()]
    flavors = kinds[2:3]
    for name in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in attributes.get(name) or ():
            for frame in group.get("WholeSlideMicroscopyImageFrameTypeSequence") or ():
                frame_kinds = [_word(each) for each in frame.get("FrameType") or ()]
                flavors += frame_kinds[2:3]
                kinds += frame_kinds
    if name := next((each.lower() for each in kinds if each in _BESIDE), ""):
        return f"{name} image"
    if set(flavors) - _TISSUE:
        return "image of another kind"
    shows_label = _word(attributes.get("SpecimenLabelInImage", "NO")) not in ("NO", "")
    return "image that shows the label" if shows_label else ""


def _word(value: object) -> str:
    return str(value).strip("\0 ").upper()


def _write(
    instance: _Instance, out: IO[bytes], cleaner: AttributeCleaner, report: Report, watch: Watch
) -> None:
    """Write one file from its cleaned attributes and its pixels."""
    try:
        attributes = cleaner.cleaned(instance.attributes)
    except Exception as error:  # a damaged file can make the parser fail in any way
        raise DamagedFileError(instance.path.name, error) from error
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = attributes.SOPClassUID
    meta.MediaStorageSOPInstanceUID = attributes.SOPInstanceUID
    meta.TransferSyntaxUID = UID(instance.syntax)
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    out.write(bytes(128) + b"DICM")
    held = DicomFileLike(out)
    held.is_little_endian, held.is_implicit_VR = True, False
    write_file_meta_info(held, meta, enforce_standard=True)
    is_implicit = instance.syntax == _IMPLICIT
    held.is_implicit_VR = is_implicit
    write_dataset(held, attributes)
    with open_regular(instance.path) as file:
        if instance.syntax in _NATIVE:
            stored, head = _native(file, instance.pixels_at, is_implicit=is_implicit)
            size = _pixel_bytes(instance.attributes)
            if size > stored:
                raise WritingError("The pixels of a file are cut short.")
            if stored > size + size % 2:
                report.remove("bytes behind an image")
            head = head[:-4] + struct.pack("<I", size + size % 2)
            copy_native(file, out, size, head, watch)
            out.write(bytes(size % 2))
            return
        frames = int(instance.attributes.get("NumberOfFrames", 1) or 1)
        found = encapsulated_frames(file, instance.pixels_at + 12, frames)
        copy_encapsulated(file, out, found, instance.syntax, report, watch)


def _native(file: BinaryIO, at: int, *, is_implicit: bool) -> tuple[int, bytes]:
    """Return the size of uncompressed pixels and the head of their element; seeks to them."""
    file.seek(at)
    head = file.read(8 if is_implicit else 12)
    (size,) = struct.unpack("<I", head[-4:])
    if len(head) < 8 or size == UNDEFINED_LENGTH:
        raise WritingError("The pixels of a file are damaged.")
    return size, head


def _pixel_bytes(attributes: Dataset) -> int:
    """Return how many bytes the pixels of a file take where they are not compressed."""
    names = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated")
    rows, columns, samples, bits = (int(attributes.get(each, 0) or 0) for each in names)
    frames = int(attributes.get("NumberOfFrames", 1) or 1)
    if str(attributes.get("PhotometricInterpretation", "")) == HALF_CHROMA:
        samples = 2
    return -(-rows * columns * samples * bits * frames // 8)
