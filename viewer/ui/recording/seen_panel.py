"""What was seen: heatmap, scanpath and unseen tissue on the slide, and the figures beside it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.layer import LayerOrder
from viewer.geometry import Box
from viewer.recording.coverage import LEAST_SEEN_S
from viewer.ui.recording.scrub_bar import action_color, shown_time
from viewer.ui.shell.panel import Panel

if TYPE_CHECKING:
    from viewer.canvas.canvas import SlideCanvas
    from viewer.recording.analysis import Analysis
    from viewer.recording.comparison import Comparison
    from viewer.recording.library import SessionSummary

SEEN_AT = (5.0, 10.0, 20.0)
"""Magnifications for which the share of seen tissue is stated."""
LEAST_RED_S = 10.0
"""The time heatmap is red from the longest stay on, of at least this: a glance is no red."""
_A_RGB, _B_RGB, _BOTH_RGB = (47, 155, 255), (255, 140, 0), (120, 120, 120)


class SeenPanel(Panel):
    """Shows an `Analysis` on a canvas; asks for another when the user compares."""

    compare_requested = Signal(object)
    """The folder of the session to compare with, or None."""

    def __init__(self, parent: QWidget) -> None:
        from viewer.canvas.outline_layer import OutlineLayer
        from viewer.canvas.patch_layer import PatchLayer
        from viewer.canvas.scanpath_layer import ScanpathLayer
        from viewer.recording.behaviors import BANDS

        super().__init__("Coverage", parent)
        self.setObjectName("seen")
        self._analysis: Analysis | None = None
        self._canvas: SlideCanvas | None = None
        self._heat, self._scanpath = PatchLayer("time heatmap"), ScanpathLayer(name="scanpath")
        self._unseen = OutlineLayer("#e5484d", name="unseen tissue")
        self._layers = (
            (self._heat, LayerOrder.HEATMAPS),
            (self._unseen, LayerOrder.OBJECTS),
            (self._scanpath, LayerOrder.TOOLS),
        )
        self.title = QLabel(self)
        self.title.setWordWrap(True)
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.heatmap = QComboBox(self)
        self.heatmap.addItem("Off", None)
        self.heatmap.addItem("All magnifications", 0.0)
        for band in BANDS:
            self.heatmap.addItem(f"{band:g}x", band)
        self.scanpath = QCheckBox("Numbered boxes", self)
        self.unseen = QComboBox(self)
        self.unseen.addItem("Off", None)
        for magnification in SEEN_AT:
            self.unseen.addItem(f"Not seen at {magnification:g}x or more", magnification)
        self.other = QComboBox(self)
        self.scale = QLabel(self)
        self.comparison = QLabel(self)
        self.comparison.setWordWrap(True)
        self.figures = QLabel(self)
        self.figures.setTextFormat(Qt.TextFormat.RichText)
        self.figures.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        form = QFormLayout()
        form.addRow("Heatmap of time:", self.heatmap)
        form.addRow("Scanpath:", self.scanpath)
        form.addRow("Unseen tissue:", self.unseen)
        form.addRow("Compare with:", self.other)
        body = QWidget(self)
        layout = QVBoxLayout(body)
        layout.addWidget(self.title)
        layout.addLayout(form)
        layout.addWidget(self.scale)
        layout.addWidget(self.comparison)
        layout.addWidget(self.figures)
        layout.addStretch(1)
        area = QScrollArea(self)
        area.setWidget(body)
        area.setWidgetResizable(True)
        self.set_body(area)
        self.setFocusProxy(self.heatmap)
        for box in (self.heatmap, self.unseen):
            box.currentIndexChanged.connect(self._paint)
        self.scanpath.toggled.connect(self._paint)
        self.other.currentIndexChanged.connect(
            lambda _: self.compare_requested.emit(self.other.currentData())
        )
        self.show_sessions([])
        self.show_analysis(None, None, "")

    @property
    def canvas(self) -> SlideCanvas | None:
        """That the session is shown on."""
        return self._canvas

    def show_sessions(self, sessions: list[SessionSummary]) -> None:
        """Offers the other sessions on the same slide for comparison."""
        chosen = self.other.currentData()
        self.other.blockSignals(True)
        self.other.clear()
        self.other.addItem("Nobody", None)
        for session in sessions:
            if session.header is not None:
                started = session.header.started_utc[:16].replace("T", " ")
                self.other.addItem(f"{session.header.reader}, {started}", session.folder)
        index = self.other.findData(chosen)
        self.other.setCurrentIndex(max(index, 0))
        self.other.blockSignals(False)

    def show_analysis(
        self, analysis: Analysis | None, canvas: SlideCanvas | None, title: str
    ) -> None:
        """Shows a session on a canvas; None shows nothing."""
        if canvas is not self._canvas:
            self._leave()
            self._canvas = canvas
            if canvas is not None:
                for layer, stratum in self._layers:
                    canvas.add_layer(layer, stratum)
        self._analysis = analysis
        self.title.setText(title or "Record your reading, or choose a session in Sessions.")
        self.figures.setText("" if analysis is None else _figures(analysis))
        comparison = None if analysis is None else analysis.comparison
        self.comparison.setText("" if comparison is None else _comparison_text(comparison))
        self._paint()

    def _leave(self) -> None:
        if self._canvas is not None:
            for layer, _ in self._layers:
                self._canvas.remove_layer(layer)

    def _paint(self) -> None:
        for layer, _ in self._layers:
            layer.clear()
        self.scale.clear()
        analysis = self._analysis
        if analysis is None or self._canvas is None:
            return
        band = self.heatmap.currentData()
        if analysis.comparison is not None:
            self._heat.show_colors(_two_readers(analysis.comparison), analysis.comparison.cell_px)
        elif band is not None:
            maps = analysis.attention
            seconds = maps.total() if band == 0.0 else maps.band(band)
            red_at_s = max(float(seconds.max(initial=0.0)), LEAST_RED_S)
            self._heat.show_heat(seconds, maps.cell_px, red_at_s)
            self.scale.setText(f"Heatmap: clear 0 s, red {red_at_s:.0f} s (logarithmic)")
        if self.scanpath.isChecked():
            boxes = [(Box(*action.box), action_color(action)) for action in analysis.actions]
            self._scanpath.show_boxes(boxes)
        at_least = self.unseen.currentData()
        if at_least is not None and analysis.coverage is not None:
            self._unseen.show_regions(analysis.coverage.unseen_outline(at_least))
        self._canvas.update()


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
        f"overlap (IoU) {_number(comparison.iou)}, correlation {_number(comparison.correlation)}. "
        "Blue: only this session; orange: only the other; gray: both."
    )


def _figures(analysis: Analysis) -> str:
    figures = analysis.statistics
    rows: list[tuple[str, str]] = []
    if analysis.coverage is not None:
        for magnification in SEEN_AT:
            share = analysis.coverage.share(magnification)
            rows.append(
                (f"Tissue seen at {magnification:g}x or more, {LEAST_SEEN_S:g} s", f"{share:.0%}")
            )
    rows += [
        ("Looked at", shown_time(figures.looked_s)),
        ("Actions", str(figures.actions)),
        ("Zooms in, out", f"{figures.zooms_in}, {figures.zooms_out}"),
        ("Path", _length(figures.path_px, figures.path_um)),
        ("Search style", _search_style(figures.scanning_share)),
    ]
    rows += [
        (f"Time at {band:g}x", shown_time(seconds))
        for band, seconds in figures.band_s.items()
        if seconds >= 0.5
    ]
    lines = (f"<tr><td>{name}&nbsp;&nbsp;</td><td><b>{value}</b></td></tr>" for name, value in rows)
    return f"<table cellspacing='3'>{''.join(lines)}</table>"


def _length(path_px: float, path_um: float | None) -> str:
    return f"{path_px:,.0f} px" if path_um is None else f"{path_um / 1000:.2f} mm"


def _search_style(scanning_share: float) -> str:
    if math.isnan(scanning_share):
        return "unknown"
    return f"{scanning_share:.0%} scanning, {1 - scanning_share:.0%} drilling"


def _number(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.2f}"
