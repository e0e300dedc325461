"""Every command of the window, described once; menus, tool bar, keys and palette read it here.

Data from top to bottom, which is why it is long; viewer/ui/actions.py makes Qt's actions from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from viewer.tiles.look import Stain

Bindings = Mapping[str, Sequence[str]]
"""Command id -> its shortcuts in portable text, e.g. {"view.fit": ["8"]}."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the window is in; decides which commands can run."""

    has_slide: bool = False
    can_go_back: bool = False
    can_go_forward: bool = False
    panes: int = 1
    slides_in_tray: int = 0
    has_project: bool = False
    slides_in_project: int = 0
    has_icc_profile: bool = False
    is_recording: bool = False
    is_reviewing: bool = False
    can_annotate: bool = False
    annotations_chosen: int = 0
    can_undo: bool = False
    can_redo: bool = False


Predicate = Callable[[Situation], bool]


def _always(_: Situation) -> bool:
    return True


def _with_slide(situation: Situation) -> bool:
    return situation.has_slide


def _with_project(situation: Situation) -> bool:
    return situation.has_project


def _with_list(situation: Situation) -> bool:
    """The project's list comes before the tray."""
    count = situation.slides_in_project if situation.has_project else situation.slides_in_tray
    return count > 0


def _while_recording(situation: Situation) -> bool:
    return situation.is_recording


def _while_reviewing(situation: Situation) -> bool:
    return situation.is_reviewing


def _annotating(situation: Situation) -> bool:
    return situation.can_annotate


def _with_chosen(situation: Situation) -> bool:
    return situation.can_annotate and situation.annotations_chosen > 0


def _with_two_chosen(situation: Situation) -> bool:
    return situation.can_annotate and situation.annotations_chosen > 1


@dataclass(frozen=True, slots=True)
class Command:
    """One thing the user can ask for.

    Attributes
    ----------
    id
        Stable name under which shortcuts are kept, e.g. "view.zoom_in".
    text
        As menus show it, with an ampersand before the mnemonic.
    icon
        A qtawesome name.
    menu
        Titles from the menu bar down, e.g. ("&View", "&Magnification").
    shortcuts
        Defaults in Qt's portable text; the first is the one shown.
    separated
        Whether menus draw a line above it.
    """

    id: str
    text: str
    icon: str
    tip: str
    menu: tuple[str, ...]
    shortcuts: tuple[str, ...] = ()
    enabled: Predicate = _always
    checkable: bool = False
    separated: bool = False

    @property
    def plain_text(self) -> str:
        """Without the mnemonic mark and the dots."""
        return self.text.replace("&", "").removesuffix("...")


FILE = ("&File",)
PROJECT = ("&File", "Pro&ject")
EDIT = ("&Edit",)
VIEW = ("&View",)
MAGNIFICATION = ("&View", "&Magnification")
ORIENTATION = ("&View", "&Orientation")
DISPLAY = ("&Display",)
STAIN = ("&Display", "&Stain")
PANES = ("&Panes",)
ANNOTATE = ("&Annotate",)
DRAWING = ("&Annotate", "&Drawing")
OVERLAYS = ("&Overlays",)
ANNOTATE = ("&Annotate",)
SHAPES = ("&Annotate", "S&hapes")
RECORDING = ("&Recording",)
REVIEW = ("&Recording", "Re&view of a session")
AGENT = ("A&gent",)
PANELS = ("Pane&ls",)
HELP = ("&Help",)

MAGNIFICATIONS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0)
"""What the keys 1 to 7 show."""

STAIN_COMMANDS: Mapping[str, Stain] = {f"stain.{stain.name.lower()}": stain for stain in Stain}
"""Command id -> the stain it shows."""


def magnification_id(magnification: float) -> str:
    return f"view.magnify_{magnification:g}"


def tool_id(name: str) -> str:
    """The command that takes up a drawing tool."""
    return f"annotate.{name}"


def _magnification_command(key: int, magnification: float) -> Command:
    name = f"{magnification:g}x"
    return Command(
        magnification_id(magnification),
        name,
        "mdi6.magnify",
        f"Show the slide at {name}",
        MAGNIFICATION,
        (str(key),),
        _with_slide,
    )


def _tool_command(
    name: str, text: str, icon: str, tip: str, key: str, *, separated: bool = False
) -> Command:
    return Command(
        tool_id(name),
        text,
        icon,
        tip,
        ANNOTATE,
        (key,),
        _with_slide,
        checkable=True,
        separated=separated,
    )


def _stain_command(key: int, command_id: str, stain: Stain) -> Command:
    tip = "Show the slide's own colours"
    if stain is not Stain.NONE:
        tip = f"Show the {stain.value} alone, as it would look on clear glass"
    return Command(
        command_id,
        stain.value,
        "mdi6.palette-outline" if stain is Stain.NONE else "mdi6.water",
        tip,
        STAIN,
        (f"Alt+{key}",),
        _with_slide,
        checkable=True,
    )


