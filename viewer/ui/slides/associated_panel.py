"""The pictures beside the slide: label, macro, thumbnail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import (
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.canvas.tile_picture import rgb_to_qimage
from viewer.slides.displayed import displayed_beside
from viewer.ui.background_runner import BackgroundRunner, Task, Urgency
from viewer.ui.shell.panel import Panel, shows_state
from viewer.ui.slides.thumbnails import fitted
from viewer.ui.widgets import ScrollColumn, show_or_hide

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.slides.source import SlideSource

_KEPT_SIZE = QSize(1600, 1600)
_LABEL = "label"
_ORDER = (_LABEL, "macro", "thumbnail")


class AssociatedPanel(Panel):
    """Shows the pictures; the label stays hidden until asked for, each time anew.

    A label can hold a patient's name, so it is not even read before the user asks. Then the name
    of the file stands beside it, for the check that both are of the same patient.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Label", parent)
        self.setObjectName("associated")
        self._source: SlideSource | None = None
        self.name_of: Callable[[], str] = lambda: ""
        """Gives the name and the case of the slide; "" where the study hides them."""
        self.uses_icc = True
        """Whether pictures are shown by the slide's color profile, as the slide is."""
        self._background = BackgroundRunner("pictures beside the slide", 1, self)
        self.hides_label = False
        self._tasks: list[Task] = []

    def build(self) -> None:
        self.pictures: dict[str, PictureView] = {}
        self.show_label_button = QPushButton("&Show label", self)
        self.show_label_button.setCheckable(True)
        self.show_label_button.setToolTip(
            "The label may hold a patient's name: show it only where that is all right"
        )
        self.show_label_button.toggled.connect(self._on_label_toggled)
        self._empty = QLabel("This slide has no pictures beside it.", self)
        self._empty.setProperty("dim", "true")
        self._empty.setWordWrap(True)
        self._body = QWidget(self)
        self._layout = QVBoxLayout(self._body)
        self._layout.setContentsMargins(8, 8, 8, 8)
        self._layout.addWidget(self._empty)
        self._layout.addWidget(self.show_label_button)
        self.name = QLabel(self)
        self.name.setAccessibleName("Name of the slide")
        self.name.setTextFormat(Qt.TextFormat.PlainText)
        self.name.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.name.setWordWrap(True)
        self.name.hide()
        self._layout.addWidget(self.name)
        self._layout.addStretch()
        area = ScrollColumn(self._body, self)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.set_body(area)
        self.setFocusProxy(self.show_label_button)
        self.visibilityChanged.connect(self._on_visibility_changed)
        self.show_slide(None)

    @shows_state
    def show_slide(self, source: SlideSource | None) -> None:
        """Show the pictures of a slide, without its label; None empties the panel."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()
        for picture in self.pictures.values():
            self._layout.removeWidget(picture)
            picture.hide()
            picture.deleteLater()
        self.pictures.clear()
        self._source = source
        self.show_label_button.setChecked(False)
        names = () if source is None else source.info.associated
        self._empty.setText(
            "Open a slide to see its label and pictures."
            if source is None
            else "This slide has no pictures beside it."
        )
        self._empty.setVisible(not names)
        self.show_label_button.setVisible(_LABEL in names and not self.hides_label)
        for name in sorted(names, key=_place):
            picture = PictureView(name, self._body)
            self.pictures[name] = picture
            if name == _LABEL:
                picture.hide()
                self._layout.insertWidget(3, picture)
            else:
                self._layout.insertWidget(self._layout.count() - 1, picture)
        if self.isVisible():
            self._read_missing()

    @shows_state
    def hide_label(self, hidden: bool) -> None:
        """Offer no label while a study hides it."""
        if hidden != self.hides_label:
            self.hides_label = hidden
            self.show_label_button.setChecked(False)
            names = () if self._source is None else self._source.info.associated
            self.show_label_button.setVisible(_LABEL in names and not hidden)

    def shut_down(self) -> None:
        self._background.close()

    def _on_visibility_changed(self, visible: bool) -> None:
        if visible:
            self._read_missing()

    def _on_label_toggled(self, shown: bool) -> None:
        self.show_label_button.setText("&Hide label" if shown else "&Show label")
        name = self.name_of() if shown else ""
        show_or_hide(self.name, name)
        picture = self.pictures.get(_LABEL)
        if picture is not None:
            picture.setVisible(shown)
            self._read_missing()

    def _read_missing(self) -> None:
        """Read what is to be seen and was not read yet; only while the panel is open."""
        source, uses_icc = self._source, self.uses_icc
        if source is None:
            return
        for name, picture in self.pictures.items():
            if picture.is_asked or (name == _LABEL and not self.show_label_button.isChecked()):
                continue
            picture.is_asked = True
            self._tasks.append(
                self._background.run(
                    lambda name=name: _picture(source, name, uses_icc=uses_icc),
                    picture.show_image,
                    lambda error, picture=picture: picture.show_reason(str(error)),
                    urgency=Urgency.IN_SIGHT,
                )
            )


class PictureView(QWidget):
    """A title and a picture as wide as the panel."""

    def __init__(self, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.is_asked = False
        self.image: QImage | None = None
        title = QLabel(name.capitalize(), self)
        title.setProperty("dim", "true")
        self._picture = QLabel(self)
        self._picture.setAccessibleName(f"Picture: {name}")
        self._picture.setWordWrap(True)
        self._picture.setMinimumWidth(1)
        self._picture.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._picture.installEventFilter(self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 4)
        layout.addWidget(title)
        layout.addWidget(self._picture)

    def show_image(self, image: QImage) -> None:
        self.image = image
        self._fit()

    def show_reason(self, reason: str) -> None:
        """Say why there is no picture."""
        self._picture.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._picture.setText(reason)

    @guarded(False)
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._picture and event.type() == QEvent.Type.Resize:
            self._fit()
        return super().eventFilter(watched, event)

    def _fit(self) -> None:
        if self.image is None:
            return
        ratio = self.devicePixelRatioF()
        width = self._picture.width()
        room = QSize(round(width * ratio), round(2 * width * ratio))
        pixmap = QPixmap.fromImage(fitted(self.image, room))
        pixmap.setDevicePixelRatio(ratio)
        height = round(pixmap.height() / ratio)
        if self._picture.height() != height:
            self._picture.setFixedHeight(height)
        self._picture.setPixmap(pixmap)


def _picture(source: SlideSource, name: str, *, uses_icc: bool) -> QImage:
    """Read a picture; for worker threads."""
    stored = source.read_associated(name)
    pixels = displayed_beside(source.info, name, stored, uses_icc=uses_icc)
    return fitted(rgb_to_qimage(pixels), _KEPT_SIZE)


def _place(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)
