"""Which state the row of a list is to be painted in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from PySide6.QtWidgets import QStyleOptionViewItem


class RowState(NamedTuple):
    """What a delegate shows of a row beside what it holds."""

    is_selected: bool
    is_under_mouse: bool
    has_focus: bool


def row_state(option: QStyleOptionViewItem) -> RowState:
    """Return the state that a view asks a delegate to paint."""
    # Not above: PySide makes the four hundred names of QStyle when it is first asked for.
    from PySide6.QtWidgets import QStyle

    state, flag = option.state, QStyle.StateFlag
    return RowState(
        bool(state & flag.State_Selected),
        bool(state & flag.State_MouseOver),
        bool(state & flag.State_HasFocus),
    )
