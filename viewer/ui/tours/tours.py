"""The three tours: annotate, run a model, record a reading."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from viewer.ui.actions import shown_shortcut
from viewer.ui.annotations.toolbox import MOVE, SELECT
from viewer.ui.commands.annotating import tool_id
from viewer.ui.commands.views import magnification_id
from viewer.ui.recording.control import RecordingState
from viewer.ui.services import CommandHost, PaneHost
from viewer.ui.tours.step import Step, Tour

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtCore import SignalInstance
    from PySide6.QtWidgets import QWidget

    from viewer.ui.annotations.controller import AnnotationsController
    from viewer.ui.annotations.toolbox import Toolbox
    from viewer.ui.overlays.controller import OverlaysController
    from viewer.ui.recording.controller import RecordingController
    from viewer.ui.shell.frame import WindowFrame

_NEARLY = 0.95


class TourHost(PaneHost, CommandHost, Protocol):
    """What the tours show of the window."""

    annotations: AnnotationsController
    frame: WindowFrame
    overlays: OverlaysController
    recording: RecordingController
    toolbox: Toolbox


def annotate_tour(window: TourHost) -> Tour:
    """Return the tour that draws a region, gives it a class and undoes."""
    sets = window.annotations
    rectangle = _key(window, tool_id("rectangle"))

    def drawn() -> Callable[[], bool]:
        before = _drawn(window).total()
        return lambda: _drawn(window).total() > before

    def classified() -> Callable[[], bool]:
        before = _drawn(window)
        return lambda: _drawn(window) != before

    def undone() -> Callable[[], bool]:
        return lambda: sets.can_redo

    def steps_of_set() -> list[SignalInstance]:
        return [sets.active_sets.stepped] if sets.active_sets is not None else []

    return Tour(
        "Annotate",
        (
            _magnified(
                window,
                10.0,
                "Turn the mouse wheel over a place, or press {key}, until the "
                "magnification is 10x.",
            ),
            Step(
                f"Take the rectangle from the strip at the left, or press {rectangle}.",
                lambda: lambda: window.toolbox.name not in (MOVE, SELECT),
                lambda: [window.toolbox.tool_chosen],
                lambda: _button_of(window, tool_id("rectangle")),
            ),
            Step(
                "Press the mouse button on the slide, drag round something, and let go.",
                drawn,
                steps_of_set,
            ),
            Step(
                "Give it another class: press Ctrl and a digit, or choose one in the page "
                "Annotate.",
                classified,
                steps_of_set,
                lambda: window.frame.inspector.rail.button("annotate"),
            ),
            Step(
                f"Undo that: press {_key(window, 'edit.undo')}. Nothing that you do is lost.",
                undone,
                steps_of_set,
            ),
        ),
        "That is all. Annotations save themselves; the page Annotate lists them, and the menu "
        "Annotate exports them.",
    )


def ai_tour(window: TourHost) -> Tour:
    """Return the tour that runs a model on the field of view."""
    overlays = window.overlays
    return Tour(
        "Run AI",
        (
            _magnified(
                window,
                20.0,
                "Models work on what is in view. Go to 20x at a place: turn "
                "the wheel, or press {key}.",
            ),
            Step(
                "Open the page AI at the right.",
                lambda: overlays.panel.isVisible,
                lambda: [overlays.panel.visibilityChanged],
                lambda: window.frame.inspector.rail.button("ai"),
            ),
            Step(
                "Turn a model on, such as the one for nuclei.",
                lambda: lambda: bool(overlays.all_of(window.panes.active)),
                lambda: [overlays.began, overlays.figures_changed],
                lambda: overlays.panel,
            ),
            Step(
                "Results appear tile by tile. Move the slide, and the model follows.",
                _moved(window),
                lambda: [window.panes.active.view_changed],
            ),
            Step(
                "Turn the model off again to see the tissue alone.",
                lambda: lambda: not overlays.all_of(window.panes.active),
                lambda: [overlays.figures_changed],
                lambda: overlays.panel,
            ),
        ),
        'That is all. "Run whole slide" computes all of it; results are kept, and are for '
        "research use.",
    )


def record_tour(window: TourHost) -> Tour:
    """Return the tour that records a reading and replays it."""
    control, replay = window.recording.control, window.recording.panels.replay
    key = _key(window, "recording.on")
    return Tour(
        "Record a reading",
        (
            Step(
                f"Press Record at the upper right, or {key}. The first time you "
                "are asked under which name.",
                lambda: lambda: control.state is RecordingState.ON,
                lambda: [control.state_changed],
                lambda: window.recording.pill,
            ),
            _magnified(window, 10.0, "Read as usual: go to 10x at a place, by the wheel or {key}."),
            Step(
                "Drag the slide to another place.",
                _moved(window),
                lambda: [window.panes.active.view_changed],
            ),
            Step(
                "Press Record again to stop.",
                lambda: lambda: control.state is RecordingState.OFF,
                lambda: [control.state_changed],
                lambda: window.recording.pill,
            ),
            Step(
                "Press Replay in the notice, or in the page Sessions.",
                lambda: replay.isVisible,
                lambda: [replay.visibilityChanged],
                lambda: window.frame.inspector.rail.button("sessions"),
            ),
        ),
        "That is all. The timeline shows where you looked; the recording stays on this machine.",
    )


def _magnified(window: TourHost, magnification: float, text: str) -> Step:
    canvas = window.panes.active.canvas

    def is_there() -> bool:
        now = canvas.optics.magnification(canvas.destination.downsample)
        return now is not None and now >= _NEARLY * magnification

    return Step(
        text.format(key=_key(window, magnification_id(magnification))),
        lambda: is_there,
        lambda: [window.panes.active.view_changed],
        lambda: window.frame.top_bar.segments.get(magnification),
    )


def _moved(window: TourHost) -> Callable[[], Callable[[], bool]]:
    """Return a beginning after which the slide is to be moved by a third of the view."""
    canvas = window.panes.active.canvas

    def begin() -> Callable[[], bool]:
        start = canvas.view.center

        def is_elsewhere() -> bool:
            view = canvas.view
            far = view.size.width * view.downsample / 3
            center = view.center
            return abs(center.x - start.x) + abs(center.y - start.y) >= far

        return is_elsewhere

    return begin


def _drawn(window: TourHost) -> Counter[str]:
    """Return how many shapes of each class are drawn on the active pane's slide."""
    active = window.annotations.active
    return Counter() if active is None else Counter(active.document.class_counts)


def _key(window: TourHost, command: str) -> str:
    return shown_shortcut(window.commands[command].shortcut().toString())


def _button_of(window: TourHost, command: str) -> QWidget | None:
    action = window.commands[command]
    return next((each for each in window.frame.tool_strip.buttons if action in each.tools), None)
