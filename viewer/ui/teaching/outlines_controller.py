"""Learning from corrected outlines in one window, in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.document import adding
from viewer.inference.teaching.errors import NoGainError, TeachingError
from viewer.recording.events import OutlinesTaught
from viewer.ui.background_runner import BackgroundRunner, Task
from viewer.ui.teaching.followed_annotations import FollowedAnnotations, TeachingHost
from viewer.ui.teaching.outlines_page import OutlinesPage

if TYPE_CHECKING:
    from viewer.annotations.document import Edit
    from viewer.annotations.document_state import DocumentState
    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.teaching.corrections import CorrectedSlide, Corrections
    from viewer.inference.teaching.nuclei_tuning import NucleiTeacher, TunedNuclei
    from viewer.inference.teaching.taught_card import CorrectionFigures
    from viewer.ui.slides.slide_pane import SlidePane

_AREA_COLOR = "#009e73"
_SETTLE_MS = 400
_NO_SLIDE = "Open a slide and correct outlines on it."
_NO_SIZE = "Set the slide's pixel size first: the network is fed fixed µm/px."
_NO_MODEL = "There is no nuclei network that learns."
_NO_NAME = "Give the model a name first."
_NO_OUTLINES = "There are no outlines of nuclei among the annotations yet."


class OutlinesController(FollowedAnnotations):
    """Owned by the window; `shut_down` ends the process that learns."""

    _progressed = Signal(object)

    def __init__(self, window: TeachingHost) -> None:
        super().__init__(window, "teach.outlines")
        self.page = OutlinesPage(window.overlays.panel)
        self.page.hide()
        window.overlays.panel.add_page(self.page)
        self._look = BackgroundRunner("look at outlines", 1, self)
        self._learning = BackgroundRunner("learn from outlines", 1, self)
        self._teacher: NucleiTeacher | None = None
        self.steps: int | None = None
        """How long a network learns; None for as long as is usual."""
        self._looking: Task | None = None
        self._settle = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settle.timeout.connect(self._show_corrections)
        self._progressed.connect(self.page.show_progress, Qt.ConnectionType.QueuedConnection)
        window.commands.on_toggle("teach.outlines", self.set_shown)
        self.page.area_wanted.connect(self._mark_area)
        self.page.learn_wanted.connect(self._learn)
        self.page.stop_wanted.connect(self.stop)
        self.page.end_wanted.connect(lambda: self.set_shown(on=False))

    def shut_down(self) -> None:
        """End the process and the threads; what is not learned yet is not kept."""
        self._let_go()
        self.stop()
        self._look.close()
        self._learning.close(finish=True)

    @property
    def is_learning(self) -> bool:
        """Return whether a network learns."""
        return self._teacher is not None

    def set_shown(self, on: bool) -> None:
        """Show the page, or hide it; what is being learned goes on."""
        self._command.setChecked(on)
        self._window.overlays.panel.show_page(self.page, is_shown=on)
        if on:
            self._follow()
        else:
            self._let_go()

    def stop(self) -> None:
        """Stop learning; nothing is kept."""
        if self._teacher is not None:
            self._teacher.cancel()

    # Whose outlines --------------------------------------------------------------------------

    def _on_followed(self) -> None:
        self._show_corrections()

    def _on_stepped(self, step: Edit) -> None:
        self._settle.start()

    def _let_go(self) -> None:
        self._settle.stop()
        super()._let_go()

    def _model(self) -> ModelBundle | None:
        """Return the network that learns: the chosen one, else the first that can."""
        from viewer.inference.teaching.nuclei_tuning import learns_from_outlines
        from viewer.inference.teaching.taught_bundles import base_of

        chosen = self._window.overlays.panel.models.chosen()
        bundles = self._window.overlays.bundles
        wanted = [each for each in bundles if chosen is not None and each.key == chosen.key]
        fit = [base_of(each) for each in (*wanted, *bundles) if learns_from_outlines(each)]
        return fit[0] if fit else None

    def _obstacle(self) -> str:
        """Return why nothing can be learned here, or ""."""
        active = self._annotations
        if active is None or active.pane.source is None:
            return _NO_SLIDE
        if hidden := self._window.overlays.hidden_by(active.pane):
            return hidden
        if active.pane.canvas.optics.mean_mpp_um is None:
            return _NO_SIZE
        return "" if self._model() is not None else _NO_MODEL

    def _show_corrections(self) -> None:
        if obstacle := self._obstacle():
            self.page.show_corrections(None, "")
            self.page.show_problem(obstacle)
            return
        model = self._model()
        assert model is not None
        if self._looking is not None:
            self._looking.cancel()
        self._looking = self._look.run(
            self._corrected_slide().read,
            lambda found: self._show_found(found.corrections, model.name),
            lambda error: self._show_refused(str(error)),
        )

    def _show_found(self, found: Corrections, model: str) -> None:
        self.page.show_problem("" if found.outlines else _NO_OUTLINES)
        self.page.show_corrections(found if found.outlines else None, model)

    def _show_refused(self, sentence: str) -> None:
        self.page.show_corrections(None, "")
        self.page.show_problem(sentence)

    def _corrected_slide(self) -> _Snapshot:
        """Return what is drawn now; what it means is read in a thread."""
        active = self._annotations
        assert active is not None
        mpp_um = active.pane.canvas.optics.mean_mpp_um
        assert mpp_um is not None
        return _Snapshot(active.pane, active.document.snapshot(), mpp_um)

    def _mark_area(self) -> None:
        active = self._annotations
        if active is None:
            return
        from viewer.inference.teaching.corrections import AREA_CLASSES

        canvas = active.pane.canvas
        seen = canvas.view.box.intersection(canvas.slide_box)
        if seen.is_empty:
            return
        kind = AnnotationClass(AREA_CLASSES[0], _AREA_COLOR)
        area = seen.polygon
        active.do(adding("Corrected area", [Annotation(area, shown_as=kind).signed(active.author)]))

    # What is learned -------------------------------------------------------------------------

    def _learn(self) -> None:
        from viewer.inference.teaching.nuclei_tuning import NucleiTeacher

        name = self.page.name.text().strip()
        if obstacle := self._obstacle() or ("" if name else _NO_NAME):
            self.page.show_problem(obstacle)
            return
        model = self._model()
        assert model is not None
        slide, pane = self._corrected_slide(), self._annotations
        assert pane is not None
        device, who = self._window.settings.device, self._window.settings.reader
        teacher = self._teacher = NucleiTeacher(model, device, self._progressed.emit, self.steps)
        self.page.show_outcome("")
        self.page.show_problem("")
        self.page.show_learning(is_learning=True)
        self._window.say(f"{model.name} learns from the corrected outlines...")

        def work() -> tuple[TunedNuclei, ModelBundle, list[ModelBundle]]:
            tuned = teacher.teach([slide.read()], who)
            return tuned, *_added(tuned, name)

        self._learning.run(
            work,
            lambda made: self._on_learned(pane.pane, *made),
            lambda error: self._on_failed(pane.pane, error),
        )

    def _on_learned(
        self, pane: SlidePane, tuned: TunedNuclei, bundle: ModelBundle, models: list[ModelBundle]
    ) -> None:
        self._teacher = None
        self.page.show_learning(is_learning=False)
        figures = tuned.card.corrections
        assert figures is not None
        self.page.show_outcome(f"{bundle.name} was added. {figures.sentence}")
        self._log(pane, figures, kept=True)
        self._window.overlays.show_models(models, bundle)
        self._window.say(f"{bundle.name} learned from the outlines and was added to the models.")

    def _log(self, pane: SlidePane, figures: CorrectionFigures, *, kept: bool) -> None:
        """Log what came of learning where the slide is still open."""
        if pane not in self._window.panes.panes:
            return
        event = OutlinesTaught(
            figures.outlines, figures.held_back, figures.quality_before, figures.quality_after,
            figures.f1_before, figures.f1_after, kept,
        )  # fmt: skip
        self._window.recording.control.record(event, pane)

    def _on_failed(self, pane: SlidePane, error: Exception) -> None:
        self._teacher = None
        self.page.show_learning(is_learning=False)
        self.page.show_outcome(str(error))
        if isinstance(error, NoGainError):
            self._log(pane, error.figures, kept=False)
        if isinstance(error, TeachingError):
            self._window.say(str(error))
        else:
            self._window.show_error(str(error))


class _Snapshot:
    """What is drawn on a slide at a moment."""

    def __init__(self, pane: SlidePane, drawn: DocumentState, mpp_um: float) -> None:
        self._source, self._drawn, self._mpp_um = pane.source, drawn, mpp_um

    def read(self) -> CorrectedSlide:
        """Return the outlines and areas among it. Raises TeachingError."""
        from viewer.annotations.formats.slide_place import SlidePlace
        from viewer.inference.teaching.corrections import CorrectedSlide, corrections_of

        assert self._source is not None
        place = SlidePlace.of(self._source)
        found = corrections_of(list(self._drawn), place, self._mpp_um)
        return CorrectedSlide(self._source, place, self._mpp_um, found)


def _added(tuned: TunedNuclei, name: str) -> tuple[ModelBundle, list[ModelBundle]]:
    """Keep a network among the models at hand."""
    from viewer.inference.models.model_library import all_models
    from viewer.inference.teaching.adding import add_taught
    from viewer.inference.teaching.nuclei_tuning import write_tuned

    added = add_taught(lambda folder: write_tuned(folder, tuned, name))
    return added, all_models()
