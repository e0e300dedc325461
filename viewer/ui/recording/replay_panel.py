"""The timeline of a replay, below the slides: its bar, its controls and the key of its colors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSize, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.ui.one_line import ElidedLabel
from viewer.ui.recording.color_key import magnification_key
from viewer.ui.recording.scrub_bar import ScrubBar, shown_time
from viewer.ui.shell.panel import Panel
from viewer.ui.theme import icon
from viewer.ui.widgets import IconButton

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtGui import QResizeEvent

    from viewer.recording.analysis import Analysis
    from viewer.ui.recording.replayer import Replayer
    from viewer.ui.slides.slide_pane import SlidePane

_PLAY, _PAUSE = "mdi6.play", "mdi6.pause"


class ReplayPanel(Panel):
    """Play, pause, speed, time; follow the reader or look freely. Shown only while it replays."""

    wanted = Signal()
    """It should be shown, and there is nothing to replay yet."""
    closed = Signal()
    """The user is done with the replay."""

    def __init__(self, replayer: Replayer, parent: QWidget) -> None:
        super().__init__("Replay", parent)
        self.setObjectName("replay")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._replayer = replayer

    def build(self) -> None:
        from viewer.recording.replay import SPEEDS

        self.bar = ScrubBar(self)
        self.play = self._button(_PLAY, "Play or pause")
        self.previous = self._button("mdi6.skip-previous", "To the previous action")
        self.next = self._button("mdi6.skip-next", "To the next action")
        self.speed = QComboBox(self)
        self.speed.addItems([f"{speed:g}x" for speed in SPEEDS])
        self.speed.setCurrentIndex(SPEEDS.index(1.0))
        self.speed.setAccessibleName("Speed")
        self.follow = QCheckBox("Follow", self)
        self.follow.setToolTip("The slide goes where the reader went; else their field is outlined")
        self.skip = QCheckBox("Skip idle", self)
        self.skip.setToolTip("Leave out the time in which nobody looked")
        self.skip.setChecked(True)
        self.time = QLabel(self)
        self.time.setAccessibleName("Time of the replay")
        self.title = ElidedLabel(self)
        self.title.setProperty("dim", True)
        self.key = magnification_key(self, with_idle=True)
        policy = self.key.sizePolicy()
        policy.setRetainSizeWhenHidden(False)
        self.key.setSizePolicy(policy)
        self.exit = self._button("mdi6.close", "End the replay")
        row = QHBoxLayout()
        row.setSpacing(6)
        for widget in (self.previous, self.play, self.next, self.time, self.speed, self.follow):
            row.addWidget(widget)
        row.addWidget(self.skip)
        row.addWidget(self.title, 1)
        row.addWidget(self.key)
        row.addWidget(self.exit)
        body = QWidget(self)
        layout = QVBoxLayout(body)
        layout.setContentsMargins(8, 4, 8, 4)
        layout.setSpacing(2)
        layout.addWidget(self.bar)
        layout.addLayout(row)
        self.set_body(body)
        self.setFocusProxy(self.play)
        self._connect()
        self._show_none()

    @property
    def replayed(self) -> Path | None:
        """Return the folder of the session on the timeline."""
        analysis = self._replayer.analysis
        return None if analysis is None else analysis.folder

    @guarded()
    def show(self) -> None:
        """Show the timeline; without a session, ask for one."""
        if self.replayed is None:
            self.visibilityChanged.emit(False)
            self.wanted.emit()
        else:
            super().show()

    def load(self, analysis: Analysis, pane: SlidePane, title: str) -> None:
        """Take a session to replay on a pane, and what it is called."""
        from viewer.recording.replay import SPEEDS

        self.ensure_built()
        self._replayer.load(analysis, pane)
        assert self._replayer.clock is not None
        self._replayer.clock.speed = SPEEDS[self.speed.currentIndex()]
        self._replayer.clock.skips_away = self.skip.isChecked()
        self.bar.show_session(analysis.trace, analysis.actions)
        self.title.show_text(title)
        self._enable(enabled=True)
        self._on_position(self._replayer.clock.position_s)

    def start(self) -> None:
        """Play from where the session stands."""
        self._replayer.set_playing(playing=True)

    def unload(self) -> None:
        """End the replay."""
        self._replayer.unload()
        if self.is_built:
            self._show_none()

    @guarded()
    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave the key of colors out where there is no room; the bar's tips name them too."""
        super().resizeEvent(event)
        if not self.is_built:
            return
        self.key.show()
        layout = self.layout()
        if layout is not None and layout.minimumSize().width() > self.width():
            self.key.hide()

    @guarded()
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self.is_built:
            clock = self._replayer.clock
            self._on_playing(clock is not None and clock.is_playing)

    def _connect(self) -> None:
        replayer = self._replayer
        self.bar.sought.connect(replayer.seek)
        self.play.clicked.connect(self._toggle)
        self.previous.clicked.connect(lambda: replayer.step(-1))
        self.next.clicked.connect(lambda: replayer.step(1))
        self.speed.currentIndexChanged.connect(self._on_speed)
        self.follow.toggled.connect(lambda on: replayer.set_follow(follow=on))
        self.skip.toggled.connect(self._on_skip)
        self.exit.clicked.connect(self.closed)
        replayer.position_changed.connect(self._on_position)
        replayer.playing_changed.connect(self._on_playing)
        replayer.follow_changed.connect(self.follow.setChecked)

    def _toggle(self) -> None:
        clock = self._replayer.clock
        if clock is not None:
            self._replayer.set_playing(playing=not clock.is_playing)

    def _on_speed(self, index: int) -> None:
        from viewer.recording.replay import SPEEDS

        if self._replayer.clock is not None:
            self._replayer.clock.speed = SPEEDS[index]

    def _on_skip(self, skips: bool) -> None:
        if self._replayer.clock is not None:
            self._replayer.clock.skips_away = skips

    def _on_position(self, position_s: float) -> None:
        clock = self._replayer.clock
        if clock is not None:
            self.bar.set_position(position_s)
            length = shown_time(clock.end_s - clock.begin_s)
            text = f"{shown_time(position_s - clock.begin_s)} / {length}"
            if text != self.time.text():
                self.time.setText(text)

    def _on_playing(self, playing: bool) -> None:
        self.play.setIcon(icon(_PAUSE if playing else _PLAY))

    def _show_none(self) -> None:
        self.bar.show_session(None, [])
        self.time.setText("")
        self.title.show_text("")
        self.follow.setChecked(True)
        self._enable(enabled=False)

    def _enable(self, *, enabled: bool) -> None:
        for widget in (self.play, self.previous, self.next, self.follow, self.skip, self.speed):
            widget.setEnabled(enabled)

    def _button(self, icon_name: str, tip: str) -> IconButton:
        button = IconButton(icon_name, tip, self)
        button.setFixedSize(28, 28)
        button.setIconSize(QSize(18, 18))
        return button