REVIEW_COMMANDS: tuple[tuple[str, str, str, str, tuple[str, ...]], ...] = (
    (
        "review.accept",
        "&Accept",
        "mdi6.check",
        "Let the text go out as the rationale of this action",
        ("Y", "Ctrl+Return"),
    ),
    ("review.edit", "&Edit", "mdi6.pencil-outline", "Put the cursor into the text", ("F2",)),
    ("review.reject", "&Reject", "mdi6.close", "Let no rationale go out for this action", ("X",)),
    (
        "review.skip",
        "&Skip",
        "mdi6.debug-step-over",
        "Leave this action without a judgement and go on",
        ("G",),
    ),
    ("review.previous", "&Previous", "mdi6.chevron-left", "Go to the action before", ("I",)),
    ("review.next", "Ne&xt", "mdi6.chevron-right", "Go to the action after", ("J",)),
    ("review.undo", "&Undo verdict", "mdi6.undo", "Take the last verdict back", ("U",)),
    (
        "review.redo",
        "Re&do verdict",
        "mdi6.redo",
        "Let the verdict count again that was taken back",
        ("Shift+U",),
    ),
)
"""Id, text, icon, tip and keys of what is done in a review; the keys work while it is open."""


def _review_command(
    command_id: str, text: str, icon: str, tip: str, shortcuts: tuple[str, ...]
) -> Command:
    return Command(command_id, text, icon, tip, REVIEW, shortcuts, _while_reviewing)


