"""Commands of tissue microarrays."""

from __future__ import annotations

from viewer.ui.commands.annotating import MEASURE
from viewer.ui.commands.command import PANELS, Command, annotating

CORE_COMMANDS: tuple[Command, ...] = (
    Command(
        "annotate.find_cores",
        "Find T&MA cores...",
        "drawn.cores-found",
        "Find the cores of a tissue microarray, and name them by row and column",
        MEASURE,
        (),
        annotating,
        separated=True,
        synonyms=("dearray", "tma dearrayer", "tissue microarray", "cores", "spots"),
    ),
    Command(
        "panels.tma",
        "&TMA cores",
        "mdi6.dots-grid",
        "Show the cores of a tissue microarray: their grid, ids and counts",
        PANELS,
        (),
        checkable=True,
        synonyms=("tissue microarray", "tma grid", "core table"),
    ),
)
