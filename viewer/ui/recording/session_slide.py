"""The one way to a session's slide: the pane that shows it, else the file is opened for it.

And what to say where the slide has another pixel size now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from PySide6.QtCore import QTimer

from viewer.ui.services import MessageHost, PaneHost

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.recording.session import SessionHeader
    from viewer.slides.known_slides import FoundSlide
    from viewer.ui.slides.slide_pane import SlidePane


class SessionSlideHost(MessageHost, PaneHost, Protocol):
    """What opening a session's slide asks of the window."""


class _OfSession(Protocol):
    """Something made of a session."""

    @property
    def header(self) -> SessionHeader:
        """Return the header, which names the slide."""
        ...


_Session = TypeVar("_Session", bound=_OfSession)


class SessionSlide(Generic[_Session]):
    """Brings a session to a pane that shows its slide; one session at most waits for its slide.

    Parameters
    ----------
    begin
        Goes on with a session in the pane that shows its slide.
    take_other
        Whether a session goes on in a pane whose slide is not known to be its own; it then does.
    """

    def __init__(
        self,
        window: SessionSlideHost,
        begin: Callable[[_Session, SlidePane], object],
        take_other: Callable[[_Session, SlidePane], bool] = lambda _session, _pane: False,
    ) -> None:
        self._window = window
        self._begin = begin
        self._take_other = take_other
        self._waiting: _Session | None = None
        """Its slide is being opened, by this or by the user."""

    def open(
        self, session: _Session, found: FoundSlide | None, missing: str, *, waits: bool = False
    ) -> None:
        """Go to the pane that shows the slide of a session, else open it in the active pane.

        Parameters
        ----------
        found
            Where the slide lies; None where it was not found.
        missing
            What is said where the slide is neither shown nor found.
        waits
            Whether the session then goes on once the user has opened the slide.
        """
        panes = self._window.panes
        pane = next((each for each in panes.panes if _shows(each, session)), None)
        if pane is not None:
            panes.activate(pane)
            self._go_on(session, pane)
        elif self._take_other(session, panes.active):
            self._waiting = None
        elif found is not None:
            self._waiting = session
            panes.active.open(found.path, found.image)
        else:
            if waits:
                self._waiting = session
            self._window.say(missing)

    def look_at(self, pane: SlidePane) -> None:
        """Go on with the session that waits, if a pane shows its slide by now.

        That comes once all who follow the pane have done their part: at once it takes long.
        """
        session = self._waiting
        if session is None:
            return
        if _shows(pane, session):
            QTimer.singleShot(0, pane, lambda: self._go_on_there(session, pane))
        elif self._take_other(session, pane):
            self._waiting = None

    def forget(self) -> None:
        """Let no session wait any more."""
        self._waiting = None

    def _go_on_there(self, session: _Session, pane: SlidePane) -> None:
        is_there = pane in self._window.panes.panes and _shows(pane, session)
        if session is self._waiting and is_there:
            self._go_on(session, pane)

    def _go_on(self, session: _Session, pane: SlidePane) -> None:
        self._waiting = None
        self._begin(session, pane)


def _shows(pane: SlidePane, session: _OfSession) -> bool:
    from viewer.slides.identity import same_slide

    return same_slide(pane.identity, session.header.slide.identity)


def pixel_size_note(then_um: tuple[float, float] | None, now_um: tuple[float, float] | None) -> str:
    """Say that a session was made with another pixel size than the slide has now; else ""."""
    if then_um is None or now_um is None:
        is_same = then_um is now_um
    else:
        is_same = all(abs(then / now - 1) < 1e-6 for then, now in zip(then_um, now_um, strict=True))
    if is_same:
        return ""
    then, now = (
        "unknown" if size is None else " x ".join(f"{side:.4f}" for side in size) + " µm"
        for size in (then_um, now_um)
    )
    return (
        f"Made before the pixel size was changed ({then} then, {now} now): magnifications and "
        "lengths are those of then."
    )
