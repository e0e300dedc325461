"""A page: a title over one panel, or over several as tabs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QStackedWidget,
    QTabBar,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.ui.widgets import IconButton

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.ui.shell.panel import Panel

_LEAST_HEIGHT_PX = 80


class Page(QFrame):
    """Shows one of its panels at a time over its full height.

    What stands round the panels is made by `make`, before the page is first seen: most pages of a
    window are never looked at, and each way in which a panel can scroll has to be styled.

    Parameters
    ----------
    name
        Stable name under which its place is kept, e.g. "annotate".
    title
        As the rail shows it.
    icon
        A qtawesome name.
    panels
        By name; their tabs stand in this order.
    """

    pin_requested = Signal(bool)
    """The user wants the page to stay, or to stay no longer, while others are shown."""
    undock_requested = Signal(bool)
    """The user wants the page in a window of its own, or back."""
    close_requested = Signal()

    def __init__(
        self,
        name: str,
        title: str,
        icon: str,
        panels: Sequence[Panel],
        parent: QWidget | None = None,
        *,
        fold_icon: str = "mdi6.chevron-double-right",
    ) -> None:
        super().__init__(parent)
        self.name, self.title, self.icon = name, title, icon
        self.panels = tuple(panels)
        self.setObjectName(f"page_{name}")
        self.setAccessibleName(title)
        self._fold_icon = fold_icon
        self._front = 0
        self._is_pinned = self._is_undocked = self._is_made = False
        for panel in self.panels:
            panel.setParent(self)

    def make(self) -> None:
        """Make what stands round the panels, where it is not there yet."""
        if self._is_made:
            return
        self._is_made = True
        self.stack = QStackedWidget(self)
        self.tabs = QTabBar(self)
        self.tabs.setAccessibleName(f"Parts of {self.title}")
        self.tabs.setDrawBase(False)
        self.tabs.setExpanding(False)
        self.tabs.setUsesScrollButtons(False)
        self.tabs.setElideMode(Qt.TextElideMode.ElideRight)
        for panel in self.panels:
            self.stack.addWidget(_PanelArea(panel, self.stack))
            self.tabs.addTab(panel.windowTitle())
            panel.windowTitleChanged.connect(lambda text, panel=panel: self._retitle(panel, text))
        self.stack.setCurrentIndex(self._front)
        self.tabs.setCurrentIndex(self._front)
        self.tabs.setVisible(len(self.panels) > 1)
        self.tabs.currentChanged.connect(self._on_tab)
        self.pin = self._button("mdi6.pin-outline", "Pin: keep this page below the others")
        self.undock = self._button("mdi6.open-in-new", "Show this page in a window of its own")
        self.close_button = self._button(self._fold_icon, "Fold the page away")
        self.pin.setCheckable(True)
        self.undock.setCheckable(True)
        self.pin.clicked.connect(self.pin_requested)
        self.undock.clicked.connect(self.undock_requested)
        self.close_button.clicked.connect(self.close_requested)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._header())
        layout.addWidget(self.tabs)
        layout.addWidget(self.stack, 1)
        self._show_place()

    @property
    def current(self) -> Panel:
        """Return the panel whose tab is chosen."""
        return self.panels[self._front]

    def choose(self, panel: Panel) -> None:
        """Choose the tab of a panel of this page."""
        if self._is_made:
            self.tabs.setCurrentIndex(self.panels.index(panel))
        else:
            self._front = self.panels.index(panel)

    def prepare(self) -> None:
        """Have the page made and the panel in front built, before they come into sight."""
        self.make()
        self.current.ensure_built()

    def show_place(self, *, is_pinned: bool, is_undocked: bool) -> None:
        """Show in the header where the page stands."""
        self._is_pinned, self._is_undocked = is_pinned, is_undocked
        if self._is_made:
            self._show_place()

    def _show_place(self) -> None:
        self.pin.setChecked(self._is_pinned)
        self.pin.setVisible(not self._is_undocked)
        self.undock.setChecked(self._is_undocked)
        self.close_button.setVisible(not self._is_undocked)

    def _on_tab(self, index: int) -> None:
        if self.isVisible():
            self.panels[index].ensure_built()
        self._front = index
        self.stack.setCurrentIndex(index)

    def _retitle(self, panel: Panel, text: str) -> None:
        self.tabs.setTabText(self.panels.index(panel), text)

    def _header(self) -> QWidget:
        header = QWidget(self)
        header.setObjectName("page_header")
        title = QLabel(self.title, header)
        title.setProperty("title", True)
        layout = QHBoxLayout(header)
        layout.setContentsMargins(12, 2, 4, 2)
        layout.setSpacing(2)
        layout.addWidget(title, 1)
        for button in (self.pin, self.undock, self.close_button):
            layout.addWidget(button)
        return header

    def _button(self, icon: str, tip: str) -> IconButton:
        button = IconButton(icon, tip, self)
        button.setAccessibleName(f"{tip} ({self.title})")
        return button


class _PanelArea(QScrollArea):
    """Lets a panel scroll where the page is too low for it, so that no page sets the height."""

    def __init__(self, panel: Panel, parent: QWidget) -> None:
        super().__init__(parent)
        self._panel = panel
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidgetResizable(True)
        self.setWidget(panel)

    @guarded(QSize())
    def minimumSizeHint(self) -> QSize:
        wide_px = self._panel.minimumSizeHint().width()
        return QSize(wide_px + self.verticalScrollBar().sizeHint().width(), _LEAST_HEIGHT_PX)

    @guarded(QSize())
    def sizeHint(self) -> QSize:
        return self._panel.sizeHint()
