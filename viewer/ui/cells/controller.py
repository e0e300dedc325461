"""Cell detection in one window: settings by slide, previews, runs and scores put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec.structs import replace
from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QApplication

from viewer.geometry import Box
from viewer.inference.cells.estimating import estimated_stains, slide_stains, with_stain_of
from viewer.inference.cells.kept_settings import keep_settings, kept_settings
from viewer.inference.cells.models import takes_settings, with_settings
from viewer.inference.cells.settings import CellSettings
from viewer.inference.models.bundle import ModelBundle
from viewer.overlays.slide_scores import areas_among, scores_of, union_of
from viewer.plurals import plural
from viewer.ui.annotations.wording import NO_REGION
from viewer.ui.background_runner import BackgroundRunner, Task, Urgency
from viewer.ui.cells.field_preview import FieldPreviewer
from viewer.ui.services import DialogHost, MessageHost, PaneHost

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.annotation import Annotation
    from viewer.inference.cells.stain_vectors import StainSet, StainVectors
    from viewer.overlays.graded_cells import GradedCells
    from viewer.overlays.object_map import ObjectMap
    from viewer.slides.source import SlideSource
    from viewer.ui.annotations.controller import AnnotationsController
    from viewer.ui.cells.cell_page import CellPage
    from viewer.ui.cells.score_page import ScorePage
    from viewer.ui.overlays.controller import OverlaysController
    from viewer.ui.overlays.model_card import ModelCard
    from viewer.ui.overlays.overlay import Overlay
    from viewer.ui.slides.slide_pane import SlidePane

_SCORES_MS = 300
_KEEP_MS = 500
_NETWORK = CellSettings(threshold=0.5)
"""With which a network begins: its map is a probability."""


class Batches(Protocol):
    """What runs models over many slides."""

    def choose(self, model: str) -> None:
        """Show where batches are made, with a model chosen by its folder."""


class CellsHost(MessageHost, DialogHost, PaneHost, Protocol):
    """What the detection of cells asks of the window."""

    annotations: AnnotationsController
    overlays: OverlaysController

    @property
    def batch(self) -> Batches:
        """Return what runs models over many slides."""
        ...


class CellsController(QObject):
    """Owned by the window; `shut_down` keeps what is set and ends the preview's process."""

    def __init__(self, window: CellsHost) -> None:
        super().__init__(window.window())
        self._window = window
        self._overlays = window.overlays
        self._background = BackgroundRunner("cells", 1, self)
        self._settings: dict[tuple[str, str], CellSettings] = {}
        """By the key of the slide and of the model."""
        self._is_used: set[tuple[str, str]] = set()
        """The networks that work by settings."""
        self._unkept: dict[str, CellSettings] = {}
        self._pages: dict[str, tuple[CellPage, ScorePage]] = {}
        """By the key of the model."""
        self._likely: dict[str, StainSet | None] = {}
        """With what slides seem stained, by their keys; None of those that are looked at."""
        self._previewed: str | None = None
        self._scoring: Task | None = None
        self.preview = FieldPreviewer(self)
        self.preview.found.connect(self._on_preview)
        self.preview.failed.connect(window.show_error)
        self._scores = QTimer(self, singleShot=True, interval=_SCORES_MS)
        self._scores.timeout.connect(self._show_scores)
        self._keep = QTimer(self, singleShot=True, interval=_KEEP_MS)
        self._keep.timeout.connect(self._keep_settings)
        self._overlays.tuned = self._tuned
        self._overlays.panel.models.body_made.connect(self._on_body)
        self._overlays.panel.models.switched.connect(lambda *_: self._end_preview())
        self._overlays.about_to_run.connect(self._apply)
        self._overlays.figures_changed.connect(self._touch)
        window.annotations.models.figures_changed.connect(lambda _: self._touch())
        window.panes.active_changed.connect(lambda _: self._follow())
        window.panes.watch(self._watch)
        window.panes.panes_changed.connect(self._on_panes_changed)

    def shut_down(self) -> None:
        """Keep what is set, and end the process of previews."""
        self._scores.stop()
        self._keep.stop()
        self._keep_settings()
        self.preview.shut_down()
        self._background.close(finish=True)

    def pages(self, key: str) -> tuple[CellPage, ScorePage]:
        """Return the pages in the card of a model by its key. Raises KeyError before it was on."""
        return self._pages[key]

    # Settings of a slide ---------------------------------------------------------------------

    def settings_of(self, pane: SlidePane, bundle: ModelBundle) -> CellSettings:
        """Return the settings that a model has on the slide of a pane."""
        identity = "" if pane.source is None else pane.source.info.identity
        usual = bundle.description.cells or _NETWORK
        return self._settings.get((identity, bundle.key), usual)

    def _tuned(self, pane: SlidePane, bundle: ModelBundle) -> ModelBundle:
        """Return a model as it is set for the slide of a pane."""
        if not takes_settings(bundle) or pane.source is None:
            return bundle
        is_network = bundle.description.cells is None
        if is_network and (pane.source.info.identity, bundle.key) not in self._is_used:
            return bundle
        return with_settings(bundle, self.settings_of(pane, bundle))

    def _watch(self, pane: SlidePane) -> None:
        pane.slide_changed.connect(self._on_slide_changed)

    def _on_panes_changed(self) -> None:
        pane = self.preview.pane
        if pane is not None and pane not in self._window.panes.panes:
            self._previewed = None
            self.preview.forget()

    def _on_slide_changed(self, pane: SlidePane) -> None:
        if pane is self.preview.pane:
            self._end_preview()
        self._follow()
        source = pane.source
        if source is None:
            return
        identity = source.info.identity
        self._background.run(
            lambda: kept_settings(identity),
            lambda kept: self._on_kept(pane, identity, kept),
        )

    def _on_kept(self, pane: SlidePane, identity: str, kept: CellSettings | None) -> None:
        cells = self._detector()
        if kept is None or cells is None or (identity, cells.key) in self._settings:
            return
        self._settings[identity, cells.key] = kept
        for run in self._overlays.all_of(pane):
            if run.listed_as == cells.key and run.identity == identity:
                self._overlays.restart(pane, cells)
        self._follow()

    def _detector(self) -> ModelBundle | None:
        """Return the model that finds cells by settings alone."""
        tuned = [each for each in self._overlays.bundles if takes_settings(each)]
        found = [each for each in tuned if each.description.decoder == "cells"]
        return found[0] if found else None

    def _keep_settings(self) -> None:
        """Write what was set since the last time."""
        unkept, self._unkept = self._unkept, {}
        for identity, settings in unkept.items():
            self._background.run(
                lambda identity=identity, settings=settings: keep_settings(identity, settings),
                lambda _: None,
                lambda error: self._window.show_error(f"Settings cannot be kept ({error})."),
                keeps="The settings of cells",
            )

    # The pages of a card ---------------------------------------------------------------------

    def _on_body(self, card: ModelCard) -> None:
        from viewer.ui.cells.cell_page import CellPage
        from viewer.ui.cells.score_page import ScorePage

        bundle = card.source
        if not isinstance(bundle, ModelBundle) or not takes_settings(bundle):
            return
        is_network = bundle.description.cells is None
        page = CellPage(card.body, is_network=is_network)
        scores = ScorePage(card.body)
        card.body.add_page(page)
        card.body.add_page(scores)
        self._pages[bundle.key] = page, scores
        page.destroyed.connect(lambda: self._pages.pop(bundle.key, None))
        page.settings_changed.connect(lambda settings: self._on_changed(bundle, settings))
        page.used_changed.connect(lambda is_used: self._on_used(bundle, is_used=is_used))
        page.stains_wanted.connect(lambda where: self._estimate(page, where))
        page.run_here_wanted.connect(lambda: self._run_here(bundle))
        page.run_region_wanted.connect(lambda: self._run_region(bundle))
        page.run_many_wanted.connect(lambda: self._window.batch.choose(str(bundle.folder)))
        scores.place_wanted.connect(lambda at: self._window.panes.active.canvas.go_to(at))
        scores.copy_wanted.connect(lambda text: QApplication.clipboard().setText(text))
        self._follow()

    def _follow(self) -> None:
        """Show the settings of the slide in the active pane."""
        pane = self._window.panes.active
        identity = "" if pane.source is None else pane.source.info.identity
        for bundle in self._overlays.bundles:
            if (pages := self._pages.get(bundle.key)) is None:
                continue
            page, _ = pages
            page.show_used(is_used=(identity, bundle.key) in self._is_used)
            page.show_settings(self.settings_of(pane, bundle))
            page.show_likely_stains(self._likely.get(identity))
        self._look_at_stains(pane.source)
        self._touch()

    def _look_at_stains(self, source: SlideSource | None) -> None:
        """Find out with what a slide seems stained, once somebody has the settings in sight."""
        if source is None or not self._pages or source.info.identity in self._likely:
            return
        identity = source.info.identity
        self._likely[identity] = None

        def take(likely: StainSet | None) -> None:
            self._likely[identity] = likely
            if likely is not None:
                self._follow()

        self._background.run(
            lambda: slide_stains(source),
            take,
            lambda _: self._likely.pop(identity, None),
            urgency=Urgency.IN_SIGHT,
        )

    def _on_changed(self, bundle: ModelBundle, settings: CellSettings) -> None:
        pane = self._window.panes.active
        if pane.source is None:
            return
        identity = pane.source.info.identity
        self._settings[identity, bundle.key] = settings
        is_network = bundle.description.cells is None
        if is_network and (identity, bundle.key) not in self._is_used:
            return
        if not is_network:
            self._unkept[identity] = settings
            self._keep.start()
        run = self._run_of(pane, bundle)
        if self.preview.pane is None and run is not None:
            run.set_visible(visible=False)
        self._previewed = bundle.key
        if is_network and self.preview.pane is None:
            self._pages[bundle.key][0].show_preview(f"{bundle.name} looks at what is in view...")
        if is_network:  # it is fed the pixel size that it was trained on
            settings = replace(settings, requested_pixel_size_um=bundle.description.mpp_um)
        self.preview.show(pane, settings, bundle if is_network else None)

    def _on_used(self, bundle: ModelBundle, *, is_used: bool) -> None:
        pane = self._window.panes.active
        if pane.source is None:
            return
        key = pane.source.info.identity, bundle.key
        (self._is_used.add if is_used else self._is_used.discard)(key)
        self._overlays.restart(pane, bundle)

    def _run_of(self, pane: SlidePane, bundle: ModelBundle) -> Overlay | None:
        runs = self._overlays.all_of(pane)
        return next((run for run in runs if run.listed_as == bundle.key), None)

    # Preview and runs ------------------------------------------------------------------------

    def _on_preview(self, found: GradedCells | None, is_window: bool) -> None:
        if self._previewed is None or (pages := self._pages.get(self._previewed)) is None:
            return
        page, _ = pages
        if found is None:
            page.show_preview("")
            return
        where = "in the marked window" if is_window else "in view"
        share = found.positive_percent
        positive = "" if share is None else f", {share:.1f} % positive"
        count = found.total + found.ungraded
        page.show_preview(f"Preview: {plural(count, 'cell')} {where}{positive}. Run to keep them.")

    def _end_preview(self) -> None:
        """Show again what was found before, which a preview hid."""
        pane = self.preview.pane
        if pane is None:
            return
        self.preview.hide()
        for run in self._overlays.all_of(pane):
            if run.listed_as == self._previewed:
                run.set_visible(visible=True)
        self._previewed = None

    def _apply(self, pane: SlidePane) -> None:
        """Run by the settings that are previewed."""
        if pane is not self.preview.pane:
            return
        bundle = next((b for b in self._overlays.bundles if b.key == self._previewed), None)
        self._end_preview()
        if bundle is not None:
            self._overlays.restart(pane, bundle)

    def _run_here(self, bundle: ModelBundle) -> None:
        pane = self._window.panes.active
        if pane is self.preview.pane:
            self._apply(pane)
        elif (run := self._run_of(pane, bundle)) is not None:
            run.run_over(pane.canvas.view.box)
        self._window.say(f"{bundle.name} is run where you look.")

    def _run_region(self, bundle: ModelBundle) -> None:
        pane, regions = self._window.panes.active, self._regions()
        if not regions:
            self._window.say(NO_REGION)
            return
        self._apply(pane)
        if (run := self._run_of(pane, bundle)) is not None:
            run.run_over(union_of(regions))

    def _estimate(self, page: CellPage, where: str) -> None:
        """Take the stains of the view or of the selected regions."""
        pane, regions = self._window.panes.active, self._regions()
        source = pane.source
        if source is None:
            return
        if where != "view" and not regions:
            self._window.say(NO_REGION)
            return
        seen = pane.canvas.view.box if where == "view" else Box(*union_of(regions).bounds)
        box, stains = seen.intersection(pane.canvas.slide_box), page.settings.stains
        name = "view" if where == "view" else "annotation"

        def work() -> StainVectors:
            if where in ("first", "second"):
                return with_stain_of(source, box, stains, is_hematoxylin=where == "first")
            found = estimated_stains(source, box, stains.kind)
            return replace(found, origin=f"estimated from the {name} (Macenko)")

        def take(found: StainVectors) -> None:
            if pane.source is source and pane is self._window.panes.active:
                page.set_stains(found)

        self._background.run(work, take, lambda error: page.show_problem(str(error)))

    def _regions(self) -> list[BaseGeometry]:
        """Return the selected regions of the active pane."""
        return [each.geometry for each in areas_among(self._chosen())]

    def _chosen(self) -> list[Annotation]:
        active = self._window.annotations.active
        return [] if active is None else active.chosen

    # Scores ----------------------------------------------------------------------------------

    def _touch(self) -> None:
        if self._pages and not self._scores.isActive():
            self._scores.start()

    def _show_scores(self) -> None:
        """Score what is found on the slide, or in the selected regions of it."""
        pane = self._window.panes.active
        if self._scoring is not None:
            self._scoring.cancel()
            self._scoring = None
        for run in self._overlays.all_of(pane):
            pages, origin = self._pages.get(run.listed_as), run.origin
            if pages is None or not isinstance(origin, ModelBundle):
                continue
            cells, found = origin.description.cells, run.found.as_objects
            if cells is None or not cells.is_scored or found is None:
                pages[1].show_lines("", ())
                continue
            self._score(pages[1], found, cells.class_names)

    def _score(self, page: ScorePage, found: ObjectMap, names: list[str]) -> None:
        active = self._window.annotations.active
        held = () if active is None else active.document.snapshot()
        regions = self._regions()
        self._scoring = self._background.run(
            lambda: scores_of(found, names, regions, list(held)),
            lambda told: page.show_lines(*told),
        )
