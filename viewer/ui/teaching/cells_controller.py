"""Teaching classes of cells in one window: the mode, its marks, and the model that is saved."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

import shapely
from PySide6.QtCore import QObject
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QInputDialog

from viewer.annotations.document import Change, Edit
from viewer.canvas.annotating.teach_tool import TeachTool
from viewer.geometry import Box
from viewer.inference.models.bundle import ModelBundle
from viewer.inference.teaching.cell_marks import cell_marks, cells_along, is_cell_mark, new_mark
from viewer.inference.teaching.object_vectors import FEATURES_VERSION
from viewer.inference.teaching.taught_bundles import (
    can_be_taught,
    taught_bundle,
    with_features,
    write_taught,
)
from viewer.inference.teaching.taught_card import taught_now
from viewer.overlays.result_at import ResultAt
from viewer.recording.events import CellMarked, CellsTaught
from viewer.ui.annotations.toolbox import MOVE
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.commands.command import with_slide
from viewer.ui.opened_dialog import open_dialog
from viewer.ui.overlays.gallery import travel_to
from viewer.ui.teaching.followed_annotations import TeachingHost
from viewer.ui.teaching.live_objects import LiveObjects

if TYPE_CHECKING:
    from uuid import UUID

    from viewer.annotations.annotation import Annotation, AnnotationClass
    from viewer.geometry import Point
    from viewer.inference.teaching.object_teacher import Lesson
    from viewer.ui.annotations.pane_annotations import PaneAnnotations
    from viewer.ui.annotations.toolbox import Toolbox
    from viewer.ui.overlays.gallery import GalleryField
    from viewer.ui.overlays.model_card import ModelCard
    from viewer.ui.overlays.overlay import Overlay
    from viewer.ui.slides.slide_pane import SlidePane
    from viewer.ui.teaching.cells_page import CellsPage

MODE = "Teach cells"
_MOST_CLASSES = 9
_NO_CELL = "No cell is outlined there: click in an outline."
_SECOND = "Mark cells of two classes or more; the others are told apart at once."
_LONGEST_NAME = 80


class CellsTeachingHost(TeachingHost, Protocol):
    """What teaching by cells asks of the window."""

    toolbox: Toolbox


class CellsTeachingController(QObject):
    """Owned by the window; `shut_down` ends the process that learns."""

    def __init__(self, window: CellsTeachingHost) -> None:
        super().__init__(window.window())
        self._window = window
        self._overlays = window.overlays
        self._pages: dict[str, CellsPage] = {}
        """By the key of the model that finds the cells."""
        self._model: ModelBundle | None = None
        """The model whose cells are taught, as its card has it; None while none are."""
        self._pane: SlidePane | None = None
        self._annotations: PaneAnnotations | None = None
        self._held: dict[UUID, Annotation] | None = None
        """The marks among them; None until they are looked for."""
        self._tool: TeachTool | None = None
        self._chosen = 0
        self._are_pooled = True
        self._disk = BackgroundRunner("save what is taught", 1, self)
        self.live = LiveObjects(self)
        self.live.learned.connect(self._on_learned)
        self.live.refused.connect(self._on_refused)
        self.live.answered.connect(self._show_fields)
        self.live.suggested.connect(self._show_fields)
        self.live.lost.connect(self.end)
        self._command = window.commands["teach.cells"]
        window.commands.on_toggle("teach.cells", self._switch)
        self._settings_of = self._overlays.tuned
        self._overlays.tuned = self._tuned
        self._overlays.panel.models.body_made.connect(self._on_body)
        self._overlays.panel.models.switched.connect(self._on_switched)
        self._overlays.began.connect(self._on_began)
        window.toolbox.tool_chosen.connect(self._on_tool)
        window.annotations.classes.palette.changed.connect(self._show_classes)
        window.annotations.opened.connect(lambda _: self._listen())
        window.annotations.closing.connect(self._on_closing)
        window.panes.active_changed.connect(lambda _: self._on_pane())
        window.panes.panes_changed.connect(self._on_pane)

    def shut_down(self) -> None:
        """End the process and the threads."""
        self._let_go()
        self.live.shut_down()
        self._disk.close(finish=True)
        for page in self._pages.values():
            page.close_reading()

    def page(self, key: str) -> CellsPage:
        """Return the page in the card of a model by its key. Raises KeyError before it was on."""
        return self._pages[key]

    @property
    def is_teaching(self) -> bool:
        """Return whether clicks mark cells."""
        return self._model is not None

    @property
    def classes(self) -> list[AnnotationClass]:
        """Return the classes of the digits."""
        palette = self._window.annotations.classes.palette.classes
        named = [each.annotation_class for each in palette if not each.name.endswith("*")]
        return named[:_MOST_CLASSES]

    def begin(self, model: ModelBundle) -> None:
        """Teach classes of what a model finds on the slide of the active pane."""
        self.end()
        pane, annotations = self._window.panes.active, self._window.annotations.active
        if pane.source is None or annotations is None:
            self._window.say(with_slide.reason)
            self._show_teaching()
            return
        self._model, self._pane = model, pane
        self._restart(pane, model)
        if self._model is None:  # the model does not run on this slide, which was said
            self._show_teaching()
            return
        self._window.toolbox.choose(TeachTool.name)
        self._listen()
        self._show_teaching()
        self._enter_mode()
        self._teach()

    def end(self) -> None:
        """Teach no more: the model shows what it finds, and the marks stay."""
        model, pane = self._model, self._pane
        if model is None or pane is None:
            return
        self._let_go()
        if self._window.toolbox.name == TeachTool.name:
            self._window.toolbox.choose(MOVE)
        if pane in self._window.panes.panes:
            self._overlays.restart(pane, model)
        self._show_teaching()

    def mark_along(self, path: list[Point], *, takes_away: bool = False) -> None:
        """Mark the cells along a path of level-0 points with the class in hand, or unmark them."""
        annotations, run = self._annotations, self.live.run
        if annotations is None or run is None or (found := run.found.as_objects) is None:
            return
        cells = cells_along(found, path)
        if not cells and len(path) == 1:
            self._window.say(_NO_CELL)
            return
        held = annotations.document
        shown_as, changes = self.classes[self._chosen], list[Change]()
        for middle, outline in cells:
            grown = outline.buffer(1.0)
            former = [
                each
                for each in held.inside(Box(*grown.bounds))
                if is_cell_mark(each) and grown.intersects(each.geometry)
            ]
            if not takes_away and any(each.class_name == shown_as.name for each in former):
                continue
            changes += [Change(each, None) for each in former]
            if not takes_away:
                changes.append(Change(None, new_mark(middle, shown_as, annotations.author)))
        label = "Unmark cells" if takes_away else f"Mark {shown_as.name}"
        if changes:
            annotations.desk.do(Edit(label, tuple(changes)))

    def choose_class(self, index: int) -> None:
        """Take up the class of a digit, 0 for the first."""
        if index < len(self.classes):
            self._chosen = index
            self._show_classes()
            if self.is_teaching:
                self._enter_mode()

    def _switch(self, on: bool) -> None:
        """Teach by the cells of the chosen model, else of the first that finds any."""
        if not on:
            self.end()
            return
        bundles = [each for each in self._overlays.bundles if _is_base(each)]
        chosen = self._overlays.panel.models.chosen()
        model = next((each for each in bundles if chosen and each.key == chosen.key), None)
        self._overlays.panel.show()
        if model is None and not bundles:
            self._window.say("There is no model that finds cells.")
            self._show_teaching()
            return
        self.begin(model or bundles[0])

    # Beginning and end -----------------------------------------------------------------------

    def _tuned(self, pane: SlidePane, bundle: ModelBundle) -> ModelBundle:
        """Return a model as it is set, with the features that cells are taught by."""
        tuned = self._settings_of(pane, bundle)
        if self._model is not None and bundle.key == self._model.key and pane is self._pane:
            return with_features(tuned, are_pooled=self._are_pooled)
        return tuned

    def _restart(self, pane: SlidePane, model: ModelBundle) -> None:
        """Run the model with the features; `_on_began` goes on with what is on then."""
        runs = {run.listed_as: run for run in self._overlays.all_of(pane)}
        if model.key in runs:
            self._overlays.restart(pane, model)
        else:
            self._overlays.panel.models.choose(model.key)
            self._overlays.switch_chosen(on=True)
        if self.live.run is None:
            self._let_go()

    def _on_began(self, run: Overlay) -> None:
        model = self._model
        if model is None or run.pane is not self._pane or run.listed_as != model.key:
            return
        if isinstance(run.origin, ModelBundle) and run.found.as_objects is not None:
            self.live.attach(run, run.origin)
            self._teach()

    def _let_go(self) -> None:
        pane, self._pane, self._model = self._pane, None, None
        self.live.detach()
        annotations, self._annotations, self._held = self._annotations, None, None
        if annotations is not None:
            annotations.slide.stepped.disconnect(self._on_stepped)
        self._tool = None
        if pane is not None:
            pane.modes.leave(MODE)

    def _on_switched(self, origin: object, on: bool) -> None:
        """The model was turned off on its card."""
        if self._model is not None and origin is self._model and not on:
            self._let_go()
            self._window.toolbox.choose(MOVE)
            self._show_teaching()

    def _on_tool(self, name: str) -> None:
        if name != TeachTool.name:
            self._tool = None
            if self.is_teaching:
                self.end()
        elif self.is_teaching:
            self._listen()

    def _on_pane(self) -> None:
        if self._pane is not None and self._window.panes.active is not self._pane:
            self.end()

    def _on_closing(self, annotations: PaneAnnotations) -> None:
        """The slide leaves the pane."""
        if annotations is self._annotations:
            self._let_go()
            if self._window.toolbox.name == TeachTool.name:
                self._window.toolbox.choose(MOVE)
            self._show_teaching()

    def _listen(self) -> None:
        """Hear of marks that come and go, and of where the tool marks."""
        if self._pane is None:
            return
        active = self._window.annotations.of(self._pane)
        if active is not self._annotations:
            if self._annotations is not None:
                self._annotations.slide.stepped.disconnect(self._on_stepped)
            self._annotations, self._held = active, None
            if active is not None:
                active.slide.stepped.connect(self._on_stepped)
        tool = self._window.toolbox.tool_of(self._pane)
        if isinstance(tool, TeachTool) and tool is not self._tool:
            self._tool = tool
            tool.marked.connect(
                lambda path, takes_away: self.mark_along(path, takes_away=takes_away)
            )
            tool.class_chosen.connect(self.choose_class)
            tool.left.connect(self.end)

    def _enter_mode(self) -> None:
        if self._pane is not None:
            name = self.classes[self._chosen].name
            sentence = f"{name}. Digits choose the class."
            self._pane.modes.enter(MODE, sentence, self.end)
            if self._tool is not None:
                self._tool.stroke_color = QColor(self.classes[self._chosen].color)

    # Marks and what they teach ---------------------------------------------------------------

    def _on_stepped(self, step: Edit) -> None:
        marks = [change for change in step.changes if is_cell_mark(_either(change))]
        self._keep_marks(step)
        for change in marks:
            self._record(change)
        if marks or step.is_reset:
            self._teach()

    def _record(self, change: Change) -> None:
        if self._pane is None:
            return
        mark = _either(change)
        x, y = shapely.get_coordinates(mark.geometry)[0].round(1).tolist()
        what = "made" if change.after is not None else "removed"
        event = CellMarked(x, y, what, mark.class_name)
        self._window.recording.control.record(event, self._pane)

    def _marks(self) -> list[Annotation]:
        if self._annotations is None:
            return []
        if self._held is None:
            found = filter(is_cell_mark, self._annotations.document)
            self._held = {each.id: each for each in found}
        return list(self._held.values())

    def _keep_marks(self, step: Edit) -> None:
        """Take a change of the marks: all annotations are looked at once a slide."""
        if step.is_reset:
            self._held = None
        if self._held is None:
            return
        for change in step.changes:
            if change.after is not None and is_cell_mark(change.after):
                self._held[change.id] = change.after
            else:
                self._held.pop(change.id, None)

    def _teach(self) -> None:
        """Learn from the marks as they are now."""
        if self._model is None:
            return
        marks = cell_marks(self._marks())
        self._show_classes()
        self.live.teach(marks)

    def _on_learned(self, lesson: Lesson) -> None:
        page = self._page
        if page is not None:
            page.show_estimate(lesson.held_out.sentence(list(self.live.colors)))
            page.show_problem("")
        if self._pane is not None:
            error = lesson.held_out.error
            event = CellsTaught(
                len(lesson.marks), len(self.live.colors), None if error is None else round(error, 4)
            )
            self._window.recording.control.record(event, self._pane)

    def _on_refused(self, sentence: str) -> None:
        page, counts = self._page, Counter(each.class_name for each in self._marks())
        if page is not None:
            page.show_estimate("")
            page.show_problem(sentence if len(counts) > 1 else _SECOND)
            page.show_fields(None)

    # What is shown ---------------------------------------------------------------------------

    @property
    def _page(self) -> CellsPage | None:
        return None if self._model is None else self._pages.get(self._model.key)

    def _on_body(self, card: ModelCard) -> None:
        from viewer.ui.teaching.cells_page import CellsPage

        model = card.source
        if not isinstance(model, ModelBundle) or not _is_base(model):
            return
        page = self._pages[model.key] = CellsPage(card.body)
        card.body.add_page(page, is_first=True)
        page.destroyed.connect(lambda: self._pages.pop(model.key, None))
        page.teach_toggled.connect(lambda on: self.begin(model) if on else self.end())
        page.class_chosen.connect(self.choose_class)
        page.undo_wanted.connect(self._window.commands["edit.undo"].trigger)
        page.save_wanted.connect(self.ask_name)
        page.features_toggled.connect(self._set_pooled)
        page.gallery.travel_requested.connect(self._travel)
        page.gallery.digit_pressed.connect(self._on_digit)
        self._show_classes()

    def _show_teaching(self) -> None:
        self._command.setChecked(self.is_teaching)
        for key, page in self._pages.items():
            page.show_teaching(on=self._model is not None and key == self._model.key)
            if self._model is None:
                page.show_fields(None)
                page.show_estimate("")
                page.show_problem("")
        self._show_classes()

    def _show_classes(self) -> None:
        counts = Counter(each.class_name for each in self._marks())
        classes = self.classes
        self._chosen = min(self._chosen, max(0, len(classes) - 1))
        for page in self._pages.values():
            page.show_classes(classes, counts, classes[self._chosen].name if classes else "")

    def _show_fields(self) -> None:
        page = self._page
        if page is not None and self._pane is not None and self.live.lesson is not None:
            page.show_fields(
                self._pane.source,
                unsure=self.live.unsure,
                different=self.live.different,
                mistakes=self.live.mistakes(),
            )

    def _travel(self, field: GalleryField) -> None:
        run = self.live.run
        if run is not None:
            travel_to(run.pane.canvas, field.box)
            run.viewed.emit(ResultAt(field.text, field.box))

    def _on_digit(self, field: GalleryField, index: int) -> None:
        """Mark the cell of the gallery with the class of a digit."""
        if index < len(self.classes):
            self.choose_class(index)
            self.mark_along([field.box.center])

    def _set_pooled(self, are_pooled: bool) -> None:
        self._are_pooled = are_pooled
        if self._model is not None and self._pane is not None:
            self._overlays.restart(self._pane, self._model)

    # The model that is saved -----------------------------------------------------------------

    def ask_name(self) -> None:
        """Ask what the model is to be called, and save it."""
        if self.live.lesson is None:
            self._window.say(_SECOND)
            return
        dialog = QInputDialog(self._window.window())
        dialog.setWindowTitle("Save as model")
        dialog.setLabelText("Name of the model:")
        dialog.setTextValue(", ".join(self.live.colors)[:_LONGEST_NAME])
        dialog.textValueSelected.connect(self.save)
        open_dialog(dialog)

    def save(self, name: str) -> None:
        """Keep what is taught as a model of this name, which is turned on."""
        from viewer.inference.models.model_library import all_models
        from viewer.inference.teaching.adding import add_taught

        lesson, base, run = self.live.lesson, self.live.base, self.live.run
        name = name.strip()[:_LONGEST_NAME]
        if lesson is None or base is None or run is None or not name:
            return
        colors, held = dict(self.live.colors), Counter(each.class_name for each in self._marks())
        counts = {each: held[each] for each in colors}
        card = taught_now(
            self._window.settings.reader, counts, [run.identity], lesson.held_out,
            FEATURES_VERSION if base.description.features else 0, (base.name, base.version),
        )  # fmt: skip
        taught = taught_bundle(base, lesson.classifier, colors, card, name)

        def work() -> tuple[ModelBundle, list[ModelBundle]]:
            return add_taught(lambda folder: write_taught(folder, taught)), all_models()

        def done(result: tuple[ModelBundle, list[ModelBundle]]) -> None:
            added, models = result
            self.end()
            self._overlays.show_models(models, added)
            self._window.say(
                f"The model {added.name} was added: run it over the slide, a project or a batch."
            )

        self._disk.run(
            work,
            done,
            lambda error: self._window.show_error(str(error)),
            keeps=f"The model {name}",
        )


def _is_base(bundle: ModelBundle) -> bool:
    """Return whether a model finds cells whose classes can be taught."""
    return can_be_taught(bundle) and bundle.description.taught is None


def _either(change: Change) -> Annotation:
    """Return what a change is of: as it is now, or was."""
    annotation = change.after or change.before
    assert annotation is not None
    return annotation
