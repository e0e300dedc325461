"""What is known of a session beside its events: session.json."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from viewer import __version__
from viewer.errors import CoverslipError
from viewer.files.atomic_write import atomic_write_bytes
from viewer.geometry import Optics, Size
from viewer.limits import SESSION_BYTES, read_regular
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.recording.events import SCHEMA_VERSION
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides.source import SlideSource

HEADER_FILE = "session.json"
EVENTS_FILE = "events.jsonl"


class SlideRef(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Which slide was read.

    Attributes
    ----------
    identity
        As `viewer.slides.source.SlideInfo.identity`; finds the slide wherever it lies.
    name
        The file's name, only where the reader allowed it.
    """

    identity: str
    width_px: Annotated[int, msgspec.Meta(ge=1)]
    height_px: Annotated[int, msgspec.Meta(ge=1)]
    mpp_um: tuple[float, float] | None = None
    objective_power: float | None = None
    name: str | None = None

    @property
    def size(self) -> Size:
        """Return the size of level 0, in its pixels."""
        return Size(self.width_px, self.height_px)

    @property
    def optics(self) -> Optics:
        return Optics(self.mpp_um, self.objective_power)


class Screen(msgspec.Struct, frozen=True, kw_only=True):
    """What it was read on, in logical pixels."""

    screen_width_px: float
    screen_height_px: float
    window_width_px: float
    window_height_px: float
    device_pixel_ratio: float = 1.0

    @classmethod
    def filled(cls, width_px: float, height_px: float) -> Screen:
        """Return a screen that the window fills."""
        return cls(
            screen_width_px=width_px,
            screen_height_px=height_px,
            window_width_px=width_px,
            window_height_px=height_px,
        )


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """What the reader agreed to.

    Attributes
    ----------
    given_utc
        ISO 8601; empty where nobody was asked, as for an imported log.
    names, texts
        Whether names of slides, and texts that the reader types, may be kept.
    """

    given_utc: str = ""
    names: bool = False
    texts: bool = False


class Repair(msgspec.Struct, frozen=True, kw_only=True):
    """What was mended after a crash."""

    at_utc: str
    note: str


class SessionHeader(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """session.json.

    Attributes
    ----------
    id
        Also the name of the session's folder.
    started_utc
        ISO 8601 with offset +00:00; `utc_offset_min` is that of the reader's clock.
    reader
        A pseudonym.
    origin
        How it came about; what is simulated or done by an agent is never mixed with readers'.
    title
        Given by the user in the library.
    study
        For which it was recorded; its keys are those that the log is held against.
    key
        The fingerprint of the key that it is signed with; "" where it is not signed.
    """

    id: str
    slide: SlideRef
    started_utc: str
    utc_offset_min: int
    reader: str
    app_version: str
    screen: Screen | None = None
    consent: Consent = Consent()
    origin: Literal["recorded", "imported", "simulated", "agent"] = "recorded"
    imported_from: str | None = None
    title: str = ""
    repairs: tuple[Repair, ...] = ()
    study: str = ""
    key: str = ""
    schema_version: int = SCHEMA_VERSION


def slide_ref(source: SlideSource, optics: Optics, name: str | None) -> SlideRef:
    """Return a slide that is open, with the scale that is in use."""
    base = source.levels[0]
    return SlideRef(
        identity=source.info.identity,
        width_px=base.width_px,
        height_px=base.height_px,
        mpp_um=optics.mpp_um,
        objective_power=optics.objective_power,
        name=name,
    )


class SessionError(CoverslipError):
    """A session that cannot be used; `str()` is one sentence: what is wrong and what to do."""


def new_session_id(started: datetime) -> str:
    """Sorts by time, tells nothing of slide or reader: 20261124T043000Z-1f9a3c5e."""
    return f"{started.astimezone(UTC):%Y%m%dT%H%M%SZ}-{os.urandom(4).hex()}"


def header_now(slide: SlideRef, reader: str, screen: Screen) -> SessionHeader:
    """Return the header of a session that begins at this moment, by the clock here."""
    now = datetime.now().astimezone()
    offset = now.utcoffset()
    return SessionHeader(
        id=new_session_id(now),
        slide=slide,
        started_utc=utc_stamp("milliseconds", now),
        utc_offset_min=round(offset.total_seconds() / 60) if offset else 0,
        reader=reader,
        app_version=__version__,
        screen=screen,
    )


def write_header(folder: Path, header: SessionHeader) -> None:
    """Replace session.json so that a crash leaves the old one or the new one, whole; 0600.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    data = msgspec.json.format(msgspec.json.encode(header), indent=2)
    atomic_write_bytes(folder / HEADER_FILE, data, mode=0o600)


def read_header(folder: Path) -> SessionHeader:
    """session.json of a session's folder.

    Raises
    ------
    SessionError
        There is no session in the folder, or it is damaged or of a newer version.
    """
    path = folder / HEADER_FILE
    try:
        data = read_regular(path, SESSION_BYTES)
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise SessionError(f"There is no session in {folder}: {reason}.") from error
    try:
        header = msgspec.json.decode(data, type=prepared(SessionHeader))
    except DECODE_ERRORS as error:
        raise SessionError(f"{path} is damaged ({error}): restore it from a copy.") from error
    if header.schema_version > SCHEMA_VERSION:
        raise SessionError(
            f"{folder.name} was recorded by a newer Coverslip ({header.app_version}): update."
        )
    return header
