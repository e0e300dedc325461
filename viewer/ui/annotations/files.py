"""Annotations from and to files in the window; the disk is waited for in a thread."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import shapely
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog

from viewer.annotations.acts import taken_in
from viewer.annotations.exchange import FORMATS, MASK, read_annotations
from viewer.annotations.label_masks import MaskError, MaskPlace, write_mask
from viewer.annotations.reading import AnnotationFileError, Problem
from viewer.ui.annotations.simple_dialogs import DistanceDialog, ProblemsDialog, open_dialog
from viewer.ui.annotations.wording import many
from viewer.ui.background import Background

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.exchange import Format, ReadFormat
    from viewer.ui.annotations.pane_annotations import PaneAnnotations
    from viewer.ui.main_window import MainWindow
    from viewer.ui.slide_pane import SlidePane

_log = logging.getLogger(__name__)
_DETECTIONS = ("detection", "cell", "tile")
_MASK_ENDS = (".ome.tif", ".png")
_MASK_UM = 1.0
"""Of a pixel of a mask, unless another size is asked for: fine enough for regions."""
_MOST_CHOSEN = 1000
"""What came from a file is chosen up to this number."""
DROPPED_SUFFIXES = frozenset(end for each in FORMATS.values() for end in each.suffixes)
"""Of files that may hold annotations; pictures are slides when they are dropped."""


class AnnotationFiles(QObject):
    """Owned by the part; `shut_down` carries out what was asked for."""

    def __init__(
        self,
        window: MainWindow,
        of: Callable[[SlidePane], PaneAnnotations | None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._of = of
        self._background = Background("annotation files", 1, self)
        window.commands.on("annotate.import", self._ask_file)
        window.commands.on("annotate.export", self._ask_where)

    def shut_down(self) -> None:
        self._background.close(finish=True)

    def take(self, path: Path, pane: SlidePane) -> None:
        """Adds the annotations of a file to the slide of a pane, in one step.

        Detections in it become an overlay. What is not as it should be is listed.
        """
        active = self._of(pane)
        if active is None:
            self._window.say("Open a slide first: annotations belong to one.")
            return
        problems: list[Problem] = []
        self._window.say(f"Reading {path.name}...")
        self._background.run(
            lambda: _read(path, problems),
            lambda read: self._add(active, path, read, problems),
            self._on_not_read,
        )

    def write(self, path: Path, which: Format, active: PaneAnnotations) -> None:
        """Writes all annotations of a slide; tells what the format cannot hold."""
        annotations = list(active.document)
        self._window.say(f"Writing {path.name}...")
        self._background.run(
            lambda: which.write(path, annotations),
            lambda lost: self._on_written(path, len(annotations), which, lost),
            lambda error: self._on_not_written(path, error),
        )

    def write_label_mask(self, path: Path, mpp_um: float | None, active: PaneAnnotations) -> None:
        """Writes the regions as a mask of classes; without a scale at that of the slide."""
        source, optics = active.pane.source, active.pane.canvas.optics
        if source is None:
            return
        base, annotations = source.levels[0], list(active.document)
        place = MaskPlace(
            (base.width_px, base.height_px),
            optics.mpp_um,
            mpp_um,
            source.path.name,
            source.info.identity,
        )
        self._window.say(f"Writing {path.name}...")
        self._background.run(
            lambda: write_mask(path, annotations, place)[1],
            lambda lost: self._on_written(path, len(annotations) - len(lost), MASK, lost),
            lambda error: self._on_not_written(path, error),
        )

    # -----------------------------------------------------------------------------------------

    def _ask_file(self) -> None:
        pane = self._window.panes.active
        dialog = QFileDialog(self._window, "Import annotations", _folder(pane))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        formats = (*FORMATS.values(), MASK)
        names = ", ".join(each.name for each in formats)
        ends = dict.fromkeys(f"*{end}" for each in formats for end in each.suffixes)
        dialog.setNameFilters([f"{names} ({' '.join(ends)})", "All files (*)"])
        dialog.setOption(QFileDialog.Option.HideNameFilterDetails)
        dialog.fileSelected.connect(lambda name: self.take(Path(name), pane))
        open_dialog(dialog)

    def _ask_where(self) -> None:
        pane = self._window.panes.active
        active = self._of(pane)
        if active is None or pane.path is None:
            return
        if not len(active.document):
            self._window.say("There are no annotations to write yet.")
            return
        formats = list(FORMATS.values())
        ends = [*(each.suffixes[0] for each in formats), *_MASK_ENDS]
        filters = [f"{each.name} (*{end})" for each, end in zip(formats, ends, strict=False)]
        filters += [f"Label mask (*{end})" for end in _MASK_ENDS]
        dialog = QFileDialog(self._window, "Export annotations", _folder(pane))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilters(filters)
        stem = pane.path.stem

        def show_name(chosen: str) -> None:
            """The usual end of the chosen format."""
            end = ends[filters.index(chosen)]
            dialog.setDefaultSuffix(end.removeprefix("."))
            dialog.selectFile(f"{stem}{end}")

        def take(name: str) -> None:
            at = filters.index(dialog.selectedNameFilter())
            if at < len(formats):
                self.write(Path(name), formats[at], active)
            else:
                self._ask_mask_scale(Path(name), active)

        show_name(filters[0])
        dialog.filterSelected.connect(show_name)
        dialog.fileSelected.connect(take)
        open_dialog(dialog)

    def _ask_mask_scale(self, path: Path, active: PaneAnnotations) -> None:
        mpp_um = active.mpp_um
        if mpp_um is None:
            self.write_label_mask(path, None, active)
            return
        dialog = DistanceDialog(
            "Label mask",
            "How large is a pixel of the mask?",
            max(_MASK_UM, mpp_um),
            mpp_um,
            self._window,
            is_um=True,
        )
        dialog.box.setDecimals(3)
        dialog.accepted.connect(lambda: self.write_label_mask(path, dialog.box.value(), active))
        open_dialog(dialog)

    def _add(
        self,
        active: PaneAnnotations,
        path: Path,
        read: tuple[list[Annotation], int],
        problems: list[Problem],
    ) -> None:
        drawn, found_count = read
        if self._of(active.pane) is not active:
            return
        told: list[str] = []
        if drawn:
            step = taken_in(f"Import {path.name}", drawn, active.document.__contains__)
            if not active.do(step):
                return
            taken_back = "it" if len(drawn) == 1 else "them"
            told.append(f"{many(len(drawn))} of {path.name} added; Ctrl+Z takes {taken_back} back.")
            beside = _beside(drawn, active)
            if beside:
                told.append(f"{beside:,} lie beside this slide; the file may be of another.")
            if len(drawn) <= _MOST_CHOSEN:
                active.selection.choose(change.id for change in step.changes)
        if found_count:
            told.append(f"{found_count:,} detections are shown as an overlay.")
            self._window.overlays.take_results(path, active.pane)
        self._window.say(" ".join(told) or f"{path.name} holds no annotations.")
        if problems:
            self._show_problems(f"Import {path.name}", " ".join(told), problems)

    def _on_not_read(self, error: Exception) -> None:
        if not isinstance(error, AnnotationFileError):
            _log.error("a file of annotations could not be read", exc_info=error)
        self._window.show_trouble(str(error))

    def _on_written(self, path: Path, count: int, which: ReadFormat, lost: list[Problem]) -> None:
        told = f"{many(count)} written to {path.name} ({which.name})."
        self._window.say(told)
        if lost:
            self._show_problems(f"Export {path.name}", told, lost)

    def _on_not_written(self, path: Path, error: Exception) -> None:
        if isinstance(error, MaskError):
            self._window.show_trouble(str(error))
            return
        reason = getattr(error, "strerror", None) or str(error)
        if not isinstance(error, OSError):
            _log.error("annotations could not be written", exc_info=error)
        self._window.show_trouble(
            f"{path.name} cannot be written ({reason}): choose another place."
        )

    def _show_problems(self, title: str, told: str, problems: list[Problem]) -> None:
        gone = sum(not problem.is_repaired for problem in problems)
        mended = len(problems) - gone
        parts = [f"{gone:,} left out"] if gone else []
        parts += [f"{mended:,} repaired"] if mended else []
        sentence = f"{told} Not as in the file: {', '.join(parts)}.".strip()
        lines = [str(problem) for problem in problems]
        open_dialog(ProblemsDialog(title, sentence, lines, self._window))


def _read(path: Path, problems: list[Problem]) -> tuple[list[Annotation], int]:
    """What was drawn, and how many detections the file holds beside."""
    read = list(read_annotations(path, problems))
    drawn = [each for each in read if each.kind not in _DETECTIONS]
    return drawn, len(read) - len(drawn)


def _beside(drawn: list[Annotation], active: PaneAnnotations) -> int:
    """How many lie wholly beside the slide."""
    slide = active.pane.canvas.slide_box
    box = shapely.box(slide.x0, slide.y0, slide.x1, slide.y1)
    return int((~shapely.intersects(box, [each.geometry for each in drawn])).sum())


def _folder(pane: SlidePane) -> str:
    return str(pane.path.parent if pane.path is not None else Path.home())
