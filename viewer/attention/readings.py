"""Sessions as targets of training and evaluation: where the time went, and the boxes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.errors import CoverslipError
from viewer.geometry import Box, Point
from viewer.plurals import plural
from viewer.recording.attention_maps import attention_maps, band_indices
from viewer.recording.behaviors import BANDS, actions_of, band_of
from viewer.recording.library import Library
from viewer.recording.session import HEADER_FILE, SessionError, read_header
from viewer.recording.trace_loading import load_trace
from viewer.slides import SlideError, open_slide
from viewer.slides.known_slides import find_by_content
from viewer.slides.tray import slides_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from viewer.recording.session import SessionHeader
    from viewer.recording.trace import Trace

_READERS = ("recorded", "imported")


class BehaviorError(CoverslipError):
    """Sessions or slides that cannot be used; `str()` is one sentence: what to do."""


class ReaderBox(msgspec.Struct, frozen=True):
    """What a reader looked at in one action.

    Attributes
    ----------
    box
        Level-0 pixels.
    band
        Index in `BANDS`.
    dwell_point
        Level-0 pixels, where the action stayed longest.
    """

    box: Box
    band: int
    dwell_point: Point


class Reading(msgspec.Struct, frozen=True):
    """A session over the cells of its slide.

    Attributes
    ----------
    seconds
        float32 (len(BANDS), rows, columns). A second is spread over the cells that were on screen,
        so that a glance at the whole slide does not outweigh minutes at its cells: the sum of a
        band is the time that was spent there.
    boxes
        Of its actions, without overviews that hold more than half of the slide.
    """

    header: SessionHeader
    seconds: NDArray[np.float32]
    boxes: list[ReaderBox]


def session_folders(names: Sequence[str]) -> list[Path]:
    """Return folders of sessions: by folder, by a folder of sessions, by id; all without any.

    Raises
    ------
    BehaviorError
        A name leads to no session.
    """
    if not names:
        return [each.folder for each in reversed(Library().summaries())]
    found: list[Path] = []
    for name in names:
        path = Path(name)
        if path.is_dir() and not (path / HEADER_FILE).exists():
            inside = sorted(each.parent for each in path.glob(f"*/{HEADER_FILE}"))
            if not inside:
                raise BehaviorError(f"There are no sessions in {path}: give a folder that has.")
            found += inside
            continue
        try:
            found.append(Library().find(name))
        except SessionError as error:
            raise BehaviorError(str(error)) from error
    return list(dict.fromkeys(found))


def headers_of(folders: Iterable[Path], *, may_mix: bool = False) -> dict[Path, SessionHeader]:
    """Return what the sessions say of themselves; those of people and of programs are kept apart.

    Parameters
    ----------
    may_mix
        Whether readers, simulated readers and agents may stand together.

    Raises
    ------
    BehaviorError
        They are mixed, a session cannot be read, or there is none.
    """
    try:
        headers = {folder: read_header(folder) for folder in folders}
    except SessionError as error:
        raise BehaviorError(str(error)) from error
    if not headers:
        raise BehaviorError("There are no sessions: record some, or `coverslip sessions simulate`.")
    kinds = Counter(_kind(header) for header in headers.values())
    if len(kinds) > 1 and not may_mix:
        kinds_text = " and ".join(f"{count} of {kind}" for kind, count in kinds.items())
        raise BehaviorError(
            f"These sessions are {kinds_text}, which are not mixed: choose those of one kind, or "
            "add --mix if you mean it."
        )
    return headers


def located(identities: Iterable[str], places: Sequence[Path]) -> dict[str, Path]:
    """Return where slides lie, by identity.

    Looked at are `places` (slides and folders), then where they last lay and what lies beside.
    """
    wanted = set(identities)
    found: dict[str, Path] = {}
    for path in (file for place in places for file in _files(place)):
        if len(found) == len(wanted):
            break
        try:
            source = open_slide(path)
        except SlideError:
            continue
        try:
            for identity in wanted:
                if source.info.is_called(identity):
                    found.setdefault(identity, path)
        except SlideError:
            continue
        finally:
            source.close()
    for identity in wanted - found.keys():
        known = find_by_content(identity)
        if known is not None:
            found[identity] = known.path
    return found


def reading_of(
    folder: Path, header: SessionHeader, cell_px: float, shape: tuple[int, int]
) -> Reading:
    """Return a session over a grid of cells.

    Parameters
    ----------
    cell_px
        Side of a cell, level-0 pixels.
    shape
        Rows and columns, at least as many as the slide has.

    Raises
    ------
    BehaviorError
        The session cannot be read.
    """
    slide = header.slide.size
    try:
        trace = load_trace(folder)
    except SessionError as error:
        raise BehaviorError(str(error)) from error
    maps = _spread(trace, attention_maps(trace, slide, cell_px).seconds[: len(BANDS)])
    seconds = np.zeros((len(BANDS), *shape), np.float32)
    rows, columns = min(shape[0], maps.shape[1]), min(shape[1], maps.shape[2])
    seconds[:, :rows, :columns] = maps[:, :rows, :columns]
    boxes: list[ReaderBox] = []
    for action in actions_of(trace, slide=slide):
        box, band = Box(*action.box), band_of(action.magnification)
        is_detail = box.width * box.height <= slide.width * slide.height / 2
        if band in BANDS and is_detail and not box.is_empty:
            boxes.append(ReaderBox(box, BANDS.index(band), Point(*action.dwell_point)))
    return Reading(header, seconds, boxes)


def shares_of(readings: Iterable[Reading], known: NDArray[np.bool_]) -> NDArray[np.float32] | None:
    """(bands, rows, columns) the mean over sessions of the share of time, over the known cells.

    None where nobody looked at any of them at a magnification that is known.
    """
    parts: list[NDArray[np.float32]] = []
    for reading in readings:
        seconds = np.where(known, reading.seconds, np.float32(0))
        total = float(seconds.sum())
        if total > 0:
            parts.append((seconds / total).astype(np.float32))
    return np.mean(parts, axis=0).astype(np.float32) if parts else None


def origins_text(headers: Iterable[SessionHeader]) -> str:
    """Return whose sessions they are, in a few words: "5 sessions of simulated readers (drill)"."""
    headers = list(headers)
    kinds = sorted({_kind(header) for header in headers})
    policies = sorted(
        {header.reader.partition(":")[2] for header in headers if header.origin == "simulated"}
    )
    named = f" ({', '.join(policies)})" if policies and any(policies) else ""
    return f"{plural(len(headers), 'session')} of {' and '.join(kinds)}{named}"


def _spread(trace: Trace, maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each band's map scaled to the time spent at it; its fields are about equally wide."""
    bands = band_indices(trace.magnification)
    spent_s = np.bincount(bands, weights=trace.looked_s(), minlength=len(BANDS) + 1)[: len(BANDS)]
    totals = maps.sum((1, 2), dtype=np.float64)
    scale = np.divide(spent_s, totals, out=np.zeros(len(BANDS)), where=totals > 0)
    return (maps * scale[:, None, None]).astype(np.float32)


def _kind(header: SessionHeader) -> str:
    if header.origin in _READERS:
        return "readers"
    return "simulated readers" if header.origin == "simulated" else "agents"


def _files(place: Path) -> list[Path]:
    return slides_at(place)
