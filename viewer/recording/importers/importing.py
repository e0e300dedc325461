"""From another viewer's log to sessions in the library."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import msgspec

from viewer import __version__
from viewer.annotations.formats.origins import origin_sentence
from viewer.annotations.formats.problems import AnnotationFileError
from viewer.audit_log import trail
from viewer.errors import reason_of
from viewer.plurals import plural
from viewer.progress import progress_part, while_wanted
from viewer.recording.events import AnyEvent, IdleChanged, Pointer, SlideClosed, SlideOpened
from viewer.recording.importers.event_log import looks_like_event_log, read_event_logs
from viewer.recording.importers.event_log_session import session_id_of, write_event_log
from viewer.recording.importers.foreign import ForeignSession, put_in_order
from viewer.recording.importers.log_text import LogText
from viewer.recording.importers.reference_log import looks_like_reference, reference_sessions
from viewer.recording.importers.session_writing import write_session
from viewer.recording.importers.table_log import (
    looks_like_qupath,
    qupath_session,
    table_session,
)
from viewer.recording.session import (
    Consent,
    Repair,
    Screen,
    SessionError,
    SessionHeader,
    SlideRef,
    new_session_id,
    read_header,
)
from viewer.recording.slide_ties import FOREIGN
from viewer.recording.viewing import scaled
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from viewer.annotations.formats.origins import Origin
    from viewer.recording.event_writer import Entry
    from viewer.recording.importers.foreign_views import ForeignView


_READ_SHARE = 0.7
"""Of the time that an import takes; the rest goes by writing."""


class ImportOptions(msgspec.Struct, frozen=True):
    """How a log is taken in.

    Attributes
    ----------
    reader
        Pseudonym of who read.
    slide
        The slide that was read, where the user has it: its identity, size and scale are used.
    columns
        Of a CSV or JSON lines table: our name to theirs.
    time_unit
        Of such a table: s, ms, us, ns or iso.
    keep_names
        Whether names of slides and of the log may be kept.
    bounds_px
        Left and top of the slide's bounds, from which QuPath counts; level-0 pixels.
    origin
        From where the log counts; by default a log of QuPath from the bounds, others from the
        corner of the slide.
    """

    reader: str = "imported"
    slide: SlideRef | None = None
    columns: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    time_unit: str = "s"
    keep_names: bool = False
    bounds_px: tuple[float, float] = (0.0, 0.0)
    origin: Origin | None = None


def import_log(
    path: Path,
    library: Path,
    options: ImportOptions = ImportOptions(),
    skipped: list[str] | None = None,
    notes: list[str] | None = None,
) -> list[str]:
    """Make sessions of a log: the reference recorder's, QuPath's view tracking, or a table.

    A log that was imported before is not imported again.

    Parameters
    ----------
    skipped
        Takes why each row that was left out could not be read.
    notes
        Takes sentences on what was found in the log, such as a clock that was set back.

    Returns
    -------
    list of str
        The ids of the sessions, one a slide.

    Raises
    ------
    SessionError
        The log cannot be read or understood, or the library cannot be written; nothing is added.
    """
    try:
        with progress_part(0.0, 0.0):  # its beginning, which is read again
            text = LogText(path)
        is_event_log = looks_like_event_log(text.head) and not options.columns
        with progress_part(0.0, _READ_SHARE):
            read = [] if is_event_log else _sessions(text, options)
    except OSError as error:
        raise SessionError(f"{path.name} cannot be read: {reason_of(error)}.") from error
    except AnnotationFileError as error:
        raise SessionError(str(error)) from error
    if is_event_log:
        return _import_event_log(text, path, library, options, skipped, notes)
    left_out = [reason for session in read for reason in session.skipped]
    found = [session for session in read if session.views]
    if not found:
        why = f" ({left_out[0]})" if left_out else ""
        raise SessionError(
            f"{path.name} holds no views{why}: check that it is the log of a viewer."
        )
    if skipped is not None:
        skipped += left_out
    ids: list[str] = []
    made: list[Path] = []
    sentences = notes if notes is not None else []
    try:
        for number, session in enumerate(found):
            shift_px, said = _shift(text, options)
            with progress_part(_READ_SHARE, _READ_SHARE):
                digest = _digest(text, session, options, shift_px)
            known = sorted(library.glob(f"*Z-{digest}"))
            if known:
                sentences.append(f"{path.name} is imported already, as {known[0].name}.")
                ids.append(known[0].name)
                continue
            away, found_notes = put_in_order(session)
            if said:
                found_notes = [*found_notes, f"The log: {said}."]
            session.views.shift(*shift_px)
            sentences += found_notes
            header = _header(session, path, options, digest, found_notes)
            share = (1 - _READ_SHARE) / len(found)
            begin = _READ_SHARE + number * share
            with progress_part(begin, begin + share):
                made.append(write_session(_entries(session, header, away), header, library))
            ids.append(header.id)
    except OSError as error:
        for folder in made:
            shutil.rmtree(folder, ignore_errors=True)
        raise SessionError(f"{library} cannot be written: {reason_of(error)}.") from error
    trail.note("imported", path.absolute(), f"log of {plural(len(ids), 'session')}")
    return ids


def _import_event_log(
    text: LogText,
    path: Path,
    library: Path,
    options: ImportOptions,
    skipped: list[str] | None,
    notes: list[str] | None,
) -> list[str]:
    """Make sessions of raw events; as `import_log`."""
    try:
        logs = [log for log in read_event_logs(text.lines()) if log.events]
    except AnnotationFileError as error:
        raise SessionError(str(error)) from error
    if not logs:
        raise SessionError(f"{path.name} holds no events: check that it was written to its end.")
    ids: list[str] = []
    slide, reader = options.slide, "" if options.reader == "imported" else options.reader
    for log in logs:
        parts = (slide.identity, str(options.keep_names)) if slide is not None else ()
        session_id = session_id_of(log.header, *parts)
        ids.append(session_id)
        if (library / session_id).exists():
            if notes is not None:
                notes.append(f"{path.name} is imported already, as {session_id}.")
            continue
        try:
            folder = write_event_log(
                log, session_id, library,
                slide=slide, reader=reader, keep_names=options.keep_names,
            )  # fmt: skip
        except OSError as error:
            raise SessionError(f"{library} cannot be written: {reason_of(error)}.") from error
        if skipped is not None:
            skipped += log.skipped
        if notes is not None:
            notes += [f"{repair.note}." for repair in read_header(folder).repairs]
    trail.note("imported", path.absolute(), f"log of {plural(len(ids), 'session')}")
    return ids


def _shift(text: LogText, options: ImportOptions) -> tuple[tuple[float, float], str]:
    """Return how far the log's places are from level 0, and what is said of it, "" for nothing."""
    is_qupath = not options.columns and looks_like_qupath(text.head)
    if not any(options.bounds_px) or not (is_qupath or options.origin):
        return (0.0, 0.0), ""
    used = options.origin or "bounds"
    is_stated = options.origin is not None
    sentence = origin_sentence(used, options.bounds_px, is_stated=is_stated)
    return (options.bounds_px if used == "bounds" else (0.0, 0.0)), sentence


