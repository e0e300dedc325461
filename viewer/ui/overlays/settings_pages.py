"""What can be set of an overlay: one page for objects, one for heatmaps, one for likeness."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec.structs import replace
from PySide6.QtCore import QRect, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from viewer.canvas.qt_guard import guarded
from viewer.measurement_names import with_signs
from viewer.overlays.heatmap import COLOR_MAPS, NOT_THIS, HeatmapStyle, gradient
from viewer.overlays.object_style import ObjectStyle
from viewer.ui.swatches import swatch
from viewer.ui.widgets import LetteredCombo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from superqt import QLabeledDoubleRangeSlider

    from viewer.overlays.object_style import Histogram


_NUMBERS_PX = 25
"""Above a range slider, for the numbers of its ends."""


def _range_slider(parent: QWidget) -> QLabeledDoubleRangeSlider:
    from superqt import QLabeledDoubleRangeSlider  # takes as long as all of Qt

    slider = QLabeledDoubleRangeSlider(Qt.Orientation.Horizontal, parent)
    slider.setEdgeLabelMode(QLabeledDoubleRangeSlider.EdgeLabelMode.NoLabel)
    return slider


def _set_bounds(slider: QLabeledDoubleRangeSlider, low: float, high: float) -> None:
    slider.setRange(low, high)  # pyright: ignore[reportArgumentType] - it takes floats
    labels = [each for each in slider.findChildren(QLineEdit) if not each.isHidden()]
    layout = slider.layout()
    if labels and layout is not None:
        # The numbers stand over the handles, and would be cut off where these are at an end.
        half_px = max(label.width() for label in labels) // 2
        layout.setContentsMargins(half_px, _NUMBERS_PX, half_px, 0)


def _combo(parent: QWidget) -> LetteredCombo:
    """Return a list whose longest entry does not widen the page."""
    combo = LetteredCombo(parent)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(10)
    return combo


_MOST_OFFERED = 1000
"""Measurements to color by: each takes its time when the page is shown."""


class ObjectsPage(QWidget):
    """Outlines: filled or not, in which colors, from which value to which."""

    filled_changed = Signal(bool)
    style_changed = Signal(object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._style = ObjectStyle()
        self.filled = QCheckBox("Fill the outlines", self)
        self.measurement = _combo(self)
        self.measurement.setAccessibleName("Color by")
        self.bars = HistogramBars(self)
        self.range = _range_slider(self)
        self.range.setToolTip("Objects with values outside these two are left out")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.filled)
        form = QFormLayout()
        form.addRow("Color &by:", self.measurement)
        layout.addLayout(form)
        layout.addWidget(self.bars)
        layout.addWidget(self.range)
        self.filled.clicked.connect(self.filled_changed)
        self.measurement.activated.connect(lambda _: self._choose())
        self.range.valueChanged.connect(lambda _: self._tell())

    def show_style(self, style: ObjectStyle, measurements: Sequence[str]) -> None:
        """Show a style, and the measurements that can be chosen for the color."""
        self._style = style
        with QSignalBlocker(self.measurement):
            self.measurement.clear()
            self.measurement.addItem("Class", None)
            for name in measurements[:_MOST_OFFERED]:
                self.measurement.addItem(with_signs(name), name)
            left_out = len(measurements) - _MOST_OFFERED
            self.measurement.setToolTip(
                f"The first {_MOST_OFFERED:,} measurements are listed; the file holds "
                f"{left_out:,} more."
                if left_out > 0
                else ""
            )
            index = self.measurement.findData(style.measurement)
            self.measurement.setCurrentIndex(max(0, index))
        for widget in (self.bars, self.range):
            widget.setVisible(style.measurement is not None)

    def show_histogram(self, values: Histogram | None, colors: Sequence[str]) -> None:
        """The values of the chosen measurement; the slider goes from end to end of them."""
        self.bars.show_histogram(values, colors)
        if values is None:
            return
        low, high = float(values.edges[0]), float(values.edges[-1])
        with QSignalBlocker(self.range):
            self.range.setDecimals(max(0, 2 - int(math.log10(max(high - low, 1e-6)))))
            _set_bounds(self.range, low, high)
            is_new = self._style.low == self._style.high
            self.range.setValue((low, high) if is_new else (self._style.low, self._style.high))
        if is_new:
            self._tell()

    def _choose(self) -> None:
        self._style = replace(
            self._style, measurement=self.measurement.currentData(), low=0.0, high=0.0
        )
        self.style_changed.emit(self._style)

    def _tell(self) -> None:
        low, high = self.range.value() if self._style.measurement else (0.0, 1.0)
        self._style = replace(self._style, low=low, high=high)
        self.style_changed.emit(self._style)


class HeatmapPage(QWidget):
    """Which value, in which colors, from where to where."""

    style_changed = Signal(object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._style = HeatmapStyle()
        self._is_whole_value = True
        self._are_classes_painted = False
        self._names: list[str] = []
        self._span = (0.0, 1.0)
        """The values of the first and the last color."""
        self.shown = _combo(self)
        self.shown.setAccessibleName("Class")
        self.color_map = _combo(self)
        self.color_map.addItems([name.capitalize() for name in COLOR_MAPS])
        self.color_map.setAccessibleName("Colors")
        self.range = _range_slider(self)
        self.range.setRange(0, 1)
        self.range.setDecimals(2)
        self.range.setValue((0.0, 1.0))
        self.range.setToolTip("Only values between these two are painted")
        self.percentiles = QCheckBox("Color by percentile", self)
        self.percentiles.setToolTip("Colors tell the rank of a value, not the value itself")
        self.legend = Legend(self)
        form = self._form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        self._range_label = QLabel("&Values:", self)
        self._range_label.setBuddy(self.range)
        form.addRow("S&how:", self.shown)
        form.addRow(self._range_label, self.range)
        form.addRow("&Colors:", self.color_map)
        form.addRow("", self.percentiles)
        form.addRow("", self.legend)
        self.shown.activated.connect(lambda _: self._tell())
        self.color_map.activated.connect(lambda _: self._tell())
        self.range.valueChanged.connect(lambda _: self._tell())
        self.percentiles.clicked.connect(lambda _: self._tell())

    def show_style(
        self, style: HeatmapStyle, names: Sequence[str], whole: str, *, is_value: bool
    ) -> None:
        """Show a style.

        Parameters
        ----------
        names
            Of classes; none where there is only one value.
        whole
            What is shown where no class is chosen; "" where one always is.
        is_value
            Whether that is a value, and not a class.
        """
        self._style = style
        self._is_whole_value = is_value
        with QSignalBlocker(self.shown), QSignalBlocker(self.range):
            self.shown.clear()
            if whole:
                self.shown.addItem(whole, None)
            for index, name in enumerate(names):
                self.shown.addItem(name, index)
            self.shown.setCurrentIndex(max(0, self.shown.findData(style.shown)))
            self._show_bounds()
        self._form.setRowVisible(self.shown, bool(names))
        self.color_map.setCurrentIndex(COLOR_MAPS.index(style.color_map))
        self.percentiles.setChecked(style.as_percentiles)
        self.legend.show_map(style.color_map)
        self._names = list(names)
        self._enable()

    @property
    def names(self) -> list[str]:
        """Return the classes that can be chosen now."""
        return self._names

    def show_span(self, low: float, high: float, *, is_rank: bool) -> None:
        """Say which values the first and the last color stand for; of ranks, in percent."""
        span = (0.0, 100.0) if is_rank else (low, high)
        self.legend.show_span(*span, is_rank=is_rank)
        if span == self._span:
            return
        self._span = span
        with QSignalBlocker(self.range):
            self._show_bounds()

    def _show_bounds(self) -> None:
        low, high = self._span
        width = high - low or 1.0
        self.range.setDecimals(min(max(0, 3 - math.ceil(math.log10(width))), 9))
        _set_bounds(self.range, low, low + width)
        self.range.setValue((low + self._style.low * width, low + self._style.high * width))

    def _bounds(self) -> tuple[float, float]:
        """Return the two ends of the slider as shares of what is painted."""
        (first, last), (low, high) = self.range.value(), self._span
        width = high - low or 1.0
        # The slider rounds: at its ends nothing is left out.
        shares = [round((each - low) / width, 6) for each in (first, last)]
        return max(0.0, shares[0]), min(1.0, shares[1])

    def _tell(self) -> None:
        low, high = self._bounds()
        self._style = replace(
            self._style,
            shown=self.shown.currentData(),
            color_map=COLOR_MAPS[self.color_map.currentIndex()],
            low=low,
            high=high,
            as_percentiles=self.percentiles.isChecked(),
        )
        self.legend.show_map(self._style.color_map)
        self._enable()
        self.style_changed.emit(self._style)

    def show_kind(self, *, are_classes: bool) -> None:
        """Take note whether classes are painted, such as few-shot classes, and not a value."""
        if are_classes != self._are_classes_painted:
            self._are_classes_painted = are_classes
            self._enable()

    def _enable(self) -> None:
        """Offer what colors values where values are painted; classes have their color key."""
        is_value = self._style.shown is not None or self._is_whole_value
        is_value = is_value and not self._are_classes_painted
        for widget in (self.color_map, self.percentiles, self.legend):
            self._form.setRowVisible(widget, is_value)
        self._range_label.setText("&Values:" if is_value else "Con&fidence:")


class QueryPage(QWidget):
    """Asks embeddings: what is like this field, few-shot classes, and words."""

    words_requested = Signal(str)
    similar_requested = Signal()
    everywhere_requested = Signal()
    class_requested = Signal()
    mark_requested = Signal(str)
    """The name of a class."""
    unmark_requested = Signal()
    clear_requested = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.words = QLineEdit(self)
        self.words.setPlaceholderText("Words, such as: tumor; stroma")
        self.words.setAccessibleName("Words that are looked for")
        self.words.setToolTip(
            "Enter colors the slide by how well a phrase fits; of several, with ; between them, by "
            "which fits best"
        )
        self.words.hide()  # until a model is shown that takes them
        self.similar = QPushButton("Find fields like this one", self)
        self.similar.setToolTip("Colors the slide by likeness to what is in view now")
        self.everywhere = QPushButton("Also on other slides", self)
        self.everywhere.setToolTip("Looks through every slide that this model has worked on")
        self.classes = QListWidget(self)
        self.classes.setAccessibleName("Few-shot classes")
        self.classes.setToolTip("Choose a class, then mark fields that show it")
        self.add = QPushButton("New class...", self)
        self.mark = QPushButton("Mark this field", self)
        self.mark.setToolTip("What is in view is an example of the chosen class")
        self.not_this = QPushButton("Not this", self)
        self.not_this.setToolTip("What is in view is none of the classes; it is not painted")
        self.unmark = QPushButton("Undo mark", self)
        self.clear_all = QPushButton("Clear", self)
        self.clear_all.setToolTip("Forget likeness and marks of this slide")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.words)
        layout.addWidget(self.similar)
        layout.addWidget(self.everywhere)
        layout.addWidget(QLabel("Or paint classes by example:", self))
        for row in ((self.add, self.mark), (self.not_this, self.unmark, self.clear_all)):
            line = QHBoxLayout()
            for button in row:
                line.addWidget(button)
            layout.addLayout(line)
        layout.addWidget(self.classes)  # last: it grows with each class
        layout.addStretch(1)
        self.words.returnPressed.connect(lambda: self.words_requested.emit(self.words.text()))
        self.similar.clicked.connect(self.similar_requested)
        self.everywhere.clicked.connect(self.everywhere_requested)
        self.add.clicked.connect(self.class_requested)
        self.mark.clicked.connect(self._mark)
        self.not_this.clicked.connect(lambda: self.mark_requested.emit(NOT_THIS))
        self.unmark.clicked.connect(self.unmark_requested)
        self.clear_all.clicked.connect(self.clear_requested)

    def show_classes(self, classes: Sequence[tuple[str, str, int]], chosen: str = "") -> None:
        """Name, color and number of marks of each class."""
        wanted = chosen or self.chosen()
        self.classes.clear()
        for name, color, count in classes:
            item = QListWidgetItem(swatch(color), f"{name} ({count})", self.classes)
            item.setData(Qt.ItemDataRole.UserRole, name)
            if name == wanted or self.classes.currentItem() is None:
                self.classes.setCurrentItem(item)
        fit_rows(self.classes, len(classes))
        self.classes.setVisible(bool(classes))
        self.mark.setEnabled(bool(classes))
        self.not_this.setEnabled(bool(classes))
        self.unmark.setEnabled(any(count for *_, count in classes))

    def chosen(self) -> str:
        item = self.classes.currentItem()
        return "" if item is None else item.data(Qt.ItemDataRole.UserRole)

    def _mark(self) -> None:
        if self.chosen():
            self.mark_requested.emit(self.chosen())


class Legend(QWidget):
    """A color map and the values of its first, middle and last color."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._ramp = QImage()
        self.texts = ("0", "0.5", "1")
        self.setFixedHeight(30)

    def show_map(self, name: str) -> None:
        """Show all colors of the map that a heatmap is painted with, and no others."""
        colors = gradient(name, 256)
        self._ramp = QImage(len(colors), 1, QImage.Format.Format_RGB32)
        for index, color in enumerate(colors):
            self._ramp.setPixelColor(index, 0, QColor(color))
        self.update()

    def show_span(self, low: float, high: float, *, is_rank: bool) -> None:
        """Say what the first and the last color stand for."""
        values = (low, (low + high) / 2, high)
        if is_rank:
            self.texts = tuple(f"{value:.0f} %" for value in values)
            self.setToolTip("Percentile: the share of tiles with a lower value")
        else:
            self.texts = tuple(f"{value:.4g}" for value in values)
            self.setToolTip("Value")
        self.update()

    @guarded()
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setOpacity(1.0 if self.isEnabled() else 0.3)
        painter.drawImage(QRect(0, 0, self.width(), 12), self._ramp)
        painter.setPen(self.palette().windowText().color())
        box = self.rect().adjusted(0, 14, 0, 0)
        aligned = (
            Qt.AlignmentFlag.AlignLeft,
            Qt.AlignmentFlag.AlignHCenter,
            Qt.AlignmentFlag.AlignRight,
        )
        for text, side in zip(self.texts, aligned, strict=True):
            painter.drawText(box, side, text)


