"""What the window's colors and sizes promise: contrast, visible controls, a visible focus."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QDialogButtonBox,
    QLineEdit,
    QListWidget,
    QPlainTextEdit,
    QPushButton,
    QRadioButton,
    QScrollBar,
    QSlider,
    QSpinBox,
    QTabBar,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)
from pytestqt.qtbot import QtBot

from viewer.resource_files import resource
from viewer.ui.style_sheet import FONT_PX, style_sheet
from viewer.ui.theme import DARK, LIGHT, Theme, apply_theme

ROW_PX = 28
THEMES = pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
GROUNDS = ("window", "panel", "field")
NOTICES = ("warning", "error")


def luminance(color: QColor) -> float:
    parts = [part / 255 for part in (color.red(), color.green(), color.blue())]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str | QColor, other: str | QColor) -> float:
    """WCAG 2.2, 1 to 21."""
    low, high = sorted(luminance(QColor(each)) for each in (one, other))
    return (high + 0.05) / (low + 0.05)


@THEMES
def test_text_and_borders_have_the_contrast_of_wcag_aa(theme: Theme) -> None:
    for ground in (*GROUNDS, *NOTICES, "selection"):
        under = getattr(theme, ground)
        assert contrast(theme.text, under) >= 4.5, ground
        assert contrast(theme.dim_text, under) >= 4.5, ground
        assert contrast(theme.accent, under) >= 3.0, ground
        assert contrast(theme.border, under) >= 3.0, ground
    for ground in GROUNDS:
        assert contrast(theme.accent, getattr(theme, ground)) >= 4.5, "links are text"
        assert contrast(theme.disabled_text, getattr(theme, ground)) >= 3.0, ground
    assert contrast(theme.accent_text, theme.accent) >= 4.5
    for signal in (theme.recording, theme.paused):
        assert contrast(theme.signal_text, signal) >= 4.5


@THEMES
def test_the_signs_in_controls_have_the_themes_colors(theme: Theme) -> None:
    """They are files: scripts/theme_signs.py writes them anew."""
    known = {theme.text, theme.accent_text, theme.disabled_text}
    files = sorted(resource("theme", theme.name).glob("*.svg"))
    sheet = style_sheet(theme)
    assert {path.name for path in files} == set(re.findall(r"signs:([\w-]+\.svg)", sheet))
    for path in files:
        colors = set(re.findall("#[0-9a-f]{6}", path.read_text(encoding="utf-8")))
        assert colors, path
        assert colors <= known, path


def application() -> QApplication:
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    return app


@pytest.fixture
def styled(qtbot: QtBot) -> Iterator[Callable[[Theme], QWidget]]:
    """Gives an empty window in a theme."""
    before = application().styleSheet(), application().palette(), application().font()

    def make(theme: Theme) -> QWidget:
        apply_theme(application(), theme)
        window = QWidget()
        qtbot.addWidget(window)
        QVBoxLayout(window)
        return window

    yield make
    application().setProperty("theme", None)
    application().setStyleSheet(before[0])
    application().setPalette(before[1])
    application().setFont(before[2])


def shown(window: QWidget, *widgets: QWidget) -> None:
    layout = window.layout()
    assert layout is not None
    for widget in widgets:
        layout.addWidget(widget)
    window.show()
    window.activateWindow()
    QApplication.processEvents()


def picture(widget: QWidget) -> QImage:
    QApplication.processEvents()
    return widget.grab().toImage()


def rgb(color: QColor) -> tuple[int, int, int]:
    return color.red(), color.green(), color.blue()


def share_of(image: QImage, color: str, *, unlike: str) -> float:
    """The share of pixels that are nearer to a color than to its ground."""
    wanted, ground = rgb(QColor(color)), rgb(QColor(unlike))

    def is_near(x: int, y: int) -> bool:
        pixel = rgb(image.pixelColor(x, y))
        to_wanted = sum(abs(a - b) for a, b in zip(pixel, wanted, strict=True))
        to_ground = sum(abs(a - b) for a, b in zip(pixel, ground, strict=True))
        return to_wanted < to_ground

    count = sum(is_near(x, y) for x in range(image.width()) for y in range(image.height()))
    return count / (image.width() * image.height())


@THEMES
def test_rows_fields_and_buttons_are_28_pixels_high(
    theme: Theme, styled: Callable[[Theme], QWidget]
) -> None:
    window = styled(theme)
    tree, rows = QTreeWidget(), QListWidget()
    tree.setHeaderLabels(["Name"])
    tree.addTopLevelItem(QTreeWidgetItem(["Tumor"]))
    rows.addItem("Tumor")
    combo = QComboBox()
    combo.addItem("auto")
    controls = [QPushButton("Run"), combo, QLineEdit("text"), QSpinBox()]
    shown(window, tree, rows, *controls)
    assert window.font().pixelSize() == FONT_PX == 13
    assert [control.sizeHint().height() for control in controls] == [ROW_PX] * len(controls)
    top = tree.topLevelItem(0)
    assert top is not None
    assert tree.visualItemRect(top).height() == ROW_PX
    assert rows.visualItemRect(rows.item(0)).height() == ROW_PX


@THEMES
@pytest.mark.parametrize("kind", [QCheckBox, QRadioButton], ids=lambda kind: kind.__name__)
def test_the_border_of_a_box_is_seen(
    theme: Theme,
    kind: type[QCheckBox] | type[QRadioButton],
    styled: Callable[[Theme], QWidget],
) -> None:
    window = styled(theme)
    box = kind("Shown")
    shown(window, box)
    box.clearFocus()
    image = picture(box)
    middle = image.height() // 2
    row = [image.pixelColor(x, middle) for x in range(16)]
    assert max(contrast(pixel, theme.window) for pixel in row) >= 3.0


@THEMES
def test_the_handle_of_a_scroll_bar_is_seen(
    theme: Theme, styled: Callable[[Theme], QWidget]
) -> None:
    window = styled(theme)
    bar = QScrollBar(Qt.Orientation.Vertical)
    bar.setRange(0, 10)
    bar.setFixedHeight(200)
    shown(window, bar)
    assert share_of(picture(bar), theme.border, unlike=theme.window) > 0.02


def focusable() -> list[QWidget]:
    rows, tabs, combo = QListWidget(), QTabBar(), QComboBox()
    rows.addItem("Tumor")
    for name in ("Annotations", "Compare"):
        tabs.addTab(name)
    combo.addItem("auto")
    segment, pill, chip = (QToolButton() for _ in range(3))
    segment.setProperty("segment", "first")
    pill.setProperty("pill", True)
    chip.setProperty("chip", True)
    tools = [QToolButton(), segment, pill, chip]
    for tool in tools:
        tool.setText("Brush")
        tool.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    fields = [QLineEdit(), QSpinBox(), combo, QPlainTextEdit()]
    boxes = [QCheckBox("Shown"), QRadioButton("Shown")]
    slider = QSlider(Qt.Orientation.Horizontal)
    return [QPushButton("Run"), *tools, *fields, *boxes, slider, rows, tabs]


@THEMES
def test_the_focus_is_seen_on_every_kind_of_control(
    theme: Theme, styled: Callable[[Theme], QWidget], qtbot: QtBot
) -> None:
    window = styled(theme)
    elsewhere = QPushButton("elsewhere")
    controls = focusable()
    shown(window, elsewhere, *controls)
    qtbot.waitUntil(window.isActiveWindow)
    unseen: list[str] = []
    for control in controls:
        elsewhere.setFocus()
        without = share_of(picture(control), theme.accent, unlike=theme.window)
        size = control.size()
        control.setFocus()
        assert control.hasFocus()
        with_focus = share_of(picture(control), theme.accent, unlike=theme.window)
        outline = 2 * 2 * (12 + 12) / (control.width() * control.height())
        if with_focus - without < 0.5 * outline:
            unseen.append(type(control).__name__)
        assert control.size() == size, f"{type(control).__name__} moves when it takes the focus"
    assert unseen == []


@THEMES
def test_the_focus_is_seen_on_the_accent_button_too(
    theme: Theme, styled: Callable[[Theme], QWidget], qtbot: QtBot
) -> None:
    window = styled(theme)
    button, elsewhere = QPushButton("Run whole slide"), QPushButton("elsewhere")
    button.setProperty("primary", True)
    shown(window, elsewhere, button)
    qtbot.waitUntil(window.isActiveWindow)
    elsewhere.setFocus()
    before = picture(button)
    assert before.pixelColor(6, 14) == QColor(theme.accent)
    button.setFocus()
    after = picture(button)
    edge = [after.pixelColor(after.width() // 2, y) for y in (0, 1)]
    assert min(contrast(pixel, theme.accent) for pixel in edge) >= 2.0
    assert before.pixelColor(before.width() // 2, 1) == QColor(theme.accent)


def test_ok_and_cancel_have_no_icons(styled: Callable[[Theme], QWidget]) -> None:
    window = styled(DARK)
    box = QDialogButtonBox(
        QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
    )
    shown(window, box)
    assert len(box.buttons()) == 2
    assert all(button.icon().isNull() for button in box.buttons())
