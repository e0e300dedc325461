"""The inspector: one page at a time beside the slide, chosen on a rail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, Qt, Signal
from PySide6.QtWidgets import QSplitter, QStackedWidget, QWidget

from viewer.canvas.qt_guard import guarded
from viewer.ui.shell.page import Page
from viewer.ui.shell.rail import Rail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtGui import QCloseEvent

    from viewer.ui.shell.panel import Panel

_LEAST_PINNED_PX = 600
"""Two pages, one over the other, are of use from this height on."""
_AROUND_PX = 130
"""What menu, bars and status take of the window's height, at most."""


class Inspector(QSplitter):
    """Holds the pages; none shown folds it to the rail.

    A page can be pinned below the one that the rail chooses, and undocked into a window of its
    own, as for another screen. The rail is a widget of its own, placed by the window.

    Parameters
    ----------
    frame
        What the rail stands in.
    """

    refused = Signal(str)
    """One sentence: why a page cannot be pinned."""
    opening = Signal()
    """The inspector is about to take room."""
    left = Signal()
    """A page was folded away: the keyboard belongs on the slide again."""

    def __init__(self, parent: QWidget, frame: QWidget) -> None:
        super().__init__(Qt.Orientation.Vertical, parent)
        self.setChildrenCollapsible(False)
        self.pages: dict[str, Page] = {}
        self.rail = Rail(frame)
        self._current: Page | None = None
        self._pinned: Page | None = None
        self._windows: dict[Page, PageWindow] = {}
        self._order: list[Panel] = []
        self._upper, self._lower = QStackedWidget(self), QStackedWidget(self)
        for stack in (self._upper, self._lower):
            self.addWidget(stack)
            stack.hide()
        self.rail.chosen.connect(self._on_rail)
        self.hide()

    def add_page(self, name: str, title: str, icon: str, panels: Sequence[Panel]) -> Page:
        """Add a page at the end of the rail; see `Page` for the parameters."""
        page = Page(name, title, icon, panels, self._upper)
        self.pages[name] = page
        self._upper.addWidget(page)
        self.rail.add(name, title, icon)
        for panel in panels:
            panel.host = self
            panel.visibilityChanged.connect(
                lambda seen, panel=panel: self._note(panel, is_seen=seen)
            )
        page.pin_requested.connect(lambda pinned: self._pin(page if pinned else None))
        page.undock_requested.connect(
            lambda out: self.undock(page) if out else self._dock(page, shown=True)
        )
        page.close_requested.connect(lambda: self._fold(page))
        page.show_place(is_pinned=False, is_undocked=False)
        return page

    @property
    def panels(self) -> Sequence[Panel]:
        """Return the panels of all pages."""
        return [panel for page in self.pages.values() for panel in page.panels]

    @property
    def front(self) -> Panel | None:
        """Return the panel with the keyboard, else the one that came into sight last."""
        focused = self.window().focusWidget()
        for panel in self.panels:
            if focused is not None and panel.isAncestorOf(focused):
                return panel
        return self._order[-1] if self._order else None

    def reveal(self, panel: Panel) -> None:
        """Show the page of a panel, with its tab in front."""
        page = self._page_of(panel)
        page.choose(panel)
        self.show_page(page)

    def put_away(self, panel: Panel) -> None:
        """Fold the page of a panel that is in sight; nothing of another."""
        page = self._page_of(panel)
        if page.current is panel and self._is_shown(page):
            self._fold(page)

    def show_page(self, page: Page) -> None:
        """Show a page in its place."""
        page.prepare()
        if page in self._windows:
            self._windows[page].raise_()
            self._windows[page].activateWindow()
        elif page is not self._pinned:
            self._current = page
            self._upper.setCurrentWidget(page)
        self._lay_out()

    def undock(self, page: Page, geometry: QByteArray | None = None) -> None:
        """Show a page in a window of its own."""
        if page in self._windows:
            return
        self._let_go(page)
        page.prepare()
        window = PageWindow(page, self.window())
        window.closed.connect(lambda: self._dock(page, shown=False))
        self._windows[page] = window
        if geometry is None or not window.restoreGeometry(geometry):
            corner = self.window().mapToGlobal(self.window().rect().topRight())
            window.setGeometry(corner.x() - 400, corner.y() + 80, 380, 640)
        page.show_place(is_pinned=False, is_undocked=True)
        window.show()
        self._lay_out()

    def shut_down(self) -> None:
        """Close the windows of undocked pages."""
        for window in list(self._windows.values()):
            window.closed.disconnect()
            window.close()

    # What is kept ----------------------------------------------------------------------------

    def state(self) -> dict[str, object]:
        """Return what `restore` takes."""
        return {
            "page": self._current.name if self._current else "",
            "pinned": self._pinned.name if self._pinned else "",
            "tabs": {name: page.panels.index(page.current) for name, page in self.pages.items()},
            "undocked": {
                page.name: bytes(window.saveGeometry().toBase64().data()).decode()
                for page, window in self._windows.items()
            },
        }

    def restore(self, state: dict[str, object]) -> None:
        """Show the pages of a kept state; what it does not hold or no page has is left out."""
        tabs, undocked = state.get("tabs"), state.get("undocked")
        for name, index in tabs.items() if isinstance(tabs, dict) else ():
            page = self.pages.get(name)
            if page is not None and isinstance(index, int) and 0 <= index < len(page.panels):
                page.choose(page.panels[index])
        # Of what was pinned on a higher screen nothing is to be seen on a low one.
        is_high = self.window().height() >= _LEAST_PINNED_PX + _AROUND_PX
        self._pinned = self.pages.get(str(state.get("pinned"))) if is_high else None
        if self._pinned is not None:
            self._lower.addWidget(self._pinned)
            self._pinned.show_place(is_pinned=True, is_undocked=False)
        current = self.pages.get(str(state.get("page")))
        if current is not None and current is not self._pinned:
            self._current = current
            self._upper.setCurrentWidget(current)
        for name, geometry in undocked.items() if isinstance(undocked, dict) else ():
            if name in self.pages and isinstance(geometry, str):
                self.undock(
                    self.pages[name], QByteArray.fromBase64(geometry.encode("ascii", "ignore"))
                )
        self._lay_out()

    # -----------------------------------------------------------------------------------------

    def _page_of(self, panel: Panel) -> Page:
        return next(page for page in self.pages.values() if panel in page.panels)

    def _is_shown(self, page: Page) -> bool:
        return page in (self._current, self._pinned) or page in self._windows

    def _on_rail(self, name: str) -> None:
        page = self.pages[name]
        if page in (self._current, self._pinned):
            self._fold(page)
        else:
            self.show_page(page)

    def _pin(self, page: Page | None) -> None:
        former = self._pinned
        if page is not None and self.height() < _LEAST_PINNED_PX:
            page.show_place(is_pinned=False, is_undocked=False)
            self.refused.emit("The window is too low for two pages: undock one of them instead.")
            return
        self._pinned = None
        if former is not None:
            self._upper.addWidget(former)
            former.show_place(is_pinned=False, is_undocked=False)
            if page is None and self._current is None:
                self._current = former
                self._upper.setCurrentWidget(former)
        if page is not None:
            self._let_go(page)
            self._pinned = page
            self._lower.addWidget(page)
            page.show_place(is_pinned=True, is_undocked=False)
        self._lay_out()

    def _let_go(self, page: Page) -> None:
        """Take a page out of the place where it stands."""
        if page is self._current:
            self._current = None
        if page is self._pinned:
            self._pinned = None

    def _fold(self, page: Page) -> None:
        if page is self._pinned:
            self._pin(None)
        if page in self._windows:
            self._windows[page].close()
        self._let_go(page)
        self._lay_out()
        self.left.emit()

    def _dock(self, page: Page, *, shown: bool) -> None:
        window = self._windows.pop(page)
        self._upper.addWidget(page)
        page.show_place(is_pinned=False, is_undocked=False)
        window.closed.disconnect()
        window.close()
        window.deleteLater()
        if shown:
            self.show_page(page)
        self._lay_out()

    def fold(self) -> None:
        """Fold all pages to the rail, but for those in windows of their own."""
        if self._pinned is not None:
            self._pin(None)
        self._current = None
        self._lay_out()

    def _lay_out(self) -> None:
        for page in filter(None, (self._current, self._pinned)):
            page.prepare()
        if self.isHidden() and (self._current is not None or self._pinned is not None):
            self.opening.emit()
        self._upper.setVisible(self._current is not None)
        self._lower.setVisible(self._pinned is not None)
        self.setVisible(self._current is not None or self._pinned is not None)
        self.rail.show_chosen({page.name for page in self.pages.values() if self._is_shown(page)})

    def _note(self, panel: Panel, *, is_seen: bool) -> None:
        if panel in self._order:
            self._order.remove(panel)
        if is_seen:
            self._order.append(panel)


class PageWindow(QWidget):
    """The window of an undocked page; closing it gives the page back."""

    closed = Signal()

    def __init__(self, page: Page, parent: QWidget) -> None:
        from PySide6.QtWidgets import QVBoxLayout

        # With a window of this kind in front the keys of the main window's commands still work.
        super().__init__(parent, Qt.WindowType.Tool)
        self.setWindowTitle(f"{page.title} - Coverslip")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(page)
        page.show()

    @guarded()
    def closeEvent(self, event: QCloseEvent) -> None:
        super().closeEvent(event)
        self.closed.emit()
