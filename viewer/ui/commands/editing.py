"""Commands of the Edit menu."""

from __future__ import annotations

from viewer.ui.commands.command import Command, Condition, annotating, with_chosen, with_slide

EDIT = ("&Edit",)

EDIT_COMMANDS: tuple[Command, ...] = (
    Command(
        "edit.undo",
        "&Undo",
        "mdi6.undo",
        "Take back what was last done to the annotations",
        EDIT,
        ("Ctrl+Z",),
        Condition(lambda s: s.can_undo, "Nothing to undo."),
    ),
    Command(
        "edit.redo",
        "&Redo",
        "mdi6.redo",
        "Do again what was taken back",
        EDIT,
        ("Ctrl+Shift+Z", "Ctrl+Y"),
        Condition(lambda s: s.can_redo, "Nothing to redo."),
    ),
    Command(
        "edit.delete",
        "&Delete annotations",
        "mdi6.trash-can-outline",
        "Remove the chosen annotations; locked ones stay",
        EDIT,
        ("Del", "Backspace"),
        with_chosen,
        separated=True,
    ),
    Command(
        "edit.copy",
        "Copy &annotations",
        "mdi6.content-copy",
        "Copy the chosen annotations as GeoJSON, also for other slides and tools",
        EDIT,
        ("Ctrl+Alt+C",),
        with_chosen,
    ),
    Command(
        "edit.paste",
        "&Paste annotations",
        "mdi6.content-paste",
        "Add the annotations on the clipboard to this slide",
        EDIT,
        ("Ctrl+V",),
        annotating,
    ),
    Command(
        "edit.duplicate",
        "Dupl&icate annotations",
        "mdi6.content-duplicate",
        "Make the chosen annotations once more, a little beside",
        EDIT,
        ("Ctrl+J",),
        with_chosen,
    ),
    Command(
        "edit.select_all",
        "&Select all annotations",
        "mdi6.select-all",
        "Choose all annotations of the slide",
        EDIT,
        ("Ctrl+Alt+A",),
        with_slide,
    ),
    Command(
        "edit.copy_picture",
        "&Copy picture of view",
        "mdi6.image-multiple-outline",
        "Copy what the pane shows to the clipboard",
        EDIT,
        ("Ctrl+C",),
        with_slide,
        separated=True,
    ),
    Command(
        "edit.copy_coordinates",
        "Copy &location of view",
        "mdi6.map-marker-outline",
        "Copy the slide's name, the center, the magnification and the rotation as text",
        EDIT,
        ("Ctrl+Shift+C",),
        with_slide,
    ),
    Command(
        "slide.pixel_size",
        "Set pixel si&ze...",
        "drawn.pixel-size",
        "Tell how many micrometers a pixel of this slide is",
        EDIT,
        (),
        with_slide,
        separated=True,
    ),
)