COMMANDS: tuple[Command, ...] = (
    Command(
        "file.open",
        "&Open slide...",
        "mdi6.folder-open-outline",
        "Open a slide in the active pane",
        FILE,
        ("Ctrl+O",),
    ),
    Command(
        "file.open_folder",
        "Open &folder...",
        "mdi6.folder-multiple-image",
        "Show the slides of a folder as a tray of thumbnails",
        FILE,
        ("Ctrl+Shift+O",),
    ),
    Command(
        "file.close",
        "&Close slide",
        "mdi6.close",
        "Close the slide in the active pane",
        FILE,
        ("Ctrl+W",),
        _with_slide,
    ),
    Command(
        "file.next",
        "&Next slide",
        "mdi6.page-next-outline",
        "Open the next slide of the project, or of the tray where no project is open",
        FILE,
        ("PgDown",),
        _with_list,
        separated=True,
    ),
    Command(
        "file.previous",
        "&Previous slide",
        "mdi6.page-previous-outline",
        "Open the previous slide of the project, or of the tray where no project is open",
        FILE,
        ("PgUp",),
        _with_list,
    ),
    Command(
        "project.create",
        "&New project...",
        "mdi6.folder-star-outline",
        "Make a folder a project: a list of slides with states, classes and questions",
        PROJECT,
    ),
    Command(
        "project.open",
        "&Open project...",
        "mdi6.folder-open-outline",
        "Open a project by its project.json",
        PROJECT,
        ("Ctrl+Alt+P",),
    ),
    Command(
        "project.close",
        "&Close project",
        "mdi6.folder-remove-outline",
        "Close the project; the slides stay open",
        PROJECT,
        (),
        _with_project,
    ),
    Command(
        "project.add",
        "&Add slides...",
        "mdi6.image-plus",
        "Add slides to the project",
        PROJECT,
        (),
        _with_project,
        separated=True,
    ),
    Command(
        "project.find",
        "&Find missing slides...",
        "mdi6.file-search-outline",
        "Look in a folder for slides of the project that were moved",
        PROJECT,
        (),
        _with_project,
    ),
    Command(
        "project.take_classes",
        "&Keep classes in project",
        "mdi6.tag-plus-outline",
        "Make the classes in use those of the project, for all who work on it",
        PROJECT,
        (),
        _with_project,
    ),
    Command(
        "project.next_state",
        "Change &state",
        "mdi6.circle-half-full",
        "To do, in work, done, and round again, of the slide on screen",
        PROJECT,
        ("Shift+F7",),
        _with_project,
        separated=True,
    ),
    Command(
        "project.finish",
        "&Done, next slide to do",
        "mdi6.check-circle",
        "Mark the slide as done and open the next one that is to do",
        PROJECT,
        ("F7",),
        _with_project,
    ),
    Command(
        "file.save_picture",
        "&Save view as picture...",
        "mdi6.image-move",
        "Write what the pane shows to a PNG or JPEG file",
        FILE,
        ("Ctrl+Shift+S",),
        _with_slide,
        separated=True,
    ),
    Command(
        "file.settings",
        "Se&ttings...",
        "mdi6.cog-outline",
        "Change settings and shortcuts",
        FILE,
        ("Ctrl+,",),
        separated=True,
    ),
    Command("file.quit", "&Quit", "mdi6.exit-to-app", "Close Coverslip", FILE, ("Ctrl+Q",)),
    Command(
        "edit.undo",
        "&Undo",
        "mdi6.undo",
        "Take back what was last done to the annotations",
        EDIT,
        ("Ctrl+Z",),
        lambda s: s.can_undo,
    ),
    Command(
        "edit.redo",
        "&Redo",
        "mdi6.redo",
        "Do again what was taken back",
        EDIT,
        ("Ctrl+Shift+Z", "Ctrl+Y"),
        lambda s: s.can_redo,
    ),
    Command(
        "edit.delete",
        "&Delete annotations",
        "mdi6.trash-can-outline",
        "Remove the chosen annotations; locked ones stay",
        EDIT,
        ("Del", "Backspace"),
        _with_chosen,
        separated=True,
    ),
    Command(
        "edit.copy",
        "Copy &annotations",
        "mdi6.vector-square",
        "Copy the chosen annotations as GeoJSON, also for other slides and tools",
        EDIT,
        ("Ctrl+Alt+C",),
        lambda s: s.annotations_chosen > 0,
    ),
    Command(
        "edit.paste",
        "&Paste annotations",
        "mdi6.content-paste",
        "Add the annotations on the clipboard to this slide",
        EDIT,
        ("Ctrl+V",),
        _annotating,
    ),
    Command(
        "edit.duplicate",
        "Dupl&icate annotations",
        "mdi6.content-duplicate",
        "Make the chosen annotations once more, a little beside",
        EDIT,
        ("Ctrl+J",),
        _with_chosen,
    ),
    Command(
        "edit.select_all",
        "&Select all annotations",
        "mdi6.select-all",
        "Choose all annotations of the slide",
        EDIT,
        ("Ctrl+Alt+A",),
        _with_slide,
    ),
    Command(
        "edit.copy_picture",
        "&Copy picture of view",
        "mdi6.content-copy",
        "Copy what the pane shows to the clipboard",
        EDIT,
        ("Ctrl+C",),
        _with_slide,
        separated=True,
    ),
    Command(
        "edit.copy_coordinates",
        "Copy &location of view",
        "mdi6.map-marker-outline",
        "Copy the slide's name, the centre, the magnification and the rotation as text",
        EDIT,
        ("Ctrl+Shift+C",),
        _with_slide,
    ),
    Command(
        "slide.pixel_size",
        "Set pixel si&ze...",
        "mdi6.ruler",
        "Tell how many micrometres a pixel of this slide is",
        EDIT,
        (),
        _with_slide,
        separated=True,
    ),
    *(_magnification_command(key, m) for key, m in enumerate(MAGNIFICATIONS, start=1)),
    Command(
        "view.fit",
        "&Fit",
        "mdi6.fit-to-page-outline",
        "Show the whole slide, turned as it is",
        MAGNIFICATION,
        ("8",),
        _with_slide,
    ),
    Command(
        "view.zoom_in",
        "Zoom &in",
        "mdi6.magnify-plus-outline",
        "Come closer to the middle of the view",
        VIEW,
        ("+", "="),
        _with_slide,
    ),
    Command(
        "view.zoom_out",
        "Zoom &out",
        "mdi6.magnify-minus-outline",
        "Go away from the middle of the view",
        VIEW,
        ("-",),
        _with_slide,
    ),
    Command(
        "view.home",
        "&Home",
        "mdi6.home-outline",
        "Show the whole slide, upright",
        VIEW,
        ("Home",),
        _with_slide,
    ),
    Command(
        "view.back",
        "&Back",
        "mdi6.arrow-left",
        "Go back to the view before",
        VIEW,
        ("Alt+Left",),
        lambda s: s.can_go_back,
        separated=True,
    ),
    Command(
        "view.forward",
        "For&ward",
        "mdi6.arrow-right",
        "Go forward to the view after",
        VIEW,
        ("Alt+Right",),
        lambda s: s.can_go_forward,
    ),
    Command(
        "view.go_to",
        "&Go to coordinate...",
        "mdi6.crosshairs-gps",
        "Centre the view on a position given in pixels or micrometres",
        VIEW,
        ("Ctrl+G",),
        _with_slide,
    ),
    Command(
        "view.rotate_right",
        "Rotate &right by 15 degrees",
        "mdi6.rotate-right",
        "Turn the slide clockwise by 15 degrees",
        ORIENTATION,
        ("Ctrl+]",),
        _with_slide,
    ),
    Command(
        "view.rotate_left",
        "Rotate &left by 15 degrees",
        "mdi6.rotate-left",
        "Turn the slide anticlockwise by 15 degrees",
        ORIENTATION,
        ("Ctrl+[",),
        _with_slide,
    ),
    Command(
        "view.quarter_right",
        "Quarter turn ri&ght",
        "mdi6.file-rotate-right-outline",
        "Turn the slide clockwise by 90 degrees",
        ORIENTATION,
        ("Ctrl+Alt+]",),
        _with_slide,
    ),
    Command(
        "view.quarter_left",
        "Quarter turn l&eft",
        "mdi6.file-rotate-left-outline",
        "Turn the slide anticlockwise by 90 degrees",
        ORIENTATION,
        ("Ctrl+Alt+[",),
        _with_slide,
    ),
    Command(
        "view.flip_horizontally",
        "Flip &horizontally",
        "mdi6.flip-horizontal",
        "Mirror what is on screen left to right",
        ORIENTATION,
        ("Ctrl+Shift+H",),
        _with_slide,
        separated=True,
    ),
    Command(
        "view.flip_vertically",
        "Flip &vertically",
        "mdi6.flip-vertical",
        "Mirror what is on screen top to bottom",
        ORIENTATION,
        ("Ctrl+Shift+V",),
        _with_slide,
    ),
    Command(
        "view.upright",
        "&Upright",
        "mdi6.arrow-up-bold-box-outline",
        "Undo all turns and flips",
        ORIENTATION,
        ("Ctrl+0",),
        _with_slide,
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
        _with_slide,
    ),
    Command(
        "view.full_screen",
        "F&ull screen",
        "mdi6.fullscreen",
        "Give the whole screen to Coverslip",
        VIEW,
        ("F11",),
        checkable=True,
        separated=True,
    ),
    Command(
        "view.dark_theme",
        "&Dark theme",
        "mdi6.theme-light-dark",
        "Dark window colours; the slide's own colours stay as they are",
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
        "Scanner &colour profile",
        "mdi6.monitor-eye",
        "Correct the colours with the ICC profile that the scanner wrote into the slide",
        DISPLAY,
        ("Ctrl+Alt+I",),
        lambda s: s.has_icc_profile,
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
        _with_slide,
    ),
    Command(
        "panes.add",
        "&Split view",
        "mdi6.view-split-vertical",
        "Add a pane beside this one, up to four",
        PANES,
        ("Ctrl+\\",),
        lambda s: s.panes < 4,
    ),
    Command(
        "panes.close",
        "&Close pane",
        "mdi6.view-array",
        "Close the active pane and its slide",
        PANES,
        ("Ctrl+Shift+W",),
        lambda s: s.panes > 1,
    ),
    Command(
        "panes.next",
        "&Next pane",
        "mdi6.arrow-right-box",
        "Make the next pane the active one",
        PANES,
        ("F6",),
        lambda s: s.panes > 1,
        separated=True,
    ),
    Command(
        "panes.previous",
        "&Previous pane",
        "mdi6.arrow-left-box",
        "Make the previous pane the active one",
        PANES,
        ("Shift+F6",),
        lambda s: s.panes > 1,
    ),
    Command(
        "panes.link",
        "&Linked navigation",
        "mdi6.link-variant",
        "Panes move, zoom and turn together, at the same micrometres per pixel",
        PANES,
        ("Ctrl+Alt+S",),
        lambda s: s.panes > 1,
        checkable=True,
        separated=True,
    ),
    _tool_command(
        "move", "&Move the slide", "mdi6.hand-back-right-outline", "No drawing tool in hand", "M"
    ),
    _tool_command(
        "select",
        "&Select and edit",
        "mdi6.cursor-default-outline",
        "Choose annotations, move them, change their corners; hold S for a moment's use",
        "S",
    ),
    _tool_command(
        "rectangle",
        "&Rectangle",
        "mdi6.rectangle-outline",
        "Drag a rectangle, with Shift a square",
        "R",
        separated=True,
    ),
    _tool_command(
        "ellipse",
        "&Ellipse",
        "mdi6.ellipse-outline",
        "Drag an ellipse, with Shift a circle",
        "O",
    ),
    _tool_command(
        "polygon",
        "&Polygon",
        "mdi6.vector-polygon",
        "Click the corners of a region, or drag round it by hand",
        "P",
    ),
    _tool_command(
        "brush",
        "&Brush",
        "mdi6.brush",
        "Paint a region; Alt erases, Shift adds to what is chosen",
        "B",
    ),
    _tool_command(
        "eraser", "E&raser", "mdi6.eraser", "Take away from a region with the brush", "E"
    ),
    _tool_command(
        "wand",
        "&Wand",
        "mdi6.auto-fix",
        "Take the tissue that looks alike; Alt takes away, Shift adds to what is chosen",
        "W",
    ),
    _tool_command(
        "points",
        "P&oints",
        "mdi6.dots-hexagon",
        "Count by clicking; Alt takes a point away",
        ".",
    ),
    _tool_command(
        "line",
        "&Line",
        "mdi6.vector-line",
        "Drag a line, with Shift in steps of 45 degrees",
        "L",
        separated=True,
    ),
    _tool_command(
        "polyline",
        "Poly&line",
        "mdi6.vector-polyline",
        "Click the corners of a line, or draw it by hand",
        "V",
    ),
    _tool_command(
        "ruler",
        "R&uler",
        "mdi6.ruler",
        "Measure a distance; Enter keeps it as a line",
        "Shift+L",
    ),
    _tool_command(
        "angle",
        "An&gle",
        "mdi6.angle-acute",
        "Measure an angle; Enter keeps it as a line",
        "Shift+V",
    ),
    Command(
        "annotate.brush_smaller",
        "Brush smaller",
        "mdi6.minus-circle-outline",
        "Make brush and eraser smaller",
        DRAWING,
        ("[",),
        _with_slide,
    ),
    Command(
        "annotate.brush_larger",
        "Brush larger",
        "mdi6.plus-circle-outline",
        "Make brush and eraser larger",
        DRAWING,
        ("]",),
        _with_slide,
    ),
    Command(
        "annotate.brush_on_slide",
        "Brush size &kept on the slide",
        "mdi6.circle-expand",
        "The brush covers as much of the slide at every zoom, not of the screen",
        DRAWING,
        (),
        checkable=True,
    ),
    Command(
        "annotate.snapping",
        "&Snap to borders",
        "mdi6.magnet",
        "Corners jump to the borders of other annotations that are near",
        DRAWING,
        ("Ctrl+Alt+B",),
        checkable=True,
        separated=True,
    ),
    Command(
        "annotate.avoid_overlap",
        "&Avoid overlap",
        "mdi6.vector-difference",
        "New regions leave out what others cover",
        DRAWING,
        ("Ctrl+Alt+V",),
        checkable=True,
    ),
    Command(
        "overlays.on",
        "&Show overlay",
        "mdi6.shape-polygon-plus",
        "Find and outline what the chosen model knows, such as nuclei, where you look",
        OVERLAYS,
        ("Shift+D",),
        _with_slide,
        checkable=True,
    ),
    Command(
        "overlays.blink",
        "&Hide and show objects",
        "mdi6.eye-outline",
        "Look under the outlines and back",
        OVERLAYS,
        ("D",),
        _with_slide,
    ),
    Command(
        "overlays.fill",
        "&Fill objects",
        "mdi6.format-color-fill",
        "Fill the outlines faintly, or no longer",
        OVERLAYS,
        ("F",),
        _with_slide,
    ),
    Command(
        "overlays.find_similar",
        "&Find fields like this one",
        "mdi6.image-search-outline",
        "Colour the slide by likeness to what is in view",
        OVERLAYS,
        ("Shift+F",),
        _with_slide,
    ),
    Command(
        "overlays.click",
        "&Click to segment",
        "mdi6.cursor-default-click-outline",
        "Click on something, or draw a box round it, to have it outlined and measured",
        OVERLAYS,
        ("K",),
        _with_slide,
        checkable=True,
    ),
    Command(
        "overlays.table",
        "Ob&ject table",
        "mdi6.table-search",
        "List the objects that are shown, sort them, and go to one",
        OVERLAYS,
        (),
        _with_slide,
    ),
    Command(
        "overlays.run_slide",
        "Run on &whole slide",
        "mdi6.play-box-outline",
        "Let the model work through the whole slide, where you look first",
        OVERLAYS,
        (),
        _with_slide,
        separated=True,
    ),
    Command(
        "overlays.run_field",
        "Run on this &field of view",
        "mdi6.play-outline",
        "Let the model work through all that is in view now, also once you look elsewhere",
        OVERLAYS,
        (),
        _with_slide,
    ),
    Command(
        "overlays.pause",
        "Pa&use models",
        "mdi6.pause-box-outline",
        "Models rest until pressed again; what was found stays",
        OVERLAYS,
        (),
        _with_slide,
        checkable=True,
    ),
    Command(
        "overlays.stop",
        "S&top",
        "mdi6.stop-circle-outline",
        "No more of the whole slide; what was found stays",
        OVERLAYS,
        (),
        _with_slide,
    ),
    Command(
        "overlays.clear_results",
        "Remove &kept results",
        "mdi6.delete-sweep-outline",
        "Free the room that results of models take, of all slides; they can be made again",
        OVERLAYS,
        (),
    ),
    Command(
        "overlays.add_model",
        "&Add model...",
        "mdi6.folder-plus-outline",
        "Add a model from its folder",
        OVERLAYS,
        (),
        separated=True,
    ),
    Command(
        "overlays.import_results",
        "&Import results...",
        "mdi6.database-import-outline",
        "Show outlines or scores of tiles that were made elsewhere over this slide",
        OVERLAYS,
        (),
        _with_slide,
    ),
    Command(
        "panels.overlays",
        "&Overlays panel",
        "mdi6.layers-outline",
        "Show the panel of models, their look and progress",
        OVERLAYS,
        ("Ctrl+Shift+D",),
        checkable=True,
    ),
    Command(
        "annotate.merge",
        "&Merge",
        "mdi6.vector-union",
        "Make the chosen annotations one",
        SHAPES,
        ("Ctrl+Alt+M",),
        _with_two_chosen,
    ),
    Command(
        "annotate.subtract",
        "S&ubtract",
        "mdi6.vector-difference-ba",
        "Cut the upper chosen regions out of the lowest",
        SHAPES,
        ("Ctrl+Alt+U",),
        _with_two_chosen,
    ),
    Command(
        "annotate.intersect",
        "&Intersect",
        "mdi6.vector-intersection",
        "Keep what the chosen regions have in common",
        SHAPES,
        ("Ctrl+Alt+X",),
        _with_two_chosen,
    ),
    Command(
        "annotate.split",
        "Sp&lit along line",
        "mdi6.box-cutter",
        "Cut the chosen regions along the chosen line",
        SHAPES,
        ("Ctrl+Alt+L",),
        _with_two_chosen,
    ),
    Command(
        "annotate.fill_holes",
        "Fill &holes",
        "mdi6.circle-slice-8",
        "Close the holes of the chosen regions",
        SHAPES,
        ("Ctrl+Alt+H",),
        _with_chosen,
    ),
    Command(
        "annotate.simplify",
        "Simpli&fy...",
        "mdi6.vector-polyline-minus",
        "Take corners away that hardly change the outline",
        SHAPES,
        (),
        _with_chosen,
    ),
    Command(
        "annotate.grow",
        "&Grow or shrink...",
        "mdi6.arrow-expand-all",
        "Move the border outward or inward by micrometres",
        SHAPES,
        ("Ctrl+Alt+G",),
        _with_chosen,
    ),
    Command(
        "annotate.lock",
        "L&ock or unlock",
        "mdi6.lock-outline",
        "Keep the chosen annotations from being changed, or no longer",
        ANNOTATE,
        ("Ctrl+K",),
        _with_chosen,
        separated=True,
    ),
    Command(
        "annotate.whole_slide",
        "&Whole slide",
        "mdi6.rectangle-outline",
        "Annotate the whole slide with one rectangle",
        ANNOTATE,
        ("Ctrl+Shift+A",),
        _annotating,
    ),
    Command(
        "annotate.classes",
        "&Classes...",
        "mdi6.tag-multiple-outline",
        "Names, colours and keys of the classes",
        ANNOTATE,
        (),
    ),
    Command(
        "annotate.bookmark",
        "&Bookmark this view",
        "mdi6.bookmark-plus-outline",
        "Keep this view to come back to",
        ANNOTATE,
        ("Ctrl+D",),
        _annotating,
        separated=True,
    ),
    Command(
        "annotate.note",
        "Stick a &note here...",
        "mdi6.note-plus-outline",
        "Write a note and leave it in the middle of the view",
        ANNOTATE,
        ("Ctrl+Alt+N",),
        _annotating,
    ),
    Command(
        "annotate.shown",
        "Show &annotations",
        "mdi6.eye-outline",
        "Show the annotations over the slide",
        ANNOTATE,
        ("A",),
        checkable=True,
        separated=True,
    ),
    Command(
        "annotate.filled",
        "&Fill annotations",
        "mdi6.format-color-fill",
        "Fill the annotations faintly",
        ANNOTATE,
        ("Ctrl+Shift+F",),
        checkable=True,
    ),
    Command(
        "annotate.names",
        "Show na&mes",
        "mdi6.format-text",
        "Write the names beside the annotations",
        ANNOTATE,
        ("N",),
        checkable=True,
    ),
    Command(
        "annotate.count",
        "Co&unt objects inside...",
        "mdi6.counter",
        "Count the objects of the overlay in the chosen regions, and the positive ones",
        ANNOTATE,
        ("Ctrl+Alt+O",),
        _with_chosen,
        separated=True,
    ),
    Command(
        "annotate.from_overlay",
        "&Regions from overlay",
        "mdi6.shape-plus",
        "Make regions of the objects or of the colours that the overlay shows",
        ANNOTATE,
        ("Ctrl+Alt+R",),
        _annotating,
    ),
    Command(
        "annotate.run_model",
        "Run mo&del on chosen regions",
        "mdi6.play-network-outline",
        "Let the model of the overlay work through the chosen regions",
        ANNOTATE,
        (),
        lambda s: s.annotations_chosen > 0,
    ),
    Command(
        "annotate.statistics",
        "&Statistics...",
        "mdi6.chart-bar",
        "Count, area and length of each class",
        ANNOTATE,
        (),
        _with_slide,
    ),
    Command(
        "annotate.import",
        "&Import annotations...",
        "mdi6.import",
        "Add the annotations of a file",
        ANNOTATE,
        ("Ctrl+Shift+I",),
        _annotating,
        separated=True,
    ),
    Command(
        "annotate.export",
        "E&xport annotations...",
        "mdi6.export",
        "Write the annotations to a file",
        ANNOTATE,
        ("Ctrl+Shift+X",),
        _with_slide,
    ),
    Command(
        "annotate.versions",
        "&Versions...",
        "mdi6.backup-restore",
        "Go back to how the annotations were",
        ANNOTATE,
        (),
        _annotating,
    ),
    Command(
        "panels.comparison",
        "Com&pare annotations",
        "mdi6.compare",
        "Compare the annotations of two readers, or with those of a file",
        ANNOTATE,
        (),
        checkable=True,
    ),
    Command(
        "panels.annotations",
        "Annotations pane&l",
        "mdi6.format-list-bulleted-square",
        "Show the list of annotations",
        ANNOTATE,
        ("Ctrl+Shift+G",),
        checkable=True,
    ),
    Command(
        "recording.on",
        "&Record my reading",
        "mdi6.record-circle-outline",
        "Log where you look on the slide; it stays on this machine",
        RECORDING,
        ("Ctrl+R",),
        checkable=True,
    ),
    Command(
        "recording.pause",
        "&Pause recording",
        "mdi6.pause-circle-outline",
        "Record nothing until pressed again",
        RECORDING,
        ("F9",),
        _while_recording,
        checkable=True,
    ),
    Command(
        "recording.note",
        "Take a &note...",
        "mdi6.note-edit-outline",
        "Write down what you see here; kept in the session where the settings allow texts",
        RECORDING,
        ("Ctrl+N",),
        _while_recording,
    ),
    Command(
        "panels.sessions",
        "&Sessions",
        "mdi6.history",
        "Show the recorded readings: replay, rename, delete, export",
        RECORDING,
        ("Ctrl+Shift+R",),
        checkable=True,
        separated=True,
    ),
    Command(
        "panels.replay",
        "Re&play",
        "mdi6.play-circle-outline",
        "Show the replay of a recorded reading",
        RECORDING,
        (),
        checkable=True,
    ),
    Command(
        "panels.seen",
        "&What was seen",
        "mdi6.eye-check-outline",
        "Show where the time went, what was seen at which magnification, and what was not",
        RECORDING,
        ("Ctrl+Shift+E",),
        checkable=True,
    ),
    Command(
        "panels.review",
        "Re&view",
        "mdi6.clipboard-check-outline",
        "Show the review of a session: why the reader looked where they did, action by action",
        RECORDING,
        (),
        checkable=True,
    ),
    *(_review_command(*told) for told in REVIEW_COMMANDS),
    Command(
        "agent.start",
        "&Start agent",
        "mdi6.robot-outline",
        "Let an agent read the slide before your eyes, as the Agent panel says",
        AGENT,
        (),
        _with_slide,
    ),
    Command(
        "agent.pause",
        "&Pause, go on or hand back",
        "mdi6.pause-circle-outline",
        "Hold the agent, let it go on, or give it the slide back after you moved it",
        AGENT,
        ("F8",),
    ),
    Command(
        "agent.stop",
        "S&top agent",
        "mdi6.stop-circle-outline",
        "End the agent's reading; what it found stays",
        AGENT,
    ),
    Command(
        "agent.ask",
        "&Ask about this field...",
        "mdi6.comment-question-outline",
        "Put a question about what is in view to the vision-language model",
        AGENT,
        ("Ctrl+Shift+K",),
        _with_slide,
        separated=True,
    ),
    Command(
        "agent.model",
        "&Vision-language model...",
        "mdi6.brain",
        "Choose the model, its address, its key and what it may cost",
        AGENT,
    ),
    Command(
        "panels.agent",
        "A&gent panel",
        "mdi6.robot-outline",
        "Show the panel of agents: what they are asked, what they do, what they answer",
        AGENT,
        ("Ctrl+Shift+J",),
        checkable=True,
        separated=True,
    ),
    Command(
        "panels.tray",
        "Slide &tray",
        "mdi6.view-grid-outline",
        "Show the tray of thumbnails",
        PANELS,
        ("Ctrl+T",),
        checkable=True,
    ),
    Command(
        "panels.project",
        "&Project",
        "mdi6.clipboard-list-outline",
        "Show the slides of the project and how far they are",
        PANELS,
        ("Ctrl+Shift+T",),
        checkable=True,
    ),
    Command(
        "panels.questions",
        "&Questions",
        "mdi6.form-select",
        "Answer the questions of a form for the slide on screen",
        PANELS,
        ("Ctrl+Shift+Q",),
        checkable=True,
    ),
    Command(
        "panels.display",
        "&Brightness and contrast",
        "mdi6.brightness-6",
        "Show the panel for brightness, contrast, gamma and stains",
        PANELS,
        ("Shift+C",),
        checkable=True,
    ),
    Command(
        "panels.properties",
        "Slide &properties",
        "mdi6.information-outline",
        "Show what the slide's file tells of itself",
        PANELS,
        ("Ctrl+I",),
        checkable=True,
    ),
    Command(
        "panels.associated",
        "Label and &macro",
        "mdi6.card-account-details-outline",
        "Show the label, macro and thumbnail pictures; the label stays hidden until asked for",
        PANELS,
        ("Ctrl+Shift+L",),
        checkable=True,
    ),
    Command(
        "help.palette",
        "&Command palette",
        "mdi6.console-line",
        "Find any command by typing a part of its name",
        HELP,
        ("Ctrl+L", "Ctrl+Shift+P"),
    ),
    Command(
        "help.keys",
        "&Keys",
        "mdi6.keyboard-outline",
        "Show all keys and mouse gestures",
        HELP,
        ("F1",),
    ),
    Command(
        "help.about",
        "&About Coverslip",
        "mdi6.help-circle-outline",
        "Version and licence",
        HELP,
        (),
        separated=True,
    ),
)

