"""Every command of the window, described once; menus, bars, keys and palette read it here.

A file a subject; viewer/ui/actions.py makes Qt's actions from the descriptions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from viewer.ui.commands.agents import AGENT_COMMANDS
from viewer.ui.commands.annotating import ANNOTATE_COMMANDS
from viewer.ui.commands.channels import CHANNEL_COMMANDS
from viewer.ui.commands.cores import CORE_COMMANDS
from viewer.ui.commands.editing import EDIT_COMMANDS
from viewer.ui.commands.files import FILE_COMMANDS
from viewer.ui.commands.overlays import OVERLAY_COMMANDS
from viewer.ui.commands.panels import PANEL_COMMANDS
from viewer.ui.commands.recording import RECORDING_COMMANDS
from viewer.ui.commands.synonyms import SYNONYMS
from viewer.ui.commands.teaching import TEACHING_COMMANDS
from viewer.ui.commands.views import VIEW_COMMANDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from viewer.ui.commands.command import Bindings, Command

_DESCRIBED: tuple[Command, ...] = (
    *FILE_COMMANDS,
    *EDIT_COMMANDS,
    *VIEW_COMMANDS,
    *CHANNEL_COMMANDS,
    *ANNOTATE_COMMANDS,
    *CORE_COMMANDS,
    *OVERLAY_COMMANDS,
    *TEACHING_COMMANDS,
    *RECORDING_COMMANDS,
    *AGENT_COMMANDS,
    *PANEL_COMMANDS,
)

COMMANDS: tuple[Command, ...] = tuple(
    replace(command, synonyms=(*command.synonyms, *SYNONYMS.get(command.id, ())))
    for command in _DESCRIBED
)

COMMANDS_BY_ID: Mapping[str, Command] = {command.id: command for command in COMMANDS}

GESTURES: tuple[tuple[str, str], ...] = (
    ("Wheel, pinch", "Zoom about the cursor"),
    ("Drag", "Move the slide; let go in motion and it glides"),
    ("Double click", "Zoom in about the cursor"),
    ("Arrow keys", "Move the slide"),
    ("Space, held", "Move the slide while a drawing tool is in hand"),
    ("S, held", "Choose and edit for a moment, then the tool from before"),
    ("Shift and wheel", "Focus: the plane above or below, of a slide with several"),
    ("Ctrl and wheel", "Size of the brush, sensitivity of the wand"),
    ("Shift or Alt with brush and wand", "Add to what is chosen; take away"),
    ("Double click on an edge, Alt and click on a corner", "Add a corner; remove it"),
    ("Enter with rectangle, ellipse, line", "Draw in the middle of the view"),
    ("Enter, Backspace, Esc", "Finish a polygon, take back its last corner, give up a stroke"),
    ("Click or drag on the overview map", "Travel there"),
    ("Drop a file or a folder on the window", "Open it"),
)
"""What mouse and arrow keys do on the slide; fixed, so not in COMMANDS."""


def default_bindings() -> dict[str, tuple[str, ...]]:
    return {command.id: command.shortcuts for command in COMMANDS}


def merged_bindings(changes: Bindings) -> dict[str, tuple[str, ...]]:
    """Return the defaults with the user's changes laid over.

    Changes for unknown commands are left out. A key that the user gave to a command is taken from
    the command that has it by default: two would leave it dead, as where a new version brings a
    command with that key.
    """
    known = {id_: tuple(keys) for id_, keys in changes.items() if id_ in COMMANDS_BY_ID}
    taken = {key for keys in known.values() for key in keys}
    defaults = {
        id_: tuple(key for key in keys if key not in taken)
        for id_, keys in default_bindings().items()
    }
    return defaults | known
