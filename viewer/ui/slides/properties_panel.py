"""What the slide's file tells of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QTextOption
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from viewer.geometry import Optics
from viewer.ui.item_views import KeyedTree, be_table
from viewer.ui.shell.panel import Panel, shows_state
from viewer.ui.widgets import plain_tip, set_look

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from viewer.slides.source import Level, SlideSource


_NAME_PX, _CELL_MARGIN_PX, _WHOLE_PX = 128, 16, 64


class PropertiesPanel(Panel):
    """A table of names and values with a filter; rows can be copied.

    A long value is shown whole below the table once its row is selected.
    """

    pixel_size_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Properties", parent)
        self.setObjectName("properties")

    def build(self) -> None:
        self.filter = QLineEdit(self)
        self.filter.setPlaceholderText("Filter names and values")
        self.filter.setAccessibleName("Filter names and values")
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(self._apply_filter)
        self.table = KeyedTree(self)
        be_table(self.table, "Slide properties", ["Name", "Value"])
        self.table.setUniformRowHeights(True)
        self.table.setAlternatingRowColors(True)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.table.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Interactive)
        self.table.header().resizeSection(0, _NAME_PX)
        self.table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.table.currentItemChanged.connect(lambda row, _: self._show_whole(row))
        self.whole = QPlainTextEdit(self)
        self.whole.setReadOnly(True)
        self.whole.setTabChangesFocus(True)
        self.whole.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.whole.setFixedHeight(_WHOLE_PX)
        self.whole.setAccessibleName("Value of the selected property")
        self.whole.hide()
        self._count = QLabel(self)
        self._count.setProperty("dim", "true")
        self.copy_button = QPushButton("Copy", self)
        shown = QKeySequence(QKeySequence.StandardKey.Copy).toString()
        self.copy_button.setToolTip(
            f"Copy the selected rows, or all that are shown ({shown} in the table)"
        )
        self.copy_button.clicked.connect(self._copy)
        self.pixel_size = QPushButton("Set pixel size...", self)
        self.pixel_size.setToolTip("Set how many µm a pixel is wide; kept for this slide")
        self.pixel_size.clicked.connect(self.pixel_size_requested)
        below = QHBoxLayout()
        below.addWidget(self._count, 1)
        below.addWidget(self.pixel_size)
        below.addWidget(self.copy_button)
        body = QWidget(self)
        layout = QVBoxLayout(body)
        layout.setContentsMargins(6, 6, 6, 6)
        layout.addWidget(self.filter)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.whole)
        layout.addLayout(below)
        self.set_body(body)
        self.setFocusProxy(self.filter)
        self.show_slide(None, Optics(), None)

    @shows_state
    def show_slide(
        self,
        source: SlideSource | None,
        optics: Optics,
        path: Path | None,
        mpp_origin: str = "",
        *,
        hides_names: bool = False,
    ) -> None:
        """List a slide, with the scale that is in use; None empties the table.

        `mpp_origin` says where the pixel size comes from. With `hides_names` neither the file nor
        what the slide's own properties say is listed: names of patients stand there too.
        """
        self.table.clear()
        self._show_whole(None)
        self.pixel_size.setEnabled(source is not None)
        self._show_primary(is_primary=source is not None and optics.mpp_um is None)
        if source is not None:
            rows = list(_rows(source, optics, path, mpp_origin))
            if hides_names:
                own = ("File", *source.info.properties)
                rows = [("File", "hidden by the study"), *(r for r in rows if r[0] not in own)]
            for name, value in rows:
                row = QTreeWidgetItem([name, value])
                row.setToolTip(0, plain_tip(name))
                row.setToolTip(1, plain_tip(value))
                self.table.addTopLevelItem(row)
        self._apply_filter(self.filter.text())

    def _show_whole(self, row: QTreeWidgetItem | None) -> None:
        """Show the value of a row in full where the column cuts it."""
        text = row.text(1) if row is not None else ""
        width_px = self.table.columnWidth(1) - _CELL_MARGIN_PX
        is_cut = self.fontMetrics().horizontalAdvance(text) > width_px
        self.whole.setPlainText(text)
        self.whole.setVisible(is_cut)

    def _show_primary(self, *, is_primary: bool) -> None:
        """Draw the button in the accent while no length can be measured."""
        set_look(self.pixel_size, "primary", is_primary)

    def _apply_filter(self, typed: str) -> None:
        wanted = typed.casefold()
        shown = 0
        for index in range(self.table.topLevelItemCount()):
            row = self.table.topLevelItem(index)
            assert row is not None
            fits = wanted in row.text(0).casefold() or wanted in row.text(1).casefold()
            row.setHidden(not fits)
            shown += fits
        total = self.table.topLevelItemCount()
        self._count.setText(f"{shown} of {total}" if total else "No slide")
        self.copy_button.setEnabled(shown > 0)

    def _copy(self) -> None:
        if not self.table.selectedItems():
            self.table.selectAll()
            self.table.copy_rows()
            self.table.clearSelection()
        else:
            self.table.copy_rows()


def _levels_text(levels: Sequence[Level]) -> str:
    """Return the downsamples of levels, those of the file apart from those that are made of it."""
    stored = ", ".join(
        f"{each.downsample:.4g}" for each in levels if each.stored_tiles_per_tile == 1
    )
    made = ", ".join(f"{each.downsample:.4g}" for each in levels if each.stored_tiles_per_tile != 1)
    return f"{stored} in the file; {made} computed" if made else stored


def _rows(
    source: SlideSource, optics: Optics, path: Path | None, mpp_origin: str
) -> Iterable[tuple[str, str]]:
    from viewer.slides.colors.profile import profile_problem

    info = source.info
    base = source.levels[0]
    yield "File", str(path or source.path)
    yield "Size", f"{base.width_px} x {base.height_px} px"
    if optics.mpp_um is None:
        yield "Pixel size", "unknown"
    else:
        x_um, y_um = optics.mpp_um
        origin = f", {mpp_origin}" if mpp_origin else ""
        yield "Pixel size", f"{x_um:.4g} x {y_um:.4g} µm{origin}"
        width_mm, height_mm = base.width_px * x_um / 1000, base.height_px * y_um / 1000
        yield "Extent", f"{width_mm:.2f} x {height_mm:.2f} mm"
    power = optics.objective_power
    yield "Objective power", "unknown" if power is None else f"{power:g}x"
    yield "Levels", _levels_text(source.levels)
    yield "Tile size", f"{base.tile_width_px} x {base.tile_height_px} px"
    yield "Vendor", info.vendor
    yield "Reader", info.reader
    yield "Identity", info.identity
    for entry in info.images:
        size = f"{entry.name} {entry.width_px} x {entry.height_px} px".strip()
        yield f"Image {entry.index}", size + (", shown" if entry.index == info.image else "")
    for note in info.notes:
        yield "Note", note
    profile = info.icc_profile
    problem = profile_problem(profile)
    yield (
        "Color profile",
        "none" if profile is None else f"ICC, {len(profile)} bytes" + (problem and f": {problem}"),
    )
    yield "Associated images", ", ".join(info.associated) or "none"
    yield from sorted(info.properties.items())
