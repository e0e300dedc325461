"""Files that are being read or tried: how far it is, said over the slides, and Cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QPoint, Qt, QTimer, Signal

from viewer.plurals import percent
from viewer.ui.long_task import StoppableWork
from viewer.ui.widgets import NoticeBar

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QWidget

_PATIENCE_MS = 500
"""What is read sooner shows nothing."""
_STEP = 0.02
_FROM_BELOW_PX = 64
"""Above the scale bar and the button of the layers."""


class Reading(StoppableWork):
    """One file, set or model that is being read or tried; `finish` ends it here."""

    changed = Signal()
    """It takes long, or is further."""
    ended = Signal()

    def __init__(self, doing: str, parent: QObject) -> None:
        super().__init__(parent, _STEP)
        self._doing = doing
        self._share = 0.0
        self.takes_long = False
        self._reached.connect(self._on_reached, Qt.ConnectionType.QueuedConnection)
        self._patience = QTimer(self, singleShot=True, interval=_PATIENCE_MS)
        self._patience.timeout.connect(self._on_patience)
        self._patience.start()

    @property
    def sentence(self) -> str:
        """Return what is done, and how far it is as far as that is known."""
        far = f" {percent(self._share)}" if self._share else ""
        return f"{self._doing}...{far}"

    def finish(self) -> None:
        """It is done, failed, or nobody waits for it any more."""
        self.stop()
        self._patience.stop()
        self.ended.emit()
        self.deleteLater()

    def _on_patience(self) -> None:
        self.takes_long = True
        self.changed.emit()

    def _on_reached(self, share: float) -> None:
        self._share = share
        self.changed.emit()


class ReadingBar(NoticeBar):
    """Shows the newest reading that takes long.

    It floats over the slides, which keep their size and the keyboard.
    """

    def __init__(self, window: QWidget, slides: Callable[[], QWidget]) -> None:
        super().__init__(window)
        self._slides = slides
        self._readings: list[Reading] = []
        self.sentence.setWordWrap(False)
        self.dismiss.hide()
        self.button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.acted.connect(self._stop)

    def begin(self, what: str, verb: str = "Reading") -> Reading:
        """Begin to read or try something, such as "the annotations of this slide"."""
        reading = Reading(f"{verb} {what}", self)
        self._readings.append(reading)
        reading.changed.connect(self._show_newest)
        reading.ended.connect(lambda: self._forget(reading))
        return reading

    def _newest(self) -> Reading | None:
        return next((each for each in reversed(self._readings) if each.takes_long), None)

    def _forget(self, reading: Reading) -> None:
        self._readings.remove(reading)
        self._show_newest()

    def _stop(self) -> None:
        reading = self._newest()
        if reading is not None:
            reading.stop()

    def _show_newest(self) -> None:
        reading = self._newest()
        if reading is None:
            self.hide()
            return
        if self.isHidden():
            self.tell(reading.sentence, "mode", "Cancel")
        self.sentence.setText(reading.sentence)
        self.adjustSize()
        slides, window = self._slides(), self.parentWidget()
        assert window is not None  # it lies over one
        below = slides.mapTo(window, QPoint(slides.width() // 2, slides.height() - _FROM_BELOW_PX))
        self.move(below.x() - self.width() // 2, below.y() - self.height())
        self.raise_()
