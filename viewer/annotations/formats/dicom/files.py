"""Files of DICOM annotations for the rest of Coverslip, which never imports highdicom itself.

A foreign file is read in a confined process, which may read that file and the headers beside the
slide; a file is written by the helper process.
"""

from __future__ import annotations

import importlib.util
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from viewer.annotations.formats.confined_reading import read_confined
from viewer.annotations.formats.dicom.messages import WriteRequest
from viewer.annotations.formats.problems import AnnotationFileError, Problem
from viewer.annotations.formats.slide_place import SlidePlace
from viewer.annotations.storage.packing import packed, unpacked
from viewer.limits import ANNOTATIONS_BYTES, open_regular
from viewer.prepared_types import prepared
from viewer.processes.helper import HelperEndedError, HelperFailedError, helper

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from viewer.annotations.annotation import Annotation
    from viewer.slides.dicom.kinds import DicomKind

_READER = "viewer.annotations.formats.dicom.reading_process"
_WRITER = "viewer.annotations.formats.dicom.writing:write"
_LENGTH = struct.Struct("<I")
_MISSING = (
    "DICOM annotations need the package highdicom: install it with "
    '`pip install "coverslip[dicom]"`.'
)


def check_highdicom() -> None:
    """Raise AnnotationFileError where highdicom is not installed."""
    if importlib.util.find_spec("highdicom") is None:
        raise AnnotationFileError(_MISSING)


def read_dicom(
    path: Path, problems: list[Problem], slide: SlidePlace | None = None
) -> Iterator[Annotation]:
    """Read annotations in level-0 pixels of the slide.

    Parameters
    ----------
    slide
        Needed for places in mm on the glass, and for those on another level than level 0.

    Raises
    ------
    AnnotationFileError
        It cannot be read, or needs a slide to be understood.
    """
    check_highdicom()
    slide = slide or SlidePlace()
    about = msgspec.json.encode(slide).decode()
    place = Path(slide.path)
    folder = place if place.is_dir() else place.parent
    folders = [str(folder)] if slide.path else []
    most = ANNOTATIONS_BYTES
    yield from read_confined(_READER, path, problems, most, [about], folders, limit=most)


def write_dicom(
    path: Path,
    kind: DicomKind,
    annotations: Iterable[Annotation],
    slide: SlidePlace,
    mpp_um: float | None = None,
) -> list[Problem]:
    """Write annotations of a slide; return what the format cannot hold.

    Raises
    ------
    AnnotationFileError
        highdicom is missing, or there cannot be such a file.
    OSError
        It cannot be written; a file that was there is left as it was.
    """
    if not all(slide.size_px):
        raise AnnotationFileError(
            f"{path.name} cannot be written without its slide: give it with --slide."
        )
    check_highdicom()
    with tempfile.NamedTemporaryFile(prefix="coverslip-") as held:
        for annotation in annotations:
            body = packed(annotation)
            held.write(_LENGTH.pack(len(body)) + body)
        held.flush()
        request = WriteRequest(str(path.absolute()), kind, held.name, slide, mpp_um)
        try:
            answer = helper().run(_WRITER, request)
        except HelperEndedError as error:
            raise AnnotationFileError(f"{path.name} cannot be written: {error}") from error
        except HelperFailedError as error:
            raise AnnotationFileError(_reason_of(error, path.name, slide.name)) from error
    return msgspec.msgpack.decode(answer, type=prepared(list[Problem]))


def _reason_of(error: HelperFailedError, name: str, slide: str) -> str:
    """Return what was refused in our own words.

    Whatever else fails, fails at the slide's header.
    """
    if error.kind == AnnotationFileError.__name__:
        return f"{name} cannot be written: {error}"
    return f"{name} cannot be written: the header of {slide} is not as DICOM wants it."


def held_annotations(path: Path) -> Iterator[Annotation]:
    """Return the annotations that a `WriteRequest` names."""
    with open_regular(path) as file:
        while length := file.read(_LENGTH.size):
            yield unpacked(file.read(_LENGTH.unpack(length)[0]))
