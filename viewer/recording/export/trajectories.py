"""Sessions as trajectories: observation, action, next, done; a row a step of the environment."""

from __future__ import annotations

import io
from itertools import islice
from typing import TYPE_CHECKING

import msgspec
from PIL import Image

from viewer.geometry import Box, Size
from viewer.processes.helper import helper
from viewer.recording.demonstrations import demonstration
from viewer.recording.export.tables import read_rows, write_rows
from viewer.recording.session import SessionError
from viewer.slides.displayed import shown_region
from viewer.slides.known_slides import find

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from viewer.recording.demonstrations import Demonstration
    from viewer.recording.export.options import ExportOptions
    from viewer.recording.export.reading import Reading
    from viewer.slides.source import SlideSource

STEPS = "trajectories"
SPLITS = ("train", "validation", "test")
STEP_COLUMNS = {
    "session": "id of the session",
    "reader": "pseudonym",
    "origin": "recorded, imported, simulated or agent",
    "patient": "number of the patient, as the table of patients parts them; else of the slide",
    "slide": "identity of the slide (hash, not its name)",
    "patient_split": "train, validation or test: no patient is in two",
    "reader_split": "train, validation or test: no reader is in two",
    "step": "counts from 0 within the session",
    "dwell_s": "seconds that the field was looked at before the action",
    "x0_px": "left of the field that is observed, level-0 pixels; it may reach beyond the slide",
    "y0_px": "top of the field, level-0 pixels",
    "x1_px": "right of the field, level-0 pixels",
    "y1_px": "bottom of the field, level-0 pixels",
    "width_px": "of the observation",
    "height_px": "of the observation",
    "slide_width_px": "level-0 pixels",
    "slide_height_px": "level-0 pixels",
    "mpp_x_um": "micrometers per level-0 pixel; empty where unknown",
    "image": "the field as JPEG, white beyond the slide; empty in exports by reference",
    "action_kind": "0 move, 1 zoom, 2 stop",
    "action_move_x": "widths of the field to the right; of a zoom, what stays in place",
    "action_move_y": "heights of the field down; of a zoom, what stays in place",
    "action_zoom": "doublings of the magnification",
    "next_x0_px": "left of the field after the action, level-0 pixels",
    "next_y0_px": "top of the next field",
    "next_x1_px": "right of the next field",
    "next_y1_px": "bottom of the next field",
    "done": "whether the action ends the session",
    "turned_views": "views of the session that were turned or mirrored; they are shown upright",
}
"""Columns and what they hold; patient and splits are filled in when all sessions are there."""

_BLOCK = 32
"""Steps whose images are held at once."""


class JoinTrajectories(msgspec.Struct, frozen=True):
    """Asks the helper process for the table of many sessions and its datasheet.

    Attributes
    ----------
    patients
        By identity of the slide; a slide that is not in it is a patient of its own.
    """

    parts: list[str]
    out: str
    patients: dict[str, str]
    observations: str
    least_dwell_s: float


def write_steps(
    reading: Reading, source: SlideSource | None, folder: Path, options: ExportOptions
) -> None:
    """Write the steps of one session, with images where there is a source to read them from.

    Raises
    ------
    SessionError
        The session holds no view.
    TileError
        The slide cannot be read.
    """
    size_px = Size(*options.observation_px)
    try:
        shown = demonstration(
            reading.trace, reading.header.slide.size, size_px, options.least_dwell_s
        )
    except ValueError as error:
        raise SessionError(str(error)) from error
    write_rows(folder, STEPS, _blocks(reading, shown, source, size_px, options.jpeg_quality))


def join_steps(parts: list[Path], out: Path, options: ExportOptions) -> None:
    """Write the table of many sessions and DATASHEET.md.

    Raises
    ------
    OSError
        They cannot be written.
    HelperFailedError, HelperEndedError
        The helper process failed.
    """
    slides = {str(rows[0]["slide"]) for part in parts for rows in _first_block(part)}
    request = JoinTrajectories(
        [str(part.absolute()) for part in parts],
        str(out.absolute()),
        patients_of(options.patients, slides),
        options.observations,
        options.least_dwell_s,
    )
    helper().run("viewer.recording.export.trajectory_files:join", request)


def patients_of(given: Mapping[str, str], slides: set[str]) -> dict[str, str]:
    """Return the patient of each slide that is named by identity, file, or file without ending."""
    found: dict[str, str] = {}
    for identity in slides if given else ():
        path = find(identity)
        names = [identity, *((path.name, path.stem) if path is not None else ())]
        patient = next((given[name] for name in names if name in given), None)
        if patient is not None:
            found[identity] = patient
    return found


def _first_block(part: Path) -> Iterator[list[dict[str, object]]]:
    return islice(read_rows(part, STEPS), 1)


def _blocks(
    reading: Reading,
    shown: Demonstration,
    source: SlideSource | None,
    size_px: Size,
    jpeg_quality: int,
) -> Iterator[list[dict[str, object]]]:
    header, slide = reading.header, reading.header.slide
    fields = [shown.start, *map(tuple, shown.fields.tolist())]
    block: list[dict[str, object]] = []
    for step, action in enumerate(shown.actions):
        x, y = action["move"].tolist()
        row: dict[str, object] = {
            "session": header.id,
            "reader": header.reader,
            "origin": header.origin,
            "slide": slide.identity,
            "step": step,
            "dwell_s": float(shown.dwell_s[step]),
            "width_px": int(size_px.width),
            "height_px": int(size_px.height),
            "slide_width_px": slide.width_px,
            "slide_height_px": slide.height_px,
            "mpp_x_um": None if slide.mpp_um is None else slide.mpp_um[0],
            "image": None if source is None else _jpeg(source, fields[step], size_px, jpeg_quality),
            "action_kind": action["kind"],
            "action_move_x": x,
            "action_move_y": y,
            "action_zoom": float(action["zoom"][0]),
            "done": step + 1 == len(shown.actions),
            "turned_views": shown.turned,
        }
        for prefix, field in (("", fields[step]), ("next_", fields[step + 1])):
            names = ("x0_px", "y0_px", "x1_px", "y1_px")
            row |= {prefix + name: side for name, side in zip(names, field, strict=True)}
        block.append(row)
        if len(block) == _BLOCK:
            yield block
            block = []
    if block:
        yield block


def _jpeg(source: SlideSource, field: tuple[float, ...], size_px: Size, quality: int) -> bytes:
    x0, y0, x1, y1 = field
    pixels = shown_region(source, Box(x0, y0, x1, y1), int(size_px.width), int(size_px.height))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
