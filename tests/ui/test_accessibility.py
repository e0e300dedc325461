"""The window for people who use the keyboard or a screen reader."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import shapely
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QAccessible, QImage
from PySide6.QtWidgets import (
    QApplication,
    QFileDialog,
    QKeySequenceEdit,
    QLabel,
    QTableView,
    QWidget,
)
from pytestqt.qtbot import QtBot
from ui_steps import press, settled_picture

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.document import adding
from viewer.ui.main_window import MainWindow
from viewer.ui.style_sheet import ROW_PX

_INNER = ("qt_spinbox_lineedit", "qt_tabwidget_stackedwidget", "qt_scrollarea_viewport")
"""Parts of Qt's own controls, which answer for them."""


def unnamed(root: QWidget) -> list[str]:
    """The widgets that take the focus and have no name or no role for a screen reader."""
    found: list[str] = []
    for widget in [root, *root.findChildren(QWidget)]:
        if widget.focusPolicy() is Qt.FocusPolicy.NoFocus or widget.objectName() in _INNER:
            continue
        if widget.focusProxy() is not None or not widget.isVisibleTo(root) or widget.isWindow():
            continue
        if isinstance(widget, QLabel) and not widget.text():
            continue
        told = QAccessible.queryAccessibleInterface(widget)
        is_composed = isinstance(widget, QKeySequenceEdit)  # Qt's own, over a line edit
        has_role = is_composed or told.role() not in (
            QAccessible.Role.NoRole,
            QAccessible.Role.Client,
        )
        if not told.text(QAccessible.Text.Name).strip() or not has_role:
            parent = widget.parentWidget()
            found.append(
                f"{type(widget).__name__} {widget.objectName()!r} in "
                f"{type(parent).__name__} ({told.role()})"
            )
    return found


def strange_tables(root: QWidget) -> list[str]:
    """The tables that Tab cannot leave, or whose rows are not as high as those of other lists."""
    tables = root.findChildren(QTableView)
    return [
        each.accessibleName()
        for each in tables
        if each.tabKeyNavigation() or each.verticalHeader().defaultSectionSize() != ROW_PX
    ]


def pages(window: MainWindow) -> Iterator[str]:
    """Shows every page of the window with all its parts, one after the other."""
    for name, page in window.frame.inspector.pages.items():
        for panel in page.panels:
            panel.show()
            QApplication.processEvents()
            yield f"{name}: {panel.windowTitle()}"


