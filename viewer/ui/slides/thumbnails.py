"""Small pictures of slides, made in threads when they are first painted, bounded in number."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QObject, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPixmap

from viewer.canvas.tile_picture import rgb_to_qimage
from viewer.slides.errors import SlideError, TileError
from viewer.slides.file_version import FileVersion
from viewer.slides.remote.address import is_address
from viewer.ui.background_runner import BackgroundRunner, DroppedError, Urgency
from viewer.ui.theme import icon

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PySide6.QtGui import QImage

    from viewer.ui.background_runner import Task

PICTURE_SIZE = QSize(132, 100)
_MOST_PICTURES = 300
"""Of about 50 kB each."""
_MOST_WAITING = 40
"""Older wishes are dropped: the user has scrolled on."""
_THREADS = 3
"""Two make pictures; a lane keeps one free for what somebody asked for."""


_Wanted = tuple[Path, str]
"""A file, and the content key that it must have; "" where any will do."""


class Thumbnails(QObject):
    """Of slides by path; `shut_down` ends the threads."""

    changed = Signal(object)
    """The Path of a slide whose picture came, or of which it is known why there is none."""

    def __init__(self, parent: QObject, size: QSize = PICTURE_SIZE) -> None:
        super().__init__(parent)
        self._size = size
        self._pictures: OrderedDict[_Wanted, _Picture] = OrderedDict()
        self._reasons: dict[_Wanted, str] = {}
        self._wishes: OrderedDict[_Wanted, Task] = OrderedDict()
        self._ratio = 1.0
        self._uses_icc = True
        self._background = BackgroundRunner("thumbnails", _THREADS, self)

    def set_device_pixel_ratio(self, ratio: float) -> None:
        """Make thumbnails as fine as the screen; call it before they are asked for."""
        self._ratio = ratio

    def set_uses_icc(self, *, uses_icc: bool) -> None:
        """Show slides by their color profiles, as panes do, or as they are stored."""
        if uses_icc != self._uses_icc:
            self._uses_icc = uses_icc
            self._pictures.clear()

    def reason(self, path: Path) -> str:
        """Why the slide has no thumbnail; empty while none is known."""
        return self._reasons.get((path, ""), "")

    def forget_wishes(self) -> None:
        """Other slides are shown: what was asked for is not wanted, what failed is tried again."""
        self._background.cancel_waiting()
        for task in self._wishes.values():
            task.cancel()
        self._wishes.clear()
        self._reasons.clear()

    def keep_wishes(self, paths: Iterable[Path]) -> None:
        """Make pictures of these slides alone, which are in sight; others when they are again."""
        wanted = frozenset(paths)
        for each in [each for each in self._wishes if each[0] not in wanted]:
            self._wishes.pop(each).cancel()

    def look_again(self, path: Path) -> None:
        """Make a picture anew if the file was changed since; for a slide that was opened."""
        for each in [each for each in self._reasons if each[0] == path]:
            del self._reasons[each]
            self.changed.emit(path)
        before = next((held for each, held in self._pictures.items() if each[0] == path), None)
        if before is None or is_address(path):
            return

        def drop(now: tuple[object, ...]) -> None:
            for each in [each for each, held in self._pictures.items() if each[0] == path]:
                if self._pictures[each].version != now:
                    del self._pictures[each]
                    self.changed.emit(path)

        self._background.run(lambda: _version(path), drop, lambda _: None)

    def picture(self, path: Path, identity: str = "") -> QPixmap:
        """Return the picture, or a sign in its place until it comes.

        Parameters
        ----------
        identity
            Of the slide that is meant: what lies at the path may be another by now.
        """
        wanted = path, identity
        if wanted in self._pictures:
            self._pictures.move_to_end(wanted)
            return self._pictures[wanted].pixmap
        if is_address(path):
            return self.sign("mdi6.cloud-outline")  # nobody asked to contact its server
        if wanted in self._reasons:
            return self.sign("mdi6.image-broken-variant")
        if wanted not in self._wishes:
            self._wish(wanted)
        return self.sign("mdi6.image-outline")

    def sign(self, name: str) -> QPixmap:
        """Return an icon in the middle of a picture's place."""
        picture = QPixmap(self._size)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        side = self._size.height() // 2
        sign = icon(name).pixmap(side, side)
        painter.drawPixmap((picture.width() - side) // 2, (picture.height() - side) // 2, sign)
        painter.end()
        return picture

    def shut_down(self) -> None:
        self._background.close()

    def _wish(self, wanted: _Wanted) -> None:
        while len(self._wishes) >= _MOST_WAITING:
            _, task = self._wishes.popitem(last=False)
            task.cancel()
        path, identity = wanted
        size, uses_icc = self._size * self._ratio, self._uses_icc
        self._wishes[wanted] = self._background.run(
            lambda: (_version(path), _thumbnail(path, size, identity, uses_icc=uses_icc)),
            lambda made: self._on_made(wanted, *made),
            lambda error: self._on_failed(wanted, error),
            urgency=Urgency.IN_SIGHT,
        )

    def _on_made(self, wanted: _Wanted, version: tuple[object, ...], image: QImage) -> None:
        self._wishes.pop(wanted, None)
        picture = QPixmap.fromImage(image)
        picture.setDevicePixelRatio(self._ratio)
        self._pictures[wanted] = _Picture(picture, version)
        while len(self._pictures) > _MOST_PICTURES:
            self._pictures.popitem(last=False)
        self.changed.emit(wanted[0])

    def _on_failed(self, wanted: _Wanted, error: Exception) -> None:
        self._wishes.pop(wanted, None)
        if isinstance(error, DroppedError):
            return  # made once it is painted again
        known = isinstance(error, SlideError | TileError)
        self._reasons[wanted] = str(error) if known else f"It cannot be read ({error})."
        self.changed.emit(wanted[0])


class _Picture(NamedTuple):
    """What is shown of a slide, and what its files were when it was made."""

    pixmap: QPixmap
    version: tuple[object, ...]


def _version(path: Path) -> tuple[object, ...]:
    """Return what the files of a slide are now; () where they cannot be looked at."""
    try:
        return FileVersion(path).opened_as
    except OSError:
        return ()


def _thumbnail(path: Path, size: QSize, identity: str, *, uses_icc: bool) -> QImage:
    """Return the whole slide, fitted to `size`; for worker threads.

    Raises
    ------
    SlideError
        It cannot be read, or is not the slide of that identity, where one is given.
    """
    from viewer.slides.known_slides import open_same
    from viewer.slides.opener import open_slide
    from viewer.slides.tray import shown_thumbnail

    source = open_same(path, identity) if identity else open_slide(path)
    try:
        side_px = max(size.width(), size.height())
        shown = shown_thumbnail(source, side_px, uses_icc=uses_icc)
        return fitted(rgb_to_qimage(shown), size)
    finally:
        source.close()


def fitted(image: QImage, size: QSize) -> QImage:
    """Return the picture made smaller to fit `size`, its shape kept; never made larger."""
    if image.width() <= size.width() and image.height() <= size.height():
        return image
    return image.scaled(
        size, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    )
