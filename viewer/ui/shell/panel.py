"""A panel: one subject, shown by whatever part of the window holds it."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from viewer.canvas.qt_guard import guarded
from viewer.ui.widgets import ScrollColumn

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QHideEvent, QShowEvent

_Panel = TypeVar("_Panel", bound="Panel")
_Args = ParamSpec("_Args")


def shows_state(
    method: Callable[Concatenate[_Panel, _Args], None],
) -> Callable[Concatenate[_Panel, _Args], None]:
    """Let a method of a panel wait until the panel is built, where it only shows a state.

    Of several calls before that the last one counts.
    """

    @wraps(method)
    def show(panel: _Panel, *args: _Args.args, **kwargs: _Args.kwargs) -> None:
        panel.when_built(lambda: method(panel, *args, **kwargs), method.__name__)

    return show


class PanelHost(Protocol):
    """What holds panels: brings them to the front and puts them away."""

    def reveal(self, panel: Panel) -> None:
        """Bring `panel` into sight."""

    def put_away(self, panel: Panel) -> None:
        """Take `panel` out of sight."""


class Panel(QWidget):
    """One subject of the window, such as the sessions or the annotations of a slide.

    It stands alone or as a tab beside others. `show` and `raise_` bring it to the front and
    `hide` puts it away, wherever it stands; only one that is in sight `isVisible`.

    Its widgets are made by `build` when it is first seen, or when one of them is first asked for:
    most panels of a window are never looked at, and a start waits for none of them. What others
    show in a panel before that is kept by `shows_state` and `when_built`.

    Parameters
    ----------
    title
        What its tab and the messages of the window call it.
    """

    visibilityChanged = Signal(bool)  # noqa: N815 - named as Qt names its own
    """The panel came into sight, or left it."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAccessibleName(title)
        self.host: PanelHost | None = None
        self._first: QWidget | None = None
        self._is_built = False
        self._waiting: dict[object, Callable[[], object]] = {}
        """What is done once the panel is built, in this order; the states by their methods."""
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)

    def build(self) -> None:
        """Make the widgets of the panel; called once."""

    @property
    def is_built(self) -> bool:
        """Return whether the widgets of the panel are made, or being made."""
        return self._is_built

    def ensure_built(self) -> None:
        """Make the widgets of the panel where they are not there yet."""
        if self._is_built:
            return
        self._is_built = True
        self.build()
        while self._waiting:
            self._waiting.pop(next(iter(self._waiting)))()

    def when_built(self, act: Callable[[], object], state: str = "") -> None:
        """Call `act` once the widgets of the panel are there: now, or before they are seen.

        Parameters
        ----------
        state
            What `act` shows, where it does: it takes the place of what waits to show the same.
        """
        if self._is_built:
            act()
            return
        key = state or act
        self._waiting.pop(key, None)
        self._waiting[key] = act

    if not TYPE_CHECKING:  # else a name that is misspelled would pass

        def __getattr__(self, name: str) -> object:
            """Return a part of the panel that was not made yet."""
            if self.__dict__.get("_is_built", True) or name.startswith("__"):
                raise AttributeError(f"{type(self).__name__} has no attribute {name}")
            self.ensure_built()
            return getattr(self, name)

    def set_body(self, body: QWidget, *, scrolls: bool = False) -> None:
        """Show `body` over the whole panel; with `scrolls` it may be higher than the panel."""
        self._column.addWidget(ScrollColumn(body, self) if scrolls else body)

    @guarded()
    def show(self) -> None:
        """Bring the panel into sight."""
        self.ensure_built()
        if self.host is not None:
            self.host.reveal(self)
        else:
            super().show()

    @guarded()
    def raise_(self) -> None:
        """Bring the panel into sight."""
        self.show()

    @guarded()
    def hide(self) -> None:
        """Take the panel out of sight."""
        if self.host is not None:
            self.host.put_away(self)
        else:
            super().hide()

    @guarded()
    def setFocusProxy(self, widget: QWidget) -> None:
        """Let `setFocus` put the keyboard on a widget of the panel.

        Qt's own proxy would make a tab stop of the panel, and where `widget` is hidden or disabled
        a trap: Tab then stays where it is.
        """
        self._first = widget

    @guarded()
    def setFocus(self, reason: Qt.FocusReason = Qt.FocusReason.OtherFocusReason) -> None:
        """Put the keyboard on the widget that was named for it, or the first that can take it."""
        self.ensure_built()
        inside = (self._first, *self.findChildren(QWidget))
        widget = next((each for each in inside if each is not None and _takes_keys(each)), None)
        if widget is not None:
            widget.setFocus(reason)

    @guarded()
    def showEvent(self, event: QShowEvent) -> None:
        self.ensure_built()
        super().showEvent(event)
        if not event.spontaneous():
            self.visibilityChanged.emit(True)

    @guarded()
    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        if not event.spontaneous():
            self.visibilityChanged.emit(False)


def _takes_keys(widget: QWidget) -> bool:
    is_stop = bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus)
    return is_stop and widget.isVisible() and widget.isEnabled()
