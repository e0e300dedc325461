"""Results on the canvas of a pane, wherever they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from viewer.overlays.patch_mask import place_text
from viewer.overlays.result_at import ResultAt
from viewer.plurals import plural
from viewer.ui.overlays.presenters.heatmap import HeatmapPresenter
from viewer.ui.overlays.presenters.objects import ObjectsPresenter
from viewer.ui.overlays.presenters.presenter import Presented
from viewer.ui.overlays.presenters.registry import presenter_of

if TYPE_CHECKING:
    from viewer.canvas.layer import Layer
    from viewer.geometry import Point
    from viewer.inference.models.bundle import ModelBundle
    from viewer.overlays.area import Area
    from viewer.overlays.files.result_file import ResultFile
    from viewer.overlays.result_map import ResultMap
    from viewer.ui.overlays.overlay_source import OverlaySource
    from viewer.ui.slides.slide_pane import SlidePane


UNLIKE = "unlike the training data"


class Overlay(QObject):
    """Owned by the part; `shut_down` takes it off the canvas."""

    changed = Signal()
    """Results, progress or trouble changed."""
    failed = Signal(str)
    """It cannot go on; one sentence."""
    troubled = Signal(str)
    """Something is missing; it goes on."""
    look_changed = Signal()
    """It was shown or hidden, or is more or less clear."""
    found_in = Signal(object)
    """The BlockKey of objects or patches that came."""
    viewed = Signal(object)
    """The reader went to a ResultAt."""

    def __init__(
        self,
        pane: SlidePane,
        origin: OverlaySource,
        found: ResultMap,
        parent: QObject,
    ) -> None:
        from viewer.canvas.hatched_layer import HatchedLayer
        from viewer.inference.runs.run_clock import Progress

        super().__init__(parent)
        source, canvas = pane.source, pane.canvas
        assert source is not None
        self.pane = pane
        self.origin = origin
        self.listed_as = origin.key
        """Key of the card that it is listed under."""
        self.identity = source.info.identity
        self.mpp_um = found.mpp_um
        self.found = found
        self.device = ""
        self.is_stopped = False
        self.progress = Progress(0, 0, 0.0, None, is_busy=False)
        self.shown = presenter_of(Presented(canvas, found, origin, self.identity, self))
        self.shown.changed.connect(self.changed)
        if self.shown.tells_unlike:
            self.shown.changed.connect(self.refresh_holes)
        self._holes = found.unanswered
        self._hatched = HatchedLayer("no answer")
        self._unlike = found.unlike
        self._unlike_hatched = HatchedLayer(UNLIKE)
        for layer in self.layers:
            canvas.add_layer(layer, self.shown.stratum)

    @property
    def as_objects(self) -> ObjectsPresenter | None:
        """Return what shows it where that are outlines; else None."""
        return ObjectsPresenter.of(self.shown)

    @property
    def as_heatmap(self) -> HeatmapPresenter | None:
        """Return what shows it where that is a heatmap; else None."""
        return HeatmapPresenter.of(self.shown)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Return what the canvas paints of it, which is shown, hidden and moved together."""
        hatched = (self._hatched, self._unlike_hatched)
        return (self.shown.painted, *hatched, *self.shown.painted_over)

    @property
    def version(self) -> str:
        """Return the version of the model; "" of results from a file."""
        from viewer.inference.models.bundle import ModelBundle

        return self.origin.version if isinstance(self.origin, ModelBundle) else ""

    @property
    def device_text(self) -> str:
        """Return what it runs on; "" where nothing runs."""
        return ""

    def left_undone(self) -> str:
        """Return what is lost where it ends now, in one sentence; "" where nothing is."""
        return ""

    def warnings(self) -> list[str]:
        """Return what to know before the results are relied on."""
        lines: list[str] = []
        if count := self._unlike.count:
            lines.append(f"{plural(count, 'tile')} {UNLIKE}, hatched: do not rely on these")
        if count := self._holes.count:
            at = self._holes.boxes(1)[0]
            lines.append(
                f"No answer for {plural(count, 'tile')}, hatched; the first at {place_text(at)}"
            )
        return lines

    def result_at(self, point: Point) -> ResultAt | None:
        """Return the result at a level-0 point, or that there is no answer.

        None where nothing is.
        """
        if (box := self._holes.box_at(point)) is not None:
            return ResultAt(f"{self.origin.name}: no answer for this tile", box)
        result = self.shown.result_at(point)
        if (box := self._unlike.box_at(point)) is None:
            return result
        text = result.text if result is not None else self.origin.name
        return ResultAt(f"{text}; {UNLIKE}", box if result is None else result.box)

    def refresh_holes(self) -> None:
        """Hatch the patches without an answer, and those that are unlike the training data."""
        self._holes, self._unlike = self.found.unanswered, self.found.unlike
        self._hatched.show_mask(self._holes)
        self._unlike_hatched.show_mask(self._unlike)
        self.pane.canvas.update()

    @property
    def can_run(self) -> bool:
        """Return whether there is more to find."""
        return False

    def run_over(self, area: Area) -> None:
        """Find what there is in an area."""

    def set_paused(self, *, paused: bool) -> None:
        """Find nothing more until it is called again."""

    def stop(self) -> None:
        """Find no more, whatever is looked at, before `run_over` is called."""

    @property
    def is_visible(self) -> bool:
        return self.pane.canvas.has_layer(self.shown.painted)

    def set_visible(self, *, visible: bool) -> None:
        canvas, layer = self.pane.canvas, self.shown.painted
        if visible and not canvas.has_layer(layer):
            for each in self.layers:
                canvas.add_layer(each, self.shown.stratum)
        elif not visible:
            for each in self.layers:
                canvas.remove_layer(each)

    @property
    def opacity(self) -> float:
        return self.shown.painted.opacity

    def set_opacity(self, opacity: float) -> None:
        self.shown.painted.opacity = opacity
        self.pane.canvas.update()
        self.look_changed.emit()

    def shut_down(self) -> None:
        self.shown.shut_down()
        for layer in self.layers:
            self.pane.canvas.remove_layer(layer)


class JudgedFile(Overlay):
    """What a slide model says of the vectors in a file."""

    def __init__(
        self, pane: SlidePane, bundle: ModelBundle, file: ResultFile, parent: QObject
    ) -> None:
        super().__init__(pane, bundle, file.found, parent)
        self.shown.refresh_all()
        pane.canvas.update()


class FileOverlay(Overlay):
    """What a file holds; complete from the beginning."""

    def __init__(self, pane: SlidePane, file: ResultFile, parent: QObject) -> None:
        super().__init__(pane, file, file.found, parent)
        self.shown.refresh_all()
        pane.canvas.update()
