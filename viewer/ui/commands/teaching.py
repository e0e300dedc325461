"""Commands of the AI menu that teach models."""

from __future__ import annotations

from viewer.ui.commands.command import Command, annotating
from viewer.ui.commands.overlays import OVERLAYS

TEACHING_COMMANDS: tuple[Command, ...] = (
    Command(
        "teach.pixels",
        "Teach pi&xels by strokes",
        "mdi6.format-paint",
        "Paint strokes of two or more classes, and see at once what else is alike",
        OVERLAYS,
        (),
        annotating,
        checkable=True,
        separated=True,
        synonyms=(
            "train pixel classifier",
            "pixel classifier",
            "pixel classification",
            "ilastik",
            "trainable segmentation",
            "weka",
            "random trees",
            "create thresholder",
            "load pixel classifier",
            "tissue classifier",
        ),
    ),
)
