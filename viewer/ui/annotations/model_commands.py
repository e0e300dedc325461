"""Annotations and models: count objects in regions, make regions of overlays, run on regions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import shapely
from PySide6.QtCore import QObject, QTimer, Signal

from viewer.annotations.counted import with_count
from viewer.annotations.document import ReadOnlyError, adding, changing
from viewer.colors import class_color
from viewer.memory.uncollected import uncollected
from viewer.overlays.object_style import Histogram, histogram
from viewer.plurals import plural
from viewer.progress import while_wanted
from viewer.ui.annotations.bulk_edits import MANY
from viewer.ui.annotations.chosen_lines import LEAST_SHARE, count_line, size_lines, total_line
from viewer.ui.annotations.wording import LOCKED, NO_REGION, many
from viewer.ui.background_runner import BackgroundRunner, Task
from viewer.ui.commands.command import with_model, with_slide
from viewer.ui.overlays.services import NO_OBJECTS
from viewer.ui.services import CommandHost, DialogHost, MessageHost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.annotation import Annotation
    from viewer.overlays.counting import Positive, RegionCount
    from viewer.ui.annotations.pane_annotations import PaneAnnotations
    from viewer.ui.annotations.services import GrowingSets
    from viewer.ui.annotations.slide_annotations import SlideAnnotations
    from viewer.ui.annotations.toolbox import Toolbox
    from viewer.ui.overlays.controller import OverlaysController
    from viewer.ui.overlays.overlay import Overlay
    from viewer.ui.overlays.presenters.heatmap import HeatmapPresenter

_PAUSE_MS = 200
_MOST_LIVE = 200
"""Regions that are counted as soon as they are chosen."""


class ModelCommandsHost(MessageHost, DialogHost, CommandHost, Protocol):
    """What models on annotations ask of the window."""

    overlays: OverlaysController
    toolbox: Toolbox


class ModelCommands(QObject):
    """Owned by the part; `shut_down` ends its thread."""

    figures_changed = Signal(object)
    """Lines that tell of what is chosen."""

    def __init__(
        self,
        window: ModelCommandsHost,
        kept: GrowingSets,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._kept = kept
        self._background = BackgroundRunner("count objects", 1, self)
        self._counting: Task | None = None
        self._pause = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._pause.timeout.connect(self._show_figures)
        window.commands.on("annotate.count", self.ask_count)
        window.commands.on("annotate.from_overlay", self._from_overlay)
        window.commands.on("annotate.run_model", self._run_model)
        window.overlays.figures_changed.connect(self.touch)

    def shut_down(self) -> None:
        self._pause.stop()
        self._background.close(finish=True)

    def touch(self) -> None:
        """What is chosen, drawn or found may be other than it was."""
        if not self._pause.isActive():
            self._pause.start()

    def lines_of(self, active: PaneAnnotations) -> list[str]:
        """Return what is measured of what is chosen, a line each; of very many their number."""
        if len(active.selection) > MANY:
            return [f"{many(len(active.selection))} selected"]
        return size_lines(active.chosen, active)

    # Figures of what is chosen ---------------------------------------------------------------

    def _show_figures(self) -> None:
        from viewer.annotations.operations import is_region

        active = self._kept.active
        if self._counting is not None:
            self._counting.cancel()
            self._counting = None
        if active is None:
            self.figures_changed.emit([])
            return
        if len(active.selection) > MANY:
            self._show_figures_of_many(active)
            return
        chosen = active.chosen
        lines = size_lines(chosen, active) if chosen else total_line(active)
        regions = [each for each in chosen if is_region(each)]
        overlay = self.objects_overlay()
        if overlay is None or not regions or len(regions) > _MOST_LIVE:
            self.figures_changed.emit(lines)
            return
        count = _counter(overlay, None)
        name = overlay.origin.name
        self._counting = self._background.run(
            lambda: [count(region) for region in regions],
            lambda counts: self.figures_changed.emit([*lines, count_line(name, counts)]),
        )

    def _show_figures_of_many(self, active: PaneAnnotations) -> None:
        """Measure what is chosen in the thread; regions so many are not counted in."""
        state, ids = active.document.snapshot(), active.selection.ids

        def work() -> list[str]:
            with uncollected(len(ids)):
                return size_lines(list(while_wanted(state.of(ids))), active)

        self._counting = self._background.run(work, self.figures_changed.emit)

    # Counting --------------------------------------------------------------------------------

    def ask_count(self) -> None:
        """Ask what is positive, and count in the chosen regions."""
        active, overlay = self._kept.active, self.objects_overlay()
        if active is None:
            self._window.say(with_slide.reason)
            return
        if active.document.is_read_only:
            self._window.say(str(ReadOnlyError(active.document.why_read_only)))
            return
        has_regions = _may_have_region(active)
        if not has_regions or overlay is None:
            self._tell_missing(has_regions=has_regions, has_objects=overlay is not None)
            return
        shown = overlay.as_objects
        if shown is None:
            self._window.say(NO_OBJECTS)
            return
        found, names = shown.found, shown.measurements
        regions = _regions(active)

        def spreads() -> tuple[int, dict[str, Histogram]]:
            made = {name: histogram(found, name) for name in names}
            known = {name: spread for name, spread in made.items() if spread is not None}
            return len(regions()), known

        self._background.run(
            spreads, lambda known: self._open_count(active, overlay, names, *known)
        )

    def _tell_missing(self, *, has_regions: bool, has_objects: bool) -> None:
        from viewer.ui.annotations.simple_dialogs import tell_missing

        missing: list[str] = []
        ways: dict[str, Callable[[], object]] = {}
        if not has_regions:
            missing.append(NO_REGION)
            ways["&Draw a region"] = lambda: self._window.toolbox.choose("rectangle")
        if not has_objects:
            missing.append(NO_OBJECTS)
            ways["Open &AI"] = self._window.overlays.panel.show
        tell_missing(self._window.window(), "Count objects", missing, ways)
        self._window.say(missing[0])

    def _open_count(
        self,
        active: PaneAnnotations,
        overlay: Overlay,
        names: list[str],
        regions: int,
        spread: dict[str, Histogram],
    ) -> None:
        from viewer.ui.annotations.simple_dialogs import CountDialog
        from viewer.ui.opened_dialog import open_dialog

        if not regions:
            self._tell_missing(has_regions=False, has_objects=True)
            return
        dialog = CountDialog(regions, overlay.origin.name, names, spread, self._window.window())
        dialog.accepted.connect(lambda: self._count(active, overlay, dialog.positive))
        open_dialog(dialog)

    def _count(self, active: PaneAnnotations, overlay: Overlay, positive: Positive | None) -> None:
        chosen, count = _regions(active), _counter(overlay, positive)

        def counted() -> tuple[list[Annotation], list[RegionCount]]:
            regions = [each for each in chosen() if not each.is_locked]
            return regions, [count(region) for region in regions]

        self._window.say("Counting...")
        self._background.run(counted, lambda found: self._keep(active, overlay, *found))

    def _keep(
        self,
        active: PaneAnnotations,
        overlay: Overlay,
        regions: list[Annotation],
        counts: list[RegionCount],
    ) -> None:
        if not regions:
            self._window.say(LOCKED)
            return
        names = [name for name, _ in overlay.origin.colors]
        document = active.document
        # What was not looked at has no count: 0 would say that there is nothing.
        pairs = [
            (document[before.id], _measured(document[before.id], count, names, overlay))
            for before, count in zip(regions, counts, strict=True)
            if before.id in document and count.share >= LEAST_SHARE
        ]
        unknown = [
            region
            for region, count in zip(regions, counts, strict=True)
            if count.share < LEAST_SHARE
        ]
        known = [count for count in counts if count.share >= LEAST_SHARE]
        if active.do(changing("Count objects", pairs)):
            self._window.say(f"{count_line(overlay.origin.name, known)}. Kept with the regions.")
        if unknown:
            self._tell_unknown(overlay, unknown, len(regions))

    def _tell_unknown(self, overlay: Overlay, unknown: list[Annotation], of: int) -> None:
        """Say which regions were not analyzed, and offer to run the model there."""
        from viewer.ui.annotations.simple_dialogs import tell_missing

        name = overlay.origin.name
        if of == 1:
            which = "the selected region"
        else:
            which = f"{len(unknown):,} of the {of:,} selected regions"
        sentence = f"{name} has not analyzed {which}: nothing is counted there."
        where = shapely.union_all([region.geometry for region in unknown])
        ways = {f"&Run {name} there": lambda: overlay.run_over(where)} if overlay.can_run else {}
        tell_missing(
            self._window.window(), "Count objects", [sentence, "Count again when it has."], ways
        )
        self._window.say(sentence)

    # From models to annotations --------------------------------------------------------------

    def _from_overlay(self) -> None:
        """Of what is shown, in the chosen regions if there are any."""
        active, overlay = self._kept.active, self._window.overlays.active
        if active is None or overlay is None:
            self._window.say(with_model.reason)
            return
        work = _made_of(overlay, _regions(active), active.author)
        if work is None:
            self._window.say(f"{overlay.origin.name} shows nothing yet.")
            return
        name = overlay.origin.name
        self._window.say(f"Making regions of {name}...")
        self._background.run(work, lambda made: self.add_made(active, name, made))

    def add_made(self, active: PaneAnnotations, name: str, made: list[Annotation]) -> None:
        """Put what a model found into a set of its own, named after the model."""
        sets = self._kept.sets_of(active.pane)
        if active is not self._kept.active or sets is None:
            return
        if not made:
            self._window.say(f"{name} shows nothing there.")
            return

        def put(annotations: SlideAnnotations) -> None:
            edit = adding(f"Regions from {name}", made)
            try:
                annotations.document.do(edit)
            except ReadOnlyError as error:
                self._window.say(str(error))
                return
            self._kept.sets.note_step(sets, annotations, edit)
            self._window.say(
                f"{plural(len(made), 'region was', 'regions were')} made of {name}, in a set of "
                "its own: click it under Sets to correct it."
            )

        self._kept.sets.add(sets, name, "model", name, put)

    def _run_model(self) -> None:
        active, overlay = self._kept.active, self._window.overlays.active
        if overlay is None or not overlay.can_run:
            self._window.say(with_model.reason)
            return
        if active is None or not _may_have_region(active):
            self._window.say(NO_REGION)
            return
        chosen = _regions(active)

        def joined() -> tuple[int, BaseGeometry]:
            regions = chosen()
            return len(regions), shapely.union_all([region.geometry for region in regions])

        def run(count: int, where: BaseGeometry) -> None:
            if overlay not in self._window.overlays.all_of(active.pane):
                return  # it was turned off meanwhile
            if not count:
                self._window.say(NO_REGION)
                return
            overlay.run_over(where)
            said = "the chosen region" if count == 1 else f"{count:,} chosen regions"
            self._window.say(f"{overlay.origin.name} works through {said}.")

        self._background.run(joined, lambda found: run(*found))

    # -----------------------------------------------------------------------------------------

    def objects_overlay(self) -> Overlay | None:
        """Return the chosen overlay if it holds objects, else any that does."""
        active = self._kept.active
        if active is None:
            return None
        overlays = self._window.overlays
        chosen = overlays.run_of(active.pane)
        candidates = ([chosen] if chosen is not None else []) + overlays.all_of(active.pane)
        return next((each for each in candidates if each.found.as_objects is not None), None)


def _regions(active: PaneAnnotations) -> Callable[[], list[Annotation]]:
    """Return what gives the regions that are chosen now; of very many called in a thread."""
    from viewer.annotations.operations import is_region

    state, ids = active.document.snapshot(), active.selection.ids
    return lambda: [each for each in state.of(ids) if is_region(each)]


def _may_have_region(active: PaneAnnotations) -> bool:
    """Return whether a region is chosen; of very many a thread has to look for one."""
    from viewer.annotations.operations import is_region

    if len(active.selection) > MANY:
        return True
    return any(is_region(active.document[id_]) for id_ in active.selection)


def _counter(overlay: Overlay, positive: Positive | None) -> Callable[[Annotation], RegionCount]:
    """Return what counts in a region, in a thread."""
    from viewer.overlays.counting import count_in_region

    shown, classes = overlay.as_objects, len(overlay.origin.colors)
    assert shown is not None
    found, style, is_whole = shown.found, shown.style, not overlay.can_run
    return lambda region: count_in_region(
        found, style, classes, region.geometry, positive, is_whole=is_whole
    )


def _measured(
    annotation: Annotation, count: RegionCount, names: Sequence[str], overlay: Overlay
) -> Annotation:
    from viewer.inference.models.bundle import ModelBundle

    origin = overlay.origin
    version = f" {origin.version}" if isinstance(origin, ModelBundle) else ""
    model = f"{origin.name}{version} at {overlay.mpp_um:.4g} µm/px"
    mpp_um = overlay.pane.canvas.optics.mean_mpp_um
    return with_count(annotation, count.measurements(names), model, count.share, mpp_um)


def _made_of(
    overlay: Overlay, regions: Callable[[], list[Annotation]], author: str
) -> Callable[[], list[Annotation]] | None:
    """Return what makes the regions, in a thread; None while nothing is shown."""
    from viewer.overlays.counting import shown_inside
    from viewer.overlays.to_annotations import annotations_of_heatmap, annotations_of_objects

    colors = overlay.origin.colors

    def where() -> BaseGeometry | None:
        inside = regions()
        return shapely.union_all([each.geometry for each in inside]) if inside else None

    if (outlined := overlay.as_objects) is not None:
        found, style = outlined.found, outlined.style
        return lambda: annotations_of_objects(shown_inside(found, style, where()), colors, author)
    if (shown := overlay.as_heatmap) is None or shown.heatmap is None:
        return None
    heatmap, cell, origin = shown.heatmap, shown.found.raster_px, shown.found.origin
    classes = shown.legend() if heatmap.classes is not None else [_of_one_value(overlay, shown)]

    def work() -> list[Annotation]:
        made = annotations_of_heatmap(heatmap, cell, classes, author, origin)
        wanted = where()
        if wanted is None:
            return made
        shapely.prepare(wanted)
        return [each for each in made if wanted.intersects(each.geometry)]

    return work


def _of_one_value(overlay: Overlay, shown: HeatmapPresenter) -> tuple[str, str]:
    """Name and color of what a heatmap of one value shows."""
    which, colors = shown.style.shown, overlay.origin.colors
    if which is not None and which < len(colors):
        return colors[which]
    return overlay.origin.name, class_color(0)
