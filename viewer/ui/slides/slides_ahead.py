"""Slides that are likely to come next, opened beforehand with the tiles of their first view."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace
from PySide6.QtCore import QObject

from viewer.canvas.tile_picture import TilePicture, TilePreparer
from viewer.geometry import Box, View
from viewer.slides.channels import FIRST_PLANE
from viewer.slides.remote.address import is_address
from viewer.tiles.display import DisplaySettings, DisplayTransform, default_display
from viewer.tiles.plan import TilePlan, plan
from viewer.tiles.rendering import rendering_of
from viewer.ui.background_runner import BackgroundRunner, Task, Urgency
from viewer.ui.slides.opened_slide import OpenedSlide, recognized, source_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.geometry import Size
    from viewer.tiles.cache import TileCache
    from viewer.tiles.loader import TileLoader

_log = logging.getLogger(__name__)
_BYTES_PER_PIXEL = 4
_MOST_OF_CACHE = 4
"""What is loaded beforehand takes at most this part of the tile cache."""


class Showing(msgspec.Struct, frozen=True):
    """How a slide would be shown if it were opened now.

    Attributes
    ----------
    size
        Of the canvas, in logical pixels.
    """

    size: Size
    device_pixel_ratio: float
    reader: str
    uses_icc: bool
    worker_count: int


class SlideAhead(msgspec.Struct, frozen=True):
    """An opened slide, as it will be shown, with a loader that holds its first tiles."""

    slide: OpenedSlide
    display: DisplaySettings
    profile_problem: str
    view: View
    loader: TileLoader[TilePicture]

    def close(self) -> None:
        """Free the tiles and the slide."""
        self.loader.close()
        self.slide.source.close()


class SlidesAhead(QObject):
    """Holds at most a few slides that nobody has asked for yet; `shut_down` frees them.

    A slide that does not open is left alone here: it is told when it is asked for.
    """

    def __init__(self, cache: TileCache[TilePicture], parent: QObject) -> None:
        super().__init__(parent)
        self._cache = cache
        self._background = BackgroundRunner("open slides ahead", 1, self)
        self._showing: Showing | None = None
        self._tasks: dict[Path, Task] = {}
        self._ready: dict[Path, SlideAhead] = {}

    @property
    def paths(self) -> list[Path]:
        """Return the slides that are open beforehand."""
        return list(self._ready)

    @property
    def is_opening(self) -> bool:
        """Return whether a slide is being opened beforehand."""
        return bool(self._tasks)

    def is_loaded(self, path: Path) -> bool:
        """Return whether a slide is open beforehand with all tiles of its first view."""
        ahead = self._ready.get(path)
        if ahead is None:
            return False
        wanted = _plan(ahead.slide, ahead.view, self._showing)
        return all(map(ahead.loader.is_settled, (*wanted.visible, *wanted.coarser)))

    def prepare(self, paths: Sequence[Path], showing: Showing) -> None:
        """Open these slides, the likeliest first, and free those that are no longer likely."""
        if showing != self._showing:
            self.forget()
        self._showing = showing
        paths = [path for path in paths if not is_address(path)]  # nobody asked to contact a server
        for path in [path for path in self._ready if path not in paths]:
            self._free(self._ready.pop(path))
        for path in [path for path in self._tasks if path not in paths]:
            self._tasks.pop(path).cancel()
        for path in paths:
            if path not in self._ready and path not in self._tasks:
                self._tasks[path] = self._background.run(
                    lambda path=path: self._opened(path, showing),
                    lambda ahead, path=path: self._on_opened(path, ahead),
                    lambda error, path=path: self._on_failed(path, error),
                    SlideAhead.close,
                    urgency=Urgency.REST,
                )

    def take(self, path: Path, showing: Showing) -> SlideAhead | None:
        """Return a slide that is open beforehand, for the caller to close; None where none is."""
        meant = self._showing or showing
        if (showing.reader, showing.uses_icc) != (meant.reader, meant.uses_icc):
            self.forget()
        if task := self._tasks.pop(path, None):
            task.cancel()
        return self._ready.pop(path, None)

    def pause(self) -> None:
        """Load no tiles while others are wanted more; `prepare` goes on."""
        for ahead in self._ready.values():
            ahead.loader.request()

    def resume(self) -> None:
        """Load what is left of the first views."""
        for ahead in self._ready.values():
            ahead.loader.request(_plan(ahead.slide, ahead.view, self._showing))

    def forget(self) -> None:
        """Free all slides."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()
        for ahead in self._ready.values():
            self._free(ahead)
        self._ready.clear()

    def shut_down(self) -> None:
        """Free all slides and end the thread."""
        for ahead in self._ready.values():
            ahead.close()
        self._ready.clear()
        self._background.close()

    def _free(self, ahead: SlideAhead) -> None:
        """In a thread: a read under way may take a while to end."""
        self._background.run(ahead.close, lambda _: None)

    def _opened(self, path: Path, showing: Showing) -> SlideAhead:
        from viewer.slides.colors.profile import profile_problem
        from viewer.tiles.loader import TileLoader

        source = source_of(path)
        try:
            slide = recognized(source, showing.reader)
            problem = profile_problem(source.info.icc_profile)
            display = display_of(slide, problem, uses_icc=showing.uses_icc)
        except Exception:
            source.close()
            raise
        loader = TileLoader(
            source,
            TilePreparer(DisplayTransform(display, source.info.icc_profile)),
            self._cache,
            lambda _: None,
            showing.worker_count,
            rendering_of(source.info, display, FIRST_PLANE),
        )
        return SlideAhead(slide, display, problem, first_view(slide, showing.size), loader)

    def _on_opened(self, path: Path, ahead: SlideAhead) -> None:
        self._tasks.pop(path, None)
        wanted = _plan(ahead.slide, ahead.view, self._showing)
        others = sum(
            _bytes(other.slide, _plan(other.slide, other.view, self._showing))
            for other in self._ready.values()
        )
        if others + _bytes(ahead.slide, wanted) > self._cache.limit_bytes // _MOST_OF_CACHE:
            self._free(ahead)
            return
        self._ready[path] = ahead
        ahead.loader.request(wanted)

    def _on_failed(self, path: Path, error: Exception) -> None:
        self._tasks.pop(path, None)
        _log.info("a slide does not open beforehand (%s)", type(error).__name__)


def display_of(slide: OpenedSlide, profile_problem: str, *, uses_icc: bool) -> DisplaySettings:
    """Return how a slide is shown: as it was adjusted, else as slides are by themselves."""
    if slide.display is None:
        return default_display(slide.source.info, uses_icc=uses_icc)
    return replace(slide.display, icc=slide.display.icc and not profile_problem)


def first_view(slide: OpenedSlide, size: Size) -> View:
    """Return what a canvas of `size` logical pixels shows of a slide first."""
    if slide.view is not None:
        return slide.view.resized(size)
    base = slide.source.levels[0]
    whole = Box(0.0, 0.0, base.width_px, base.height_px)
    return View(whole.center, 1.0, size).showing(whole)


def _plan(slide: OpenedSlide, view: View, showing: Showing | None) -> TilePlan:
    ratio = showing.device_pixel_ratio if showing is not None else 1.0
    return replace(plan(slide.source.levels, view, ratio), ahead=())


def _bytes(slide: OpenedSlide, wanted: TilePlan) -> int:
    levels = slide.source.levels
    sizes = (
        levels[key.level].tile_size_px(key.column, key.row)
        for key in (*wanted.visible, *wanted.coarser)
    )
    return sum(width * height * _BYTES_PER_PIXEL for width, height in sizes)
