"""The order in which Tab goes through a window: as its parts lie, whenever they were made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from PySide6.QtWidgets import QWidget


def next_focus(
    window: QWidget, parts: Sequence[QWidget], bars: Collection[QWidget], *, forward: bool
) -> QWidget | None:
    """Return what Tab goes to next, or Shift+Tab; None where there is nothing else.

    Qt goes through a window in the order in which its widgets were made.

    Parameters
    ----------
    parts
        Tab goes from one to the next; what lies in none of them comes last.
    bars
        Those of the parts that are gone through from left to right, or from top to bottom; in the
        others Qt's order stays.
    """
    here = window.focusWidget()
    stops = [each for each in _chain(window) if each is here or _takes_focus(each, window)]
    stops.sort(key=lambda each: _rank(each, parts, bars))
    if here not in stops:
        return stops[0 if forward else -1] if stops else None
    after = stops[(stops.index(here) + (1 if forward else -1)) % len(stops)]
    return None if after is here else after


def _chain(window: QWidget) -> Iterator[QWidget]:
    """Yield all widgets of a window in Qt's order."""
    widget = window.nextInFocusChain()
    while widget is not None and widget is not window:
        yield widget
        widget = widget.nextInFocusChain()


def _takes_focus(widget: QWidget, window: QWidget) -> bool:
    """Return whether Tab may stop here; a part of a control leaves that to the control."""
    return (
        bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus)
        and widget.focusProxy() is None
        and widget.isEnabled()
        and widget.isVisibleTo(window)
    )


def _rank(widget: QWidget, parts: Sequence[QWidget], bars: Collection[QWidget]) -> tuple[int, int]:
    for number, part in enumerate(parts):
        if part.isAncestorOf(widget):
            if part not in bars:
                return number, 0
            place = widget.mapTo(part, QPoint(0, 0))
            return number, place.x() if part.width() > part.height() else place.y()
    return len(parts), 0