COMMANDS_BY_ID: Mapping[str, Command] = {command.id: command for command in COMMANDS}

TOOLBAR: tuple[tuple[str, ...], ...] = (
    ("file.open", "file.open_folder"),
    ("view.home", "view.back", "view.forward"),
    ("view.zoom_out", "view.zoom_in", "view.fit"),
    ("view.rotate_left", "view.rotate_right", "view.flip_horizontally", "view.flip_vertically"),
    ("panes.add", "panes.link"),
    ("panels.tray", "panels.display", "panels.properties", "panels.associated"),
    ("edit.undo", "edit.redo", "panels.annotations"),
    ("overlays.on", "overlays.click", "panels.overlays"),
    ("recording.on", "panels.sessions", "panels.seen"),
    ("panels.agent",),
    ("help.palette", "file.settings"),
)
"""Groups of command ids, with a line between groups."""

TOOL_NAMES = (
    "move",
    "select",
    "rectangle",
    "ellipse",
    "polygon",
    "brush",
    "eraser",
    "wand",
    "points",
    "line",
    "polyline",
    "ruler",
    "angle",
)
"""The tools of which one is in hand."""

DRAWING_BAR: tuple[tuple[str, ...], ...] = (
    tuple(tool_id(name) for name in TOOL_NAMES),
    ("annotate.snapping", "annotate.avoid_overlap"),
)
"""The bar beside the slide; groups as in TOOLBAR."""

