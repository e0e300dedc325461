"""Dark and light window colors, and icons that follow them."""

from __future__ import annotations

from functools import cache

from PySide6.QtCore import QDir, Qt
from PySide6.QtGui import QColor, QFont, QGuiApplication, QIcon, QPalette
from PySide6.QtWidgets import QApplication, QStyleFactory

from viewer.resource_files import resource
from viewer.ui.font_icons import font_icon
from viewer.ui.icon_engine import icon_colors
from viewer.ui.style_sheet import FONT_PX, SIGNS, style_sheet
from viewer.ui.theme_colors import DARK, LIGHT
from viewer.ui.theme_colors import Theme as Theme  # named with what applies it

_APPLIED = "theme"
"""Property of the application: the name of the theme whose colors it has."""


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
    """Style the whole application; widgets hear of it as a change of palette."""
    sheet = style_sheet(theme)
    if app.styleSheet() == sheet:
        return  # each widget would be laid out anew
    apply_colors(app, theme)
    app.setStyleSheet(sheet)


def apply_colors(app: QApplication, theme: Theme) -> None:
    """Give the application all of a theme but its style sheet, for windows that are being made.

    Under a style sheet Qt styles a widget anew, with all in it, whenever it gets another parent.
    """
    former = app.property(_APPLIED)
    if former == theme.name:
        return
    app.setProperty(_APPLIED, theme.name)
    QDir.setSearchPaths(SIGNS, [str(resource("theme", theme.name))])
    if not former:  # a second time all widgets would be styled anew, beside what the sheet does
        app.setStyle(QStyleFactory.create("Fusion"))
        app.setFont(_font(app.font()))
    app.setPalette(_palette(theme))


def icon(name: str) -> QIcon:
    """Return an icon in the current theme's colors.

    Parameters
    ----------
    name
        One of qtawesome's, e.g. "mdi6.ruler", or "drawn.polygon" for `resources/icons/polygon.svg`.
    """
    return _themed_icon(name, current_theme().name)


@cache
def _themed_icon(name: str, theme_name: str) -> QIcon:
    theme = theme_named(theme_name)
    return colored_icon(name, theme.text, color_disabled=theme.disabled_text)


def colored_icon(
    name: str, color: str, *, color_disabled: str = "", color_selected: str = ""
) -> QIcon:
    """Return the icon of a name, as `icon` takes it, in colors of its own."""
    colors = icon_colors(color, color_disabled=color_disabled, color_selected=color_selected)
    kind, _, rest = name.partition(".")
    if kind == "drawn":
        from viewer.ui.drawn_icons import drawn_icon  # with it comes Qt's SVG renderer

        return drawn_icon(rest, colors)
    return font_icon(name, colors)


def _font(desktop: QFont) -> QFont:
    """Return the desktop's font in the size that the rows of the window are made for."""
    font = QFont(desktop)
    font.setPixelSize(FONT_PX)
    return font


def _palette(theme: Theme) -> QPalette:
    role = QPalette.ColorRole
    palette = QPalette()
    colors = {
        role.Window: theme.window,
        role.WindowText: theme.text,
        role.Base: theme.field,
        role.AlternateBase: theme.window,
        role.Text: theme.text,
        role.PlaceholderText: theme.dim_text,
        role.Button: theme.panel,
        role.ButtonText: theme.text,
        role.BrightText: theme.text,
        role.ToolTipBase: theme.panel,
        role.ToolTipText: theme.text,
        role.Highlight: theme.selection,
        role.HighlightedText: theme.text,
        role.Link: theme.accent,
        role.LinkVisited: theme.accent,
        role.Accent: theme.accent,
        role.Mid: theme.border,
        role.Midlight: theme.line,
        role.Dark: theme.border,
        role.Light: theme.panel,
        role.Shadow: theme.field,
    }
    for color_role, color in colors.items():
        palette.setColor(color_role, QColor(color))
    for color_role in (role.WindowText, role.Text, role.ButtonText, role.HighlightedText):
        palette.setColor(QPalette.ColorGroup.Disabled, color_role, QColor(theme.disabled_text))
    palette.setColor(QPalette.ColorGroup.Disabled, role.Highlight, QColor(theme.line))
    return palette
