"""Plays a session on a canvas: follows it, or shows its field while the user looks elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from msgspec.structs import replace
from PySide6.QtCore import QObject, QTimer, Signal

from viewer.canvas.layer import LayerOrder
from viewer.geometry import Point, Size
from viewer.slides.channels import FIRST_PLANE
from viewer.slides.composites import first_displays
from viewer.tiles.display import DisplaySettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.canvas.layer import Layer
    from viewer.recording.analysis import Analysis
    from viewer.recording.replay import ReplayClock
    from viewer.recording.trace import PlaneSeen
    from viewer.ui.slides.slide_pane import SlidePane

MODE = "Replay"
_FRAME_MS = 16
_NOT_THE_USERS = frozenset({"replay", "resize", "optics", "link"})


class Replayer(QObject):
    """Owns the clock of one session at a time."""

    position_changed = Signal(float)
    """Seconds since the session began."""
    playing_changed = Signal(bool)
    follow_changed = Signal(bool)
    exit_requested = Signal()
    """The user ends the replay at its pane."""
    let_go = Signal(object)
    """The SlidePane whose view is the user's again."""

    def __init__(self, parent: QObject) -> None:
        from viewer.canvas.outline_layer import OutlineLayer

        super().__init__(parent)
        self.analysis: Analysis | None = None
        self.clock: ReplayClock | None = None
        self.pane: SlidePane | None = None
        self.follows = True
        self._shown_index = -1
        self._shown_plane: PlaneSeen | None = None
        self._own_planes = FIRST_PLANE, DisplaySettings()
        """What the pane showed before the replay."""
        self.layers_beside: Callable[[], list[Layer]] = list
        """Give what else belongs to a replay, and stays in sight with it."""
        self._frame = OutlineLayer("#2f9bff", fill=0.08, name="field of the replay")
        self._timer = QTimer(self, interval=_FRAME_MS)
        self._timer.timeout.connect(self._tick)
        self._ticked_s = 0.0

    def load(self, analysis: Analysis, pane: SlidePane) -> None:
        """Stand at the beginning of a session with at least one view, on a pane's canvas."""
        from viewer.recording.replay import ReplayClock
        from viewer.recording.session_catalog import started_text, title_of, who_read

        self.unload()
        self.analysis, self.pane = analysis, pane
        self._own_planes = pane.canvas.plane, pane.canvas.look
        self._shown_plane = None
        self.clock = ReplayClock(analysis.trace)
        self._shown_index = -1
        pane.view_changed.connect(self._on_view_changed)
        pane.canvas.add_layer(self._frame, LayerOrder.TOOLS)
        header = analysis.header
        title = title_of(header) or f"{who_read(header)}, {started_text(header)}"
        own = [self._frame, *self.layers_beside()]
        pane.modes.enter(MODE, title, self.exit_requested.emit, own)
        self.set_follow(follow=True)
        self._show()

    def unload(self) -> None:
        """Let go of the session and the canvas."""
        self.set_playing(playing=False)
        pane = self.pane
        if pane is not None:
            pane.view_changed.disconnect(self._on_view_changed)
            pane.canvas.remove_layer(self._frame)
            pane.modes.leave(MODE)
            if self._shown_plane is not None:
                plane, look = self._own_planes
                pane.canvas.set_plane(plane)
                pane.canvas.set_look(look)
        self.analysis = self.clock = self.pane = None
        self._frame.clear()
        if pane is not None:
            self.let_go.emit(pane)

    def set_playing(self, *, playing: bool) -> None:
        """Play or pauses."""
        if self.clock is None:
            return
        was_playing = self.clock.is_playing
        if playing:
            self.clock.play()
            self._ticked_s = time.monotonic()
            self._timer.start()
        else:
            self.clock.pause()
            self._timer.stop()
        if playing != was_playing:
            self.playing_changed.emit(playing)

    def seek(self, position_s: float) -> None:
        """Jump to a time of the session and stand there: one wants to look."""
        if self.clock is not None:
            self.set_playing(playing=False)
            self.clock.seek(position_s)
            self._show()

    def step(self, direction: int) -> None:
        """Jump to the next (1) or previous (-1) action and stand there."""
        if self.clock is not None and self.analysis is not None:
            self.set_playing(playing=False)
            self.clock.step(self.analysis.actions, direction)
            self._show()

    def set_follow(self, *, follow: bool) -> None:
        """Set whether the canvas goes where the reader went; else their field is outlined."""
        if follow != self.follows:
            self.follows = follow
            self.follow_changed.emit(follow)
            if not follow and self.pane is not None:
                self.let_go.emit(self.pane)
        self._shown_index = -1
        self._show()

    def _tick(self) -> None:
        if self.clock is None:
            return
        now_s = time.monotonic()
        self.clock.advance(now_s - self._ticked_s)
        self._ticked_s = now_s
        self._show()
        if not self.clock.is_playing:
            self._timer.stop()
            self.playing_changed.emit(False)

    def _show(self) -> None:
        from viewer.recording.replay import recorded_view

        if self.clock is None or self.analysis is None or self.pane is None:
            return
        index = self.clock.view_index
        if index != self._shown_index:
            self._shown_index = index
            canvas = self.pane.canvas
            screen = Size(canvas.width(), canvas.height())
            view = recorded_view(self.analysis.trace, index, screen)
            if self.follows:
                self._frame.clear()
                canvas.follow_view(view, "replay")
            else:
                self._frame.show_field(self._corners(index))
                canvas.update()
        self._show_plane()
        self.position_changed.emit(self.clock.position_s)

    def _show_plane(self) -> None:
        """Show the plane and the channels that were on screen, where the camera follows."""
        if self.clock is None or self.analysis is None or self.pane is None or not self.follows:
            return
        seen, canvas = self.analysis.trace.plane_at(self.clock.position_s), self.pane.canvas
        if seen is None or seen is self._shown_plane or canvas.source is None:
            return
        self._shown_plane = seen
        canvas.set_plane(seen.plane)
        axes = canvas.source.info.axes
        shown = [channel.name in seen.channels for channel in axes.channels]
        displays = canvas.look.channels or first_displays(axes)
        if any(shown) and len(displays) == len(shown):
            channels = (replace(d, shown=on) for d, on in zip(displays, shown, strict=True))
            canvas.set_look(replace(canvas.look, channels=tuple(channels)))

    def _corners(self, index: int) -> list[tuple[float, float]]:
        """Of the recorded field on the slide."""
        assert self.analysis is not None
        field = self.analysis.trace.field(index)
        width, height = field.size
        screen = [Point(0, 0), Point(width, 0), Point(width, height), Point(0, height)]
        points = [field.to_slide(corner) for corner in screen]
        return [(point.x, point.y) for point in points]

    def _on_view_changed(self, _pane: SlidePane, cause: str) -> None:
        """The user took the slide in hand: the camera is theirs."""
        if cause not in _NOT_THE_USERS and self.follows:
            self.set_follow(follow=False)
