"""Reads one file of DICOM annotations in a confined process, which has no other file."""

from __future__ import annotations

import os
import warnings
from typing import IO, TYPE_CHECKING

import msgspec

from viewer.annotations.formats.confined_reading import Sender
from viewer.annotations.formats.slide_place import SlidePlace
from viewer.limits import ANNOTATIONS_BYTES
from viewer.prepared_types import prepared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.formats.problems import Problem

_BULK_CLASS = "1.2.840.10008.5.1.4.1.1.91.1"


def main(arguments: list[str]) -> None:
    """Read the file: its name, its slide, its descriptor, and that of the channel."""
    name, slide = arguments[0], msgspec.json.decode(arguments[1], type=prepared(SlidePlace))
    sender = Sender(int(arguments[3]), ANNOTATIONS_BYTES)
    with os.fdopen(int(arguments[2]), "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of what others wrote
        sender.send_all(name, lambda: _annotations(name, file, slide, sender.problems))


def _annotations(
    name: str, file: IO[bytes], slide: SlidePlace, problems: list[Problem]
) -> Iterator[Annotation]:
    from viewer.typed.pydicom import dataset_in, header_in

    header = header_in(file, ["SOPClassUID"])
    file.seek(0)
    if header.SOPClassUID == _BULK_CLASS:
        from viewer.annotations.formats.dicom.bulk_reading import read_groups

        return read_groups(dataset_in(file), name, slide, problems)
    from viewer.annotations.formats.dicom.segment_reading import read_segments

    return read_segments(file, name, slide, problems)
