"""What can be set while a pixel classifier is taught, and what it says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from viewer.inference.teaching.pixel_settings import DEFAULT_MPP_UM, PixelSettings
from viewer.plurals import percent
from viewer.ui.widgets import LetteredCombo, plain_tip, push_button, show_or_hide, text_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from viewer.inference.cells.stain_vectors import StainSet

HINT = (
    "Paint strokes with the brush (B) and give each a class (Ctrl+1, Ctrl+2, ...): two classes or "
    "more. Locked annotations teach nothing."
)
_RESOLUTIONS_UM = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_TIMES = 10.0
"""Magnification times µm/px, as everywhere."""
_SCALES = ("1 px", "1 and 2 px", "1 to 4 px", "1 to 8 px")
_STAINS: tuple[StainSet, ...] = ("H&E", "H-DAB")
_MOST_UM2 = 1e7
_NAME_LETTERS = 80


class PixelPage(QGroupBox):
    """The settings of a lesson; whoever shows it teaches by them."""

    settings_changed = Signal()
    areas_wanted = Signal()
    save_wanted = Signal()
    end_wanted = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__("Teach pixels by strokes", parent)
        self.setAccessibleName("Pixel classifier")
        self.resolution = self._combo(
            "Resolution",
            [f"{um:g} µm/px ({_TIMES / um:.3g}x)" for um in _RESOLUTIONS_UM],
            "How fine the pixels are that are told apart, whatever the scanner's",
        )
        self.resolution.setCurrentIndex(_RESOLUTIONS_UM.index(DEFAULT_MPP_UM))
        self.features = self._combo(
            "Features",
            ["Color and texture", "Color"],
            "What pixels are told apart by: smoothed stains alone, or their texture as well",
        )
        self.scales = self._combo(
            "Scales", list(_SCALES), "How far a pixel's surroundings count: smoothed by so much"
        )
        self.scales.setCurrentIndex(len(_SCALES) - 1)
        self.stains = self._combo("Stains", list(_STAINS), "By which colors are separated")
        self.hint = text_label(self, dim=True)
        self.hint.setText(HINT)
        self.strokes = text_label(self)
        self.strokes.setAccessibleName("Strokes")
        self.problem = text_label(self)
        self.problem.setProperty("notice", "warning")
        self.answers = text_label(self)
        self.answers.setAccessibleName("Answers in view")
        self.estimate = text_label(self, dim=True)
        self.estimate.setAccessibleName("Estimate of the error")
        self.least_um2 = QDoubleSpinBox(self)
        self.least_um2.setRange(0, _MOST_UM2)
        self.least_um2.setDecimals(0)
        self.least_um2.setValue(200)
        self.least_um2.setSingleStep(100)
        self.least_um2.setMinimumWidth(1)
        self.least_um2.setAccessibleName("Smallest area (µm²)")
        self.least_um2.setToolTip(plain_tip("Smaller areas are left out"))
        self.areas = push_button(self, "Make areas", "Make annotations of the areas in view")
        self.name = QLineEdit("Pixel classifier", self)
        self.name.setMaxLength(_NAME_LETTERS)
        self.name.setMinimumWidth(1)
        self.name.setAccessibleName("Name of the model")
        self.save = push_button(
            self, "Save model", "Keep it as a model, for whole slides, projects and other machines"
        )
        self.end = push_button(self, "End", "Teach no more; the strokes stay")
        self._lay_out()
        for combo in (self.resolution, self.features, self.scales, self.stains):
            combo.currentIndexChanged.connect(lambda _: self.settings_changed.emit())
        self.areas.clicked.connect(self.areas_wanted)
        self.save.clicked.connect(self.save_wanted)
        self.end.clicked.connect(self.end_wanted)
        self.show_strokes({})
        self.show_answers({})

    @property
    def settings(self) -> PixelSettings:
        """Return what is set."""
        return PixelSettings(
            mpp_um=_RESOLUTIONS_UM[self.resolution.currentIndex()],
            scales=self.scales.currentIndex() + 1,
            texture=self.features.currentIndex() == 0,
            stains=_STAINS[self.stains.currentIndex()],
        )

    def show_strokes(self, counts: Mapping[str, int]) -> None:
        """Show how many strokes there are of each class."""
        show_or_hide(self.strokes, ", ".join(f"{name} {count:,}" for name, count in counts.items()))

    def show_problem(self, sentence: str) -> None:
        """Say why nothing is learned; "" where something is."""
        show_or_hide(self.problem, sentence)
        if sentence:
            self.show_answers({})
            self.show_estimate("")

    def show_answers(self, shares: Mapping[str, float], note: str = "") -> None:
        """Show which share of the view each class has; nothing where there is no answer."""
        parts = ", ".join(f"{name} {percent(share)}" for name, share in shares.items())
        show_or_hide(
            self.answers, f"In view: {parts}.{f' {note}' if note else ''}" if shares else ""
        )
        for widget in (self.areas, self.save):
            widget.setEnabled(bool(shares))

    def show_estimate(self, sentence: str) -> None:
        """Show how wrong the answers are."""
        show_or_hide(self.estimate, sentence)

    def _combo(self, name: str, texts: list[str], tip: str) -> LetteredCombo:
        combo = LetteredCombo(self)
        combo.addItems(texts)
        combo.setAccessibleName(name)
        combo.setToolTip(plain_tip(tip))
        combo.setMinimumWidth(76)
        return combo

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(4)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("&Resolution:", self.resolution)
        form.addRow("&Features:", self.features)
        form.addRow("S&cales:", self.scales)
        form.addRow("S&tains:", self.stains)
        form.addRow("From µm²:", self._row(self.least_um2, self.areas))
        form.addRow("Name:", self._row(self.name, self.save))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 8)
        layout.setSpacing(4)
        layout.addWidget(self.hint)
        for label in (self.strokes, self.problem, self.answers, self.estimate):
            layout.addWidget(label)
        layout.addLayout(form)
        layout.addWidget(self.end)

    def _row(self, first: QWidget, button: QPushButton) -> QWidget:
        row = QWidget(self)
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(first, 1)
        layout.addWidget(button)
        return row
