"""Results made elsewhere: reads their files, and keeps them with the pane of their slide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from viewer.geometry import Size
from viewer.ui.services import DialogHost, MessageHost
from viewer.ui.slides.slide_place import place_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.annotations.formats.origins import Origin
    from viewer.inference.models.bundle import ModelBundle
    from viewer.overlays.files.result_file import ResultFile
    from viewer.ui.background_runner import BackgroundRunner
    from viewer.ui.overlays.services import ListedResults
    from viewer.ui.slides.slide_pane import SlidePane


class PaneResultsHost(MessageHost, DialogHost, Protocol):
    """What results made elsewhere ask of the window."""


class PaneResults:
    """The files of results that are listed.

    Parameters
    ----------
    listed
        Shows what was read.
    why_not
        Says why nothing is shown over a pane's slide; "" where it may be.
    refuse
        Shows why a file was not read.
    """

    def __init__(
        self,
        window: PaneResultsHost,
        listed: ListedResults,
        background: BackgroundRunner,
        why_not: Callable[[SlidePane], str],
        refuse: Callable[[Exception], object],
    ) -> None:
        self._window = window
        self._listed = listed
        self._background = background
        self._why_not = why_not
        self._refuse = refuse
        self._files: dict[SlidePane, list[ResultFile]] = {}

    @property
    def all(self) -> list[ResultFile]:
        """Return the files of all panes, in the order of the list."""
        return [file for files in self._files.values() for file in files]

    def add(self, file: ResultFile, pane: SlidePane) -> None:
        """List a file first among those of its pane, in the place of one of the same key."""
        files = [each for each in self.of(pane) if each.key != file.key]
        self._files[pane] = [file, *files]

    def of(self, pane: SlidePane) -> list[ResultFile]:
        """Return the files of one pane, in the order of the list."""
        return self._files.get(pane, [])

    def forget(self, pane: SlidePane) -> set[str]:
        """List none of a pane any more, as they belong to its former slide; return their keys."""
        return {file.key for file in self._files.pop(pane, [])}

    def read(
        self, path: Path, pane: SlidePane, origin: Origin | None = None, *, turns_on: bool = True
    ) -> None:
        """Read a file for the slide of a pane and have it shown; `origin` as `read_result_file`."""
        from viewer.overlays.files.result_files import read_result_file
        from viewer.ui.slides.origin_question import UnstatedOriginError, ask_origin, check_origin

        if pane.source is None or self._why_not(pane):
            self._window.say(self._why_not(pane))
            return
        box, source, place = pane.canvas.slide_box, pane.source, place_of(pane)
        size, mpp_um = Size(box.width, box.height), pane.canvas.optics.mean_mpp_um or 1.0
        window = self._window.window()

        def read() -> ResultFile:
            if path.suffix.lower() in (".geojson", ".json"):
                check_origin(path, place, origin)
            return read_result_file(path, size, mpp_um, place, origin)

        def on_error(error: Exception) -> None:
            if isinstance(error, UnstatedOriginError):
                ask_origin(window, path.name, lambda said: self.read(path, pane, said))
            else:
                self._refuse(error)

        self._background.run(
            read,
            lambda file: (
                self._listed.show_results(file, pane, turns_on=turns_on)
                if pane.source is source
                else None
            ),
            on_error,
        )

    def read_pointed_out(self, pane: SlidePane) -> None:
        """List what was pointed out on a slide before it was kept as annotations; it is off."""
        from viewer.overlays.clicked_regions import regions_path

        if pane.source is not None and not self._why_not(pane):
            path = regions_path(pane.source.info.identity)
            self._background.run(
                path.exists,
                lambda exists: self.read(path, pane, "slide", turns_on=False) if exists else None,
            )

    def vectors_for(self, bundle: ModelBundle, pane: SlidePane) -> ResultFile | None:
        """Return the file of a pane whose vectors a slide model judges; None without one."""
        from viewer.inference.runs.slide_inference import JudgingError, check_vectors

        if bundle.description.encoder is None:
            return None
        for file in self.of(pane):
            try:
                notes = check_vectors(bundle, file)
            except JudgingError as error:
                if file.vectors is not None:
                    self._window.show_error(str(error))
                continue
            known = f"{bundle.name} judges the vectors of {file.name}: nothing is embedded anew."
            self._window.say(" ".join([known, *notes]))
            return file
        return None
