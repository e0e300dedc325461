"""The list of models and files of results, each with a check mark that turns its overlay on."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem, QWidget

from viewer.ui.widgets import KeyKeeper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.inference.models.bundle import ModelBundle
    from viewer.ui.overlays.overlay import OverlaySource

_ROW_PX = 24
_MOST_ROWS = 6


def _about_model(bundle: ModelBundle) -> list[str]:
    """Return what is to be known of a model before it runs for the first time."""
    about = bundle.description
    cited = [f"Cite: {about.citation}"] if about.citation else []
    checksum = f"SHA-256 of the weights: {about.sha256}"
    return [f"Version {about.version}", f"License: {about.license}", *cited, checksum]


class ModelList(QListWidget):
    """Models in the order of painting, the first on top; dragging changes it."""

    switched = Signal(object, bool)
    """A model was checked or not."""
    chosen_changed = Signal()
    order_changed = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        KeyKeeper(self)
        self.setAccessibleName("Models")
        self.setToolTip("Check a model to see what it finds; drag to change what lies on top")
        self.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.setUniformItemSizes(True)
        self.itemChanged.connect(self._on_item_changed)
        self.currentRowChanged.connect(lambda _: self.chosen_changed.emit())
        self.model().rowsMoved.connect(lambda *_: self.order_changed.emit())

    def show_models(self, models: Sequence[OverlaySource], chosen: str = "") -> None:
        """Lists models; `chosen` is the key of the one to select, by default as it was."""
        from viewer.inference.models.bundle import ModelBundle

        before = self.chosen()
        wanted = chosen or (before.key if before is not None else "")
        on = {origin.key for origin in self.models() if self._is_on(origin)}
        with QSignalBlocker(self):
            self.clear()
            counts = Counter(origin.name for origin in models)
            for origin in models:
                version = origin.version if isinstance(origin, ModelBundle) else ""
                is_one_of_several = bool(version) and counts[origin.name] > 1
                text = f"{origin.name} {version}" if is_one_of_several else origin.name
                item = QListWidgetItem(text, self)
                item.setData(Qt.ItemDataRole.UserRole, origin)
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                lines = _about_model(origin) if isinstance(origin, ModelBundle) else []
                item.setToolTip("\n".join([*lines, origin.about, str(origin.place)]))
                item.setCheckState(_state(origin.key in on))
                if origin.key == wanted or self.currentItem() is None:
                    self.setCurrentItem(item)
        rows = max(2, min(len(models), _MOST_ROWS))
        self.setFixedHeight(rows * _ROW_PX + 2 * self.frameWidth())
        self.chosen_changed.emit()

    def models(self) -> list[OverlaySource]:
        """In the order of the list."""
        return [
            self.item(row).data(Qt.ItemDataRole.UserRole)
            for row in range(self.count())
            if self.item(row).data(Qt.ItemDataRole.UserRole) is not None
        ]

    def chosen(self) -> OverlaySource | None:
        item = self.currentItem()
        return None if item is None else item.data(Qt.ItemDataRole.UserRole)

    def choose(self, key: str) -> None:
        for row, origin in enumerate(self.models()):
            if origin.key == key:
                self.setCurrentRow(row)

    def show_on(self, keys: set[str]) -> None:
        """Checks the models that are on, and no others."""
        with QSignalBlocker(self):
            for row, origin in enumerate(self.models()):
                self.item(row).setCheckState(_state(origin.key in keys))

    def _is_on(self, origin: OverlaySource) -> bool:
        row = [each.key for each in self.models()].index(origin.key)
        return self.item(row).checkState() is Qt.CheckState.Checked

    def _on_item_changed(self, item: QListWidgetItem) -> None:
        is_on = item.checkState() is Qt.CheckState.Checked
        self.setCurrentItem(item)
        self.switched.emit(item.data(Qt.ItemDataRole.UserRole), is_on)


def _state(on: bool) -> Qt.CheckState:
    return Qt.CheckState.Checked if on else Qt.CheckState.Unchecked
