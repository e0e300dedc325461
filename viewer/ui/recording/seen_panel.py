"""What was seen: heatmap, scanpath and unseen tissue on the slide, and the figures beside it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.layer import LayerOrder
from viewer.canvas.patch_layer import heat_colors
from viewer.geometry import Box
from viewer.plurals import percent
from viewer.recording.coverage import LEAST_SEEN_S
from viewer.ui.recording.color_key import ColorKey, magnification_key
from viewer.ui.recording.scrub_bar import action_color, shown_time
from viewer.ui.shell.panel import Panel, shows_state
from viewer.ui.view.layer_entries import Ramp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from viewer.canvas.canvas import SlideCanvas
    from viewer.canvas.layer import Layer
    from viewer.canvas.outline_layer import OutlineLayer
    from viewer.canvas.patch_layer import PatchLayer
    from viewer.canvas.scanpath_layer import ScanpathLayer
    from viewer.geometry import Point
    from viewer.recording.analysis import Analysis
    from viewer.recording.comparison import Comparison
    from viewer.recording.session_catalog import ListedSession

SEEN_AT = (5.0, 10.0, 20.0)
"""Magnifications for which the share of seen tissue is stated."""
LEAST_RED_S = 10.0
"""The time heatmap is red from the longest stay on, of at least this: a glance is no red."""
_UNSEEN_COLOR = "#e5484d"
_EMPTY = (
    "No session of this slide yet.\n\nPress Record at the upper right (Ctrl+R) and read the slide: "
    "what you saw, and what you did not, is shown here while you read and afterwards."
)
_A_RGB, _B_RGB, _BOTH_RGB = (47, 155, 255), (255, 140, 0), (120, 120, 120)
_COMPARED = (
    (QColor(*_A_RGB), "this session"),
    (QColor(*_B_RGB), "the other"),
    (QColor(*_BOTH_RGB), "both"),
)


class CoverageRow(msgspec.Struct, frozen=True):
    """One thing that the page paints, as the list of layers has it; see `LayerEntry`."""

    name: str
    layer: PatchLayer | OutlineLayer | ScanpathLayer
    stratum: LayerOrder
    show: Callable[[bool], object]
    fade: Callable[[float], object]
    classes: tuple[tuple[str, str], ...] = ()
    ramp: Ramp | None = None


class SeenPanel(Panel):
    """Shows an `Analysis` on a canvas; asks for another when the user compares."""

    compare_requested = Signal(object)
    """The folder of the session to compare with, or None."""

    def __init__(self, parent: QWidget) -> None:
        from viewer.canvas.outline_layer import OutlineLayer
        from viewer.canvas.patch_layer import PatchLayer
        from viewer.canvas.scanpath_layer import ScanpathLayer

        super().__init__("Coverage", parent)
        self.setObjectName("seen")
        self._analysis: Analysis | None = None
        self._canvas: SlideCanvas | None = None
        self._seconds: NDArray[np.float32] | None = None
        """Of the heatmap that is shown, by its cells."""
        self._red_at_s = LEAST_RED_S
        self._before: dict[QComboBox, int] = {}
        """What was chosen before the list of layers hid it."""
        self._heat, self._scanpath = PatchLayer("time heatmap"), ScanpathLayer(name="scanpath")
        self._unseen = OutlineLayer(_UNSEEN_COLOR, name="unseen tissue")
        self._layers = (
            (self._heat, LayerOrder.HEATMAPS),
            (self._unseen, LayerOrder.OBJECTS),
            (self._scanpath, LayerOrder.TOOLS),
        )

    def build(self) -> None:
        from viewer.recording.behaviors import BANDS
        from viewer.ui.recording.heat_legend import HeatLegend

        self.title = QLabel(self)
        self.title.setWordWrap(True)
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.heatmap = QComboBox(self)
        self.heatmap.addItem("Off", None)
        self.heatmap.addItem("All magnifications", 0.0)
        for band in BANDS:
            self.heatmap.addItem(f"{band:g}x", band)
        self.heatmap.setToolTip("How long each place was on screen")
        self.legend = HeatLegend(self)
        self.opacity = QSlider(Qt.Orientation.Horizontal, self)
        self.opacity.setRange(0, 100)
        self.opacity.setValue(round(100 * self._heat.opacity))
        self.opacity.setAccessibleName("Opacity of the heatmap, %")
        self.opacity.setToolTip("Opacity of the heatmap")
        self.scanpath = QCheckBox("Numbered boxes", self)
        self.key = magnification_key(self)
        self.unseen = QComboBox(self)
        self.unseen.addItem("Off", None)
        for magnification in SEEN_AT:
            self.unseen.addItem(f"Not seen at {magnification:g}x or more", magnification)
        self.unseen_key = ColorKey(
            "Outline of unseen tissue", [(QColor(_UNSEEN_COLOR), "outlined: not seen")], self
        )
        self.other = QComboBox(self)
        self.comparison = QLabel(self)
        self.comparison.setWordWrap(True)
        self.comparison_key = ColorKey("Colors of the comparison", _COMPARED, self)
        self.figures = QLabel(self)
        self.figures.setTextFormat(Qt.TextFormat.RichText)
        self.figures.setWordWrap(True)
        self.figures.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        for box in (self.heatmap, self.unseen, self.other):
            box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            box.setMinimumContentsLength(12)
            policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            box.setSizeAdjustPolicy(policy)
        form = QFormLayout()
        form.addRow("Heatmap:", self.heatmap)
        form.addRow("", self.legend)
        form.addRow("Opacity:", self.opacity)
        form.addRow("Scanpath:", self.scanpath)
        form.addRow(self.key)
        form.addRow("Unseen tissue:", self.unseen)
        form.addRow("", self.unseen_key)
        form.addRow("Compare with:", self.other)
        form.addRow(self.comparison_key)
        body = QWidget(self)
        layout = QVBoxLayout(body)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addWidget(self.title)
        layout.addLayout(form)
        layout.addWidget(self.comparison)
        layout.addWidget(self.figures)
        layout.addStretch(1)
        self.set_body(body, scrolls=True)
        self.setFocusProxy(self.heatmap)
        for box in (self.heatmap, self.unseen):
            box.currentIndexChanged.connect(self._paint)
        self.scanpath.toggled.connect(self._paint)
        self.opacity.valueChanged.connect(self._on_opacity)
        self.other.currentIndexChanged.connect(
            lambda _: self.compare_requested.emit(self.other.currentData())
        )
        self.show_sessions([])
        self.show_analysis(None, None, "")

    @property
    def canvas(self) -> SlideCanvas | None:
        """That the session is shown on."""
        return self._canvas

    @property
    def folder(self) -> Path | None:
        """Return the folder of the session that is shown."""
        return None if self._analysis is None else self._analysis.folder

    @shows_state
    def show_sessions(self, sessions: Sequence[ListedSession]) -> None:
        """Offer the other sessions on the same slide for comparison."""
        chosen = self.other.currentData()
        self.other.blockSignals(True)
        self.other.clear()
        self.other.addItem("Nobody", None)
        for session in sessions:
            self.other.addItem(f"{session.who}, {session.started}", session.folder)
        index = self.other.findData(chosen)
        self.other.setCurrentIndex(max(index, 0))
        self.other.blockSignals(False)

    @shows_state
    def show_analysis(
        self, analysis: Analysis | None, canvas: SlideCanvas | None, title: str
    ) -> None:
        """Show a session on a canvas; None shows nothing."""
        if canvas is not self._canvas:
            self._leave()
            self._canvas = canvas
            if canvas is not None:
                for layer, stratum in self._layers:
                    canvas.add_layer(layer, stratum)
                canvas.cursor_moved.connect(self._on_cursor)
        self._analysis = analysis
        self.title.setText(title or _EMPTY)
        for widget in (self.heatmap, self.opacity, self.scanpath, self.unseen, self.other):
            widget.setEnabled(analysis is not None)
        self.figures.setText("" if analysis is None else _figures(analysis))
        comparison = None if analysis is None else analysis.comparison
        self.comparison.setText("" if comparison is None else _comparison_text(comparison))
        self._paint()

    @shows_state
    def hide_scanpath(self) -> None:
        """Paint no numbered boxes until the user asks for them again."""
        self.scanpath.setChecked(False)

    def value_at(self, point: Point) -> str:
        """Return how long a level-0 point was on screen, where the heatmap of time is painted."""
        seconds = self._seconds_at(point)
        return "" if seconds is None else f"On screen for {seconds:.1f} s"

    @property
    def layers(self) -> list[Layer]:
        """Return the layers of this page, painted or not."""
        return [layer for layer, _ in self._layers]

    def painted(self) -> list[CoverageRow]:
        """Return what of this page is painted now, for the list of layers."""
        rows: list[CoverageRow] = []
        if self._heat.shown_name:
            is_time = self._seconds is not None
            ends = ("0 s", f"{self._red_at_s:.0f} s, logarithmic")
            rows.append(
                CoverageRow(
                    "Time on screen" if is_time else "Two readings",
                    self._heat,
                    LayerOrder.HEATMAPS,
                    self._switching(self.heatmap if is_time else self.other),
                    lambda opacity: self.opacity.setValue(round(100 * opacity)),
                    () if is_time else tuple((text, color.name()) for color, text in _COMPARED),
                    Ramp(tuple(heat_colors(32)), ends) if is_time else None,
                )
            )
        if self._unseen.shown_name:
            rows.append(
                CoverageRow(
                    "Unseen tissue",
                    self._unseen,
                    LayerOrder.OBJECTS,
                    self._switching(self.unseen),
                    self._fading(self._unseen),
                    ((self.unseen.currentText(), _UNSEEN_COLOR),),
                )
            )
        if self._scanpath.shown_name:
            rows.append(
                CoverageRow(
                    "Scanpath",
                    self._scanpath,
                    LayerOrder.TOOLS,
                    self.scanpath.setChecked,
                    self._fading(self._scanpath),
                )
            )
        return rows

    def _switching(self, box: QComboBox) -> Callable[[bool], object]:
        """Return what turns the choice of a box off, and back to what it was."""

        def switch(shown: bool) -> None:
            if not shown:
                self._before[box] = box.currentIndex()
            box.setCurrentIndex(self._before.get(box, 1) if shown else 0)

        return switch

    def _fading(self, layer: OutlineLayer | ScanpathLayer) -> Callable[[float], object]:
        def fade(opacity: float) -> None:
            layer.opacity = opacity
            if self._canvas is not None:
                self._canvas.update()

        return fade

    @shows_state
    def turn_off(self) -> None:
        """Paint nothing until the user asks for it again."""
        self.heatmap.setCurrentIndex(0)
        self.scanpath.setChecked(False)
        self.unseen.setCurrentIndex(0)

    def _leave(self) -> None:
        if self._canvas is not None:
            self._canvas.cursor_moved.disconnect(self._on_cursor)
            for layer, _ in self._layers:
                self._canvas.remove_layer(layer)

    def _paint(self) -> None:
        for layer, _ in self._layers:
            layer.clear()
        analysis = self._analysis
        self._seconds = None
        compared = analysis.comparison if analysis is not None else None
        for key in (self.legend, self.comparison_key):
            key.hide()
        self.key.setVisible(analysis is not None and self.scanpath.isChecked())
        self.unseen_key.setVisible(analysis is not None and self.unseen.currentIndex() > 0)
        if analysis is None or self._canvas is None:
            return
        band = self.heatmap.currentData()
        if compared is not None:
            self._heat.show_colors(_two_readers(compared), compared.cell_px)
            self.comparison_key.setVisible(not compared.problem)
        elif band is not None:
            maps = analysis.attention
            seconds = maps.total() if band == 0.0 else maps.band(band)
            red_at_s = max(float(seconds.max(initial=0.0)), LEAST_RED_S)
            self._heat.show_heat(seconds, maps.cell_px, red_at_s)
            self._seconds, self._red_at_s = seconds, red_at_s
            self.legend.show_scale(red_at_s)
            self.legend.show()
        if self.scanpath.isChecked():
            boxes = [(Box(*action.box), action_color(action)) for action in analysis.actions]
            self._scanpath.show_boxes(boxes)
        at_least = self.unseen.currentData()
        if at_least is not None and analysis.coverage is not None:
            self._unseen.show_regions(analysis.coverage.unseen_outline(at_least))
        self._canvas.update()

    def _on_opacity(self, percent: int) -> None:
        self._heat.opacity = percent / 100
        if self._canvas is not None:
            self._canvas.update()

    def _on_cursor(self, point: Point | None) -> None:
        """Say in the legend how long the place under the cursor was on screen."""
        seconds, analysis = self._seconds, self._analysis
        if seconds is None or analysis is None or point is None:
            self.legend.show_value(None)
            return
        self.legend.show_value(self._seconds_at(point))

    def _seconds_at(self, point: Point) -> float | None:
        """Return how long a level-0 point was on screen; None where that is not painted."""
        if self._seconds is None or self._analysis is None:
            return None
        side_px = self._analysis.attention.cell_px
        column, row = int(point.x // side_px), int(point.y // side_px)
        rows, columns = self._seconds.shape
        is_on_slide = 0 <= row < rows and 0 <= column < columns
        return float(self._seconds[row, column]) if is_on_slide else None


def _two_readers(comparison: Comparison) -> np.ndarray:
    rgba = np.zeros((*comparison.both.shape, 4), np.uint8)
    for cells, color in (
        (comparison.only_a, _A_RGB), (comparison.only_b, _B_RGB), (comparison.both, _BOTH_RGB),
    ):  # fmt: skip
        rgba[cells] = (*color, 200)
    return rgba


def _comparison_text(comparison: Comparison) -> str:
    if comparison.problem:
        return comparison.problem
    return (
        f"Seen at {comparison.magnification:g}x or more for {comparison.least_s:g} s or more: "
        f"overlap (IoU) {_number(comparison.iou)}, correlation {_number(comparison.correlation)}."
    )


def _figures(analysis: Analysis) -> str:
    figures = analysis.statistics
    rows: list[tuple[str, str]] = []
    if analysis.coverage is not None:
        for magnification in SEEN_AT:
            share = analysis.coverage.share(magnification)
            rows.append(
                (
                    f"Tissue seen at {magnification:g}x or more",
                    percent(share),
                )
            )
    rows += [
        ("Looked at", shown_time(figures.looked_s)),
        ("Actions", str(figures.actions)),
        ("Zooms in, out", f"{figures.zooms_in}, {figures.zooms_out}"),
        ("Path", _length(figures.path_px, figures.path_um)),
    ]
    rows += [
        (f"Time at {band:g}x", shown_time(seconds))
        for band, seconds in figures.band_s.items()
        if seconds >= 0.5
    ]
    lines = (f"<tr><td>{name}&nbsp;</td><td><b>{value}</b></td></tr>" for name, value in rows)
    table = f"<table cellspacing='3'>{''.join(lines)}</table>"
    notes = [f"Search style: {_search_style(figures.scanning_share)}."]
    if analysis.coverage is not None:
        notes.append(f"Seen: on screen for {LEAST_SEEN_S:g} s or more.")
    return table + "".join(f"<p style='margin: 3px'>{note}</p>" for note in notes)


def _length(path_px: float, path_um: float | None) -> str:
    return f"{path_px:,.0f} px" if path_um is None else f"{path_um / 1000:.2f} mm"


def _search_style(scanning_share: float) -> str:
    if math.isnan(scanning_share):
        return "unknown"
    percent = round(100 * scanning_share)
    return f"{percent} % scanning, {100 - percent} % drilling"


def _number(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.2f}"
