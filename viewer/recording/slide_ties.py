"""Ties a session of another viewer to the slide on this machine that was read."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

import msgspec

from viewer.errors import reason_of
from viewer.recording.session import SessionError, read_header, write_header

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.recording.session import SlideRef

FOREIGN = "imported:"
"""How the identities of slides begin of which only another viewer's log tells."""


def may_be_of(told: SlideRef, slide: SlideRef) -> bool:
    """Return whether what a log tells of its slide fits a slide: its size, its name if both have.

    False where the session knows its slide by its content.
    """
    if not told.identity.startswith(FOREIGN) or told.size != slide.size:
        return False
    if told.name is None or slide.name is None:
        return True
    return PurePath(told.name).stem.casefold() == PurePath(slide.name).stem.casefold()


def tie(folder: Path, slide: SlideRef) -> None:
    """Let a session be of a slide from now on; its own pixel size and name are kept.

    Raises
    ------
    SessionError
        The session cannot be read or written.
    """
    header = read_header(folder)
    told = header.slide
    tied = msgspec.structs.replace(
        told,
        identity=slide.identity,
        mpp_um=told.mpp_um or slide.mpp_um,
        objective_power=told.objective_power or slide.objective_power,
    )
    try:
        write_header(folder, msgspec.structs.replace(header, slide=tied))
    except OSError as error:
        raise SessionError(f"{folder.name} cannot be written: {reason_of(error)}.") from error