def _digest(
    text: LogText, session: ForeignSession, options: ImportOptions, shift_px: tuple[float, float]
) -> str:
    """Return 8 characters for a log and the slide in it; the end of the session's id."""
    slide = options.slide.identity if options.slide is not None else ""
    parts = [session.slide_name, slide, str(options.keep_names)]
    if any(shift_px):
        parts.append(str(shift_px))
    digest, between = hashlib.blake2b(digest_size=4), ""
    for line in text.lines():
        digest.update(f"{between}{line}".encode())
        between = "\n"
    for part in parts:
        digest.update(f"\0{part}".encode())
    return digest.hexdigest()


def _sessions(text: LogText, options: ImportOptions) -> list[ForeignSession]:
    if not options.columns:
        with progress_part(0.0, 0.0):  # it looks at the beginning
            is_reference = looks_like_reference(text)
        if is_reference:
            return reference_sessions(text.whole())
        if looks_like_qupath(text.head):
            return [qupath_session(text)]
    return [table_session(text, options.columns, options.time_unit)]


def _entries(
    session: ForeignSession, header: SessionHeader, away: list[tuple[int, int]]
) -> Iterator[Entry]:
    first_ns = session.views[0].at_ns
    for at_ns, event in _events(session, header, away):
        yield at_ns - first_ns, (at_ns - first_ns) // 1_000_000, event


def _events(
    session: ForeignSession, header: SessionHeader, away: list[tuple[int, int]]
) -> Iterator[tuple[int, AnyEvent]]:
    begins, ends = {begin for begin, _ in away}, {end for _, end in away}
    slide = header.slide
    yield session.views[0].at_ns, SlideOpened(slide.identity, slide.width_px, slide.height_px)
    for seen in while_wanted(session.views, len(session.views)):
        if seen.at_ns in ends:
            ends.discard(seen.at_ns)
            yield seen.at_ns, IdleChanged(begins=False)
        yield seen.at_ns, _scaled(seen, header)
        if seen.at_ns in begins:
            begins.discard(seen.at_ns)
            yield seen.at_ns, IdleChanged(begins=True)
        if seen.pointer is not None:
            yield seen.at_ns, Pointer(*seen.pointer)
    yield session.views[-1].at_ns, SlideClosed()


def _scaled(seen: ForeignView, header: SessionHeader) -> AnyEvent:
    """Return the view with the scale that the slide tells, where the log has none of its own."""
    view, optics = seen.view, header.slide.optics
    if view.magnification is not None or optics.mean_mpp_um is None:
        return view
    return scaled(view, optics)


def _header(
    session: ForeignSession, path: Path, options: ImportOptions, digest: str, notes: list[str]
) -> SessionHeader:
    now_utc = utc_stamp()
    screen = None
    if session.window_px is not None:
        screen = Screen.filled(*session.window_px)
    return SessionHeader(
        id=f"{new_session_id(session.started).split('-')[0]}-{digest}",
        slide=options.slide or _unknown_slide(session, options),
        started_utc=utc_stamp("milliseconds", session.started),
        utc_offset_min=0,
        reader=options.reader,
        app_version=__version__,
        screen=screen,
        consent=Consent(names=options.keep_names),
        origin="imported",
        imported_from=path.name if options.keep_names else None,
        repairs=tuple(Repair(at_utc=now_utc, note=note) for note in notes),
    )


def _unknown_slide(session: ForeignSession, options: ImportOptions) -> SlideRef:
    """Return a slide of which only the log tells; the same name gives the same identity."""
    width_px, height_px = session.size_px
    if not (width_px and height_px):
        width_px, height_px = (max(1, round(end)) for end in session.views.extent)
    digest = hashlib.blake2b(session.slide_name.encode(), digest_size=16).hexdigest()
    return SlideRef(
        identity=f"{FOREIGN}{digest}",
        width_px=width_px,
        height_px=height_px,
        name=session.slide_name if options.keep_names and session.slide_name else None,
    )