def test_everything_that_takes_the_focus_has_a_name_and_a_role(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    slide_window.slides.show()
    found = {page: bad for page in pages(slide_window) if (bad := unnamed(slide_window))}
    assert found == {}
    assert strange_tables(slide_window) == []


def test_the_start_page_has_names_and_roles(window: MainWindow) -> None:
    assert unnamed(window) == []


def tab_stops(window: MainWindow, qtbot: QtBot, known: list[QWidget]) -> list[QWidget]:
    """The widgets that Tab reaches from the slide and that are not known yet, where it is unseen.

    All that it reaches are known afterwards.
    """
    window.panes.active.canvas.setFocus(Qt.FocusReason.OtherFocusReason)
    stops: list[QWidget] = []
    unseen: list[QWidget] = []
    while True:
        press(qtbot, window, Qt.Key.Key_Tab)
        widget = window.focusWidget()
        assert widget is not None
        if widget in stops:
            assert widget is stops[0], f"Tab stays on {described(widget)}"
            return unseen
        stops.append(widget)
        if widget in known:
            continue
        known.append(widget)
        place = QRect(widget.mapTo(window, QPoint(0, 0)), widget.size())
        place = place.adjusted(-3, -3, 3, 3).intersected(window.rect())
        focused = window.grab(place).toImage()
        press(qtbot, window, Qt.Key.Key_Tab)
        elsewhere = window.grab(place).toImage()
        press(qtbot, window, Qt.Key.Key_Backtab)
        if widget.visibleRegion().isEmpty() or changed(focused, elsewhere) < 20:
            unseen.append(widget)


def changed(one: QImage, other: QImage) -> int:
    """How many pixels differ."""
    pictures = [each.convertToFormat(QImage.Format.Format_RGB32) for each in (one, other)]
    rows = [np.frombuffer(each.constBits(), np.uint32) for each in pictures]
    return int(np.count_nonzero(rows[0] != rows[1]))


def described(widget: QWidget) -> str:
    return f"{type(widget).__name__} {widget.accessibleName()!r}"


def test_no_tab_stop_is_invisible_and_tab_goes_all_the_way_round(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    slide_window.resize(1366, 768)
    slide_window.slides.show()
    unseen: dict[str, list[str]] = {}
    known: list[QWidget] = []
    for page in pages(slide_window):
        if not known:  # what the slide shows changes only where it is focused
            settled_picture(slide_window.panes.active.canvas, qtbot)
        if bad := tab_stops(slide_window, qtbot, known):
            unseen[page] = [described(widget) for widget in bad]
    assert unseen == {}
    assert slide_window.panes.active.canvas in known
    assert len(known) > 60


def test_tab_goes_through_the_window_as_it_looks(slide_window: MainWindow, qtbot: QtBot) -> None:
    window, frame = slide_window, slide_window.frame
    window.slides.show()
    window.annotations.panel.show()  # made last, and not last in the order
    parts = {
        "top bar": frame.top_bar, "tools": frame.tool_strip, "slides": frame.drawer,
        "slide": frame.column, "page": frame.inspector, "rail": frame.inspector.rail,
        "status bar": window.status,
    }  # fmt: skip
    window.panes.active.focus()
    passed: list[str] = []
    while len(passed) < 2 or passed[-1] != "slide":
        press(qtbot, window, Qt.Key.Key_Tab)
        focused = window.focusWidget()
        assert focused is not None
        here = [name for name, part in parts.items() if part and part.isAncestorOf(focused)][-1]
        if not passed or passed[-1] != here:
            passed.append(here)
    assert passed == ["slide", "page", "rail", "status bar", "top bar", "tools", "slides", "slide"]
    press(qtbot, window, Qt.Key.Key_Backtab)
    assert frame.drawer is not None
    assert frame.drawer.isAncestorOf(window.focusWidget())


def test_the_slide_announces_where_it_is_and_what_is_selected(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    canvas = slide_window.panes.active.canvas
    told = QAccessible.queryAccessibleInterface(canvas)
    assert told.role() is QAccessible.Role.Canvas
    assert told.text(QAccessible.Text.Name) == "Slide CMU-1-Small-Region.svs"
    QAccessible.setActive(True)
    try:
        with qtbot.waitSignal(canvas.announcer.announced) as zoomed:
            press(qtbot, slide_window, Qt.Key.Key_5)
        assert zoomed.args is not None
        center = canvas.destination.center
        at_um = canvas.optics.um(center)
        assert at_um is not None
        place = f"{at_um.x / 1000:.2f} mm right, {at_um.y / 1000:.2f} mm down"
        assert zoomed.args[0] == f"10x, {place}"
        assert told.text(QAccessible.Text.Value) == f"10x, {place}"
        active = slide_window.annotations.active
        assert active is not None
        tumor = AnnotationClass("Tumor")
        drawn = [
            Annotation(shapely.box(at, 100, at + 50, 150), shown_as=tumor) for at in (100, 300)
        ]
        with qtbot.waitSignal(canvas.announcer.announced) as chosen:
            active.do(adding("Rectangle", drawn))
            active.selection.choose([drawn[0].id])
        assert chosen.args == [f"10x, {place}; Rectangle selected: Tumor"]
        with qtbot.waitSignal(canvas.announcer.announced) as chosen:
            active.selection.choose([each.id for each in drawn])
        assert chosen.args == [f"10x, {place}; 2 annotations selected"]
    finally:
        QAccessible.setActive(False)
    slide_window.panes.active.close_slide()
    assert told.text(QAccessible.Text.Name) == "Slide"
    assert told.text(QAccessible.Text.Value) == "No slide"


_OPENS_A_DIALOG = (
    "file.settings",
    "project.create",
    "slide.pixel_size",
    "view.go_to",
    "annotate.new_set",
    "annotate.classes",
    "annotate.statistics",
    "annotate.versions",
    "annotate.export_tiles",
    "overlays.table",
    "recording.on",
    "agent.model",
    "help.keys",
    "help.about",
    "help.page",
    "help.palette",
)


def test_everything_in_dialogs_has_a_name_and_a_role(
    slide_window: MainWindow, qtbot: QtBot
) -> None:
    found: dict[str, list[str]] = {}
    opened: list[str] = []
    for command in _OPENS_A_DIALOG:
        slide_window.commands[command].trigger()
        QApplication.processEvents()
        for window in QApplication.topLevelWidgets():
            if window is slide_window or not window.isVisible():
                continue
            opened.append(command)
            if not isinstance(window, QFileDialog) and (bad := unnamed(window)):
                found[f"{command}: {type(window).__name__}"] = bad
            assert strange_tables(window) == []
            window.close()
        QApplication.processEvents()
    assert found == {}
    assert len(set(opened)) >= 10, opened
