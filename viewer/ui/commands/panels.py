"""Commands of the Panels and Help menus."""

from __future__ import annotations

from viewer.ui.commands.command import PANELS, Command

HELP = ("&Help",)

PANEL_COMMANDS: tuple[Command, ...] = (
    Command(
        "panels.tray",
        "&Slides",
        "drawn.slides",
        "Show the list of slides: those of a folder, a case or a project",
        PANELS,
        ("Ctrl+T",),
        checkable=True,
    ),
    Command(
        "panels.project",
        "&Project",
        "mdi6.clipboard-list-outline",
        "Show the slides of the project, and how far they are, in the list of slides",
        PANELS,
        ("Ctrl+Shift+T",),
        checkable=True,
    ),
    Command(
        "panels.set_review",
        "Annotation re&view",
        "mdi6.comment-check-outline",
        "Hand in, approve or return annotations, and sort what a model made, object by object",
        PANELS,
        ("Ctrl+Alt+E",),
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
        "&Search commands",
        "mdi6.magnify",
        "Find any command by typing a part of its name",
        HELP,
        ("Ctrl+L", "Ctrl+Shift+P"),
    ),
    Command(
        "help.page",
        "&Help for this panel",
        "mdi6.book-open-page-variant-outline",
        "Read the page about the panel in front; all pages are found from it",
        HELP,
        ("Shift+F1",),
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
        "Version and license",
        HELP,
        (),
        separated=True,
    ),
)
