"""The headers of a DICOM slide, and one that stands for a slide of another format."""

from __future__ import annotations

import contextlib
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from pydicom.dataset import Dataset
from pydicom.uid import UID, VLWholeSlideMicroscopyImageStorage

from viewer.limits import open_regular
from viewer.slides.dicom.folder import series_in
from viewer.slides.dicom.header import dicom_header, plain_file
from viewer.slides.dicom.kinds import HEAD_BYTES, is_dicom
from viewer.slides.dicom.plain_form import REWRITTEN
from viewer.typed.pydicom import header_in, items_of

if TYPE_CHECKING:
    from viewer.annotations.formats.slide_place import SlidePlace

_MOST_FILES = 2000
_PLAIN_BYTES = 64 << 20
"""So much of a deflated or big-endian file holds its header."""
_UPRIGHT = [0.0, -1.0, 0.0, -1.0, 0.0, 0.0]
"""As most scanners lay a slide: rows run along -y, columns along -x."""
_EMPTY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID",
    "StudyDate", "StudyTime", "ReferringPhysicianName",
)  # fmt: skip
"""What highdicom copies, and what a header may lack."""
_STAND_IN_TILE_PX = 512
SLICE_MM = 0.001
"""Thickness of a section where nothing tells it."""


def slide_headers(slide: SlidePlace) -> list[Dataset]:
    """Return the headers of the levels of a DICOM slide, level 0 first; none for other slides."""
    file = _a_file_of(slide)
    if file is None or not _is_dicom_file(file):
        return []
    own = _header_of(file)
    if own.get("SOPClassUID") != VLWholeSlideMicroscopyImageStorage:
        return []
    found = [own]
    for path in sorted(file.parent.iterdir())[:_MOST_FILES]:
        if path == file:
            continue
        with contextlib.suppress(Exception):  # a neighbor may be anything
            if _is_dicom_file(path):
                header = _header_of(path)
                if header.get("SeriesInstanceUID") == own.get("SeriesInstanceUID"):
                    found.append(header)
    levels = [each for each in found if "VOLUME" in each.get("ImageType", [])] or [own]
    levels.sort(key=lambda each: -int(each.get("TotalPixelMatrixColumns", 0)))
    return [_completed(levels[0]), *levels[1:]]


def _a_file_of(slide: SlidePlace) -> Path | None:
    """Return a file of the slide, of a folder one of the series that is meant; None for others."""
    if not slide.path:
        return None
    path = Path(slide.path)
    if not path.is_dir():
        return path
    series = [each for each in series_in(path) if each.volumes]
    meant = [each for each in series if each.size_px == slide.size_px] or series
    return meant[0].main_file if meant else None


def _is_dicom_file(path: Path) -> bool:
    if not path.is_file():
        return False
    with open_regular(path) as file:
        return is_dicom(file.read(HEAD_BYTES))


def _header_of(path: Path) -> Dataset:
    """Return the header of a file; of a deflated one not more is unpacked than a header has."""
    about = dicom_header(path)
    if about is None or about.transfer_syntax not in REWRITTEN:
        return header_in(path)
    return header_in(BytesIO(plain_file(path, about.transfer_syntax, _PLAIN_BYTES)))


def source_image(slide: SlidePlace) -> tuple[Dataset, bool]:
    """Return the header that annotations refer to, and whether it is the slide's own."""
    headers = slide_headers(slide)
    if headers and _size_of(headers[0]) == slide.size_px:
        return headers[0], True
    return _stand_in(slide), False


def _size_of(header: Dataset) -> tuple[int, int]:
    columns, rows = header.get("TotalPixelMatrixColumns"), header.get("TotalPixelMatrixRows")
    return int(columns or 0), int(rows or 0)


def _completed(header: Dataset) -> Dataset:
    for name in _EMPTY:
        if name not in header:
            setattr(header, name, "")
    if "TotalPixelMatrixOriginSequence" not in header:
        header.TotalPixelMatrixOriginSequence = [_origin()]
    if "FrameOfReferenceUID" not in header:
        header.FrameOfReferenceUID = _uid("frame of reference", header.SOPInstanceUID)
    complete_measures(header)
    return header


def complete_measures(header: Dataset) -> None:
    """Put in the thickness of the section where it is missing, which highdicom insists on."""
    for group in items_of(header, "SharedFunctionalGroupsSequence"):
        for measures in items_of(group, "PixelMeasuresSequence"):
            if "SliceThickness" not in measures:
                measures.SliceThickness = SLICE_MM


def _stand_in(slide: SlidePlace) -> Dataset:
    """A header of no file: its numbers follow from the slide's content, its patient is empty."""
    header = Dataset()
    header.SOPClassUID = VLWholeSlideMicroscopyImageStorage
    header.SOPInstanceUID = _uid("image", slide.identity)
    header.SeriesInstanceUID = _uid("series", slide.identity)
    header.StudyInstanceUID = _uid("study", slide.identity)
    header.FrameOfReferenceUID = _uid("frame of reference", slide.identity)
    header.Modality = "SM"
    header.ImageType = ["DERIVED", "PRIMARY", "VOLUME", "NONE"]
    header.ContainerIdentifier = "Unknown"
    width, height = slide.size_px
    header.TotalPixelMatrixColumns, header.TotalPixelMatrixRows = width, height
    header.TotalPixelMatrixFocalPlanes = 1
    header.TotalPixelMatrixOriginSequence = [_origin()]
    header.ImageOrientationSlide = _UPRIGHT
    header.Columns = header.Rows = _STAND_IN_TILE_PX
    header.NumberOfFrames = -(-width // header.Columns) * -(-height // header.Rows)
    header.DimensionOrganizationType = "TILED_FULL"
    header.NumberOfOpticalPaths = 1
    if slide.mpp_um is not None:
        measures = Dataset()
        x_mm, y_mm = (um / 1000 for um in slide.mpp_um)
        measures.PixelSpacing, measures.SliceThickness = [y_mm, x_mm], SLICE_MM
        groups = Dataset()
        groups.PixelMeasuresSequence = [measures]
        header.SharedFunctionalGroupsSequence = [groups]
    return _completed(header)


def _origin() -> Dataset:
    origin = Dataset()
    origin.XOffsetInSlideCoordinateSystem = origin.YOffsetInSlideCoordinateSystem = 0.0
    return origin


def _uid(what: str, of: str) -> UID:
    """Return the same number for the same thing, under the root that is for UUIDs."""
    return UID(f"2.25.{uuid5(NAMESPACE_URL, f'coverslip:{what}:{of}').int}")
