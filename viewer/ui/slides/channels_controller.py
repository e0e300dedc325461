"""Channels, focal planes and time points of the window's slides: panel, keys, wheel, playing."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

from msgspec.structs import replace
from PySide6.QtCore import QObject, QTimer

from viewer.plurals import plural
from viewer.slides.channels import FIRST_PLANE, Axes, ImagePlane
from viewer.slides.composites import first_displays
from viewer.ui.background_runner import BackgroundRunner, Task
from viewer.ui.commands.channels import NUMBERED_CHANNELS, only_id
from viewer.ui.services import CommandHost, DialogHost, MessageHost, PaneHost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.canvas.canvas import SlideCanvas
    from viewer.slides.composites import ChannelDisplay
    from viewer.slides.source import SlideSource
    from viewer.tiles.histogram import ChannelHistogram
    from viewer.ui.slides.channels_box import ChannelsBox
    from viewer.ui.slides.display_panel import DisplayPanel
    from viewer.ui.slides.planes_box import PlanesBox
    from viewer.ui.slides.slide_pane import SlidePane
    from viewer.ui.status_bar import WindowStatusBar

_PLAY_MS = 200
_REST_MS = 150
"""That a plane stays before its histogram is made."""
_MOST_HISTOGRAMS = 128


class ChannelsHost(MessageHost, DialogHost, PaneHost, CommandHost, Protocol):
    """What channels and planes ask of the window."""

    display: DisplayPanel
    status: WindowStatusBar


class ChannelsController(QObject):
    """Owned by the window; acts on the active pane."""

    def __init__(self, window: ChannelsHost) -> None:
        super().__init__(window.window())
        self._window = window
        self._shown: tuple[SlideSource, ImagePlane] | None = None
        self._before_only: dict[SlidePane, tuple[bool, ...]] = {}
        self._histograms: OrderedDict[tuple[int, int, ImagePlane], ChannelHistogram | None]
        self._histograms = OrderedDict()
        self._task: Task | None = None
        self._reader = BackgroundRunner("histogram", 1, self)
        self._rest = QTimer(self, interval=_REST_MS, singleShot=True)
        self._rest.timeout.connect(self._read_histogram)
        self._player = QTimer(self, interval=_PLAY_MS)
        self._player.timeout.connect(self._play_on)
        window.display.when_built(self._connect_panel)
        self._connect_commands()
        window.panes.watch(self._watch)
        window.panes.active_changed.connect(lambda _: self._show_active())
        window.display.visibilityChanged.connect(lambda visible: visible and self._show_active())

    @property
    def channels(self) -> ChannelsBox:
        """Return the list of channels on the page Slide."""
        return self._window.display.channels

    @property
    def planes(self) -> PlanesBox:
        """Return the sliders of focus and time on the page Slide."""
        return self._window.display.planes

    @property
    def axes(self) -> Axes:
        """Return what the active slide has; RGB and one plane where there is none."""
        source = self._window.panes.active.source
        return Axes() if source is None else source.info.axes

    def shut_down(self) -> None:
        """End the thread and the playing."""
        self._player.stop()
        self._rest.stop()
        self._reader.close()

    # -----------------------------------------------------------------------------------------

    def _connect_panel(self) -> None:
        self.channels.edited.connect(self._set_displays)
        self.channels.auto_requested.connect(self._stretch)
        self.channels.selected.connect(lambda _: self._show_histogram())
        self.planes.chosen.connect(self._set_plane)
        self.planes.play_toggled.connect(lambda on: self._play(on=on))

    def _connect_commands(self) -> None:
        commands = self._window.commands
        for number in range(1, NUMBERED_CHANNELS + 1):
            commands.on(only_id(number), lambda number=number: self._show_only(number - 1))
        commands.on("channel.all", self._show_all)
        commands.on("channel.auto", self._stretch_shown)
        commands.on("focus.up", lambda: self._turn_focus(self._window.panes.active, 1))
        commands.on("focus.down", lambda: self._turn_focus(self._window.panes.active, -1))
        commands.on_toggle("focus.projection", self._project)
        commands.on("time.next", lambda: self._step_time(1))
        commands.on("time.previous", lambda: self._step_time(-1))
        commands.on_toggle("time.play", lambda on: self._play(on=on))

    def _watch(self, pane: SlidePane) -> None:
        canvas = pane.canvas
        canvas.plane_changed.connect(lambda _: self._on_changed(pane))
        canvas.look_changed.connect(lambda _: self._on_changed(pane))
        canvas.focus_turned.connect(lambda planes: self._turn_focus(pane, planes))
        pane.slide_changed.connect(self._on_slide_changed)

    def _on_slide_changed(self, pane: SlidePane) -> None:
        self._before_only.pop(pane, None)
        if pane is self._window.panes.active:
            self._play(on=False)
            self._show_active()

    def _on_changed(self, pane: SlidePane) -> None:
        if pane is self._window.panes.active:
            self._show_active()

    @property
    def _canvas(self) -> SlideCanvas:
        return self._window.panes.active.canvas

    @property
    def _displays(self) -> tuple[ChannelDisplay, ...]:
        shown = self._canvas.look.channels
        return shown if len(shown) == len(self.axes.channels) else first_displays(self.axes)

    def _show_active(self) -> None:
        self._window.commands["focus.projection"].setChecked(self._plane.is_projection)
        self._window.commands["time.play"].setChecked(self._player.isActive())
        self._window.status.show_pane(self._window.panes.active)
        self._window.display.when_built(self._show_in_panel, "channels")

    @property
    def _plane(self) -> ImagePlane:
        has_slide = self._window.panes.active.source is not None
        return self._canvas.plane if has_slide else FIRST_PLANE

    def _show_in_panel(self) -> None:
        source, axes, plane = self._window.panes.active.source, self.axes, self._plane
        self.channels.setVisible(not axes.is_rgb)
        self.planes.setVisible(axes.has_planes)
        self.planes.show_plane(axes, plane, is_playing=self._player.isActive())
        if axes.is_rgb or source is None:
            self._shown = None
            return
        self.channels.show_channels(axes, self._displays)
        if (source, plane) != self._shown:
            self._shown = (source, plane)
            self._show_histogram()

    # Channels --------------------------------------------------------------------------------

    def _set_displays(self, displays: tuple[ChannelDisplay, ...]) -> None:
        canvas = self._canvas
        canvas.set_look(replace(canvas.look, channels=displays))

    def _show_only(self, channel: int) -> None:
        pane, displays = self._window.panes.active, self._displays
        was = tuple(display.shown for display in displays)
        only = tuple(index == channel for index in range(len(displays)))
        wanted = only
        if was == only:
            wanted = self._before_only.pop(pane, None) or (True,) * len(displays)
        else:
            self._before_only[pane] = was
        self._set_displays(
            tuple(replace(each, shown=on) for each, on in zip(displays, wanted, strict=True))
        )
        names = [c.name for c, on in zip(self.axes.channels, wanted, strict=True) if on]
        self._window.say(f"Shown: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}.")

    def _show_all(self) -> None:
        is_new = not all(display.shown for display in self._displays)
        self._window.say("All channels are shown." if is_new else "All channels are shown already.")
        self._set_displays(tuple(replace(each, shown=True) for each in self._displays))

    def _stretch_shown(self) -> None:
        self._stretch([i for i, display in enumerate(self._displays) if display.shown])

    def _stretch(self, channels: Sequence[int]) -> None:
        """Give channels the range of their values, once these are read."""
        from viewer.tiles.histogram import channel_histogram

        source, plane = self._window.panes.active.source, self._canvas.plane
        if source is None or not channels:
            self._window.say("No channel is shown: check one first.")
            return

        def done(found: dict[int, ChannelHistogram | None]) -> None:
            if source is not self._window.panes.active.source:
                return
            displays = list(self._displays)
            for channel, histogram in found.items():
                if histogram is not None:
                    low, high = histogram.auto
                    displays[channel] = replace(displays[channel], low=low, high=high)
            is_same = tuple(displays) == self._displays
            self._set_displays(tuple(displays))
            count = len(found)
            what = plural(count, "channel")
            done_so = "already stretched" if is_same else "stretched"
            self._window.say(f"Auto contrast: {what} {done_so} to the values of the slide.")

        self._reader.run(
            lambda: {each: channel_histogram(source, each, plane) for each in channels},
            done,
            lambda error: self._window.say(str(error)),
        )

    def _show_histogram(self) -> None:
        """Show the selected channel's histogram, at once where it is known."""
        source, channel = self._window.panes.active.source, self.channels.current
        if source is None or channel < 0:
            return
        key = (id(source), channel, self._canvas.plane)
        self.channels.show_histogram(self._histograms.get(key))
        if key not in self._histograms:
            self._rest.start()

    def _read_histogram(self) -> None:
        from viewer.tiles.histogram import channel_histogram

        source, channel = self._window.panes.active.source, self.channels.current
        if source is None or source.info.axes.is_rgb or channel < 0:
            return
        if not self.channels.isVisible():
            self._shown = None  # made once somebody looks
            return
        plane = self._canvas.plane
        key = (id(source), channel, plane)

        def done(histogram: ChannelHistogram | None) -> None:
            self._histograms[key] = histogram
            if len(self._histograms) > _MOST_HISTOGRAMS:
                self._histograms.popitem(last=False)
            if source is self._window.panes.active.source and channel == self.channels.current:
                self.channels.show_histogram(histogram)

        if self._task is not None:
            self._task.cancel()
        self._task = self._reader.run(lambda: channel_histogram(source, channel, plane), done)

    # Planes ----------------------------------------------------------------------------------

    def _set_plane(self, plane: ImagePlane) -> None:
        self._canvas.set_plane(plane)

    def _turn_focus(self, pane: SlidePane, planes: int) -> None:
        source = pane.source
        if source is None:
            return
        count, plane = source.info.axes.z_count, pane.canvas.plane
        if count < 2:
            self._window.say("This slide has one focal plane.")
            return
        z = min(max(plane.z + planes, 0), count - 1)
        if z == plane.z and not plane.is_projection:
            self._window.say(f"This is the {'top' if planes > 0 else 'lowest'} focal plane.")
        pane.canvas.set_plane(ImagePlane(z, plane.t))

    def _project(self, on: bool) -> None:
        plane = self._canvas.plane
        self._set_plane(replace(plane, is_projection=on))

    def _step_time(self, step: int) -> None:
        plane, count = self._canvas.plane, self.axes.t_count
        self._set_plane(replace(plane, t=(plane.t + step) % count))

    def _play(self, *, on: bool) -> None:
        if on and self.axes.t_count > 1:
            self._player.start()
        else:
            self._player.stop()
        self._show_playing()

    def _show_playing(self) -> None:
        is_playing = self._player.isActive()
        self._window.commands["time.play"].setChecked(is_playing)
        self._window.display.when_built(lambda: self.planes.play.setChecked(is_playing), "playing")

    def _play_on(self) -> None:
        """Go on once the time point is there to be seen."""
        if self._canvas.is_sharp:
            self._step_time(1)
