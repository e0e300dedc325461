"""Files of annotations and results, and the slides that they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QInputDialog

from viewer.ui.opened_dialog import open_dialog
from viewer.ui.services import DialogHost, MessageHost, PaneHost

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from viewer.ui.annotations.controller import AnnotationsController
    from viewer.ui.annotations.pane_annotations import PaneAnnotations
    from viewer.ui.overlays.controller import OverlaysController
    from viewer.ui.slides.slide_pane import SlidePane

_ENDS = (
    ".gz",
    ".zip",
    ".bz2",
    ".xz",
    ".dcm",
    ".json",
    ".geojson",
    ".coco",
    ".xml",
    ".csv",
    ".tsv",
    ".parquet",
    ".h5",
)
_APART = "._- ("
"""What stands between the name of a slide and what is added to it."""


def named_slides(file: Path, slides: Iterable[Path]) -> list[Path]:
    """Return the slides that the name of a file names: by their whole name, else by their stem.

    "T.svs.geojson", "T.geojson" and "T_annotations.json" name T.svs; of T.svs and T_2.svs,
    "T_2.geojson" names the second alone.
    """
    name = file.name.casefold()
    stem = name
    while (end := next((end for end in _ENDS if stem.endswith(end)), "")) and stem != end:
        stem = stem.removesuffix(end)
    found: dict[Path, int] = {}
    for slide in slides:
        for own in (slide.name.casefold(), slide.name.split(".")[0].casefold()):
            if own and (stem == own or (stem.startswith(own) and stem[len(own)] in _APART)):
                found[slide] = max(found.get(slide, 0), len(own))
    longest = max(found.values(), default=0)
    return [slide for slide, length in found.items() if length == longest]


class DroppedFilesHost(MessageHost, DialogHost, PaneHost, Protocol):
    """What dropped files ask of the window."""

    annotations: AnnotationsController
    overlays: OverlaysController


class DroppedFiles(QObject):
    """Brings each file to the slide that it is for, once that slide is on screen.

    A file is for the slide that it names, else for the one that came with it, else for the one
    that its pane shows or is opening. Where several could be meant it is asked.
    """

    def __init__(self, window: DroppedFilesHost) -> None:
        super().__init__(window.window())
        self._window = window
        self._waiting: list[tuple[Path, str, Path]] = []
        """File, kind and slide."""
        window.annotations.opened.connect(self._on_opened)
        window.annotations.files.missed.connect(
            lambda file, slide: self._give(file, "annotations", slide)
        )

    def take(
        self, files: Sequence[tuple[Path, str]], slides: Sequence[Path], pane: SlidePane
    ) -> None:
        """Take files of "annotations" or "results" that came with slides, none or some."""
        shown = [each.path for each in self._window.panes.panes if each.path is not None]
        for file, kind in files:
            named = named_slides(file, slides) or named_slides(file, shown)
            meant = named or list(slides)
            if not meant:
                coming = pane.opening_path or pane.path
                meant = [coming] if coming is not None else []
            match meant:
                case []:
                    self._window.say(f"Open a slide first: {file.name} names none that is open.")
                case [slide]:
                    self._give(file, kind, slide)
                case _:
                    self._ask(file, kind, meant)

    def _give(self, file: Path, kind: str, slide: Path) -> None:
        panes = [pane for pane in self._window.panes.panes if pane.path == slide]
        ready = [pane for pane in panes if self._window.annotations.of(pane) is not None]
        if ready:
            active = self._window.panes.active
            self._hand_over(file, kind, active if active in ready else ready[0])
            return
        self._waiting.append((file, kind, slide))
        if not panes and all(p.opening_path != slide for p in self._window.panes.panes):
            self._window.say(f"{file.name} is for {slide.name}: it is added when that is opened.")

    def _hand_over(self, file: Path, kind: str, pane: SlidePane) -> None:
        if kind == "annotations":
            self._window.annotations.files.take(file, pane)
        else:
            self._window.overlays.take_results(file, pane)

    def _on_opened(self, opened: PaneAnnotations) -> None:
        here = [each for each in self._waiting if each[2] == opened.pane.path]
        self._waiting = [each for each in self._waiting if each not in here]
        for file, kind, _ in here:
            self._hand_over(file, kind, opened.pane)

    def _ask(self, file: Path, kind: str, slides: list[Path]) -> None:
        names = [slide.name for slide in slides]
        if len(set(names)) < len(names):
            names = [str(slide) for slide in slides]
        dialog = QInputDialog(self._window.window())
        dialog.setWindowTitle(f"Import {file.name}")
        dialog.setLabelText(f"Which slide is {file.name} for?")
        dialog.setComboBoxItems(names)
        dialog.textValueSelected.connect(
            lambda name: self._give(file, kind, slides[names.index(name)])
        )
        open_dialog(dialog)
