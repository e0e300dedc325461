"""Dark and light window colors, and icons that follow them."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QDir, Qt
from PySide6.QtGui import QColor, QFont, QGuiApplication, QIcon, QPalette
from PySide6.QtWidgets import QApplication, QStyleFactory

from viewer.resource_files import resource
from viewer.ui.font_icons import font_icon
from viewer.ui.icon_engine import icon_colors
from viewer.ui.style_sheet import FONT_PX, SIGNS, style_sheet

_APPLIED = "theme"
"""Property of the application: the name of the theme whose colors it has."""


@dataclass(frozen=True, slots=True)
class Theme:
    """The colors of a window, as "#rrggbb".

    What lies round the slide is the canvas's and the same neutral gray in every theme, so that the
    eye judges the stains undisturbed.

    Attributes
    ----------
    window, panel, field
        Grounds: of the window, of buttons and panels, of what is typed in and of lists.
    text, dim_text, disabled_text
        On these grounds and on a selection; the first two as WCAG AA asks.
    line
        Parts one region from another and carries no meaning.
    border
        Of what can be clicked or typed in: 3:1 to every ground.
    accent, accent_text
        Of the first button of a page, the focus and what is turned on.
    selection
        Ground of selected rows and text.
    warning, error
        Grounds of notices.
    recording, paused
        Grounds of the state of a recording, under `signal_text`.
    """

    name: str
    window: str
    panel: str
    field: str
    text: str
    dim_text: str
    disabled_text: str
    line: str
    border: str
    accent: str
    accent_text: str
    selection: str
    warning: str
    error: str
    recording: str
    paused: str
    signal_text: str


DARK = Theme(
    name="dark",
    window="#242629",
    panel="#2c2f33",
    field="#1d1f22",
    text="#e8e9eb",
    dim_text="#b4b8bf",
    disabled_text="#7f848c",
    line="#45494f",
    border="#8f959e",
    accent="#5aa5f5",
    accent_text="#0b1622",
    selection="#2a4a70",
    warning="#4a3d17",
    error="#5c262b",
    recording="#d23c3c",
    paused="#8a6400",
    signal_text="#ffffff",
)
LIGHT = Theme(
    name="light",
    window="#f1f2f4",
    panel="#fafbfc",
    field="#ffffff",
    text="#1c1e21",
    dim_text="#565c64",
    disabled_text="#858b94",
    line="#c9cdd3",
    border="#757b84",
    accent="#1866c6",
    accent_text="#ffffff",
    selection="#cfe2fb",
    warning="#fff1cc",
    error="#fbdcdc",
    recording="#c62f2f",
    paused="#8a6400",
    signal_text="#ffffff",
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
    theme = current_theme()
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
