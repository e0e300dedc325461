"""What sessions of one slide share in an export: the open slide, its thumbnail, equal pictures."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from viewer.slides.known_slides import open_known
from viewer.slides.tray import shown_thumbnail
from viewer.slides.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from viewer.recording.export.options import ExportOptions
    from viewer.slides.source import RgbImage, SlideSource

_MOST_OPEN = 4
"""Slides that nobody reads any more and that stay open for the next session."""


class SharedSlide(msgspec.Struct):
    """A slide that is open for all its sessions.

    Attributes
    ----------
    thumbnail
        uint8 (height, width, 3), the whole slide as it is shown.
    """

    source: SlideSource
    thumbnail: RgbImage
    users: int = 0


class SharedSlides:
    """Opens each slide once for the sessions that are exported; used from several threads."""

    def __init__(self, options: ExportOptions) -> None:
        self._options = options
        self._open: OrderedDict[str, SharedSlide] = OrderedDict()
        self._turns = Turns[str]()
        self._lock = threading.Lock()

    @contextmanager
    def opened(self, identity: str) -> Generator[SharedSlide | None]:
        """Give the slide of an identity; None where it is not found. Raises SlideError."""
        slide = self._taken(identity)
        try:
            yield slide
        finally:
            if slide is not None:
                with self._lock:
                    slide.users -= 1
                self._close_idle(_MOST_OPEN)

    def close(self) -> None:
        """Close all slides."""
        self._close_idle(0)

    def _taken(self, identity: str) -> SharedSlide | None:
        with self._turns.turn(identity):
            with self._lock:
                slide = self._open.get(identity)
                if slide is not None:
                    self._open.move_to_end(identity)
                    slide.users += 1
                    return slide
            source = open_known(identity, self._options.places)
            if source is None:
                return None
            try:
                slide = SharedSlide(source, shown_thumbnail(source, self._options.thumbnail_px), 1)
            except BaseException:
                source.close()
                raise
            with self._lock:
                self._open[identity] = slide
            return slide

    def _close_idle(self, most: int) -> None:
        with self._lock:
            idle = [key for key, slide in self._open.items() if not slide.users]
            gone = [self._open.pop(key) for key in idle[: max(0, len(idle) - most)]]
        for slide in gone:
            slide.source.close()


class SharedFiles:
    """Links files of equal content in a folder to one, where the disk allows it."""

    def __init__(self) -> None:
        self._first: dict[bytes, Path] = {}

    def add(self, source: Path, target: Path) -> None:
        """Put a file in another place, as a link to an equal one that is there already."""
        target.unlink(missing_ok=True)
        digest = hashlib.blake2b(source.read_bytes(), digest_size=20).digest()
        equal = self._first.setdefault(digest, source)
        try:
            target.hardlink_to(equal)
            self._first[digest] = target
        except OSError:
            shutil.copyfile(source, target)
