"""Dark and light window colors, and icons that follow them."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QPalette
from PySide6.QtWidgets import QApplication, QStyleFactory


@dataclass(frozen=True, slots=True)
class Theme:
    """The colors of a window, as "#rrggbb".

    What lies round the slide is the canvas's and the same neutral gray in every theme, so that the
    eye judges the stains undisturbed.
    """

    name: str
    window: str
    panel: str
    field: str
    text: str
    dim_text: str
    border: str
    accent: str
    accent_text: str
    warning: str
    error: str


DARK = Theme(
    name="dark",
    window="#242629",
    panel="#2c2f33",
    field="#34383d",
    text="#e6e7e9",
    dim_text="#9da1a8",
    border="#4b5057",
    accent="#4c9bf0",
    accent_text="#0b1622",
    warning="#4a3d17",
    error="#55262a",
)
LIGHT = Theme(
    name="light",
    window="#f1f2f4",
    panel="#fafbfc",
    field="#ffffff",
    text="#1c1e21",
    dim_text="#5d636b",
    border="#c3c7cd",
    accent="#1f6fd0",
    accent_text="#ffffff",
    warning="#fff1cc",
    error="#fbdcdc",
)


def theme_named(name: str) -> Theme:
    """DARK or LIGHT by name; any other name, such as "system", follows the desktop."""
    if name == DARK.name:
        return DARK
    if name == LIGHT.name:
        return LIGHT
    dark = QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark
    return DARK if dark else LIGHT


def current_theme() -> Theme:
    """Return the theme that the application's palette shows."""
    return DARK if QGuiApplication.palette().window().color().lightness() < 128 else LIGHT


def apply_theme(app: QApplication, theme: Theme) -> None:
    """Colors the whole application; widgets hear of it as a change of palette."""
    app.setStyle(QStyleFactory.create("Fusion"))
    app.setPalette(_palette(theme))
    app.setStyleSheet(_style_sheet(theme))


def icon(name: str) -> QIcon:
    """Return the qtawesome icon in the current theme's colors."""
    theme = current_theme()
    return colored_icon(name, color=theme.text, color_disabled=theme.border)


def colored_icon(name: str, **colors: str) -> QIcon:
    """Return the qtawesome icon of a name; `colors` as qtawesome takes them."""
    import qtawesome  # with it come all of Qt's names, which no test or script without icons needs

    return qtawesome.icon(name, **colors)


def _palette(theme: Theme) -> QPalette:
    role = QPalette.ColorRole
    palette = QPalette()
    colors = {
        role.Window: theme.window,
        role.WindowText: theme.text,
        role.Base: theme.field,
        role.AlternateBase: theme.panel,
        role.Text: theme.text,
        role.PlaceholderText: theme.dim_text,
        role.Button: theme.panel,
        role.ButtonText: theme.text,
        role.BrightText: theme.text,
        role.ToolTipBase: theme.panel,
        role.ToolTipText: theme.text,
        role.Highlight: theme.accent,
        role.HighlightedText: theme.accent_text,
        role.Link: theme.accent,
        role.Accent: theme.accent,
        role.Mid: theme.border,
        role.Midlight: theme.panel,
        role.Dark: theme.border,
        role.Light: theme.panel,
        role.Shadow: theme.field,
    }
    for color_role, color in colors.items():
        palette.setColor(color_role, QColor(color))
    for color_role in (role.WindowText, role.Text, role.ButtonText, role.HighlightedText):
        palette.setColor(QPalette.ColorGroup.Disabled, color_role, QColor(theme.dim_text))
    palette.setColor(QPalette.ColorGroup.Disabled, role.Highlight, QColor(theme.border))
    return palette


def _style_sheet(theme: Theme) -> str:
    return f"""
    QToolTip {{ color: {theme.text}; background: {theme.panel};
        border: 1px solid {theme.border}; padding: 3px; }}
    QMenu::item:disabled {{ color: {theme.dim_text}; }}
    QMenuBar {{ border-bottom: 1px solid {theme.border}; }}
    QToolBar {{ border: 0; border-bottom: 1px solid {theme.border}; spacing: 2px; padding: 2px; }}
    QToolBar::separator {{ background: {theme.border}; width: 1px; margin: 4px 5px; }}
    QToolButton {{ border: 1px solid transparent; border-radius: 4px; padding: 3px; }}
    QToolButton:hover {{ background: {theme.panel}; border-color: {theme.border}; }}
    QToolButton:pressed, QToolButton:checked {{ background: {theme.border}; }}
    QToolButton:focus {{ border-color: {theme.accent}; }}
    QDockWidget::title {{ background: {theme.panel}; padding: 5px 8px;
        border-bottom: 1px solid {theme.border}; }}
    QStatusBar {{ border-top: 1px solid {theme.border}; }}
    QStatusBar::item {{ border: 0; }}
    QMainWindow::separator {{ background: {theme.border}; width: 3px; height: 3px; }}
    QSplitter::handle {{ background: {theme.border}; }}
    *[dim="true"] {{ color: {theme.dim_text}; }}
    QFrame[notice="info"] {{ background: {theme.panel}; border-bottom: 1px solid {theme.border}; }}
    QFrame[notice="warning"] {{ background: {theme.warning};
        border-bottom: 1px solid {theme.border}; }}
    QFrame[notice="error"] {{ background: {theme.error}; border-bottom: 1px solid {theme.border}; }}
    QFrame[pane="idle"] {{ border: 2px solid transparent; }}
    QFrame[pane="active"] {{ border: 2px solid {theme.accent}; }}
    """
