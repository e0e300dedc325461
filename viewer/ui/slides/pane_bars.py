"""The bars above the slide of a pane: what it is called, and what is to be known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from viewer.ui.slides.image_bar import ImageBar
from viewer.ui.widgets import IconButton, NoticeBar

if TYPE_CHECKING:
    from PySide6.QtWidgets import QStackedWidget

    from viewer.slides.source import SlideInfo

_UNREADABLE = (
    "Nothing of this part of the slide can be read. {reason} The file may be damaged or "
    "incompletely copied: compare it with the original, then try again."
)
_DOUBTS = ("Doubtful", "Pixel size unknown", "Read as a plain")
"""Notes of a slide that begin so are warnings."""


class PaneBars(QObject):
    """Lays bars out above what a pane shows, one for each subject.

    Attributes
    ----------
    header
        The name of the slide.
    notice
        What became of what was asked for.
    unreadable
        Why nothing of the slide can be read, and what to do.
    color_hint, scale_hint
        That colors or sizes are not known.
    slide_notes
        What of the slide is not shown, shown stretched, or doubtful.
    image_bar
        The images of a file that holds several.
    """

    def __init__(self, stack: QStackedWidget, pane: QWidget) -> None:
        super().__init__(pane)
        self.header = PaneHeader(pane)
        self.unreadable = NoticeBar(pane)
        self.notice = NoticeBar(pane)
        self.color_hint = NoticeBar(pane)
        self.scale_hint = NoticeBar(pane)
        self.slide_notes = NoticeBar(pane)
        self.image_bar = ImageBar(pane)
        self._stack = stack
        self._gone = ""
        """What is said of files that are gone; "" where none is."""
        self._before_bare: tuple[QWidget, ...] | None = None
        self._layout = QVBoxLayout(pane)
        self._layout.setSpacing(0)
        for bar in (
            self.header,
            self.unreadable,
            self.notice,
            self.color_hint,
            self.scale_hint,
            self.slide_notes,
            self.image_bar,
        ):
            self._layout.addWidget(bar)
        self._layout.addWidget(stack, 1)

    def add(self, bar: QWidget) -> None:
        """Put a bar right above the slide, such as that of a mode."""
        self._layout.insertWidget(self._layout.indexOf(self._stack), bar)

    def set_bare(self, *, bare: bool) -> None:
        """Hide the bars that are there, or show them again."""
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

    def set_edge(self, edge_px: int) -> None:
        """Leave room around all of it for the border that marks the active pane."""
        self._layout.setContentsMargins(edge_px, edge_px, edge_px, edge_px)

    def clear_notices(self) -> None:
        """Say no more what became of what was asked for, nor what cannot be read."""
        self.notice.hide()
        self.unreadable.hide()

    def tell_of(self, info: SlideInfo | None) -> None:
        """Say what is to be known of a slide before it is read; None says nothing."""
        self.scale_hint.hide()
        self.slide_notes.hide()
        self.image_bar.show_images(info)
        if info is not None and info.notes:
            is_doubtful = any(note.startswith(_DOUBTS) for note in info.notes)
            self.slide_notes.tell(" ".join(info.notes), "warning" if is_doubtful else "info")

    def tell_of_calibration(self, profile_problem: str, mpp_um: tuple[float, float] | None) -> None:
        """Say which of colors and sizes are not known."""
        if profile_problem:
            self.color_hint.tell(profile_problem, "warning")
        if mpp_um is None:
            self.scale_hint.tell(
                "Pixel size unknown: measurements are in pixels.", "warning", "Set..."
            )

    def tell_silence(self, sentence: str) -> None:
        """Say that the server of the slide gives nothing any more; "" once it gives again."""
        if sentence:
            self.notice.tell(f"{sentence} What was fetched stays; the rest follows.", "warning")
        else:
            self.notice.hide()

    def tell_gone(self, sentence: str) -> None:
        """Say that a file of the slide is not in its place any more; "" once it is again."""
        if sentence:
            self.notice.tell(sentence, "warning")
        elif self._gone == self.notice.sentence.text():
            self.notice.hide()
        self._gone = sentence

    def tell_unreadable(self, reason: str) -> None:
        """Say why nothing of what is looked at can be read; "" once some of it can again."""
        if reason:
            self.unreadable.tell(_UNREADABLE.format(reason=reason), "error", "Try again")
        else:
            self.unreadable.hide()


class PaneHeader(QFrame):
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
        """Show what the slide is called."""
        self._name.setText(name)
        self._name.setToolTip(name)
