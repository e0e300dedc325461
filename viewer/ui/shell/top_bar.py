"""The bar at the top: the slide, its magnification, and what is reached for most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QToolButton, QWidget

from viewer.canvas.qt_guard import guarded
from viewer.ui.commands.views import magnification_id
from viewer.ui.one_line import ElidedLabel

if TYPE_CHECKING:
    from PySide6.QtGui import QResizeEvent

    from viewer.ui.actions import ActionSet

HEIGHT_PX = 40
_MAGNIFICATIONS = (1.0, 2.0, 5.0, 10.0, 20.0, 40.0)
_SAME_ZOOM = 0.01
"""A magnification this near, as a share, is the segment's own."""
_LEAST_NAME_PX = 120


class TopBar(QFrame):
    """Shows the active slide and runs commands of the registry.

    Parameters
    ----------
    actions
        The window's.
    """

    def __init__(self, actions: ActionSet, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("top_bar")
        self.setFixedHeight(HEIGHT_PX)
        # It takes the width that there is, and leaves out what does not fit.
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._actions = actions
        self.name = ElidedLabel(self)
        self.name.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.name.setMinimumWidth(_LEAST_NAME_PX)
        self.name.setContentsMargins(4, 0, 4, 0)
        self.name.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.segments = {
            magnification: self._segment(magnification_id(magnification), f"{magnification:g}x")
            for magnification in _MAGNIFICATIONS
        }
        self.fit = self._segment("view.fit", "Fit")
        self.search = self._button("help.palette", with_text=True)
        self.search.setText("Search commands (Ctrl+L)")
        self.search.setProperty("search", True)
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(6, 0, 6, 0)
        self._layout.setSpacing(4)
        self._fill()

    def add_recording(self, pill: QWidget) -> None:
        """Place what shows and switches the recording, before the settings."""
        self._layout.insertWidget(self._layout.count() - 1, pill)

    def show_name(self, name: str, tip: str = "") -> None:
        """Show what the slide is called, with its case; "" for none."""
        shown = name or "No slide"
        self.name.show_text(shown)
        self.name.setAccessibleName(f"Slide {shown}")
        if tip:
            self.name.setToolTip(tip)

    def show_magnification(self, magnification: float | None) -> None:
        """Mark the segment of the slide's magnification; None where it is unknown."""
        for own, segment in self.segments.items():
            segment.setChecked(
                magnification is not None and abs(magnification - own) <= _SAME_ZOOM * own
            )

    @guarded()
    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave out what there is no room for: the words of the search, then magnifications."""
        super().resizeEvent(event)
        segments = list(self.segments.values())
        search = Qt.ToolButtonStyle
        for segment in segments:
            segment.show()
        self.search.setToolButtonStyle(search.ToolButtonTextBesideIcon)
        if self._lacks_room:
            self.search.setToolButtonStyle(search.ToolButtonIconOnly)
        for segment in segments:
            if self._lacks_room:
                segment.hide()

    @property
    def _lacks_room(self) -> bool:
        self._layout.activate()
        return self._layout.minimumSize().width() > self.width()

    def _fill(self) -> None:
        segments = QHBoxLayout()
        segments.setSpacing(0)
        row = (*self.segments.values(), self.fit)
        for segment in row:
            place = "first" if segment is row[0] else "last" if segment is self.fit else "middle"
            segment.setProperty("segment", place)
            segments.addWidget(segment)
        layout = self._layout
        layout.addWidget(self._button("panels.tray", with_text=True))
        layout.addWidget(self._button("file.previous"))
        layout.addWidget(self.name, 1)
        layout.addWidget(self._button("file.next"))
        layout.addSpacing(8)
        layout.addLayout(segments)
        layout.addSpacing(8)
        layout.addWidget(self._button("edit.undo"))
        layout.addWidget(self._button("edit.redo"))
        layout.addWidget(self._button("panes.add"))
        layout.addSpacing(8)
        layout.addWidget(self.search)
        layout.addWidget(self._button("file.settings"))

    def _button(self, command: str, *, with_text: bool = False) -> QToolButton:
        button = QToolButton(self)
        action = self._actions[command]
        button.setDefaultAction(action)
        button.setIconSize(QSize(18, 18))
        button.setToolButtonStyle(
            Qt.ToolButtonStyle.ToolButtonTextBesideIcon
            if with_text
            else Qt.ToolButtonStyle.ToolButtonIconOnly
        )
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setAccessibleName(action.iconText())
        return button

    def _segment(self, command: str, text: str) -> QToolButton:
        """Return a button that shows its own check mark, which the command has none of."""
        button = QToolButton(self)
        action = self._actions[command]
        button.setText(text)
        button.setToolTip(action.toolTip())
        button.setCheckable(True)
        button.setEnabled(action.isEnabled())
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setAccessibleName(action.iconText())
        action.enabledChanged.connect(button.setEnabled)

        button.clicked.connect(lambda checked: button.setChecked(not checked))  # the view says it
        button.clicked.connect(lambda _checked=False: action.trigger())
        return button
