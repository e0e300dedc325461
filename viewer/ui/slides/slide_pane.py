"""One slide on screen: the canvas, and all that is said about opening it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.canvas import SlideCanvas
from viewer.geometry import Size
from viewer.slides.errors import SlideError
from viewer.slides.remote.address import is_address
from viewer.tiles.display import default_display
from viewer.ui.background_runner import BackgroundRunner, Task
from viewer.ui.slides.display_keeper import DisplayKeeper
from viewer.ui.slides.focus_ring import FocusRing
from viewer.ui.slides.image_bar import ImageBar
from viewer.ui.slides.message_page import MessagePage
from viewer.ui.slides.opened_slide import OpenedSlide, note_opened, recognized, source_of
from viewer.ui.slides.slides_ahead import Showing, display_of
from viewer.ui.slides.view_keeper import ViewKeeper
from viewer.ui.view.mode_bar import ModeBar, PaneModes
from viewer.ui.widgets import IconButton, NoticeBar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.canvas.tile_picture import TilePicture
    from viewer.geometry import Point, View
    from viewer.slides.source import SlideInfo, SlideSource
    from viewer.tiles.cache import TileCache
    from viewer.tiles.display import DisplaySettings
    from viewer.ui.slides.slides_ahead import SlideAhead

_log = logging.getLogger(__name__)
_PATIENCE_MS = 3000
_NOT_THE_READERS = ("replay", "agent")
"""Causes of a view that is not where the reader looked last."""
_UNREADABLE = (
    "Nothing of this part of the slide can be read. {reason} The file may be damaged or "
    "incompletely copied: compare it with the original, then try again."
)
_DOUBTS = ("Doubtful", "Pixel size unknown", "Read as a plain")
"""Notes of a slide that begin so are warnings."""
_ACTIVE_EDGE_PX = 2
"""Room for the border that marks the active pane (see the theme's style sheet)."""
_OPENING_THREADS = 8
"""More than one, so that a slide on a dead drive does not hold up the next."""


@dataclass(frozen=True, slots=True)
class PaneStatus:
    """What the status bar tells of a pane.

    Attributes
    ----------
    cursor
        Under the mouse, in level-0 pixels.
    tile_error
        Why the tile last seen failing cannot be read; empty when none is.
    stalled_s
        How long the drive has not answered; 0.0 when it does.
    is_coarse
        Whether the overview is made of a sample of the slide so far.
    """

    cursor: Point | None = None
    tile_error: str = ""
    stalled_s: float = 0.0
    is_sharp: bool = False
    is_coarse: bool = False


class SlidePane(QFrame):
    """Shows one slide, or why there is none.

    A slide that does not open never takes the place of one that is shown: then the sentence
    stands in a bar above the slide.
    """

    slide_changed = Signal(object)
    """This pane, after a slide was opened or closed."""
    slide_closing = Signal(object)
    """This pane, whose slide is about to leave: what is unfinished on it is finished now."""
    slide_leaving = Signal(object)
    """This pane, right after `slide_closing`: slide and view are there for the last time."""
    opened = Signal(object)
    """The Path of a slide that opened, or that was asked for and is on screen already."""
    failed = Signal(object, str)
    """The Path of a slide that did not open, and the sentence that says why."""
    view_changed = Signal(object, str)
    """This pane and the cause."""
    status_changed = Signal(object)
    """This pane."""
    close_requested = Signal(object)
    """This pane: its close button was pressed."""
    pixel_size_requested = Signal(object)
    """This pane."""

    def __init__(self, cache: TileCache[TilePicture], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.status = PaneStatus()
        self.uses_icc = True
        """Whether slides with a color profile open corrected by it."""
        self.reader: Callable[[], str] = lambda: ""
        """Gives who reads, whose last view of a slide comes back."""
        self.take_ahead: Callable[[Path, Showing], SlideAhead | None] = lambda _path, _how: None
        """Gives a slide that was opened beforehand."""
        self._is_active = False
        self.path: Path | None = None
        self.mpp_origin = ""
        """Where the pixel size of the slide comes from, as `OpenedSlide` says it."""
        self._opening_path: Path | None = None
        self._has_failed = False
        self._turns = 0
        self._opened_turn = 0
        self._opening_image: int | None = None
        self._opening_others: tuple[Path, ...] = ()
        self.combined_with: tuple[Path, ...] = ()
        """Slides whose channels are shown beside those of the slide at `path`."""
        self._image: int | None = None
        """Which image of the file was asked for; None for the largest."""
        self._is_outdated = False
        """Whether the file was changed since it was opened."""
        self.profile_problem = ""
        """Why the slide's color profile cannot be used, in a sentence, else empty."""
        self.stain_problem = ""
        """Why the slide's stains cannot be shown apart, in a sentence, else empty."""
        self._is_recognized = False
        self._task: Task | None = None
        self._recognition: Task | None = None
        self._background = BackgroundRunner("open slide", _OPENING_THREADS, self)
        self._patience = QTimer(self, singleShot=True, interval=_PATIENCE_MS)
        self._patience.timeout.connect(self._say_still_waiting)
        self.canvas = SlideCanvas(cache, self)
        FocusRing(self.canvas)
        self._display_keeper = DisplayKeeper(self)
        self._view_keeper = ViewKeeper(self)
        self.page = MessagePage(self)
        self.notice = NoticeBar(self)
        self.scale_hint = NoticeBar(self)
        self.slide_notes = NoticeBar(self)
        """What of the slide is not shown, shown stretched, or doubtful."""
        self.image_bar = ImageBar(self)
        self.color_hint = NoticeBar(self)
        self._header = _PaneHeader(self)
        self.mode_bar = ModeBar(self)
        self.modes = PaneModes(self.canvas, self.mode_bar, self)
        """What the pane is used for beside being looked at, such as a replay."""
        self.unreadable = NoticeBar(self)
        """Why nothing of the slide can be read, and what to do."""
        self.name_of: Callable[[Path], str] = lambda path: path.name
        """Gives what a slide is called on screen: a study may hide its name."""
        self._before_bare: tuple[QWidget, ...] | None = None
        self._stack = QStackedWidget(self)
        self._stack.addWidget(self.page)
        self._stack.addWidget(self.canvas)
        self._layout = QVBoxLayout(self)
        self._layout.setSpacing(0)
        for widget in (
            self._header,
            self.unreadable,
            self.notice,
            self.color_hint,
            self.scale_hint,
            self.slide_notes,
            self.image_bar,
        ):
            self._layout.addWidget(widget)
        self._layout.addWidget(self._stack, 1)
        self._connect()
        self.set_active(active=False, alone=True)

    @property
    def source(self) -> SlideSource | None:
        """Return the slide, once its identity is known; the canvas shows it a moment earlier."""
        return self.canvas.source if self._is_recognized else None

    @property
    def identity(self) -> str:
        """Return the content key of the slide that is shown; "" where there is none."""
        return self.source.info.identity if self.source is not None else ""

    @property
    def opening_path(self) -> Path | None:
        """Of the slide that is being opened."""
        return self._opening_path if self.is_opening else None

    @property
    def failed_path(self) -> Path | None:
        """Return the slide that did not open, as long as the pane says so."""
        return self._opening_path if self._has_failed else None

    @property
    def is_opening(self) -> bool:
        return self._task is not None or self._recognition is not None

    def take_turn(self) -> int:
        """Return the turn of a slide that is asked for now and is opened a while later."""
        self._turns += 1
        return self._turns

    def open(
        self,
        path: Path,
        image: int | None = None,
        others: tuple[Path, ...] = (),
        turn: int | None = None,
    ) -> None:
        """Open a slide in a thread; an earlier opening under way is given up.

        The slide that is on screen stays as it is, with its undo steps.

        Parameters
        ----------
        image
            Which image of a file that holds several; None for the largest.
        others
            Slides of the same field, shown with it as channels of one slide.
        turn
            When it was asked for, as `take_turn` said: nothing happens where a slide that was
            asked for later has been opened meanwhile. None for now.
        """
        turn = self.take_turn() if turn is None else turn
        if turn < self._opened_turn:
            return
        self._opened_turn = turn
        if self._is_shown(path, image, others):
            self._stay(path)
        else:
            self._open_anew(path, image, others)

    def _open_anew(self, path: Path, image: int | None, others: tuple[Path, ...]) -> None:
        self._give_up_opening()
        self._has_failed = False
        self._opening_path = path
        self._opening_image = image
        self._opening_others = others
        self.notice.hide()
        is_plain = image is None and not others
        ahead = self.take_ahead(path, self.showing) if is_plain else None
        if ahead is not None:
            self._show_ahead(path, ahead)
            return
        if self.canvas.source is None:
            if self.isAncestorOf(self.window().focusWidget() or self.window()):
                # Before its button hides, or the focus would wander off to another pane.
                self.page.setFocus(Qt.FocusReason.OtherFocusReason)
            self.page.wait(self.name_of(path))
            self._stack.setCurrentWidget(self.page)
        self._patience.start()
        self._task = self._background.run(
            lambda: source_of(path, image, others), self._on_opened, self._on_failed, _close_late
        )

    def _is_shown(self, path: Path, image: int | None, others: tuple[Path, ...]) -> bool:
        """Return whether all that is asked for is on screen, as far as it was ever readable."""
        source = self.source
        if source is None or (path, others) != (self.path, self.combined_with):
            return False
        if self._is_outdated or not self.unreadable.isHidden():
            return False
        return image in (self._image, source.info.image)

    def _stay(self, path: Path) -> None:
        """The slide that is asked for is on screen: all there is to do is to go to it."""
        self._give_up_opening()
        self._has_failed = False
        self._opening_path = path
        self._opening_image = self._image
        self._opening_others = self.combined_with
        self.notice.hide()
        if self.source is not None:
            self._check_unchanged(self.source)
        if self._is_active:
            self.focus()
        self.opened.emit(path)

    @property
    def asked_path(self) -> Path | None:
        """Return the slide that was asked for last, shown or not yet."""
        return self._opening_path

    @property
    def showing(self) -> Showing:
        """Return how a slide would be shown that is opened now."""
        canvas = self.canvas
        size = Size(max(canvas.width(), 1), max(canvas.height(), 1))
        ratio = canvas.devicePixelRatioF()
        return Showing(size, ratio, self.reader(), self.uses_icc, canvas.worker_count)

    def close_slide(self) -> None:
        """Frees the slide; the pane welcomes the next."""
        self._give_up_opening()
        self._has_failed = False
        self._take_leave()
        self._forget_slide()
        self.canvas.clear()
        self.notice.hide()
        self.unreadable.hide()
        self._show_notes(None)
        self.page.welcome()
        self._stack.setCurrentWidget(self.page)
        self._set_status(PaneStatus())
        self._header.set_name("No slide")
        self.canvas.setAccessibleName("Slide")
        self.slide_changed.emit(self)

    def shut_down(self) -> None:
        """Ends threads and frees the slide, for good."""
        self._give_up_opening()
        self._take_leave()
        self._forget_slide()
        self._display_keeper.shut_down()
        self._view_keeper.shut_down()
        self._background.close()
        self.page.shut_down()
        self.canvas.clear()

    def set_mpp_um(self, mpp_um: float) -> None:
        """Takes a pixel size that the user set, in micrometers per level-0 pixel."""
        self.mpp_origin = f"typed by you on {datetime.now(UTC).date().isoformat()}"
        self.canvas.set_optics(replace(self.canvas.optics, mpp_um=(mpp_um, mpp_um)))
        self.scale_hint.hide()

    def set_active(self, *, active: bool, alone: bool) -> None:
        """Marks the pane that commands act on; a pane alone needs neither mark nor title."""
        self._is_active = active
        self._header.setVisible(not alone)
        edge_px = 0 if alone else _ACTIVE_EDGE_PX
        self._layout.setContentsMargins(edge_px, edge_px, edge_px, edge_px)
        self.setProperty("pane", "none" if alone else "active" if active else "idle")
        self.style().unpolish(self)
        self.style().polish(self)

    def add_bar(self, bar: QWidget) -> None:
        """Put a bar between what is said of the slide and the slide, such as that of a mode."""
        self._layout.insertWidget(self._layout.indexOf(self._stack), bar)

    def set_bare(self, *, bare: bool) -> None:
        """Show the slide without the bars above it, or with those that were there."""
        if bare and self._before_bare is None:
            items = [self._layout.itemAt(n) for n in range(self._layout.count())]
            widgets = [item.widget() for item in items if item is not None]
            bars = [each for each in widgets if each is not None and each is not self._stack]
            self._before_bare = tuple(bar for bar in bars if not bar.isHidden())
            for bar in self._before_bare:
                bar.hide()
        elif not bare and self._before_bare is not None:
            for bar in self._before_bare:
                if self._layout.indexOf(bar) >= 0:  # else its mode ended meanwhile
                    bar.show()
            self._before_bare = None

    def focus(self) -> None:
        """Puts the keyboard on what the pane shows."""
        target = self.canvas if self.source is not None else self.page.first_button
        target.setFocus(Qt.FocusReason.OtherFocusReason)

    def _connect(self) -> None:
        canvas = self.canvas
        canvas.view_changed.connect(self._on_view_changed)
        canvas.cursor_moved.connect(lambda at: self._change_status(cursor=at))
        canvas.tile_failed.connect(lambda sentence: self._change_status(tile_error=sentence))
        canvas.look_changed.connect(self._on_look_changed)
        canvas.file_changed.connect(self._on_file_changed)
        canvas.server_silent.connect(self._on_server_silent)
        canvas.unreadable.connect(self._on_unreadable)
        canvas.stalled.connect(lambda seconds: self._change_status(stalled_s=seconds))
        canvas.sharp_changed.connect(lambda sharp: self._change_status(is_sharp=sharp))
        canvas.coarse_changed.connect(lambda coarse: self._change_status(is_coarse=coarse))
        self._header.closed.connect(lambda: self.close_requested.emit(self))
        self.scale_hint.acted.connect(lambda: self.pixel_size_requested.emit(self))
        self.notice.acted.connect(self._retry)
        self.unreadable.acted.connect(canvas.reload_failed_tiles)
        self.image_bar.chosen.connect(self._open_image)
        self.page.retry_requested.connect(self._retry)

    def _on_view_changed(self, _view: View, cause: str) -> None:
        if cause not in _NOT_THE_READERS:
            self._keep_view()
        self.view_changed.emit(self, cause)

    def _keep_view(self) -> None:
        if self.source is not None:
            canvas = self.canvas
            view = canvas.destination
            is_first = canvas.shows_all and not view.rotation_deg and not view.mirrored
            last = None if is_first else view
            self._view_keeper.note(self.source.info.identity, self.reader(), last)

    def _change_status(self, **changes: object) -> None:
        self._set_status(replace(self.status, **changes))

    def _set_status(self, status: PaneStatus) -> None:
        if status != self.status:
            self.status = status
            self.status_changed.emit(self)

    def _take_leave(self) -> None:
        """Tell that the slide, if there is one, leaves; nothing of it has changed yet."""
        if self.source is not None:
            self.slide_closing.emit(self)
            self.slide_leaving.emit(self)

    def _give_up_opening(self) -> None:
        self._patience.stop()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _show_notes(self, info: SlideInfo | None) -> None:
        """Say what is to be known of a slide before it is read; None says nothing."""
        self.scale_hint.hide()
        self.slide_notes.hide()
        self.image_bar.show_images(info)
        if info is not None and info.notes:
            is_doubtful = any(note.startswith(_DOUBTS) for note in info.notes)
            self.slide_notes.tell(" ".join(info.notes), "warning" if is_doubtful else "info")

    def _open_image(self, image: int) -> None:
        if self.path is not None:
            self.open(self.path, image)

    def _forget_slide(self) -> None:
        self._display_keeper.flush()
        self._view_keeper.flush()
        self.path = None
        self.combined_with = ()
        self._image = None
        self._is_outdated = False
        self.color_hint.hide()
        self._is_recognized = False
        if self._recognition is not None:
            self._recognition.cancel()
            self._recognition = None

    def _on_opened(self, source: SlideSource) -> None:
        """Shows the slide; all who keep something of it hear of it once it is recognized."""
        from viewer.tiles.color_profile import profile_problem

        path = self._opening_path
        assert path is not None
        self._patience.stop()
        self._task = None
        self._begin_slide(path, source, profile_problem(source.info.icc_profile))
        self.combined_with = self._opening_others
        self._image = self._opening_image
        self.canvas.set_look(default_display(source.info, uses_icc=self.uses_icc))
        self.canvas.set_source(source, source.info.optics)
        reader = self.reader()

        def recognize() -> OpenedSlide:
            slide = recognized(source, reader)
            note_opened(slide)
            return slide

        self._recognition = self._background.run(
            recognize, lambda slide: self._on_recognized(path, slide), self._on_not_recognized
        )

    def _show_ahead(self, path: Path, ahead: SlideAhead) -> None:
        """Show a slide that was opened beforehand, all of it at once."""
        slide, source = ahead.slide, ahead.slide.source
        self._begin_slide(path, source, ahead.profile_problem)
        self.canvas.set_look(ahead.display)
        self.canvas.set_source(source, slide.optics, view=slide.view, loader=ahead.loader)
        self._know_slide(path, slide)
        self._announce_slide(path, slide)
        self._check_unchanged(source, lambda: note_opened(slide))

    def _check_unchanged(
        self, source: SlideSource, unchanged: Callable[[], object] = lambda: None
    ) -> None:
        """Read a tile in a thread: a file that was replaced since it was opened says so."""

        def check() -> None:
            source.read_tile(len(source.levels) - 1, 0, 0)
            unchanged()

        self._background.run(
            check,
            lambda _: None,
            lambda error: self._on_file_changed(str(error)) if self.source is source else None,
        )

    def _begin_slide(self, path: Path, source: SlideSource, profile_problem: str) -> None:
        """The slide that is shown leaves, and what is to be said of the next is said."""
        if self._is_recognized:
            # What is drawn and computed belongs to the slide that leaves: it goes before it.
            self._take_leave()
            self._forget_slide()
            self.slide_changed.emit(self)
        self._forget_slide()
        self.notice.hide()
        self.unreadable.hide()
        self._show_notes(source.info)
        self._set_status(PaneStatus())
        self._stack.setCurrentWidget(self.canvas)
        self.canvas.clear()
        self.profile_problem = profile_problem
        self.show_name()

    def show_name(self) -> None:
        """Call the slide as it may be called now."""
        if self.path is not None:
            self._header.set_name(self.name_of(self.path))
            self.canvas.setAccessibleName(f"Slide {self.name_of(self.path)}")

    def _on_recognized(self, path: Path, slide: OpenedSlide) -> None:
        canvas = self.canvas
        was_left_alone = canvas.shows_all
        self._know_slide(path, slide)
        if slide.optics != canvas.optics:
            canvas.set_optics(slide.optics)
        if slide.display is not None:
            canvas.set_look(display_of(slide, self.profile_problem, uses_icc=self.uses_icc))
        if slide.view is not None and was_left_alone:
            canvas.show_view(slide.view, cause="open")
        self._announce_slide(path, slide)

    def _know_slide(self, path: Path, slide: OpenedSlide) -> None:
        self._recognition = None
        self._is_recognized = True
        self.path = path
        self.show_name()
        self.mpp_origin = slide.mpp_origin
        self.stain_problem = slide.stain_problem

    def _announce_slide(self, path: Path, slide: OpenedSlide) -> None:
        """Say of a slide that is shown and recognized that it is there."""
        if self._is_active:
            self.focus()
        if self.profile_problem:
            self.color_hint.tell(self.profile_problem, "warning")
        if slide.optics.mpp_um is None:
            self.scale_hint.tell(
                "Pixel size unknown: measurements are in pixels.",
                "warning",
                "Set…",
            )
        self.opened.emit(path)
        self.slide_changed.emit(self)

    def _on_not_recognized(self, error: Exception) -> None:
        """The file was replaced, or its drive is gone, since it was opened a moment ago."""
        self._recognition = None
        self.canvas.clear()
        self._on_failed(error)

    def _on_look_changed(self, look: DisplaySettings) -> None:
        if self.source is not None:
            self._display_keeper.note(self.source.info, look, uses_icc=self.uses_icc)

    def _on_file_changed(self, sentence: str) -> None:
        self._is_outdated = True
        self._opening_path = self.path
        self._opening_image = self._image
        self._opening_others = self.combined_with
        self.notice.tell(sentence, "error", "Open again")

    def _on_server_silent(self, sentence: str) -> None:
        """The server of the slide gives nothing any more, or gives again."""
        if sentence:
            self.notice.tell(f"{sentence} What was fetched stays; the rest follows.", "warning")
        else:
            self.notice.hide()

    def _on_failed(self, error: Exception) -> None:
        path = self._opening_path
        assert path is not None
        self._patience.stop()
        self._task = None
        self._has_failed = True
        if isinstance(error, SlideError):
            sentence = str(error)
        else:
            _log.error("opening %s failed", path, exc_info=error)
            sentence = f"{path.name} cannot be read ({error}): check that it is a whole slide."
        if self.canvas.source is None:
            self._stack.setCurrentWidget(self.page)
            self.page.fail(self.name_of(path), sentence)
        else:
            self.notice.tell(sentence, "error", "Try again")
        self.failed.emit(path, sentence)

    def _on_unreadable(self, reason: str) -> None:
        """Nothing of what is looked at can be read, or some of it can again."""
        if reason and self.canvas.source is not None:
            self.unreadable.tell(_UNREADABLE.format(reason=reason), "error", "Try again")
        else:
            self.unreadable.hide()

    def _retry(self) -> None:
        if self._opening_path is not None:
            self._open_anew(self._opening_path, self._opening_image, self._opening_others)

    def _say_still_waiting(self) -> None:
        path = self._opening_path
        assert path is not None
        holder = "server" if is_address(path) else "drive"
        sentence = f"Still waiting for the {holder} that holds {path.name}..."
        if self.canvas.source is None:
            self.page.still_waiting(sentence)
        else:
            self.notice.tell(sentence, "warning")


class _PaneHeader(QFrame):
    """The slide's name and a button that closes the pane."""

    closed = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._name = QLabel("No slide", self)
        self._name.setTextFormat(Qt.TextFormat.PlainText)
        self._button = IconButton("mdi6.close", "Close this pane", self)
        self._button.clicked.connect(self.closed)
        self.setProperty("notice", "info")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 1, 4, 1)
        layout.addWidget(self._name, 1)
        layout.addWidget(self._button)

    def set_name(self, name: str) -> None:
        self._name.setText(name)
        self._name.setToolTip(name)


def _close_late(source: SlideSource) -> None:
    source.close()
