"""A review at work: keys give verdicts, the slide travels from action to action."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from viewer.geometry import Box
from viewer.recording.review.entries import ReviewError
from viewer.recording.review.stopwatch import Stopwatch
from viewer.ui.recording.review_canvas import ReviewCanvas
from viewer.ui.recording.review_table import VERDICT_COLORS, verdict_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from viewer.canvas.layer import Layer
    from viewer.recording.review.entries import Draft
    from viewer.recording.review.items import ReviewItem
    from viewer.recording.review.review import Review
    from viewer.ui.actions import ActionSet
    from viewer.ui.recording.presence import Place
    from viewer.ui.recording.review_panel import ReviewPanel
    from viewer.ui.slides.slide_pane import SlidePane

_KEEP_TEXT_MS = 400
"""After the last key the text is kept: within a second of any of them."""


class Reviewing(QObject):
    """Stands between one review at a time, the panel and the slide.

    Parameters
    ----------
    say
        Tells the user a sentence.
    """

    finished = Signal()
    """The last open action got its verdict."""
    reopened = Signal()
    """A verdict was taken back, or given again."""
    availability_changed = Signal()
    """Verdicts can be given from now on, or no longer."""

    def __init__(
        self, panel: ReviewPanel, commands: ActionSet, say: Callable[[str], object], parent: QObject
    ) -> None:
        super().__init__(parent)
        self.review: Review | None = None
        self.current = 0
        self._boxes: list[Box] = []
        """Of the actions under review, level-0 pixels."""
        self._colors: list[str] = []
        """Of their verdicts."""
        self._panel = panel
        self._say = say
        self._canvas = ReviewCanvas()
        self._is_shown = False
        """Whether the panel is in view: behind another tab it is not, though Qt says visible."""
        self._watch = Stopwatch()
        self._is_drafting = False
        self._keeper = QTimer(self, singleShot=True, interval=_KEEP_TEXT_MS)
        self._keeper.timeout.connect(self._keep_text)
        self._connect(commands)

    @property
    def pane(self) -> SlidePane | None:
        """That the review travels on."""
        return self._canvas.pane

    @property
    def layers(self) -> list[Layer]:
        """Return what the review paints over the slide."""
        return [self._canvas.boxes]

    @property
    def is_active(self) -> bool:
        """Return whether verdicts can be given now."""
        return self.review is not None and self._is_shown

    def enter(self, pane: SlidePane) -> None:
        """Work on this pane from now on."""
        self.leave()
        self._canvas.enter(pane)
        pane.view_changed.connect(self._on_view_changed)

    def leave(self) -> None:
        """Work on no pane."""
        if self.pane is not None:
            self.pane.view_changed.disconnect(self._on_view_changed)
        self._canvas.leave()

    def begin(self, review: Review) -> None:
        """Go on with a review where it stopped."""
        self.review = review
        self._boxes = [Box(*item.action.box) for item in review.items]
        self._colors = [VERDICT_COLORS[verdict_of(each)] for each in review.decisions()]
        self._watch = Stopwatch()
        self.availability_changed.emit()
        self._go_to(review.resume_index())
        self._panel.table.setFocus()

    def end(self, *, keep: bool = True) -> Review | None:
        """Let go of the review, with what stands in the field if it is kept."""
        review, self.review = self.review, None
        self._keeper.stop()
        if review is not None:
            if keep:
                self._leave(review)
            self.availability_changed.emit()
        return review

    def take_drafts(self, drafts: Mapping[int, Draft | None]) -> None:
        """Show drafts that were made meanwhile, by item; what was typed stays in the field."""
        review = self.review
        if review is not None and drafts:
            self._keep_text()
            if review.items[self.current].draft is None and drafts.get(self.current) is not None:
                self._watch.take_s()  # what was before the draft is no time of judging it
            review.take_drafts(drafts)
            self._show()

    def set_drafting(self, *, running: bool) -> None:
        """A model drafts from now on, or no longer; waiting for it is no time at work."""
        if self.review is not None and self.review.items[self.current].draft is None:
            self._watch.take_s()
        self._is_drafting = running

    def set_place(self, place: Place) -> None:
        """The reviewer works in another part of the window; time in dialogs does not count."""
        if place in ("dialog", "elsewhere"):
            self._watch.hold()
        elif self.review is not None and self._is_shown:
            self._watch.touch()

    def choose(self, index: int) -> None:
        """Go to another action."""
        if self.review is not None and index != self.current:
            self._leave(self.review)
            self._go_to(index)

    # Verdicts --------------------------------------------------------------------------------

    def _accept(self) -> None:
        review = self.review
        if review is None:
            return
        by = "dictated" if self._panel.dictated.isChecked() else "typed"
        text, seconds = self._panel.text.toPlainText(), self._seconds()
        try:
            review.accept(self.current, text, seconds, by)
        except ReviewError as error:
            review.leave(self.current, seconds)
            self._say(str(error))
            return
        self._go_on(review)

    def _reject(self) -> None:
        if self.review is not None:
            self.review.reject(self.current, self._seconds())
            self._go_on(self.review)

    def _skip(self) -> None:
        if self.review is not None:
            self.review.skip(self.current, self._seconds())
            self._go_on(self.review)

    def _go_on(self, review: Review) -> None:
        self._keeper.stop()
        self._say("")  # such as why the verdict before could not be given
        if review.is_done:
            count = len(review.items)
            self._say(
                "The one action is reviewed."
                if count == 1
                else f"All {count:,} actions are reviewed."
            )
            self.finished.emit()
        self._panel.table.setFocus()
        self._go_to(review.next_open(self.current))

    def _step(self, direction: int) -> None:
        if self.review is not None:
            self.choose((self.current + direction) % len(self.review.items))

    def _undo(self) -> None:
        self._take_back(lambda review: review.undo(), "There is no verdict to take back.")

    def _redo(self) -> None:
        self._take_back(lambda review: review.redo(), "No verdict was taken back.")

    def _take_back(self, step: Callable[[Review], int | None], nothing: str) -> None:
        if self.review is None:
            return
        self._leave(self.review)
        index = step(self.review)
        if index is None:
            self._say(nothing)
        else:
            self._say("")
            self.reopened.emit()
            self._go_to(index)

    def _edit(self) -> None:
        if self.review is not None:
            self._panel.text.setFocus()
            self._panel.text.selectAll()

    def _keep_text(self) -> None:
        if self.review is not None:
            self.review.type(self.current, self._panel.text.toPlainText())

    def _leave(self, review: Review) -> None:
        self._keeper.stop()
        review.type(self.current, self._panel.text.toPlainText())
        review.leave(self.current, self._seconds())

    def _seconds(self) -> float:
        """Seconds at work on the present action; waiting for its draft is none."""
        seconds = self._watch.take_s()
        if self.review is None:
            return 0.0
        waits = self._is_drafting and self.review.items[self.current].draft is None
        return 0.0 if waits else seconds

    # What is shown ---------------------------------------------------------------------------

    def _go_to(self, index: int) -> None:
        if self.review is not None:
            self.current = index
            self._watch.touch()
            self._show()
            self._canvas.travel_to(self.review.items[index].action)

    def _show(self) -> None:
        review = self.review
        if review is None:
            return
        item = review.items[self.current]
        self._panel.show_text(review.text(self.current), _place(item), _source(item))
        changed = review.take_changed()
        for index, decision in changed.items():
            self._colors[index] = VERDICT_COLORS[verdict_of(decision)]
        self._panel.show_verdicts(changed, self.current)
        self._panel.show_figures(review.figures())
        self._panel.dictated.setVisible(item.draft is None)
        self._show_boxes()

    def _show_boxes(self) -> None:
        """Over the slide while the panel is in view."""
        if self.review is None or not self._is_shown:
            self._canvas.show([], [], -1)
            return
        self._canvas.show(self._boxes, self._colors, self.current)

    # What others tell ------------------------------------------------------------------------

    def _on_text_typed(self) -> None:
        self._watch.touch()
        self._keeper.start()

    def _on_view_changed(self, _pane: SlidePane, _cause: str) -> None:
        self._watch.touch()

    def _on_shown(self, shown: bool) -> None:
        self._is_shown = shown
        if not shown:
            self._watch.hold()
            self._keep_text()
        self._show_boxes()
        self.availability_changed.emit()

    def _connect(self, commands: ActionSet) -> None:
        for command_id, handler in (
            ("review.accept", self._accept),
            ("review.edit", self._edit),
            ("review.reject", self._reject),
            ("review.skip", self._skip),
            ("review.previous", lambda: self._step(-1)),
            ("review.next", lambda: self._step(1)),
            ("review.undo", self._undo),
            ("review.redo", self._redo),
        ):
            # The same keys judge annotations while their panel is in view and this one is not.
            commands.on(command_id, lambda handler=handler: self.is_active and handler())
        self._panel.item_chosen.connect(self.choose)
        self._panel.text_typed.connect(self._on_text_typed)
        self._panel.shown.connect(self._on_shown)


def _place(item: ReviewItem) -> str:
    heading = f"{item.number}: {item.action.command.strip('<>')}, {item.action.dwell_s:.1f} s"
    return f"{heading}. Note: {item.note}" if item.note else heading


def _source(item: ReviewItem) -> str:
    return "No draft: write it yourself" if item.draft is None else f"Draft by {item.draft.model}"
