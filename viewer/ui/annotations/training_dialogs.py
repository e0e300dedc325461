"""What a label mask, or tiles for training, are to be like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

if TYPE_CHECKING:
    from pathlib import Path

_USUAL_UM = 1.0
"""Of a pixel, unless another size is asked for: fine enough for regions."""
_COARSEST_UM = 1000.0
_SIDE_PX, _LARGEST_PX = 256, 8192
_LEAST_PERCENT = 5


class ScaleDialog(QDialog):
    """Asks how fine, and what has a value of its own; subclasses ask more.

    Parameters
    ----------
    mpp_um
        Of the slide; where it is not known, its own pixels are taken.
    """

    def __init__(self, title: str, sentence: str, mpp_um: float | None, parent: QWidget) -> None:
        from viewer.ui.opened_dialog import ok_cancel

        super().__init__(parent)
        self.setWindowTitle(title)
        hint = QLabel(sentence, self)
        hint.setTextFormat(Qt.TextFormat.PlainText)
        hint.setWordWrap(True)
        self.scale = QDoubleSpinBox(self)
        self.scale.setDecimals(3)
        self.scale.setSingleStep(0.25)
        self.scale.setSuffix(" µm/px")
        self.scale.setAccessibleName("Scale")
        self.scale.setEnabled(mpp_um is not None)
        if mpp_um is None:
            self.scale.setSpecialValueText("as the slide's pixels")
        else:
            self.scale.setRange(min(mpp_um, _USUAL_UM), _COARSEST_UM)
            self.scale.setValue(max(_USUAL_UM, mpp_um))
        self.values = QComboBox(self)
        self.values.addItems(["each class", "each annotation"])
        self.values.setAccessibleName("A value for")
        self.form = QFormLayout()
        self.form.addRow("&Scale:", self.scale)
        self.form.addRow("A &value for:", self.values)
        layout = QVBoxLayout(self)
        layout.addWidget(hint)
        layout.addLayout(self.form)
        layout.addWidget(ok_cancel(self))

    @property
    def mpp_um(self) -> float | None:
        """Return None for the slide's own pixels."""
        return self.scale.value() if self.scale.isEnabled() else None

    @property
    def by_instance(self) -> bool:
        return self.values.currentIndex() == 1


class MaskDialog(ScaleDialog):
    """For one picture of the whole slide."""

    def __init__(self, path: Path, mpp_um: float | None, parent: QWidget) -> None:
        sentence = f"{path.name} tells in a JSON file beside it what its values mean."
        super().__init__("Label mask", sentence, mpp_um, parent)


class TilesDialog(ScaleDialog):
    """For pairs of pictures cut from the slide."""

    def __init__(self, mpp_um: float | None, parent: QWidget) -> None:
        super().__init__(
            "Training tiles",
            "Pairs of picture and mask are cut where the slide is annotated, with a table that"
            " tells where each is from.",
            mpp_um,
            parent,
        )
        self.side = self._number("Side of a tile", " px", 8, _LARGEST_PX, _SIDE_PX)
        self.overlap = self._number("Overlap", " px", 0, _SIDE_PX - 1, 0)
        self.least = self._number("Annotated at least", " %", 0, 100, _LEAST_PERCENT)
        self.least.setToolTip("0 % cuts all of the slide")
        self.form.addRow("Side of a &tile:", self.side)
        self.form.addRow("&Overlap:", self.overlap)
        self.form.addRow("Annotated at &least:", self.least)
        self.side.valueChanged.connect(lambda side: self.overlap.setMaximum(side - 1))

    def _number(self, name: str, suffix: str, low: int, high: int, value: int) -> QSpinBox:
        box = QSpinBox(self)
        box.setRange(low, high)
        box.setValue(value)
        box.setSuffix(suffix)
        box.setAccessibleName(name)
        return box
