"""Pixel classifiers in one window: strokes of the active slide teach, and what comes of it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.geometry import Point
from viewer.inference.teaching.kept_marks import KeptMarks
from viewer.recording.events import PixelsTaught
from viewer.ui.annotations.wording import many
from viewer.ui.background_runner import BackgroundRunner, Task
from viewer.ui.commands.command import annotating
from viewer.ui.teaching.followed_annotations import FollowedAnnotations, TeachingHost
from viewer.ui.teaching.live_pixels import Lesson, LivePixels, taught_slide

if TYPE_CHECKING:
    from viewer.annotations.document import Edit
    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.teaching.taught_card import HeldOutFigures
    from viewer.ui.annotations.pane_annotations import PaneAnnotations
    from viewer.ui.slides.slide_pane import SlidePane
    from viewer.ui.teaching.pixel_page import PixelPage

_NO_CLASS = "{} without a class: choose a class, and paint or give it to what is selected."
_NO_SIZE = "Set the slide's pixel size first: what is taught looks at a fixed µm/px."
_MOST_AT_ONCE = 1000
"""Annotations whose marks are found within a frame; of more in a thread."""
_TOO_FAR = "Only the middle of the view is answered for: zoom in, or choose a coarser resolution."


class PixelsController(FollowedAnnotations):
    """Owned by the window; `shut_down` ends the process that learns."""

    def __init__(self, window: TeachingHost) -> None:
        super().__init__(window, "teach.pixels")
        self.live = LivePixels(self)
        self._background = BackgroundRunner("make areas", 1, self)
        self._gathering: Task | None = None
        """Of the marks of all annotations, which are looked at once a slide."""
        self._steps: list[Edit] = []
        """What was done meanwhile."""
        self._marks: KeptMarks | None = None
        self._lesson: Lesson | None = None
        window.commands.on_toggle("teach.pixels", self.set_teaching)
        self.live.answered.connect(self._on_answered)
        self.live.refused.connect(lambda sentence: self.page.show_problem(sentence))
        self.live.estimated.connect(self._on_estimated)
        self.live.saved.connect(self._on_saved)
        self.live.not_saved.connect(self._on_not_saved)
        window.panes.watch(self._watch)

    def shut_down(self) -> None:
        """End the process and the threads."""
        self._let_go()
        self.live.shut_down()
        self._background.close(finish=True)

    @cached_property
    def page(self) -> PixelPage:
        """Return the settings of a lesson on the page AI, made with the first lesson."""
        from viewer.ui.teaching.pixel_page import PixelPage

        panel = self._window.overlays.panel
        page = PixelPage(panel)
        page.hide()
        panel.add_page(page)
        page.settings_changed.connect(self._teach)
        page.areas_wanted.connect(self._make_areas)
        page.save_wanted.connect(self._save)
        page.end_wanted.connect(lambda: self.set_teaching(on=False))
        return page

    @property
    def is_teaching(self) -> bool:
        """Return whether strokes teach."""
        return self._command.isChecked()

    def set_teaching(self, on: bool) -> None:
        """Let strokes on the active slide teach a pixel classifier, or no more."""
        self._command.setChecked(on)
        self._window.overlays.panel.show_page(self.page, is_shown=on)
        if not on:
            self._let_go()
            self.live.hide()
            return
        self.page.show_problem("")
        self._follow()

    # Whose strokes ---------------------------------------------------------------------------

    def _watch(self, pane: SlidePane) -> None:
        pane.slide_changed.connect(lambda _: self._follow())
        pane.canvas.view_changed.connect(lambda _, cause: self._on_optics(cause))

    def _on_optics(self, cause: str) -> None:
        if cause == "optics":
            self._follow()

    def _on_followed(self) -> None:
        if self._annotations is None:
            self.live.hide()
            self.page.show_strokes({})
            self.page.show_problem(annotating.reason)
        self._teach()

    def _on_closing(self, annotations: PaneAnnotations) -> None:
        if annotations is self._annotations:
            self.live.hide()
        super()._on_closing(annotations)

    def _let_go(self) -> None:
        self._lesson = None
        self._forget_marks()
        super()._let_go()

    def _on_stepped(self, step: Edit) -> None:
        annotations = self._annotations
        assert annotations is not None
        if step.is_reset or len(step.changes) > _MOST_AT_ONCE:
            self._forget_marks()
            self._teach()
            return
        if self._marks is None:
            self._steps.append(step)
            return
        self._marks.follow(step, annotations.document)
        changed = [change.after or change.before for change in step.changes]
        places = [each for each in changed if each is not None and not each.geometry.is_empty]
        focus = None
        if places:
            x0, y0, x1, y1 = places[-1].geometry.bounds
            focus = Point((x0 + x1) / 2, (y0 + y1) / 2)
        self._teach(focus)

    # What is taught --------------------------------------------------------------------------

    def _teach(self, focus: Point | None = None) -> None:
        """Teach by the strokes as they are now."""
        from viewer.inference.teaching.pixel_training import coarse_note, too_coarse

        annotations, page = self._annotations, self.page
        if not self.is_teaching or annotations is None:
            return
        pane = annotations.pane
        mpp_um = pane.canvas.optics.mean_mpp_um
        if pane.source is None:
            return
        if hidden := self._window.overlays.hidden_by(pane):
            self.live.hide()
            page.show_problem(hidden)
            return
        if mpp_um is None:
            self.live.hide()
            page.show_problem(_NO_SIZE)
            return
        settings = page.settings
        notes = (each("The slide", mpp_um, settings) for each in (too_coarse, coarse_note))
        if note := next(filter(None, notes), ""):
            self.live.hide()
            page.show_problem(note)
            return
        kept = self._kept_marks(annotations)
        if kept is None:
            return  # `_on_gathered` goes on
        marks = kept.now
        lesson = Lesson(pane.source, mpp_um, settings, marks)
        page.show_strokes(dict(marks.counts))
        if lesson == self._lesson and self.live.pane is pane:
            return
        if self._lesson is None or marks is not self._lesson.marks:
            page.show_estimate("")
        self._lesson = lesson
        if not marks:
            page.show_answers({})
            without = annotations.document.class_counts[""]
            page.show_problem(_NO_CLASS.format(many(without)) if without else "")
        self.live.teach(pane, lesson, focus)

    def _kept_marks(self, annotations: PaneAnnotations) -> KeptMarks | None:
        """Return what teaches; None while it is looked for in a thread."""
        document = annotations.document
        if self._marks is None and len(document) <= _MOST_AT_ONCE:
            self._forget_marks()
            self._marks = KeptMarks(document.state)
        elif self._marks is None and self._gathering is None:
            state = document.snapshot()
            self._gathering = self._background.run(
                lambda: KeptMarks(state), lambda marks: self._on_gathered(annotations, marks)
            )
        return self._marks

    def _on_gathered(self, annotations: PaneAnnotations, marks: KeptMarks) -> None:
        self._gathering = None
        steps, self._steps = self._steps, []
        if annotations is not self._annotations:
            return
        for step in steps:
            marks.follow(step, annotations.document)
        self._marks = marks
        self._teach()

    def _forget_marks(self) -> None:
        """Look at all annotations again, when they are asked for."""
        if self._gathering is not None:
            self._gathering.cancel()
        self._gathering, self._marks, self._steps = None, None, []

    def _on_answered(self) -> None:
        from viewer.inference.teaching.live_map import MOST_BLOCKS

        pane, found = self.live.pane, self.live.map
        if pane is None or found is None or self._lesson is None:
            return
        if self.page.problem.isVisibleTo(self.page):
            self.page.show_problem("")
        seen = pane.canvas.view.box.intersection(pane.canvas.slide_box)
        blocks = len(taught_slide(self._lesson).grid.covering(seen))
        self.page.show_answers(found.shares(seen), _TOO_FAR if blocks > MOST_BLOCKS else "")

    def _on_estimated(self, figures: HeldOutFigures) -> None:
        self.page.show_estimate(figures.sentence)
        pane, found, lesson = self.live.pane, self.live.map, self._lesson
        if pane is None or found is None or lesson is None:
            return
        shares = found.shares(pane.canvas.view.box.intersection(pane.canvas.slide_box))
        names = list(lesson.colors)
        event = PixelsTaught(
            len(lesson.marks),
            len(names),
            figures.error,
            [round(shares.get(name, 0.0), 4) for name in names],
            names,
        )
        self._window.recording.control.record(event, pane)

    # What comes of it ------------------------------------------------------------------------

    def _make_areas(self) -> None:
        """Make annotations of the areas in view, in a set of their own."""
        active, found, lesson = self._annotations, self.live.map, self._lesson
        if active is None or found is None or lesson is None:
            return
        seen = active.pane.canvas.view.box.intersection(active.pane.canvas.slide_box)
        least_px2 = self.page.least_um2.value() / lesson.mpp_um**2
        author = active.author

        def work() -> list[Annotation]:
            return [
                Annotation(
                    area, shown_as=AnnotationClass(name, lesson.colors[name]), is_locked=True
                ).signed(author)
                for name, area in found.areas(seen, least_px2)
            ]

        name = self.page.name.text().strip() or "Pixel classifier"
        models = self._window.annotations.models
        self._background.run(work, lambda made: models.add_made(active, name, made))

    def _save(self) -> None:
        name = self.page.name.text().strip()
        if not name:
            self._window.say("Give the model a name first.")
            return
        self.page.save.setEnabled(False)
        self._window.say(f"Saving {name}...")
        self.live.save(name, self._window.settings.reader)

    def _on_saved(self, bundle: ModelBundle, models: list[ModelBundle]) -> None:
        if self.is_teaching:
            self.set_teaching(on=False)
        self._window.overlays.show_models(models, bundle)
        self._window.say(
            f"The model {bundle.name} was added: run it over the slide, a project or a batch."
        )

    def _on_not_saved(self, error: Exception) -> None:
        self.page.save.setEnabled(True)
        self._window.show_error(f"The model is not saved: {error}")