GESTURES: tuple[tuple[str, str], ...] = (
    ("Wheel, pinch", "Zoom about the cursor"),
    ("Drag", "Move the slide; let go in motion and it glides"),
    ("Double click", "Zoom in about the cursor"),
    ("Arrow keys", "Move the slide"),
    ("Space, held", "Move the slide while a drawing tool is in hand"),
    ("S, held", "Choose and edit for a moment, then the tool from before"),
    ("Ctrl and wheel", "Size of the brush, sensitivity of the wand"),
    ("Shift or Alt with brush and wand", "Add to what is chosen; take away"),
    ("Double click on an edge, Alt and click on a corner", "Add a corner; remove it"),
    ("Enter, Backspace, Esc", "Finish a polygon, take back its last corner, give up a stroke"),
    ("Click or drag on the overview map", "Travel there"),
    ("Drop a file or a folder on the window", "Open it"),
)
"""What mouse and arrow keys do on the slide; fixed, so not in COMMANDS."""


def default_bindings() -> dict[str, tuple[str, ...]]:
    return {command.id: command.shortcuts for command in COMMANDS}


def merged_bindings(changes: Bindings) -> dict[str, tuple[str, ...]]:
    """The defaults with the user's changes laid over; changes for unknown commands are ignored."""
    known = {id_: tuple(keys) for id_, keys in changes.items() if id_ in COMMANDS_BY_ID}
    return default_bindings() | known
