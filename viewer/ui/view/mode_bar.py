"""The bar that names what a pane is used for now, such as a replay, and ends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QCheckBox, QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from viewer.canvas.canvas import SlideCanvas
    from viewer.canvas.layer import Layer

_SENTENCE_PX, _AROUND_PX = 260, 3


class ModeBar(QFrame):
    """Floats at the top of a pane, with the name of the mode and a button that ends it.

    The canvas keeps its size: a replay shows the pixels that the reader saw.
    """

    exited = Signal()
    """The user ends the mode."""
    others_toggled = Signal(bool)
    """Whether the other layers are to be shown too."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("notice", "mode")
        self.name = QLabel(self)
        self.name.setTextFormat(Qt.TextFormat.PlainText)
        self.sentence = QLabel(self)
        self.sentence.setTextFormat(Qt.TextFormat.PlainText)
        self.sentence.setProperty("dim", "true")
        self.others = QCheckBox("Show other layers", self)
        self.others.setToolTip("Show annotations, heatmaps and objects beside what belongs to it")
        self.exit_button = QPushButton("Exit", self)
        font = self.name.font()
        font.setBold(True)
        self.name.setFont(font)
        row = QHBoxLayout(self)
        row.setContentsMargins(10, _AROUND_PX, 6, _AROUND_PX)
        row.setSpacing(12)
        row.addWidget(self.name)
        row.addWidget(self.sentence, 1)
        row.addWidget(self.others)
        row.addWidget(self.exit_button)
        self.exit_button.clicked.connect(self.exited)
        self.others.toggled.connect(self.others_toggled)
        self.hide()

    def show_mode(self, name: str, sentence: str, *, hides_others: bool) -> None:
        """Name the mode, what it is of, and whether it has hidden other layers."""
        self.name.setText(name)
        metrics = self.sentence.fontMetrics()
        elided = metrics.elidedText(sentence, Qt.TextElideMode.ElideRight, _SENTENCE_PX)
        self.sentence.setText(elided)
        self.sentence.setToolTip(sentence)
        self.exit_button.setToolTip(f"End the {name.lower()}; what was shown before comes back")
        self.exit_button.setAccessibleName(f"Exit {name}")
        self.others.setVisible(hides_others)
        self.adjustSize()

    def fit(self, wide_px: int) -> None:
        """Take no more room than this where two lines of the sentence are enough for it."""
        self.sentence.setWordWrap(False)
        self.adjustSize()
        one_line, too_wide_px = self.size(), self.width() - wide_px
        sentence_px = self.sentence.sizeHint().width() - too_wide_px
        if too_wide_px <= 0:
            return
        self.sentence.setWordWrap(True)
        high_px = self.sentence.heightForWidth(sentence_px) if sentence_px > 0 else 0
        if 0 < high_px <= 2 * self.sentence.fontMetrics().lineSpacing():
            self.resize(wide_px, max(one_line.height(), high_px + 2 * _AROUND_PX))
        else:
            self.sentence.setWordWrap(False)
            self.resize(one_line)


class _Mode(msgspec.Struct):
    """One mode of a pane."""

    name: str
    sentence: str
    layers: tuple[Layer, ...] | None
    on_exit: Callable[[], object]


class PaneModes(QObject):
    """The modes of one pane; the one entered last has the bar.

    A mode may have the canvas paint its own layers alone. Nothing of the others is changed, so
    that all is as before once the last such mode was left.
    """

    bar_changed = Signal()
    """The bar has something else to say, or nothing any more."""
    changed = Signal()
    """Other layers are hidden by a mode from now on, or no longer."""

    def __init__(self, canvas: SlideCanvas, bar: ModeBar, parent: QObject) -> None:
        super().__init__(parent)
        self._canvas = canvas
        self._bar = bar
        self._modes: dict[str, _Mode] = {}
        self._shows_others = False
        self._was_hiding = False
        bar.exited.connect(self._exit)
        bar.others_toggled.connect(self._show_others)

    @property
    def names(self) -> list[str]:
        """Return the modes of the pane, the one entered last at the end."""
        return list(self._modes)

    @property
    def hides_others(self) -> bool:
        """Return whether layers are hidden that no mode counts as its own."""
        has_own = any(mode.layers is not None for mode in self._modes.values())
        return has_own and not self._shows_others

    def enter(
        self,
        name: str,
        sentence: str,
        on_exit: Callable[[], object],
        layers: Iterable[Layer] | None = None,
    ) -> None:
        """Begin a mode, or go on with it otherwise.

        Parameters
        ----------
        name
            As the bar has it, such as "Replay".
        on_exit
            Ends the mode; has to call `leave`.
        layers
            What is painted over the slide while it lasts; None leaves all layers alone.
        """
        if name not in self._modes:
            self._shows_others = False
        own = None if layers is None else tuple(layers)
        self._modes.pop(name, None)
        self._modes[name] = _Mode(name, sentence, own, on_exit)
        self._follow()

    def leave(self, name: str) -> None:
        """End a mode; nothing where the pane is not in it."""
        if self._modes.pop(name, None) is not None:
            self._follow()

    def show_others(self) -> None:
        """Show the layers that a mode hides; it goes on."""
        if self.hides_others:
            self._bar.others.setChecked(True)

    # -----------------------------------------------------------------------------------------

    def _show_others(self, shown: bool) -> None:
        self._shows_others = shown
        self._follow()

    def _exit(self) -> None:
        if self._modes:
            self._modes[self.names[-1]].on_exit()
            self._canvas.setFocus(Qt.FocusReason.OtherFocusReason)  # the button is gone

    def _follow(self) -> None:
        own = [mode.layers for mode in self._modes.values() if mode.layers is not None]
        if self._modes:
            last = self._modes[self.names[-1]]
            self._bar.others.setChecked(self._shows_others)
            self._bar.show_mode(last.name, last.sentence, hides_others=bool(own))
        self.bar_changed.emit()
        hides = self.hides_others
        self._canvas.paint_only([layer for each in own for layer in each] if hides else None)
        if hides != self._was_hiding:
            self._was_hiding = hides
            self.changed.emit()