class HistogramBars(QWidget):
    """How often which values are, in the colors that they have on the slide."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._values: Histogram | None = None
        self._colors: Sequence[str] = ()
        self.setFixedHeight(48)
        self.setAccessibleName("Histogram")

    def show_histogram(self, values: Histogram | None, colors: Sequence[str]) -> None:
        self._values, self._colors = values, colors
        self.update()

    @guarded()
    def paintEvent(self, event: QPaintEvent) -> None:
        if self._values is None or not self._colors:
            return
        painter = QPainter(self)
        counts = self._values.counts
        width = self.width() / len(counts)
        for index, count in enumerate(counts.tolist()):
            height = round((self.height() - 2) * count / max(1, int(counts.max())))
            color = QColor(self._colors[index * len(self._colors) // len(counts)])
            left, right = round(index * width), round((index + 1) * width)
            painter.fillRect(left, self.height() - height, right - left - 1, height, color)


_MOST_ROWS = 8


def fit_rows(widget: QListWidget, count: int) -> None:
    """Make a list as high as its rows, within bounds."""
    row = max(widget.sizeHintForRow(0), widget.fontMetrics().height() + 4)
    widget.setFixedHeight(max(1, min(count, _MOST_ROWS)) * row + 2 * widget.frameWidth() + 2)
