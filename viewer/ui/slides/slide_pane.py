"""One slide on screen: the canvas, and all that is said about opening it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QStackedWidget, QWidget

from viewer.canvas.canvas import SlideCanvas
from viewer.geometry import Size
from viewer.slides.errors import SlideError
from viewer.slides.remote.address import is_address
from viewer.tiles.display import default_display
from viewer.ui.slides.focus_ring import FocusRing
from viewer.ui.slides.keepers import DisplayKeeper, ViewKeeper
from viewer.ui.slides.message_page import MessagePage
from viewer.ui.slides.opened_slide import OpenedSlide, note_opened
from viewer.ui.slides.pane_bars import PaneBars
from viewer.ui.slides.pane_status import PaneStatus, StatusWatch
from viewer.ui.slides.slide_opening import SlideOpening, SlideRequest
from viewer.ui.slides.slides_ahead import Showing, display_of
from viewer.ui.view.mode_bar import ModeBar, PaneModes
from viewer.ui.widgets import set_look

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.canvas.tile_picture import TilePicture
    from viewer.geometry import View
    from viewer.slides.source import SlideSource
    from viewer.tiles.cache import TileCache
    from viewer.tiles.display import DisplaySettings
    from viewer.ui.slides.slides_ahead import SlideAhead

_log = logging.getLogger(__name__)
_NOT_THE_READERS = ("replay", "agent")
"""Causes of a view that is not where the reader looked last."""
_ACTIVE_EDGE_PX = 2
"""Room for the border that marks the active pane (see the theme's style sheet)."""


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
    outdated = Signal(object)
    """This pane: the file of its slide was changed since it was opened."""
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
        self.uses_icc = True
        """Whether slides with a color profile open corrected by it."""
        self.awaits_slide = False
        """Whether a slide has left for another, which is not recognized yet."""
        self.reader: Callable[[], str] = lambda: ""
        """Gives who reads, whose last view of a slide comes back."""
        self.take_ahead: Callable[[Path, Showing], SlideAhead | None] = lambda _path, _how: None
        """Gives a slide that was opened beforehand."""
        self._is_active = False
        self.mpp_origin = ""
        """Where the pixel size of the slide comes from, as `OpenedSlide` says it."""
        self._opening = SlideOpening(self)
        self._shown: SlideRequest | None = None
        """What was asked for that is on the canvas."""
        self._is_outdated = False
        """Whether the file was changed since it was opened."""
        self.profile_problem = ""
        """Why the slide's color profile cannot be used, in a sentence, else empty."""
        self.stain_problem = ""
        """Why the slide's stains cannot be shown apart, in a sentence, else empty."""
        self.former_identity = ""
        """Which other slide the file held when it was last open; "" where none."""
        self._is_recognized = False
        self.canvas = SlideCanvas(cache, self)
        self._status = StatusWatch(self.canvas, self)
        FocusRing(self.canvas)
        self._display_keeper = DisplayKeeper(self)
        self._view_keeper = ViewKeeper(self)
        self.page = MessagePage(self)
        self.mode_bar = ModeBar(self)
        self.modes = PaneModes(self.canvas, self.mode_bar, self)
        """What the pane is used for beside being looked at, such as a replay."""
        self.name_of: Callable[[Path], str] = lambda path: path.name
        """Gives what a slide is called on screen: a study may hide its name."""
        self._stack = QStackedWidget(self)
        self._stack.addWidget(self.page)
        self._stack.addWidget(self.canvas)
        self.bars = PaneBars(self._stack, self)
        self._connect()
        self.set_active(active=False, alone=True)

    @property
    def status(self) -> PaneStatus:
        """Return what the status bar tells of the pane."""
        return self._status.status

    @property
    def source(self) -> SlideSource | None:
        """Return the slide, once its identity is known; the canvas shows it a moment earlier."""
        return self.canvas.source if self._is_recognized else None

    @property
    def identity(self) -> str:
        """Return the content key of the slide that is shown; "" where there is none."""
        return self.source.info.identity if self.source is not None else ""

    @property
    def path(self) -> Path | None:
        """Return the file of the slide that is shown, once it is recognized."""
        return self._shown.path if self._shown is not None and self._is_recognized else None

    @property
    def named_path(self) -> Path | None:
        """Return the file that the pane is called by: the slide shown, else the one to come."""
        return self.asked_path if self.awaits_slide else self.path

    @property
    def combined_with(self) -> tuple[Path, ...]:
        """Return the slides whose channels are shown beside those of the slide at `path`."""
        return self._shown.others if self._shown is not None else ()

    @property
    def asked_path(self) -> Path | None:
        """Return the slide that was asked for last, shown or not yet."""
        request = self._opening.request
        return request.path if request is not None else None

    @property
    def opening_path(self) -> Path | None:
        """Return the slide that is being opened."""
        return self.asked_path if self.is_opening else None

    @property
    def failed_path(self) -> Path | None:
        """Return the slide that did not open, as long as the pane says so."""
        return self.asked_path if self._opening.has_failed else None

    @property
    def is_opening(self) -> bool:
        """Return whether a slide is read, or not recognized yet."""
        return self._opening.is_under_way

    def take_turn(self) -> int:
        """Return the turn of a slide that is asked for now and is opened a while later."""
        return self._opening.take_turn()

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
        if self._opening.begin_turn(turn):
            request = SlideRequest(path, image, others)
            if self._is_shown(request):
                self._stay()
            else:
                self._open_anew(request)

    def _open_anew(self, request: SlideRequest) -> None:
        self._opening.ask_for(request)
        self.bars.notice.hide()
        path = request.path
        is_plain = request == SlideRequest(path)
        ahead = self.take_ahead(path, self.showing) if is_plain else None
        if ahead is not None:
            self._show_ahead(request, ahead)
            return
        if self.canvas.source is None:
            if self.isAncestorOf(self.window().focusWidget() or self.window()):
                # Before its button hides, or the focus would wander off to another pane.
                self.page.setFocus(Qt.FocusReason.OtherFocusReason)
            self.page.wait(self.name_of(path))
            self._stack.setCurrentWidget(self.page)
        self._opening.begin()

    def _is_shown(self, request: SlideRequest) -> bool:
        """Return whether all that is asked for is on screen, as far as it was ever readable."""
        source, shown = self.source, self._shown
        if source is None or shown is None:
            return False
        if self._is_outdated or not self.bars.unreadable.isHidden():
            return False
        if (request.path, request.others) != (shown.path, shown.others):
            return False
        return request.image in (shown.image, source.info.image)

    def _stay(self) -> None:
        """The slide that is asked for is on screen: all there is to do is to go to it."""
        shown, source = self._shown, self.source
        assert shown is not None
        assert source is not None
        self._opening.ask_for(shown)
        self.bars.notice.hide()
        # A file may have come to it, as the note over an incomplete slide asks for.
        self._check_unchanged(source, source.info.check_identity)
        if self._is_active:
            self.focus()
        self.opened.emit(shown.path)

    def look_again(self) -> None:
        """Look whether the file is still the one that was opened, though nothing is read of it."""
        if self.source is not None and not self._is_outdated:
            self._check_unchanged(self.source, lambda: None)

    @property
    def showing(self) -> Showing:
        """Return how a slide would be shown that is opened now."""
        canvas = self.canvas
        size = Size(max(canvas.width(), 1), max(canvas.height(), 1))
        ratio = canvas.devicePixelRatioF()
        return Showing(size, ratio, self.reader(), self.uses_icc, canvas.worker_count)

    def close_slide(self) -> None:
        """Free the slide; the pane welcomes the next."""
        self._opening.give_up()
        self._opening.has_failed = self.awaits_slide = False
        self._take_leave()
        self._forget_slide()
        self.canvas.clear()
        self.bars.clear_notices()
        self.bars.tell_of(None)
        self.page.welcome()
        self._stack.setCurrentWidget(self.page)
        self._status.clear()
        self.bars.header.set_name("No slide")
        self.canvas.setAccessibleName("Slide")
        self.slide_changed.emit(self)

    def shut_down(self) -> None:
        """End threads and free the slide, for good."""
        self._opening.give_up()
        self._take_leave()
        self._forget_slide()
        self._display_keeper.shut_down()
        self._view_keeper.shut_down()
        self._opening.shut_down()
        self.page.shut_down()
        self.canvas.clear()

    def set_mpp_um(self, mpp_um: float) -> None:
        """Take a pixel size that the user set, in micrometers per level-0 pixel."""
        self.mpp_origin = f"typed by you on {datetime.now(UTC).date().isoformat()}"
        self.canvas.set_optics(replace(self.canvas.optics, mpp_um=(mpp_um, mpp_um)))
        self.bars.scale_hint.hide()

    def set_active(self, *, active: bool, alone: bool) -> None:
        """Mark the pane that commands act on; a pane alone needs neither mark nor title."""
        self._is_active = active
        self.bars.header.setVisible(not alone)
        self.bars.set_edge(0 if alone else _ACTIVE_EDGE_PX)
        set_look(self, "pane", "none" if alone else "active" if active else "idle")

    def focus(self) -> None:
        """Put the keyboard on what the pane shows."""
        target = self.canvas if self.source is not None else self.page.first_button
        target.setFocus(Qt.FocusReason.OtherFocusReason)

    def _connect(self) -> None:
        canvas = self.canvas
        canvas.view_changed.connect(self._on_view_changed)
        canvas.look_changed.connect(self._on_look_changed)
        canvas.file_changed.connect(self._on_file_changed)
        canvas.server_silent.connect(self.bars.tell_silence)
        canvas.file_gone.connect(self._on_file_gone)
        canvas.unreadable.connect(self._on_unreadable)
        self._status.changed.connect(lambda: self.status_changed.emit(self))
        bars, opening = self.bars, self._opening
        bars.header.closed.connect(lambda: self.close_requested.emit(self))
        bars.scale_hint.acted.connect(lambda: self.pixel_size_requested.emit(self))
        bars.notice.acted.connect(self._retry)
        bars.unreadable.acted.connect(canvas.reload_failed_tiles)
        bars.image_bar.chosen.connect(self._open_image)
        self.page.retry_requested.connect(self._retry)
        opening.read.connect(self._on_read)
        opening.recognized.connect(self._on_recognized)
        opening.lost.connect(canvas.clear)
        opening.failed.connect(self._on_failed)
        opening.waiting.connect(self._say_still_waiting)

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

    def _take_leave(self) -> None:
        """Tell that the slide, if there is one, leaves; nothing of it has changed yet."""
        if self.source is not None:
            self.slide_closing.emit(self)
            self.slide_leaving.emit(self)

    def _open_image(self, image: int) -> None:
        if self.path is not None:
            self.open(self.path, image)

    def _forget_slide(self) -> None:
        self._display_keeper.flush()
        self._view_keeper.flush()
        self._opening.forget()
        self._shown = None
        self._is_recognized = False
        self._is_outdated = False
        self.bars.color_hint.hide()

    def _on_read(self, source: SlideSource) -> None:
        """Show the slide; all who keep something of it hear of it once it is recognized."""
        from viewer.slides.colors.profile import profile_problem

        request = self._opening.request
        assert request is not None
        self._begin_slide(request, source, profile_problem(source.info.icc_profile))
        self.canvas.set_look(default_display(source.info, uses_icc=self.uses_icc))
        self.canvas.set_source(source, source.info.optics)
        self._opening.recognize(source, self.reader())

    def _show_ahead(self, request: SlideRequest, ahead: SlideAhead) -> None:
        """Show a slide that was opened beforehand, all of it at once."""
        slide, source = ahead.slide, ahead.slide.source
        self._begin_slide(request, source, ahead.profile_problem)
        self.canvas.set_look(ahead.display)
        self.canvas.set_source(source, slide.optics, view=slide.view, loader=ahead.loader)
        self._know_slide(slide)
        self._announce_slide(request.path, slide)
        self._check_unchanged(source, lambda: note_opened(slide))

    def _check_unchanged(self, source: SlideSource, unchanged: Callable[[], object]) -> None:
        self._opening.check_unchanged(
            source,
            unchanged,
            lambda error: self._on_file_changed(str(error)) if self.source is source else None,
        )

    def _begin_slide(
        self, request: SlideRequest, source: SlideSource, profile_problem: str
    ) -> None:
        """The slide that is shown leaves, and what is to be said of the next is said."""
        if self._is_recognized:
            # What is drawn and computed belongs to the slide that leaves: it goes before it.
            self._take_leave()
            self._forget_slide()
            self.awaits_slide = True
            self.slide_changed.emit(self)
        self._forget_slide()
        self._shown = request
        self.bars.clear_notices()
        self.bars.tell_of(source.info)
        self._status.clear()
        self._stack.setCurrentWidget(self.canvas)
        self.canvas.clear()
        self.profile_problem = profile_problem

    def show_name(self) -> None:
        """Call the slide as it may be called now."""
        if self.path is not None:
            self.bars.header.set_name(self.name_of(self.path))
            self.canvas.setAccessibleName(f"Slide {self.name_of(self.path)}")

    def _on_recognized(self, slide: OpenedSlide) -> None:
        assert self._shown is not None
        canvas = self.canvas
        was_left_alone = canvas.shows_all
        self._know_slide(slide)
        if slide.optics != canvas.optics:
            canvas.set_optics(slide.optics)
        if slide.display is not None:
            canvas.set_look(display_of(slide, self.profile_problem, uses_icc=self.uses_icc))
        if slide.view is not None and was_left_alone:
            canvas.show_view(slide.view, cause="open")
        self._announce_slide(self._shown.path, slide)

    def _know_slide(self, slide: OpenedSlide) -> None:
        self._is_recognized = True
        self.show_name()
        self.mpp_origin = slide.mpp_origin
        self.stain_problem = slide.stain_problem
        self.former_identity = slide.former

    def _announce_slide(self, path: Path, slide: OpenedSlide) -> None:
        """Say of a slide that is shown and recognized that it is there."""
        self.awaits_slide = False
        if self._is_active:
            self.focus()
        self.bars.tell_of_calibration(self.profile_problem, slide.optics.mpp_um)
        self.opened.emit(path)
        self.slide_changed.emit(self)

    def _on_look_changed(self, look: DisplaySettings) -> None:
        if self.source is not None:
            self._display_keeper.note(self.source.info, look, uses_icc=self.uses_icc)

    def _on_file_changed(self, sentence: str) -> None:
        was_outdated, self._is_outdated = self._is_outdated, True
        if self._shown is not None:
            self._opening.request = self._shown
        self.bars.notice.tell(sentence, "error", "Open again")
        if not was_outdated:
            self.outdated.emit(self)

    def _on_file_gone(self, sentence: str) -> None:
        source = self.canvas.source
        if source is None or not sentence:
            self.bars.tell_gone("")
            return

        def tell(sentence: str) -> None:
            if self.canvas.source is source and not self._is_outdated:
                self.bars.tell_gone(sentence)

        self._opening.check_gone(
            source,
            tell,
            lambda error: (
                self._on_file_changed(str(error)) if self.canvas.source is source else None
            ),
        )

    def _on_failed(self, error: Exception) -> None:
        path = self.asked_path
        assert path is not None
        if isinstance(error, SlideError):
            sentence = str(error)
        else:
            _log.error("opening %s failed", path, exc_info=error)
            sentence = f"{path.name} cannot be read ({error}): check that it is a whole slide."
        if self.canvas.source is None:
            self._stack.setCurrentWidget(self.page)
            self.page.fail(self.name_of(path), sentence)
        else:
            self.bars.notice.tell(sentence, "error", "Try again")
        self.failed.emit(path, sentence)

    def _on_unreadable(self, reason: str) -> None:
        """Nothing of what is looked at can be read, or some of it can again."""
        self.bars.tell_unreadable(reason if self.canvas.source is not None else "")

    def _retry(self) -> None:
        if self._opening.request is not None:
            self._open_anew(self._opening.request)

    def _say_still_waiting(self) -> None:
        path = self.asked_path
        assert path is not None
        holder = "server" if is_address(path) else "drive"
        sentence = f"Still waiting for the {holder} that holds {path.name}..."
        if self.canvas.source is None:
            self.page.still_waiting(sentence)
        else:
            self.bars.notice.tell(sentence, "warning")
