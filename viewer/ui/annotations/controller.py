"""All of annotating in one window: sets, panel, commands and files put together."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, Signal

from viewer.annotations import drawn_places
from viewer.ui.annotations.annotations_panel import AnnotationsPanel
from viewer.ui.annotations.class_commands import ClassCommands, ClassCommandsHost
from viewer.ui.annotations.closing_files import ClosingFiles
from viewer.ui.annotations.editing_commands import EditingCommands, EditingHost
from viewer.ui.annotations.files import AnnotationFiles, AnnotationFilesHost
from viewer.ui.annotations.former_content import FormerContent
from viewer.ui.annotations.listing import Listing, ListingHost
from viewer.ui.annotations.model_commands import ModelCommands, ModelCommandsHost
from viewer.ui.annotations.notes import NoteCommands, NotesHost
from viewer.ui.annotations.recorded import record_step
from viewer.ui.annotations.sets.commands import SetCommands, SetCommandsHost
from viewer.ui.annotations.sets.notices import SetNotices
from viewer.ui.annotations.sets.painted import PaintedSets, PaintedSetsHost
from viewer.ui.annotations.table_commands import TableCommands, TableCommandsHost
from viewer.ui.annotations.tool_options import ToolOptions, ToolOptionsHost
from viewer.ui.annotations.undo_names import UndoHost, UndoNames
from viewer.ui.annotations.wording import selection_sentence
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.reading_bar import ReadingBar
from viewer.ui.services import ReaderHost
from viewer.ui.widgets import NoticeBar

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.annotations.document import Edit
    from viewer.annotations.document_state import DocumentState
    from viewer.annotations.sets.annotation_set import SetKey
    from viewer.annotations.sets.places import AnnotationsPlace
    from viewer.studies.reader_sets import ReaderSlide
    from viewer.ui.annotations.pane_annotations import PaneAnnotations
    from viewer.ui.annotations.sets.slide_sets import SetEntry, SlideSets
    from viewer.ui.annotations.slide_annotations import SlideAnnotations
    from viewer.ui.slides.slide_pane import SlidePane


_SAVED = "All annotations are saved, as each is once it is drawn."
_NOT_SAVED = "Some annotations are not saved yet: the disk takes no more, or takes long."


class AnnotationsHost(
    AnnotationFilesHost,
    ClassCommandsHost,
    EditingHost,
    ListingHost,
    ModelCommandsHost,
    NotesHost,
    PaintedSetsHost,
    SetCommandsHost,
    TableCommandsHost,
    ToolOptionsHost,
    UndoHost,
    ReaderHost,
    Protocol,
):
    """What annotations ask of the window."""


class AnnotationsController(QObject):
    """Owned by the window; `shut_down` writes what is left.

    Panes that show the same slide share its sets; each has what is chosen for itself.
    """

    opened = Signal(object)
    """A PaneAnnotations: a pane's slide can be drawn on from now on."""
    closing = Signal(object)
    """A PaneAnnotations whose slide leaves the pane."""
    sets_changed = Signal()
    """The sets of a slide are others, or shown otherwise."""

    def __init__(self, window: AnnotationsHost) -> None:
        from viewer.ui.annotations.training_files import TrainingFiles

        super().__init__(window.window())
        self._window = window
        self._disk = BackgroundRunner("annotations", 1, self)
        self._closing = ClosingFiles(self)
        self._slides: dict[str, SlideSets] = {}
        self._identities: dict[SlidePane, str] = {}
        self._panes: dict[SlidePane, PaneAnnotations] = {}
        self._shown_before: dict[str, dict[str, bool]] = {}
        """Of slides that were open in this window, which sets were shown."""
        self.slide_of: Callable[[SlidePane], ReaderSlide | None] = self._slide_alone
        """Gives a pane's slide as its reader has it; None while a study is being opened."""
        self._ends: dict[SlidePane, list[Callable[[], None]]] = {}
        self.banner = NoticeBar(window.window())
        self.reading = ReadingBar(window.window(), lambda: window.panes)
        self.panel = AnnotationsPanel(window.window())
        self.editing = EditingCommands(window, lambda: self.active, lambda: self.active_sets, self)
        self.models = ModelCommands(window, self, self)
        self.training = TrainingFiles(window, self, self)
        self.files = AnnotationFiles(window, self, self.training, self)
        self.classes = ClassCommands(
            window, lambda: self.active, self.editing, self.panel, lambda: self.active_sets, self
        )
        self.painted = PaintedSets(window, self, self.classes)
        self._former = FormerContent(self._disk, self._closing, self)
        self._notices = SetNotices(
            self.banner,
            self,
            self._slides.values,
            self._former,
            lambda sets, drawn: self.sets.copy_former(sets, drawn),
        )
        self._undo = UndoNames(window, self)
        self.notes = NoteCommands(window, lambda: self.active, self)
        self._tables = TableCommands(window, lambda: self.active, self)
        self.sets = SetCommands(window, self, self.panel, self)
        self.tool_options = ToolOptions(window)
        self._listing = Listing(window, self, self.panel, self)
        self._connect()
        drawn_places.drawn_in = self._drawn_in
        self._listing.show()

    def shut_down(self) -> None:
        """Take what is being written, and wait for the disk."""
        drawn_places.drawn_in = drawn_places.no_places
        self.panel.finish()
        for pane in list(self._identities):
            self._leave(pane)
        parts = self.editing, self.models, self.files, self.training, self.classes, self._tables
        for part in parts:
            part.shut_down()
        self.sets.shut_down()
        self.panel.shut_down()
        self._closing.shut_down()
        self._disk.close(finish=True)

    def when_closed(self, then: Callable[[], object]) -> None:
        """Call `then` once the files of slides that left are written and closed."""
        self._disk.run(self._closing.wait_for_all, lambda _: then())

    def when_written(self, then: Callable[[], object]) -> None:
        """Call `then` once all that was drawn is on the disk."""
        waiting = self._open_sets()
        self._disk.run(lambda: [each.flush() for each in waiting], lambda _: then())

    def save(self) -> None:
        """Say once all that was drawn is on the disk, where it goes by itself."""
        waiting = self._open_sets()
        self._disk.run(
            lambda: all([each.flush() for each in waiting]),  # noqa: C419 - of each, also after one
            lambda are_saved: self._window.say(_SAVED if are_saved else _NOT_SAVED),
        )

    def _open_sets(self) -> list[SlideAnnotations]:
        entries = [each for sets in self._slides.values() for each in sets.held]
        return [each.annotations for each in entries if each.annotations is not None]

    def of(self, pane: SlidePane) -> PaneAnnotations | None:
        """Return None before the annotations of the pane's slide are there."""
        return self._panes.get(pane)

    @property
    def active(self) -> PaneAnnotations | None:
        """Return the annotations of the active pane."""
        return self._panes.get(self._window.panes.active)

    @property
    def can_annotate(self) -> bool:
        """Return whether the active pane's slide can be drawn on."""
        return self.active is not None and not self.active.document.is_read_only

    @property
    def chosen_count(self) -> int:
        """Return how many annotations are chosen in the active pane."""
        return len(self.active.selection) if self.active is not None else 0

    @property
    def can_undo(self) -> bool:
        return self._undo.is_possible(back=True)

    @property
    def can_redo(self) -> bool:
        return self._undo.is_possible(back=False)

    @property
    def is_saved(self) -> bool:
        """Return whether all that was drawn is on the disk."""
        return all(slide.is_saved for slide in self._slides.values())

    def _drawn_in(self, identity: str) -> list[AnnotationsPlace]:
        """Return the sets that are drawn in on a slide, also for worker threads."""
        sets = self._slides.get(identity)
        return [sets.current.listed.place] if sets is not None else []

    def sets_of(self, pane: SlidePane) -> SlideSets | None:
        """Return the sets of a pane's slide; None before they are there."""
        return self._slides.get(self._identities.get(pane, ""))

    def states_in_sight(self, pane: SlidePane) -> list[tuple[SetKey, DocumentState]]:
        """Return what exports of a pane's slide hold, to be put `together` in a thread.

        The set that is drawn in, and all that are shown.
        """
        sets = self.sets_of(pane)
        return sets.states_in_sight if sets is not None else []

    @property
    def active_sets(self) -> SlideSets | None:
        """Return the sets of the slide in the active pane."""
        return self.sets_of(self._window.panes.active)

    def refresh(self) -> None:
        """Another reads, or for another project or stage: strokes and sets follow at once."""
        moved: list[SlidePane] = []
        for pane in self._window.panes.panes:
            slide, sets = self.slide_of(pane), self.sets_of(pane)
            if slide is not None and sets is not None and _is_named_now(sets.slide, slide):
                sets.adopt(slide)
            elif slide is None or sets is None or sets.slide.state != slide.state:
                moved.append(pane)
                continue
            else:
                sets.slide = slide
            if pane in self._panes:
                self._panes[pane].author = self._window.reader.name
        for pane in moved:  # all of them, as they may share a slide
            self._leave(pane)
        for pane in moved:
            if pane.source is not None:
                self._join(pane, pane.source.info.identity)
        self._show_active()

    # Slides come and go ----------------------------------------------------------------------

    def _on_slide_changed(self, pane: SlidePane) -> None:
        self._leave(pane)
        if pane is self._window.panes.active:
            self._window.status.outdate()
        if pane.source is not None:
            self._join(pane, pane.source.info.identity)
        self._show_active()

    def _on_panes_changed(self) -> None:
        for pane in [pane for pane in self._identities if pane not in self._window.panes.panes]:
            self._leave(pane)
        self._show_active()

    def _slide_alone(self, pane: SlidePane) -> ReaderSlide | None:
        from viewer.studies.reader_sets import ReaderSlide

        if pane.source is None:
            return None
        beside = self._window.settings.annotations_beside
        identity = pane.source.info.identity
        return ReaderSlide(identity, pane.path, beside, self._window.reader.name)

    def _join(self, pane: SlidePane, identity: str) -> None:
        """Share the sets of a slide, which are opened if nobody has them yet."""
        slide = self.slide_of(pane)
        if slide is None:
            return
        self._identities[pane] = identity
        sets = self._slides.get(identity)
        if sets is None:
            sets = self._slides[identity] = self._new_slide(slide)
            self._former.look(slide, pane.former_identity)
        self.painted.begin(pane, sets)
        if sets.current.is_open:
            self._begin(pane, sets)
        self.painted.follow(pane)

    def _new_slide(self, slide: ReaderSlide) -> SlideSets:
        from viewer.ui.annotations.sets.slide_sets import SlideSets

        shown = self._shown_before.setdefault(slide.identity, {})
        reader, begin = self._window.reader, self.reading.begin
        sets = SlideSets(slide, self._disk, self._closing, lambda: reader.name, shown, begin, self)
        sets.opened.connect(lambda entry: self._on_opened(sets, entry))
        sets.changed.connect(lambda: self._on_sets_changed(sets))
        sets.current_changed.connect(lambda: self._on_current_changed(sets))
        sets.failed.connect(self._window.show_error)
        sets.canceled.connect(self._on_canceled)
        sets.trouble_changed.connect(self._on_file_changed)
        sets.history_changed.connect(self._undo.show)
        sets.stepped.connect(lambda entry, step: self._on_step(sets, entry, step))
        return sets

    def _on_canceled(self, entry: SetEntry) -> None:
        self._window.say(f"{entry.label}: canceled, nothing was read. Show the set to read it.")
        self._notices.show()

    def _panes_of(self, sets: SlideSets) -> list[SlidePane]:
        return [pane for pane, key in self._identities.items() if self._slides.get(key) is sets]

    def _on_opened(self, sets: SlideSets, entry: SetEntry) -> None:
        for pane in self._panes_of(sets):
            if entry is sets.current:
                self._begin(pane, sets)
            self.painted.follow(pane)
        self._show_active()

    def _on_sets_changed(self, sets: SlideSets) -> None:
        for pane in self._panes_of(sets):
            self.painted.follow(pane)
            self.painted.show_current(pane)
        self.sets.show()
        self.classes.touch()
        self.sets_changed.emit()

    def _on_current_changed(self, sets: SlideSets) -> None:
        for pane in self._panes_of(sets):
            self._end(pane)
            if sets.current.is_open:
                self._begin(pane, sets)
            self.painted.follow(pane)
        self._show_active()

    def _begin(self, pane: SlidePane, sets: SlideSets) -> None:
        from viewer.ui.annotations.pane_annotations import PaneAnnotations

        annotations = sets.current.annotations
        assert annotations is not None
        author = self._window.reader.name
        options, say = self._window.toolbox.options, self._window.say
        show_again = partial(self.painted.show_again, pane)
        bulk = self.editing.bulk
        each = PaneAnnotations(pane, annotations, options, say, author, show_again, bulk)
        each.desk.current_class = self.classes.current
        each.layer.opacity = sets.current.opacity
        self._panes[pane] = each
        self._ends[pane] = [each.selection.listen(lambda: self._on_chosen(each))]
        self.painted.show_current(pane)
        self.opened.emit(each)

    def _end(self, pane: SlidePane) -> None:
        """The pane draws on its set no more; what is under way is finished."""
        each = self._panes.get(pane)
        if each is not None:
            if each is self.active:
                self.panel.finish()
            self.closing.emit(each)
            for end in self._ends.pop(pane):
                end()
            each.close()
            pane.canvas.announcer.show_selection("")
            del self._panes[pane]

    def _leave(self, pane: SlidePane) -> None:
        self._end(pane)
        self.painted.end(pane)
        identity = self._identities.pop(pane, None)
        if identity is not None and identity not in self._identities.values():
            sets = self._slides.pop(identity)
            sets.leave()
            sets.deleteLater()
            self._notices.show()

    # What happens to them --------------------------------------------------------------------

    def _on_step(self, sets: SlideSets, entry: SetEntry, step: Edit) -> None:
        active = self.active
        self._window.status.outdate()
        self.classes.touch(step)
        self.sets.touch(entry)
        if entry is not sets.current:
            self._listing.show_notice()
            return  # its layers follow by themselves
        slide = entry.annotations
        showing = [each for each in self._panes.values() if each.slide is slide]
        if showing and step.label:
            drawing = [each for each in showing if each.desk.is_editing]
            acting = drawing or [each for each in showing if each is active] or showing
            record_step(step, self._window.recording.control, acting[0].pane)
        if active is not None and active.slide is slide:
            self._listing.follow(step)
            self.models.touch()
            self._undo.show()

    def _on_file_changed(self) -> None:
        """A file cannot be written, or can again; a slide may be drawn on now."""
        self._notices.show()
        self._listing.show_notice()
        self._window.update_situation()

    def _on_chosen(self, each: PaneAnnotations) -> None:
        each.pane.canvas.announcer.show_selection(selection_sentence(each.selection))
        if each is self.active:
            self._window.status.outdate()
            self._listing.show_chosen()
            self.models.touch()
            self._window.update_situation()

    def _show_active(self) -> None:
        self.sets.show()
        self._listing.show()
        self.classes.show_current()
        self.models.touch()
        self._notices.show()
        self._undo.show()

    def _on_view_changed(self, pane: SlidePane, cause: str) -> None:
        each = self._panes.get(pane)
        if cause == "optics" and each is not None:
            each.calibrate()
            if each is self.active:
                self._listing.show()
                self.models.touch()

    def _finish(self, pane: SlidePane) -> None:
        """What is being typed of a slide that leaves belongs to it."""
        if pane is self._window.panes.active:
            self.panel.finish()

    def _watch(self, pane: SlidePane) -> None:
        pane.modes.changed.connect(self.painted.show_all)
        pane.slide_closing.connect(self._finish)
        pane.slide_leaving.connect(self._leave)
        pane.slide_changed.connect(self._on_slide_changed)
        pane.view_changed.connect(self._on_view_changed)

    def _connect_panel(self) -> None:
        panel, commands = self.panel, self._window.commands
        panel.new_set.clicked.connect(commands["annotate.new_set"].trigger)
        panel.export.clicked.connect(commands["annotate.export"].trigger)
        commands.on("annotate.save", self.save)
        panel.count.clicked.connect(self.models.ask_count)
        panel.statistics.clicked.connect(self._tables.show_statistics)

    def _connect(self) -> None:
        window = self._window
        window.reader.leaving.connect(self.panel.finish)
        window.reader.changed.connect(self.refresh)
        self.panel.when_built(self._connect_panel)
        self.models.figures_changed.connect(self.panel.show_figures)
        window.panes.active_changed.connect(
            lambda _: (window.status.outdate(), self._show_active())
        )
        window.panes.panes_changed.connect(self._on_panes_changed)
        window.panes.watch(self._watch)


def _is_named_now(before: ReaderSlide, now: ReaderSlide) -> bool:
    """Return whether the reader took a pseudonym only now, and has drawn under none."""
    from viewer.annotations.storage.home_reader import is_home_reader

    if before.reader or not now.reader or before.study is not None or now.study is not None:
        return False
    return replace(before, reader=now.reader) == now and is_home_reader(now.reader)
