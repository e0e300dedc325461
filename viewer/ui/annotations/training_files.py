"""Label masks and tiles for training, written in the background while the window stays free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from PySide6.QtCore import QObject

from viewer.annotations.sets.together import together
from viewer.slides.remote.address import folder_beside
from viewer.ui.annotations.wording import many
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.commands.command import with_slide
from viewer.ui.file_dialogs import ask_folder
from viewer.ui.long_task import LongTask, StoppedError
from viewer.ui.services import CommandHost, DialogHost, MessageHost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.formats.problems import Problem
    from viewer.annotations.masks.training_tiles import TileOptions, TilesReport
    from viewer.ui.annotations.pane_annotations import PaneAnnotations
    from viewer.ui.annotations.services import KeptSets
    from viewer.ui.annotations.training_dialogs import TilesDialog

_Made = TypeVar("_Made")
_MAKE_TILES = "Training tiles"


class TrainingFilesHost(MessageHost, DialogHost, CommandHost, Protocol):
    """What files for training ask of the window."""


class TrainingFiles(QObject):
    """Owned by the part; `shut_down` stops what is being written.

    Parts of a mask are removed then; tiles are gone on with when they are asked for again.
    """

    def __init__(
        self,
        window: TrainingFilesHost,
        kept: KeptSets,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._kept = kept
        self._background = BackgroundRunner("masks and tiles", 1, self)
        self.tasks: list[LongTask] = []
        window.commands.on("annotate.export_tiles", self.ask_tiles)

    def shut_down(self) -> None:
        for task in self.tasks:
            task.stop()
        self._background.close(finish=True)

    def ask_mask(self, path: Path, active: PaneAnnotations) -> None:
        """Ask how fine a mask is to be, and write it."""
        from viewer.ui.annotations.training_dialogs import MaskDialog
        from viewer.ui.opened_dialog import open_dialog

        dialog = MaskDialog(path, active.mpp_um, self._window.window())
        dialog.accepted.connect(
            lambda: self.write_mask(path, dialog.mpp_um, active, by_instance=dialog.by_instance)
        )
        open_dialog(dialog)

    def ask_tiles(self) -> None:
        """Ask what tiles are to be like, then where to put them."""
        from viewer.ui.annotations.training_dialogs import TilesDialog
        from viewer.ui.opened_dialog import open_dialog

        active = self._kept.active
        if active is None:
            self._window.say(with_slide.reason)
            return
        dialog = TilesDialog(active.mpp_um, self._window.window())
        dialog.accepted.connect(lambda: self._ask_folder(active, self._options(active, dialog)))
        open_dialog(dialog)

    def write_mask(
        self, path: Path, mpp_um: float | None, active: PaneAnnotations, *, by_instance: bool
    ) -> None:
        """Write the regions as a mask; without a scale at that of the slide."""
        from viewer.annotations.masks.label_masks import MaskPlace, write_mask

        source, optics = active.pane.source, active.pane.canvas.optics
        if source is None:
            return
        base = source.levels[0]
        held = self._kept.states_in_sight(active.pane)
        name, identity = source.path.name, source.info.identity
        slide_px = base.width_px, base.height_px
        annotations: list[Annotation] = []
        place = MaskPlace(slide_px, optics.mpp_um, mpp_um, name, identity)

        def write(tell: Callable[[float], None]) -> list[Problem]:
            annotations[:] = together(held)
            return write_mask(path, annotations, place, by_instance=by_instance, tell=tell)[1]

        def show_report(lost: list[Problem]) -> None:
            gone = sum(not problem.is_repaired for problem in lost)
            sentence = f"{many(len(annotations) - gone)} written to {path.name} (label mask)."
            self._tell(f"Export {path.name}", sentence, lost)

        self._run("Label mask", path, write, show_report)

    def cut_tiles(self, folder: Path, options: TileOptions, active: PaneAnnotations) -> None:
        """Cut tiles into a folder, or go on with those that are there."""
        source = active.pane.source
        held = self._kept.states_in_sight(active.pane)
        if source is None:
            return
        slide, identity = source.path, source.info.identity

        def cut(tell: Callable[[float], None]) -> TilesReport:
            return _cut(slide, identity, together(held), folder, options, tell)

        def show_report(report: TilesReport) -> None:
            sentence = f"{report.tiles:,} tiles with masks are in {folder}."
            if not report.tiles:
                sentence = "No tile is annotated enough: ask for a smaller share, or annotate more."
            self._tell(_MAKE_TILES, sentence, report.problems)

        self._run(_MAKE_TILES, folder, cut, show_report)

    # -----------------------------------------------------------------------------------------

    def _options(self, active: PaneAnnotations, dialog: TilesDialog) -> TileOptions:
        from viewer.annotations.masks.training_tiles import TileOptions

        return TileOptions(
            mpp_um=dialog.mpp_um,
            tile_px=dialog.side.value(),
            stride_px=dialog.side.value() - dialog.overlap.value(),
            least_share=dialog.least.value() / 100,
            by_instance=dialog.by_instance,
            slide_mpp_um=active.calibration.mpp_um,
        )

    def _ask_folder(self, active: PaneAnnotations, options: TileOptions) -> None:
        path = active.pane.path
        if path is None:
            return
        own = f"{path.stem} tiles"
        ask_folder(
            self._window.window(),
            f'Where to make "{own}"',
            lambda folder: self.cut_tiles(folder / own, options, active),
            start=folder_beside(path),
        )

    def _run(
        self,
        title: str,
        path: Path,
        work: Callable[[Callable[[float], None]], _Made],
        done: Callable[[_Made], object],
    ) -> None:
        from viewer.ui.annotations.file_reports import tell_not_written

        task = LongTask(title, f"Writing {path.name}...", self._window.window())
        self.tasks.append(task)

        def finish() -> None:
            self.tasks.remove(task)
            task.finish()

        def on_done(result: _Made) -> None:
            finish()
            done(result)

        def on_failed(error: Exception) -> None:
            finish()
            if isinstance(error, StoppedError):
                self._window.say(f"{path.name} was not finished.")
            else:
                tell_not_written(self._window, path, error)

        self._background.run(lambda: work(task.tell), on_done, on_failed)

    def _tell(self, title: str, sentence: str, problems: list[Problem]) -> None:
        from viewer.ui.annotations.file_reports import tell_problems

        self._window.say(sentence)
        if problems:
            tell_problems(self._window, title, sentence, problems)


def _cut(
    slide: Path,
    identity: str,
    annotations: list[Annotation],
    folder: Path,
    options: TileOptions,
    tell: Callable[[float], None],
) -> TilesReport:
    """For worker threads; the slide is opened anew, for the pane may leave it meanwhile."""
    from viewer.annotations.masks.training_tiles import cut_tiles, origin_of_drawn
    from viewer.slides.known_slides import open_same

    source = open_same(slide, identity)
    try:
        origin = origin_of_drawn(annotations, f"drawn on {slide.name}")
        return cut_tiles(source, annotations, folder, options, origin, tell)
    finally:
        source.close()
