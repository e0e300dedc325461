# pyright: basic
"""Reads one file of DICOM annotations in a confined process, which has no other file."""

from __future__ import annotations

import os
import warnings
from itertools import islice
from typing import IO, TYPE_CHECKING

import msgspec

from viewer.annotations.formats.dicom.messages import NotReadable, ReadBatch, Trouble
from viewer.annotations.formats.problems import AnnotationFileError
from viewer.annotations.formats.slide_place import SlidePlace
from viewer.annotations.storage.packing import packed
from viewer.limits import TABLE_BYTES
from viewer.processes.channel import inherited_channel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.formats.problems import Problem
    from viewer.processes.channel import Channel

_AT_ONCE = 2000
_BULK_CLASS = "1.2.840.10008.5.1.4.1.1.91.1"


def main(arguments: list[str]) -> None:
    """Read the file: its name, its slide, its descriptor, and that of the channel."""
    name, slide = arguments[0], msgspec.json.decode(arguments[1], type=SlidePlace)
    channel = inherited_channel(int(arguments[3]), msgspec.msgpack.Decoder(NotReadable))
    try:
        with os.fdopen(int(arguments[2]), "rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom warns of what others wrote
            _send(name, file, slide, channel)
    except AnnotationFileError as error:
        channel.send(NotReadable(str(error)))
    except MemoryError:
        channel.send(NotReadable(TABLE_BYTES.sentence(name)))
    except Exception:  # of whatever the libraries make of a foreign file
        channel.send(
            NotReadable(
                f"{name} cannot be read: the file is damaged, cut short or of another kind."
            )
        )


def _send(name: str, file: IO[bytes], slide: SlidePlace, channel: Channel[NotReadable]) -> None:
    problems: list[Problem] = []
    found = _annotations(name, file, slide, problems)
    is_last = False
    while not is_last:
        batch = [packed(each) for each in islice(found, _AT_ONCE)]
        is_last = len(batch) < _AT_ONCE
        stated = [Trouble(each.number, each.reason, each.is_repaired) for each in problems]
        problems.clear()
        channel.send(ReadBatch(batch, stated, is_last))


def _annotations(
    name: str, file: IO[bytes], slide: SlidePlace, problems: list[Problem]
) -> Iterator[Annotation]:
    import pydicom

    header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["SOPClassUID"])
    file.seek(0)
    if header.SOPClassUID == _BULK_CLASS:
        from viewer.annotations.formats.dicom.bulk_reading import read_groups

        return read_groups(pydicom.dcmread(file), name, slide, problems)
    from viewer.annotations.formats.dicom.segment_reading import read_segments

    return read_segments(file, name, slide, problems)
