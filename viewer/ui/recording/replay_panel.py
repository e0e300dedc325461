"""The controls of a replay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from viewer.ui.recording.scrub_bar import ScrubBar, shown_time
from viewer.ui.shell.panel import Panel
from viewer.ui.theme import icon

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.recording.analysis import Analysis
    from viewer.ui.recording.replayer import Replayer
    from viewer.ui.slides.slide_pane import SlidePane


class ReplayPanel(Panel):
    """Play, pause, speed, time; follow the reader or look freely."""

    def __init__(self, replayer: Replayer, parent: QWidget) -> None:
        from viewer.recording.replay import SPEEDS

        super().__init__("Replay", parent)
        self.setObjectName("replay")
        self._replayer = replayer
        self.bar = ScrubBar(self)
        self.play = self._button("mdi6.play", "Play or pause")
        self.previous = self._button("mdi6.skip-previous", "To the previous action")
        self.next = self._button("mdi6.skip-next", "To the next action")
        self.speed = QComboBox(self)
        self.speed.addItems([f"{speed:g}x speed" for speed in SPEEDS])
        self.speed.setCurrentIndex(SPEEDS.index(1.0))
        self.speed.setAccessibleName("Speed")
        self.follow = QCheckBox("Follow", self)
        self.follow.setToolTip("The slide goes where the reader went; else their field is outlined")
        self.skip = QCheckBox("Skip idle", self)
        self.skip.setToolTip("Leave out the time in which nobody looked")
        self.skip.setChecked(True)
        self.time = QLabel(self)
        self.title = QLabel(self)
        row = QHBoxLayout()
        for widget in (self.previous, self.play, self.next, self.time, self.speed, self.follow):
            row.addWidget(widget)
        row.addWidget(self.skip)
        row.addStretch(1)
        row.addWidget(self.title)
        body = QWidget(self)
        layout = QVBoxLayout(body)
        layout.setContentsMargins(8, 4, 8, 4)
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

    def load(self, analysis: Analysis, pane: SlidePane) -> None:
        """Takes a session to replay on a pane."""
        from viewer.recording.replay import SPEEDS

        self._replayer.load(analysis, pane)
        assert self._replayer.clock is not None
        self._replayer.clock.speed = SPEEDS[self.speed.currentIndex()]
        self._replayer.clock.skips_away = self.skip.isChecked()
        self.bar.show_session(analysis.trace, analysis.actions)
        header = analysis.header
        self.title.setText(header.title or f"{header.reader}, {header.started_utc[:16]}")
        self._enable(enabled=True)
        self._on_position(self._replayer.clock.position_s)

    def start(self) -> None:
        """Play from where the session stands."""
        self._replayer.set_playing(playing=True)

    def unload(self) -> None:
        """Ends the replay."""
        self._replayer.unload()
        self._show_none()

    def _connect(self) -> None:
        replayer = self._replayer
        self.bar.sought.connect(replayer.seek)
        self.play.clicked.connect(self._toggle)
        self.previous.clicked.connect(lambda: replayer.step(-1))
        self.next.clicked.connect(lambda: replayer.step(1))
        self.speed.currentIndexChanged.connect(self._on_speed)
        self.follow.toggled.connect(lambda on: replayer.set_follow(follow=on))
        self.skip.toggled.connect(self._on_skip)
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
            self.time.setText(f"{shown_time(position_s - clock.begin_s)} / {length}")

    def _on_playing(self, playing: bool) -> None:
        self.play.setIcon(icon("mdi6.pause" if playing else "mdi6.play"))

    def _show_none(self) -> None:
        self.bar.show_session(None, [])
        self.time.setText("")
        self.title.setText("Choose a session in the panel Sessions.")
        self.follow.setChecked(True)
        self._enable(enabled=False)

    def _enable(self, *, enabled: bool) -> None:
        for widget in (self.play, self.previous, self.next, self.follow, self.skip, self.speed):
            widget.setEnabled(enabled)

    def _button(self, icon_name: str, tip: str) -> QToolButton:
        button = QToolButton(self)
        button.setIcon(icon(icon_name))
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        return button
