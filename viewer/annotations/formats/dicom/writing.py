"""Writes DICOM annotations; runs in the helper process, since it needs highdicom."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from viewer.annotations.formats.dicom.bulk_writing import bulk_of
from viewer.annotations.formats.dicom.files import held_annotations
from viewer.annotations.formats.dicom.messages import WriteRequest
from viewer.annotations.formats.dicom.segment_writing import segmentation_of
from viewer.annotations.formats.dicom.slide_headers import source_image
from viewer.annotations.formats.problems import Problem, Problems
from viewer.files.atomic_write import atomic_write
from viewer.prepared_types import prepared

if TYPE_CHECKING:
    from viewer.processes.helper_entry import TaskContext


def write(body: bytes, _context: TaskContext) -> bytes:
    """Write the file that a `WriteRequest` asks for; return what it cannot hold."""
    request = msgspec.msgpack.decode(body, type=prepared(WriteRequest))
    annotations = held_annotations(Path(request.annotations))
    problems = Problems()
    logging.getLogger("pydicom").setLevel(logging.ERROR)  # what it warns of is the slide's own
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source, is_own = source_image(request.slide)
        if not is_own:
            reason = (
                f"{request.slide.name} is no DICOM slide: the file refers to an image made up for "
                "it, of no patient and with its corner at 0, 0 of the glass"
            )
            problems.append(Problem(0, reason, is_repaired=True))
        if request.kind == "ann":
            dataset = bulk_of(annotations, source, problems)
        else:
            dataset = segmentation_of(annotations, source, request.slide, request.mpp_um, problems)
        with atomic_write(Path(request.path)) as file:
            dataset.save_as(file)
    return msgspec.msgpack.encode(problems)
