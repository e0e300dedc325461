"""What can be set of cell detection, in the card of its model."""

from __future__ import annotations

from typing import NamedTuple

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from viewer.inference.cells.settings import CellSettings, CellSettingsError, changed
from viewer.inference.cells.stain_vectors import StainSet, StainVectors, stain_doubt
from viewer.ui.widgets import LetteredCombo, plain_tip, push_button, show_or_hide, text_label


class _Knob(NamedTuple):
    name: str
    label: str
    most: float
    step: float
    digits: int
    tip: str


_KNOBS = (
    _Knob("threshold", "&Threshold:", 3, 0.01, 2,
          "Smoothed density above background from which on it is a nucleus"),
    _Knob("sigma_um", "Si&gma (µm):", 10, 0.1, 2,
          "Smooths: larger parts nuclei less and finds fewer specks"),
    _Knob("background_radius_um", "&Background (µm):", 30, 1, 1,
          "Radius of the background: larger than that of the largest nucleus; 0 takes none off"),
    _Knob("median_radius_um", "&Median (µm):", 5, 0.5, 1,
          "Median filter: its radius before the smoothing; 0 for none"),
    _Knob("cell_expansion_um", "E&xpansion (µm):", 25, 0.5, 1,
          "Cell expansion: from nucleus to cell, as far as no other nucleus is nearer"),
    _Knob("requested_pixel_size_um", "&Pixel size (µm):", 4, 0.1, 2,
          "At which cells are looked for, whatever the scanner's"),
)  # fmt: skip
_PROBABILITY = _Knob("threshold", "&Threshold:", 0.99, 0.01, 2,
                     "Probability from which on it is a nucleus")  # fmt: skip
_AREAS = (
    _Knob("min_area_um2", "Minimum area (µm²)", 10_000, 5, 0, "Smaller nuclei are left out"),
    _Knob("max_area_um2", "Maximum area (µm²)", 10_000, 10, 0, "Larger nuclei are left out"),
)
_GRADES = tuple(
    _Knob(f"threshold_{n}", f"Threshold {n}+", 3, 0.05, 2, f"Density from which on a cell is {n}+")
    for n in (1, 2, 3)
)
_CHECKS = (
    ("split_by_shape", "&Split by shape", "Part what touches where it is narrow"),
    ("include_nucleus", "Show &nuclei", "Outline nuclei; else the cells grown from them"),
    ("exclude_dab", "Exclude &DAB", "Leave out pixels with more DAB than hematoxylin"),
    ("single_threshold", "Single th&reshold", "Negative or positive by the first alone"),
)
_ESTIMATES = (
    ("Both from the &view (Macenko)", "view"),
    ("Both from the &annotation (Macenko)", "annotation"),
    ("&Hematoxylin from the annotation", "first"),
    ("&Other stain from the annotation", "second"),
)
_COMBO_PX = 76
_COMPARTMENTS = ("Nucleus", "Cytoplasm", "Cell")
_STATISTICS = ("mean", "max")


