"""Commands of the View menu."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.tiles.stains import Stain
from viewer.ui.commands.command import Command, Condition, with_panes, with_slide

if TYPE_CHECKING:
    from collections.abc import Mapping

VIEW = ("&View",)
MAGNIFICATION = ("&View", "&Magnification")
ORIENTATION = ("&View", "&Orientation")
DISPLAY = ("&View", "&Display")
STAIN = ("&View", "&Display", "&Stain")
PANES = ("&View", "&Panes")

MAGNIFICATIONS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0)
"""What the keys 1 to 7 show."""

_STAIN_ICONS: Mapping[Stain, str] = {
    Stain.NONE: "mdi6.palette-outline",
    Stain.HEMATOXYLIN: "drawn.stain-hematoxylin",
    Stain.EOSIN: "drawn.stain-eosin",
    Stain.DAB: "drawn.stain-dab",
    Stain.HEMATOXYLIN_WITH_DAB: "drawn.stain-hematoxylin-dab",
}
STAIN_COMMANDS: Mapping[str, Stain] = {f"stain.{stain.name.lower()}": stain for stain in Stain}
"""Command id -> the stain it shows."""


def magnification_id(magnification: float) -> str:
    return f"view.magnify_{magnification:g}"


def _magnification_command(key: int, magnification: float) -> Command:
    name = f"{magnification:g}x"
    return Command(
        magnification_id(magnification),
        name,
        "mdi6.magnify",
        f"Show the slide at {name}",
        MAGNIFICATION,
        (str(key),),
        with_slide,
    )


_WITH_STAINS = Condition(lambda s: s.has_stains, "Open a slide with stains first.")


def _stain_command(key: int, command_id: str, stain: Stain) -> Command:
    tip = "Show the slide's own colors"
    if stain is not Stain.NONE:
        tip = f"Show the {stain.value} alone, as it would look on clear glass"
    return Command(
        command_id,
        stain.value,
        _STAIN_ICONS[stain],
        tip,
        STAIN,
        (f"Alt+{key}",),
        _WITH_STAINS,
        checkable=True,
    )


VIEW_COMMANDS: tuple[Command, ...] = (
    *(_magnification_command(key, m) for key, m in enumerate(MAGNIFICATIONS, start=1)),
    Command(
        "view.fit",
        "&Fit",
        "mdi6.fit-to-page-outline",
        "Show the whole slide, turned as it is",
        MAGNIFICATION,
        ("8",),
        with_slide,
    ),
    Command(
        "view.zoom_in",
        "Zoom &in",
        "mdi6.magnify-plus-outline",
        "Come closer to the middle of the view",
        VIEW,
        ("+", "="),
        with_slide,
    ),
    Command(
        "view.zoom_out",
        "Zoom &out",
        "mdi6.magnify-minus-outline",
        "Go away from the middle of the view",
        VIEW,
        ("-",),
        with_slide,
    ),
    Command(
        "view.home",
        "&Home",
        "mdi6.home-outline",
        "Show the whole slide, upright",
        VIEW,
        ("Home",),
        with_slide,
    ),
    Command(
        "view.back",
        "&Back",
        "mdi6.arrow-left",
        "Go back to the view before",
        VIEW,
        ("Alt+Left",),
        Condition(lambda s: s.can_go_back, "There is no earlier view."),
        separated=True,
    ),
    Command(
        "view.forward",
        "For&ward",
        "mdi6.arrow-right",
        "Go forward to the view after",
        VIEW,
        ("Alt+Right",),
        Condition(lambda s: s.can_go_forward, "There is no later view."),
    ),
    Command(
        "view.go_to",
        "&Go to coordinate...",
        "mdi6.crosshairs-gps",
        "Center the view on a position given in pixels or micrometers",
        VIEW,
        ("Ctrl+G",),
        with_slide,
    ),
    Command(
        "view.rotate_right",
        "Rotate &right by 15 degrees",
        "mdi6.rotate-right",
        "Turn the slide clockwise by 15 degrees",
        ORIENTATION,
        ("Ctrl+]",),
        with_slide,
    ),
    Command(
        "view.rotate_left",
        "Rotate &left by 15 degrees",
        "mdi6.rotate-left",
        "Turn the slide counterclockwise by 15 degrees",
        ORIENTATION,
        ("Ctrl+[",),
        with_slide,
    ),
    Command(
        "view.quarter_right",
        "Quarter turn ri&ght",
        "mdi6.file-rotate-right-outline",
        "Turn the slide clockwise by 90 degrees",
        ORIENTATION,
        ("Ctrl+Alt+]",),
        with_slide,
    ),
    Command(
        "view.quarter_left",
        "Quarter turn l&eft",
        "mdi6.file-rotate-left-outline",
        "Turn the slide counterclockwise by 90 degrees",
        ORIENTATION,
        ("Ctrl+Alt+[",),
        with_slide,
    ),
    Command(
        "view.flip_horizontally",
        "Flip &horizontally",
        "mdi6.flip-horizontal",
        "Mirror what is on screen left to right",
        ORIENTATION,
        ("Ctrl+Shift+H",),
        with_slide,
        separated=True,
    ),
    Command(
        "view.flip_vertically",
        "Flip &vertically",
        "mdi6.flip-vertical",
        "Mirror what is on screen top to bottom",
        ORIENTATION,
        ("Ctrl+Shift+V",),
        with_slide,
    ),
    Command(
        "view.upright",
        "&Upright",
        "mdi6.arrow-up-bold-box-outline",
        "Undo all turns and flips",
        ORIENTATION,
        ("Ctrl+0",),
        with_slide,
    ),
    Command(
        "view.overview",
        "O&verview map",
        "mdi6.map-outline",
        "Show the map of the whole slide in the pane's corner",
        VIEW,
        ("Ctrl+M",),
        checkable=True,
        separated=True,
    ),
    Command(
        "view.scale_bar",
        "&Scale bar",
        "mdi6.arrow-expand-horizontal",
        "Show the scale bar",
        VIEW,
        ("Ctrl+B",),
        checkable=True,
    ),
    Command(
        "view.reload",
        "Re&load failed tiles",
        "mdi6.refresh",
        "Try again to read the tiles that could not be read",
        VIEW,
        ("F5",),
        with_slide,
    ),
    Command(
        "view.full_screen",
        "&Microscope mode",
        "mdi6.fullscreen",
        "Show the slide, scale bar and map alone on the whole screen; Esc leaves",
        VIEW,
        ("F11",),
        checkable=True,
        separated=True,
    ),
    Command(
        "view.dark_theme",
        "&Dark theme",
        "mdi6.theme-light-dark",
        "Dark window colors; the slide's own colors stay as they are",
        VIEW,
        (),
        checkable=True,
    ),
    *(
        _stain_command(key, id_, stain)
        for key, (id_, stain) in enumerate(STAIN_COMMANDS.items(), start=1)
    ),
    Command(
        "display.icc",
        "Scanner &color profile",
        "mdi6.monitor-eye",
        "Correct the colors with the ICC profile that the scanner wrote into the slide",
        DISPLAY,
        ("Ctrl+Alt+I",),
        Condition(lambda s: s.has_icc_profile, "The slide has no color profile that can be used."),
        checkable=True,
        separated=True,
    ),
    Command(
        "display.reset",
        "&Reset display",
        "mdi6.restore",
        "Brightness, contrast, gamma and stain as the slide came",
        DISPLAY,
        ("Ctrl+Alt+0",),
        with_slide,
    ),
    Command(
        "panes.add",
        "&Split view",
        "drawn.panes",
        "Show the slide once more beside this one, in up to four panes",
        PANES,
        ("Ctrl+\\",),
        Condition(lambda s: s.panes < 4, "There are four panes already."),
    ),
    Command(
        "panes.partner",
        "&Other stain beside",
        "drawn.slides-compared",
        "Open another slide of the same case beside this one; again, the next",
        PANES,
        ("Ctrl+F6",),
        Condition(
            lambda s: s.has_slide and s.slides_listed > 1,
            "Open a folder or a project of several slides first.",
        ),
    ),
    Command(
        "panes.close",
        "&Close pane",
        "drawn.pane-close",
        "Close the active pane and its slide",
        PANES,
        ("Ctrl+Shift+W",),
        with_panes,
    ),
    Command(
        "panes.next",
        "&Next pane",
        "mdi6.arrow-right-box",
        "Make the next pane the active one",
        PANES,
        ("F6",),
        with_panes,
        separated=True,
    ),
    Command(
        "panes.previous",
        "&Previous pane",
        "mdi6.arrow-left-box",
        "Make the previous pane the active one",
        PANES,
        ("Shift+F6",),
        with_panes,
    ),
    Command(
        "panes.link",
        "&Linked navigation",
        "mdi6.link-variant",
        "Panes move, zoom and turn together, at the same micrometers per pixel",
        PANES,
        ("Ctrl+Alt+S",),
        with_panes,
        checkable=True,
        separated=True,
    ),
    Command(
        "panes.align",
        "&Align panes...",
        "mdi6.vector-link",
        "Align slides of the same tissue, such as serial sections, so that they move together",
        PANES,
        (),
        with_panes,
    ),
)
