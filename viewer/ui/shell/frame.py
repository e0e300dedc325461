"""The window's middle: bars, drawer, slides and inspector, laid out round the panes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QVBoxLayout, QWidget

from viewer.canvas.qt_guard import guarded
from viewer.ui.shell.drawer import Drawer
from viewer.ui.shell.focus_order import next_focus
from viewer.ui.shell.inspector import Inspector
from viewer.ui.shell.tool_strip import ToolStrip
from viewer.ui.shell.top_bar import TopBar
from viewer.untyped import is_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from PySide6.QtGui import QResizeEvent

    from viewer.ui.actions import ActionSet
    from viewer.ui.shell.panel import Panel

_DRAWER_PX, _INSPECTOR_PX, _LEAST_SLIDE_PX = 230, 340, 320


class WindowFrame(QWidget):
    """Lays out the parts of the window.

    Attributes
    ----------
    column
        Of the slides.
    middle
        What lies in the column: bars above the slides, panes, timeline below them.
    """

    def __init__(self, actions: ActionSet, parent: QWidget) -> None:
        super().__init__(parent)
        self._actions = actions
        self.top_bar = TopBar(actions, self)
        self.tool_strip = ToolStrip(actions, self)
        self.drawer: Drawer | None = None
        self._splitter = QSplitter(Qt.Orientation.Horizontal, self)
        self.column = QWidget(self._splitter)
        self.column.setMinimumWidth(_LEAST_SLIDE_PX)
        self.middle = QVBoxLayout(self.column)
        self.middle.setContentsMargins(0, 0, 0, 0)
        self.middle.setSpacing(0)
        self.inspector = Inspector(self._splitter, self)
        self._splitter.setChildrenCollapsible(False)
        self._splitter.addWidget(self.column)
        self._splitter.addWidget(self.inspector)
        self._splitter.setStretchFactor(0, 1)
        self.inspector.setMinimumWidth(300)
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.tool_strip)
        row.addWidget(self._splitter, 1)
        row.addWidget(self.inspector.rail)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.top_bar)
        layout.addLayout(row, 1)
        self._chrome: tuple[QWidget, ...] = (self.top_bar, self.tool_strip, self.inspector.rail)
        self._before: str | None = None
        self._is_drawer_due = False
        """Whether the drawer is folded away for want of room alone."""
        self.inspector.opening.connect(lambda: self._make_room(self.inspector))
        self.inspector.left.connect(self._take_room)

    def add_drawer(self, panels: Sequence[Panel]) -> None:
        """Add a drawer with these panels left of the slides."""
        self.drawer = drawer = Drawer(panels, self._splitter)
        self._splitter.insertWidget(0, drawer)
        self._splitter.setStretchFactor(0, 0)
        self._splitter.setStretchFactor(1, 1)
        self._splitter.setSizes([_DRAWER_PX, 1000, _INSPECTOR_PX])
        drawer.opening.connect(self._on_drawer_opening)

    def next_focus(self, status: QWidget, *, forward: bool) -> QWidget | None:
        """Return what Tab goes to, from the top bar to the status bar as the window looks."""
        parts = (self.top_bar, self.tool_strip, self.drawer, self.column, self.inspector)
        shown = [each for each in parts if each is not None]
        rail = self.inspector.rail
        bars = (self.top_bar, self.tool_strip, rail, status)
        return next_focus(self.window(), [*shown, rail, status], bars, forward=forward)

    @guarded(QSize())
    def minimumSizeHint(self) -> QSize:
        """Return what is needed with drawer or inspector folded away, which makes room."""
        *drawer_px, slides_px, inspector_px = self._least_widths_px()
        wide_px = slides_px + max(*drawer_px, inspector_px, 0)
        return QSize(wide_px + self._around_px, super().minimumSizeHint().height())

    @guarded()
    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if not self.inspector.isHidden():
            self._make_room(self.inspector)
        self._take_room()

    def _make_room(self, keep: QWidget | None) -> None:
        """Fold the drawer or the inspector away where the window is too narrow for both."""
        if self.drawer is None or self._has_room:
            return
        if keep is self.drawer:
            self.inspector.fold()
        elif not self.drawer.isHidden():
            self.drawer.hide()
            self._is_drawer_due = True

    def _take_room(self) -> None:
        """Show the drawer again that was folded away for want of room."""
        if self.drawer is None or not self._is_drawer_due or self._before is not None:
            return
        if self.inspector.isHidden() or self._has_room:
            self.drawer.show()
            self._is_drawer_due = False

    def _on_drawer_opening(self) -> None:
        self._is_drawer_due = False
        self._make_room(self.drawer)

    @property
    def _has_room(self) -> bool:
        """Return whether the window is wide enough for drawer, slides and inspector."""
        return self.window().width() >= sum(self._least_widths_px(are_shown=True)) + self._around_px

    def _least_widths_px(self, *, are_shown: bool = False) -> list[int]:
        """Return the least widths of drawer, slides and inspector, those hidden as 0.

        Parameters
        ----------
        are_shown
            Take the hidden ones as if they were shown.
        """
        parts = (self.drawer, self.column, self.inspector)
        return [
            max(each.minimumWidth(), each.minimumSizeHint().width()) + self._splitter.handleWidth()
            if are_shown or not each.isHidden()
            else 0
            for each in parts
            if each is not None
        ]

    @property
    def _around_px(self) -> int:
        """Return the width of what stands at the edges of the window."""
        edges = (self.tool_strip, self.inspector.rail)
        return sum(each.minimumWidth() for each in edges if not each.isHidden())

    def connect_panels(self, panels: Mapping[str, Panel], give_back: Callable[[], object]) -> None:
        """Let the commands "panels.NAME" show and fold away the panels of these names.

        Parameters
        ----------
        give_back
            Puts the keyboard back on the slide when a panel is folded away.
        """
        for name, panel in panels.items():
            action = self._actions[f"panels.{name}"]
            panel.visibilityChanged.connect(action.setChecked)
            self._actions.on_toggle(
                f"panels.{name}", lambda shown, panel=panel: _show(panel, shown=shown)
            )
        self.inspector.left.connect(give_back)
        if self.drawer is not None:
            self.drawer.left.connect(give_back)

    def set_bare(self, *, bare: bool) -> None:
        """Show the slides alone, or bring back what was shown round them."""
        if bare == (self._before is not None):
            return
        if bare:
            self._before = self.state()
        for widget in self._chrome:
            widget.setVisible(not bare)
        if bare:
            self.inspector.hide()
            if self.drawer is not None:
                self.drawer.hide()
        elif self._before is not None:
            before, self._before = self._before, None
            self.restore(before)

    def state(self) -> str:
        """Return what `restore` takes: which panels are shown, and how wide they are."""
        if self._before is not None:
            return self._before
        sizes = self._splitter.sizes()
        return json.dumps(
            {
                "inspector": self.inspector.state(),
                "drawer": self.drawer is not None
                and (self._is_drawer_due or not self.drawer.isHidden()),
                "sizes_px": sizes,
            }
        )

    def restore(self, state: str) -> None:
        """Show what a kept state says; a damaged one is left out."""
        try:
            fields = json.loads(state)
        except (ValueError, RecursionError):
            return
        if not is_mapping(fields):
            return
        inspector = fields.get("inspector")
        if is_mapping(inspector):
            self.inspector.restore(inspector)
        if self.drawer is not None:
            self.drawer.hide()
            self._is_drawer_due = fields.get("drawer") is True
            self._take_room()
        sizes = fields.get("sizes_px")
        if isinstance(sizes, list) and len(sizes) == self._splitter.count():
            most_px = self._splitter.maximumWidth()
            wanted = [
                each if isinstance(each, int) and 0 < each <= most_px else 0 for each in sizes
            ]
            defaults = [_DRAWER_PX, 1000, _INSPECTOR_PX]
            self._splitter.setSizes(
                [px or default for px, default in zip(wanted, defaults, strict=True)]
            )


def _show(panel: Panel, *, shown: bool) -> None:
    """Show or fold away a panel; one behind another comes to the front."""
    if not shown:
        panel.hide()
        return
    panel.show()
    panel.setFocus(Qt.FocusReason.ShortcutFocusReason)