class CellPage(QWidget):
    """Settings of one slide; whoever shows it has them previewed and run."""

    settings_changed = Signal(object)
    """The CellSettings, each time that they change to others that can be."""
    stains_wanted = Signal(str)
    """Stains are to be taken from the "view" or the "annotation", or one of them from the
    annotation: "first" or "second"."""
    run_here_wanted = Signal()
    run_region_wanted = Signal()
    run_many_wanted = Signal()
    used_changed = Signal(bool)
    """Whether a network is to work by these settings."""

    def __init__(self, parent: QWidget, *, is_network: bool) -> None:
        super().__init__(parent)
        self.setAccessibleName("Cell detection settings")
        self._settings = CellSettings()
        self._spins: dict[str, QDoubleSpinBox] = {}
        self._boxes: dict[str, QCheckBox] = {}
        self.used = QCheckBox("Measure and grade by settings", self)
        self.used.setVisible(is_network)
        self.stain_set = self._combo("Stains", ["H-DAB", "H&E"])
        self.estimate = QPushButton("Estimate", self)
        self.estimate.setToolTip("Estimate both stains by Macenko, and white from the slide")
        menu = QMenu(self.estimate)
        for text, where in _ESTIMATES:
            menu.addAction(text).triggered.connect(
                lambda _=False, where=where: self.stains_wanted.emit(where)
            )
        menu.addAction("QuPath's &default").triggered.connect(lambda _=False: self._use_default())
        self.estimate.setMenu(menu)
        self.stains = text_label(self, dim=True)
        self.doubt = text_label(self)
        self.doubt.setAccessibleName("Doubt about the stains")
        self.doubt.setProperty("notice", "warning")
        self.use_likely = push_button(self, "", "Take the stains that the slide seems to have")
        self.doubt.hide()
        self.use_likely.hide()
        self._likely: StainSet | None = None
        self.image = self._combo("Find nuclei in", ["Hematoxylin OD", "Optical density sum"])
        self.score = self._combo("Score", [f"{c} {s}" for c in _COMPARTMENTS for s in _STATISTICS])
        self.problem = text_label(self)
        self.problem.setProperty("notice", "warning")
        self.problem.hide()
        self.preview = text_label(self)
        self.preview.setAccessibleName("Preview")
        self.preview.setProperty("notice", "info")
        self.preview.hide()
        self.here = push_button(self, "Run here", "Find cells where you look, by these settings")
        self.region = push_button(self, "In annotation", "Find cells in the selected annotations")
        self.many = push_button(self, "Many slides...", "Take these settings to the page Batch")
        self._body = QWidget(self)
        self._lay_out(is_network=is_network)
        self._connect()
        self.show_settings(self._settings)

    @property
    def settings(self) -> CellSettings:
        """Return what is set."""
        return self._settings

    def spin(self, name: str) -> QDoubleSpinBox:
        """Return the box of a number by its name in `CellSettings`."""
        return self._spins[name]

    def show_settings(self, settings: CellSettings) -> None:
        """Show the settings of a slide."""
        self._settings = settings
        for name, spin in self._spins.items():
            with QSignalBlocker(spin):
                spin.setValue(float(getattr(settings, name)))
        for name, box in self._boxes.items():
            with QSignalBlocker(box):
                box.setChecked(bool(getattr(settings, name)))
        score = f"{settings.compartment} {settings.statistic}"
        for combo, text in (
            (self.stain_set, settings.stains.kind),
            (self.image, settings.detection_image),
            (self.score, score),
        ):
            with QSignalBlocker(combo):
                combo.setCurrentIndex(combo.findText(text))
        self.stains.setText(settings.stains.text)
        self._show_doubt()
        self._show_what_counts()
        self.show_problem("")

    def show_likely_stains(self, likely: StainSet | None) -> None:
        """Take with what the slide seems stained, and say where the settings are of another."""
        self._likely = likely
        self._show_doubt()

    def show_preview(self, text: str) -> None:
        """Say what the preview finds."""
        show_or_hide(self.preview, text)

    def show_problem(self, sentence: str) -> None:
        """Say why settings cannot be; "" where they can."""
        show_or_hide(self.problem, sentence)

    def show_used(self, *, is_used: bool) -> None:
        """Show whether a network works by these settings."""
        with QSignalBlocker(self.used):
            self.used.setChecked(is_used)
        self._show_what_counts()

    def set_stains(self, stains: StainVectors) -> None:
        """Take other stains, as if they were typed."""
        self._take(stains=stains, is_scored=stains.kind == "H-DAB")

    def _use_default(self) -> None:
        self.set_stains(StainVectors.default(self._settings.stains.kind))

    def _use_likely(self) -> None:
        if self._likely is not None:
            self._on_stain_set(self._likely)

    def _on_stain_set(self, kind: StainSet) -> None:
        self.set_stains(StainVectors.default(kind))

    def _on_score(self, text: str) -> None:
        compartment, _, statistic = text.partition(" ")
        self._take(compartment=compartment, statistic=statistic)

    def _take(self, **changes: object) -> None:
        try:
            settings = changed(self._settings, changes)
        except CellSettingsError as error:
            self.show_problem(str(error))
            return
        self.show_settings(settings)
        self.settings_changed.emit(settings)

    def _show_doubt(self) -> None:
        sentence = stain_doubt(self._settings.stains, self._likely)
        show_or_hide(self.doubt, sentence)
        self.use_likely.setText(f"Use {self._likely}".replace("&", "&&"))
        self.use_likely.setVisible(bool(sentence))

    def _show_what_counts(self) -> None:
        settings = self._settings
        for name in ("threshold_1", "threshold_2", "threshold_3"):
            is_used = settings.is_scored and (
                name == "threshold_1" or not settings.single_threshold
            )
            self._spins[name].setEnabled(is_used)
        self.score.setEnabled(settings.is_scored)
        self._boxes["single_threshold"].setEnabled(settings.is_scored)
        self._body.setVisible(self.used.isChecked() or self.used.isHidden())

    # How it is laid out ----------------------------------------------------------------------

    def _lay_out(self, *, is_network: bool) -> None:
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.setVerticalSpacing(4)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Stai&ns:", self._row(self.stain_set, self.estimate))
        form.addRow(self.stains)
        if not is_network:
            form.addRow("&Find in:", self.image)
        self.image.setVisible(not is_network)
        for knob in (_PROBABILITY, *_KNOBS[1:]) if is_network else _KNOBS:
            spin = self._spin(knob)
            is_for_density = knob.name in (
                "background_radius_um", "median_radius_um", "requested_pixel_size_um",
            )  # fmt: skip
            if not (is_network and is_for_density):
                form.addRow(knob.label, spin)
            else:
                spin.hide()
        form.addRow("&Area (µm²):", self._row(*(self._spin(knob) for knob in _AREAS)))
        form.addRow("Sc&ore:", self.score)
        form.addRow("1+, 2+, 3+:", self._row(*(self._spin(knob) for knob in _GRADES)))
        for name, text, tip in _CHECKS:
            box = self._boxes[name] = QCheckBox(text, self)
            box.setToolTip(tip)
        form.addRow(self._row(self._boxes["split_by_shape"], self._boxes["single_threshold"]))
        form.addRow(self._row(self._boxes["include_nucleus"], self._boxes["exclude_dab"]))
        body = QVBoxLayout(self._body)
        body.setContentsMargins(0, 0, 0, 0)
        body.setSpacing(4)
        # What is wrong with what a run finds stands above what starts one.
        body.addWidget(self.doubt)
        body.addWidget(self.use_likely)
        body.addWidget(self._row(self.here, self.region))
        body.addWidget(self.many)
        body.addWidget(self.preview)
        body.addWidget(self.problem)
        body.addLayout(form)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.used)
        layout.addWidget(self._body)

    def _connect(self) -> None:
        self.stain_set.currentTextChanged.connect(self._on_stain_set)
        self.image.currentTextChanged.connect(lambda text: self._take(detection_image=text))
        self.score.currentTextChanged.connect(self._on_score)
        for name, spin in self._spins.items():
            spin.valueChanged.connect(lambda value, name=name: self._take(**{name: value}))
        for name, box in self._boxes.items():
            box.toggled.connect(lambda is_on, name=name: self._take(**{name: is_on}))
        self.used.toggled.connect(self._on_used)
        self.use_likely.clicked.connect(self._use_likely)
        for button, signal in (
            (self.here, self.run_here_wanted),
            (self.region, self.run_region_wanted),
            (self.many, self.run_many_wanted),
        ):
            button.clicked.connect(signal)

    def _on_used(self, is_used: bool) -> None:
        self._show_what_counts()
        self.used_changed.emit(is_used)

    def _spin(self, knob: _Knob) -> QDoubleSpinBox:
        spin = self._spins[knob.name] = QDoubleSpinBox(self)
        spin.setDecimals(knob.digits)
        spin.setRange(0, knob.most)
        spin.setSingleStep(knob.step)
        spin.setMinimumWidth(1)
        if knob in (*_AREAS, *_GRADES):  # several in a row: the wheel and the arrow keys do
            spin.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
        spin.setAccessibleName(knob.label.replace("&", "").rstrip(":"))
        spin.setToolTip(plain_tip(knob.tip))
        spin.setKeyboardTracking(False)
        return spin

    def _combo(self, name: str, texts: list[str]) -> LetteredCombo:
        combo = LetteredCombo(self)
        combo.addItems(texts)
        combo.setAccessibleName(name)
        combo.setMinimumWidth(_COMBO_PX)
        return combo

    def _row(self, *widgets: QWidget) -> QWidget:
        row = QWidget(self)
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in widgets:
            layout.addWidget(widget, 1)
        return row
