"""Commands of the AI menu that teach models."""

from __future__ import annotations

from viewer.ui.commands.command import Command, annotating
from viewer.ui.commands.overlays import OVERLAYS

TEACHING_COMMANDS: tuple[Command, ...] = (
    Command(
        "teach.cells",
        "Teach c&lasses of cells",
        "mdi6.cursor-default-click-outline",
        "Click on some cells of each class, and see at once what all others are",
        OVERLAYS,
        (),
        annotating,
        checkable=True,
        separated=True,
        synonyms=(
            "train object classifier",
            "object classifier",
            "cell classifier",
            "classify cells",
            "classify detections",
            "active learning",
            "load object classifier",
        ),
    ),
    Command(
        "teach.pixels",
        "Teach pi&xels by strokes",
        "mdi6.format-paint",
        "Paint strokes of two or more classes, and see at once what else is alike",
        OVERLAYS,
        (),
        annotating,
        checkable=True,
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
    Command(
        "teach.outlines",
        "Learn from corrected &outlines...",
        "mdi6.vector-polyline-edit",
        "Let the nuclei network learn from outlines that you corrected, in the background",
        OVERLAYS,
        (),
        annotating,
        checkable=True,
        synonyms=("fine-tune", "finetune", "retrain", "transfer learning", "train stardist"),
    ),
)
