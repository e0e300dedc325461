"""What the commands of the View, Display and Panes menus do: they act on the active pane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from viewer.tiles.display import DisplaySettings
from viewer.tiles.stains import Stain
from viewer.ui.commands.views import MAGNIFICATIONS, STAIN_COMMANDS, magnification_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.canvas.canvas import SlideCanvas
    from viewer.ui.actions import ActionSet
    from viewer.ui.slides.split_view import SplitView

_ZOOM_STEP = 2.0**0.5
_TURN_DEG = 15.0
_QUARTER_DEG = 90.0

_MOVES: dict[str, Callable[[SlideCanvas], object]] = {
    "view.fit": lambda canvas: canvas.fit(),
    "view.zoom_in": lambda canvas: canvas.zoom_by(_ZOOM_STEP),
    "view.zoom_out": lambda canvas: canvas.zoom_by(1 / _ZOOM_STEP),
    "view.home": lambda canvas: canvas.home(),
    "view.back": lambda canvas: canvas.back(),
    "view.forward": lambda canvas: canvas.forward(),
    "view.rotate_right": lambda canvas: canvas.rotate_by(_TURN_DEG),
    "view.rotate_left": lambda canvas: canvas.rotate_by(-_TURN_DEG),
    "view.quarter_right": lambda canvas: canvas.rotate_by(_QUARTER_DEG),
    "view.quarter_left": lambda canvas: canvas.rotate_by(-_QUARTER_DEG),
    "view.flip_horizontally": lambda canvas: canvas.flip_horizontally(),
    "view.flip_vertically": lambda canvas: canvas.flip_vertically(),
    "view.upright": lambda canvas: canvas.reset_orientation(),
    "view.reload": lambda canvas: canvas.reload_failed_tiles(),
}


class ViewCommands:
    """Connects the commands that look at the slide or arrange panes.

    Parameters
    ----------
    say
        Tells the user one sentence.
    """

    def __init__(self, actions: ActionSet, panes: SplitView, say: Callable[[str], None]) -> None:
        self._actions = actions
        self._panes = panes
        self._say = say
        for command_id, move in _MOVES.items():
            actions.on(command_id, lambda move=move: move(self._canvas))
        for magnification in MAGNIFICATIONS:
            actions.on(magnification_id(magnification), lambda m=magnification: self._magnify(m))
        for command_id, stain in STAIN_COMMANDS.items():
            actions.on(command_id, lambda stain=stain: self._change_look(stain=stain))
        actions.on_toggle("display.icc", lambda checked: self._change_look(icc=checked))
        actions.on("display.reset", self._reset_look)
        actions.on("panes.add", panes.split)
        actions.on("panes.close", lambda: panes.close_pane(panes.active))
        actions.on("panes.next", lambda: panes.step_active(1))
        actions.on("panes.previous", lambda: panes.step_active(-1))
        actions.on_toggle("panes.link", self._link)

    def show_look(self, look: DisplaySettings, stain_problem: str = "") -> None:
        """Check the commands that are in force; those of single stains tell their problem."""
        single = [each for each, stain in STAIN_COMMANDS.items() if stain is not Stain.NONE]
        self._actions.explain(single, stain_problem)
        for command_id, stain in STAIN_COMMANDS.items():
            self._actions[command_id].setChecked(stain is look.stain)
        self._actions["display.icc"].setChecked(look.icc)

    @property
    def _canvas(self) -> SlideCanvas:
        return self._panes.active.canvas

    def _link(self, on: bool) -> None:
        self._panes.set_linked(on)
        self._say(
            "Linked: the panes move, zoom and turn together."
            if on
            else "Not linked: each pane moves on its own."
        )

    def _magnify(self, magnification: float) -> None:
        if not self._canvas.set_magnification(magnification):
            self._say(
                "This slide does not tell its scale, so it cannot be shown at a magnification: "
                "set its pixel size first (Edit menu)."
            )

    def _change_look(self, **changes: object) -> None:
        self._canvas.set_look(replace(self._canvas.look, **changes))
        self.show_look(self._canvas.look, self._panes.active.stain_problem)

    def _reset_look(self) -> None:
        self._canvas.set_look(DisplaySettings(icc=self._canvas.look.icc))
