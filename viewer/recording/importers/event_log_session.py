"""From raw events of another viewer to a session, thinned as our own window thins."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from viewer import __version__
from viewer.plurals import plural
from viewer.recording.events import (
    Bookmarked,
    Click,
    EventsLost,
    Pointer,
    SlideClosed,
    SlideOpened,
    Viewport,
)
from viewer.recording.importers.session_writing import write_session
from viewer.recording.session import (
    Consent,
    Repair,
    SessionError,
    SessionHeader,
    SlideRef,
    new_session_id,
)
from viewer.recording.slide_ties import FOREIGN
from viewer.recording.thinning import thinned
from viewer.recording.viewing import scaled
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from viewer.recording.event_writer import Entry
    from viewer.recording.events import AnyEvent
    from viewer.recording.importers.event_log import EventLog, EventLogHeader

_SAME_SHAPE = 0.01
"""How far the sides of a slide and of what a page shows of it may differ in ratio."""


def session_id_of(header: EventLogHeader, *parts: str) -> str:
    """Return the id of the session that a log becomes; the same log always has the same."""
    content = "\0".join((header.session, *parts))
    digest = hashlib.blake2b(content.encode(), digest_size=4).hexdigest()
    return f"{new_session_id(header.started).split('-')[0]}-{digest}"


def write_event_log(
    log: EventLog,
    session_id: str,
    library: Path,
    *,
    slide: SlideRef | None = None,
    reader: str = "",
    keep_names: bool = False,
) -> Path:
    """Make a session of a log, and return its folder.

    Parameters
    ----------
    slide
        The slide on this machine that was read: its identity, size and scale are used.
    reader
        Takes the place of the reader that the log names.
    keep_names
        Whether the slide's name may be kept; what the reader agreed to allows it as well.

    Raises
    ------
    SessionError
        The slide is of another shape than what the log is of.
    OSError
        The library cannot be written.
    """
    about = log.header
    notes = [] if about.closed else ["The page ended without closing the session"]
    if log.skipped:
        notes.append(f"{plural(len(log.skipped), 'line')} could not be read ({log.skipped[0]})")
    used = slide or page_slide(about)
    ratio = _ratio(about, used)
    if ratio != 1.0:
        notes.append(f"The page showed the slide at {1 / ratio:.4g} of its size")
    names = about.consent.names or keep_names
    if not names:
        used = msgspec.structs.replace(used, name=None)
    consent = Consent(given_utc=about.consent.given_utc, names=names, texts=about.consent.texts)
    header = SessionHeader(
        id=session_id,
        slide=used,
        started_utc=utc_stamp("milliseconds", about.started),
        utc_offset_min=about.utc_offset_min,
        reader=reader or about.reader or "imported",
        app_version=__version__,
        screen=about.screen,
        consent=consent,
        origin="imported",
        imported_from=about.viewer or None,
        repairs=tuple(Repair(at_utc=utc_stamp(), note=note) for note in notes),
    )
    return write_session(_entries(log, used, ratio), header, library)


def page_slide(about: EventLogHeader) -> SlideRef:
    """Return a slide of which only the page tells; equal names and sizes give one identity."""
    slide = about.slide
    content = f"{slide.name}\0{slide.width_px}x{slide.height_px}"
    digest = hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
    return SlideRef(
        identity=f"{FOREIGN}{digest}",
        width_px=slide.width_px,
        height_px=slide.height_px,
        mpp_um=slide.mpp_um,
        objective_power=slide.objective_power,
        name=slide.name or None,
    )


def fits(about: EventLogHeader, width_px: int, height_px: int) -> bool:
    """Return whether a slide of this size has the shape of what a page showed."""
    shown = about.slide
    across, down = width_px / shown.width_px, height_px / shown.height_px
    return abs(across / down - 1.0) <= _SAME_SHAPE


def _ratio(about: EventLogHeader, slide: SlideRef) -> float:
    """Return level-0 pixels of the slide per pixel of what the page showed of it."""
    if not fits(about, slide.width_px, slide.height_px):
        raise SessionError(
            f"The log is of a slide of {about.slide.width_px:,} x {about.slide.height_px:,} px, "
            f"and this one has {slide.width_px:,} x {slide.height_px:,}: give the one that was "
            "read."
        )
    return slide.width_px / about.slide.width_px


def _entries(log: EventLog, slide: SlideRef, ratio: float) -> Iterator[Entry]:
    end_ns = max(log.header.elapsed_ns, log.events[-1].elapsed_ns if log.events else 0)
    yield 0, 0, SlideOpened(slide.identity, slide.width_px, slide.height_px)
    last_ns = last_ms = 0
    for last_ns, last_ms, event in thinned(_raw(log, slide, ratio), end_ns):
        yield last_ns, last_ms, event
    yield max(end_ns, last_ns), max(end_ns // 1_000_000, last_ms), SlideClosed()


def _raw(log: EventLog, slide: SlideRef, ratio: float) -> Iterator[Entry]:
    """Yield the events in order of time, in the slide's pixels and with its scale."""
    at_ns, number = 0, 0
    for raw in log.events:
        at_ns = max(at_ns, raw.elapsed_ns)
        if raw.number > number:
            yield at_ns, raw.wall_ms, EventsLost(raw.number - number)
        number = raw.number + 1
        if not isinstance(raw.event, SlideOpened | SlideClosed):
            yield at_ns, raw.wall_ms, _on_slide(raw.event, slide, ratio)


def _on_slide(event: AnyEvent, slide: SlideRef, ratio: float) -> AnyEvent:
    replaced = msgspec.structs.replace
    if isinstance(event, Viewport):
        if ratio != 1.0:
            event = replaced(
                event,
                x=event.x * ratio,
                y=event.y * ratio,
                width=event.width * ratio,
                height=event.height * ratio,
                downsample=event.downsample * ratio,
            )
        return scaled(event, slide.optics)
    if ratio != 1.0 and isinstance(event, Pointer | Click | Bookmarked):
        return replaced(event, x=event.x * ratio, y=event.y * ratio)
    return event
