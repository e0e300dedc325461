"""Which slide of this machine a page shows, by its name and shape."""

from __future__ import annotations

import logging
import threading
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from viewer.recording.importers.event_log_session import fits
from viewer.recording.session import slide_ref
from viewer.slides import SlideError, open_slide
from viewer.slides.known_slides import remember
from viewer.slides.tray import slides_at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.recording.importers.event_log import EventLogHeader
    from viewer.recording.session import SlideRef

_log = logging.getLogger(__name__)


class PageSlides:
    """Looks among slides and folders of slides; each is opened once, when a page names it."""

    def __init__(self, places: Sequence[Path]) -> None:
        self._places = places
        self._opened: dict[Path, SlideRef | None] = {}
        self._lock = threading.Lock()

    def slide_of(self, header: EventLogHeader) -> SlideRef | None:
        """Return the slide with the name and the shape that the page tells, None where none has."""
        wanted = _names(header.slide.name)
        if not wanted:
            return None
        with self._lock:
            for path in (slide for place in self._places for slide in slides_at(place)):
                if wanted & _names(path.name):
                    slide = self._slide(path)
                    if slide is not None and fits(header, slide.width_px, slide.height_px):
                        return slide
        return None

    def _slide(self, path: Path) -> SlideRef | None:
        if path not in self._opened:
            self._opened[path] = _opened(path)
        return self._opened[path]


def _opened(path: Path) -> SlideRef | None:
    try:
        source = open_slide(path)
    except SlideError as error:
        _log.warning("A slide that a page names is passed over: %s", error)
        return None
    try:
        remember(source.info.identity, path)
        return slide_ref(source, source.info.optics, path.name)
    except OSError as error:
        _log.warning("A slide that a page names is passed over: %s", error)
        return None
    finally:
        source.close()


def _names(name: str) -> set[str]:
    """Return a slide's name as others may give it: with and without its endings."""
    last = PurePosixPath(name.replace("\\", "/").split("?")[0]).name.casefold()
    names = {last}
    while "." in last.lstrip("."):
        last = last.rpartition(".")[0]
        names.add(last)
    return names - {""}
