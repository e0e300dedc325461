"""Undo and redo, named after what they would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from viewer.ui.services import CommandHost

if TYPE_CHECKING:
    from viewer.ui.annotations.services import KeptSets
    from viewer.ui.annotations.toolbox import Toolbox


class UndoHost(CommandHost, Protocol):
    """What the names of undo and redo ask of the window."""

    toolbox: Toolbox


class UndoNames:
    """Says in the menu which step of the active pane's annotations would be undone or redone."""

    def __init__(self, window: UndoHost, kept: KeptSets) -> None:
        self._window = window
        self._kept = kept
        window.toolbox.stroke_changed.connect(self.show)

    def show(self) -> None:
        """Name both commands, and enable those that can run."""
        for command, word, back in (("edit.undo", "&Undo", True), ("edit.redo", "&Redo", False)):
            label = self._label(back=back)
            text = f"{word} {label}".replace("&&", "&") if label else word
            self._window.commands[command].setText(text)
        self._window.update_situation()

    def is_possible(self, *, back: bool) -> bool:
        """Return whether there is a step to undo (`back`) or to redo."""
        if self._kept.can_annotate:
            return self._label(back=back) is not None
        sets = self._kept.active_sets
        return sets is not None and sets.next_step(back=back) is not None

    def _label(self, *, back: bool) -> str | None:
        active = self._kept.active
        if active is None:
            return None
        tool = self._window.toolbox.tool_of(active.pane)
        if tool is not None and (tool.can_step_back if back else tool.can_step_forward):
            return "last step of the stroke"
        sets = self._kept.active_sets
        step = sets.next_step(back=back) if sets is not None else None
        label = active.document.undo_label if back else active.document.redo_label
        label = label if step is None else step.label
        return None if label is None else label.replace("&", "&&").lower() or "change"
