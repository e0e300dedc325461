"""Reviews of annotations in a window: sets handed in and judged, what models made sorted."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import shapely
from PySide6.QtCore import QObject

from viewer.annotations.document import adding, removing
from viewer.canvas.layer import LayerOrder
from viewer.canvas.outline_layer import OutlineLayer
from viewer.errors import CoverslipError, reason_of
from viewer.geometry import Box
from viewer.recording.review.stopwatch import Stopwatch
from viewer.ui.background_runner import BackgroundRunner, Task
from viewer.ui.projects.set_review_panel import SetReviewPanel
from viewer.ui.services import (
    CommandHost,
    DialogHost,
    MessageHost,
    OpeningHost,
    PaneHost,
    ReaderHost,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.sets.annotation_set import AnnotationSet
    from viewer.studies.reviewable_sets import OpenedReview, ReviewableSet
    from viewer.studies.set_review import ReviewNews, SetStatus, Verdict
    from viewer.ui.annotations.controller import AnnotationsController
    from viewer.ui.projects.open_project import OpenProject
    from viewer.ui.projects.study_controller import StudyController
    from viewer.ui.recording.controller import RecordingController
    from viewer.ui.slides.slide_pane import SlidePane

_log = logging.getLogger(__name__)
_ROUND = 3.0
_NEAREST_MPP_UM = 0.25
_LEAST_SPENT_S = 0.5
"""A shorter look at an object without a verdict is a key held down."""
_SOURCE = "Source"
"""Metadata of an object that was taken from a model's set."""


class SetReviewHost(
    MessageHost, DialogHost, PaneHost, CommandHost, ReaderHost, OpeningHost, Protocol
):
    """What a review of annotations asks of the window."""

    annotations: AnnotationsController
    recording: RecordingController


class SetReviewController(QObject):
    """Owned by the part of projects; `shut_down` writes what is left.

    Verdicts are shown at once and written in a thread, one after the other.
    """

    def __init__(self, window: SetReviewHost, opened: OpenProject, study: StudyController) -> None:
        super().__init__(window.window())
        self._window = window
        self._project = opened
        self._study = study
        self._seen: object = None
        """The reader's stage when sets were listed last, and what it hid."""
        self._disk = BackgroundRunner("reviews of annotations", 1, self)
        self._listing: Task | None = None
        self._is_shown = False
        self._opened: OpenedReview | None = None
        self._unwritten = 0
        self._news: list[ReviewNews] = []
        """What was written, to be shown once nothing newer waits to be."""
        self._row = -1
        self._judged: list[int] = []
        """Rows in the order of their verdicts, for taking them back."""
        self._wanted: AnnotationSet | None = None
        """The set to open once its slide is there."""
        self._watch = Stopwatch()
        self._layer = OutlineLayer("#ffb000", width_px=3.0, fill=0.0, name="object under review")
        self._pane: SlidePane | None = None
        self.panel = SetReviewPanel(window.commands, window.window())
        self._connect()

    @property
    def is_active(self) -> bool:
        """Return whether verdicts can be given by keys now."""
        is_session = self._window.recording.review.reviewing.is_active
        return self._is_shown and self._opened is not None and not is_session

    def shut_down(self) -> None:
        """Keep the time spent, and end the thread once all is written."""
        self._leave_object()
        self._disk.close(finish=True)

    # Sets come and go ------------------------------------------------------------------------

    def refresh(self) -> None:
        """List the sets of the slide in the active pane, if the panel is in view."""
        if self._listing is not None:
            self._listing.cancel()
        pane = self._window.panes.active
        if not self._is_shown or pane.source is None:
            self._show(None, [])
            return
        identity, reader = pane.source.info.identity, self._window.reader.name
        named = self._study.identity_of(pane)
        study = self._study.study if named else None
        self._seen = self._study.view(named) if named else None
        if named and study is None:
            self._show(None, [])  # until it is known what the study hides
            return

        def listed() -> list[ReviewableSet]:
            from viewer.studies.reviewable_sets import reviewable_sets

            return reviewable_sets(study, identity, named, reader)

        self._listing = self._disk.run(
            listed, lambda sets: self._on_listed(pane, sets), self._on_failed
        )

    def _on_listed(self, pane: SlidePane, sets: list[ReviewableSet]) -> None:
        self._listing = None
        if pane is not self._window.panes.active:
            return
        wanted = self._wanted or (self._opened.of.which if self._opened is not None else None)
        chosen = next((each for each in sets if each.which == wanted), None)
        chosen = chosen or next((each for each in sets if each.role == "judge"), None)
        chosen = chosen or next(iter(sets), None)
        self._show(None, sets, chosen)
        if chosen is not None:
            self._open(chosen)

    def _open(self, which: ReviewableSet) -> None:
        person = self._window.reader.name
        self._leave_object()
        self._disk.run(lambda: which.opened(person), self._on_opened, self._on_failed)

    def _on_opened(self, opened: OpenedReview) -> None:
        if self.panel.sets.currentData() != opened.of or not self._is_shown:
            return
        self._wanted = None
        self._opened, self._row, self._judged, self._news = opened, -1, [], []
        self._pane = self._window.panes.active
        self._pane.canvas.add_layer(self._layer, LayerOrder.TOOLS)
        self.panel.show_review(opened)
        self._window.update_situation()
        if opened.annotations:
            self.panel.choose(0)

    def _show(
        self,
        opened: OpenedReview | None,
        sets: list[ReviewableSet],
        chosen: ReviewableSet | None = None,
    ) -> None:
        self._leave_object()
        self._opened, self._row, self._news = opened, -1, []
        self._layer.clear()
        if self._pane is not None:
            self._pane.canvas.remove_layer(self._layer)
            self._pane = None
        self.panel.show_sets(sets, chosen)
        self.panel.show_review(opened)
        self._window.update_situation()

    # Objects ---------------------------------------------------------------------------------

    @property
    def _object(self) -> Annotation | None:
        opened = self._opened
        if opened is None or not 0 <= self._row < len(opened.annotations):
            return None
        return opened.annotations[self._row]

    def _choose(self, row: int) -> None:
        if row == self._row or self._opened is None:
            return
        self._leave_object()
        self._row = row
        self._watch.touch()
        annotation = self._object
        if annotation is None or self._pane is None:
            return
        said = self._opened.review.objects.get(annotation.id.hex)
        self.panel.comment.setText(said.comment if said is not None else "")
        box = Box(*annotation.geometry.bounds)
        self._layer.show_regions(_regions(annotation))
        canvas = self._pane.canvas
        nearest = _NEAREST_MPP_UM / (canvas.optics.mean_mpp_um or _NEAREST_MPP_UM)
        field = Box.around(box.center, box.width * _ROUND, box.height * _ROUND)
        canvas.go_to(box.center, max(canvas.view.showing(field).downsample, nearest))

    def _leave_object(self) -> None:
        """Keep how long the object was looked at, where it got no verdict."""
        seconds = self._watch.take_s()
        self._watch.hold()
        annotation, opened = self._object, self._opened
        if annotation is not None and opened is not None and seconds >= _LEAST_SPENT_S:
            self._write(lambda: opened.store.judge(annotation, None, "", seconds), opened)

    def _step(self, step: int) -> None:
        if self._opened is not None and self._opened.annotations:
            self.panel.choose((self._row + step) % len(self._opened.annotations))

    def _go_on(self) -> None:
        """To the next object that waits for a verdict, round the end of the list."""
        opened = self._opened
        if opened is None:
            return
        row = opened.standing.next_waiting(self._row)
        if row is not None:
            self.panel.choose(row)
        elif opened.of.role == "judge":
            self._window.say("Each object is judged: approve the set, or return it.")
        else:
            self._window.say("Each object of the set is sorted.")
        self.panel.table.setFocus()

    # Verdicts --------------------------------------------------------------------------------

    def _accept(self) -> None:
        role = self._role
        if role == "judge":
            self._judge("approved")
        elif role == "sort" and self._take_over():
            self._judge("accepted")

    def _correct(self) -> None:
        """The object becomes one of the reader's own, to be changed."""
        annotation, active = self._object, self._window.annotations.active
        if self._role == "sort" and annotation is not None and self._take_over():
            self._judge("corrected", goes_on=False)
            if active is not None:
                active.selection.choose([annotation.id])
            self._window.panes.active.focus()
            self._window.say("Correct it on the slide, then go on with J.")

    def _reject(self) -> None:
        comment = self.panel.comment.text().strip()
        if self._role == "sort":
            self._give_back()
            self._judge("rejected")
        elif self._role == "judge" and not comment:
            self.panel.comment.setFocus()
            self._window.say("Say what is to be corrected, then press Enter.")
        elif self._role == "judge":
            self._judge("returned", comment)

    def _skip(self) -> None:
        self._step(1)

    def _undo(self) -> None:
        if not self._judged:
            self._window.say("There is no verdict to take back.")
            return
        self.panel.choose(self._judged.pop())
        if self._role == "sort":
            self._give_back()
        self._judge("", goes_on=False)

    def _judge(self, verdict: Verdict, comment: str = "", *, goes_on: bool = True) -> None:
        from viewer.studies.set_review import ObjectReview

        annotation, opened, row = self._object, self._opened, self._row
        if annotation is None or opened is None:
            return
        person, seconds = opened.store.person, self._watch.take_s()
        self._watch.touch()
        opened.judge(row, ObjectReview(verdict, person, comment, annotation.modified_utc, 0))
        if verdict:
            self._judged.append(row)
        self._write(lambda: opened.store.judge(annotation, verdict, comment, seconds), opened)
        self.panel.model.row_changed(row)
        self.panel.show_status()
        if goes_on:
            self._go_on()

    def _say_of_set(self, status: SetStatus) -> None:
        opened = self._opened
        if opened is None:
            return
        if status == "handed in" and not self._window.annotations.is_saved:
            self._window.say("Wait a moment: what was drawn last is being saved.")
            return
        comment = self.panel.comment.text().strip() if status == "returned" else ""
        self._leave_object()
        self._write(lambda: opened.store.say(status, comment), opened)
        self._window.say(f"{opened.of.label}: {status}.")

    # What a model made -----------------------------------------------------------------------

    def _take_over(self) -> bool:
        """Add the object to the reader's own; False where that cannot be done."""
        annotation, active, opened = self._object, self._window.annotations.active, self._opened
        if annotation is None or active is None or opened is None:
            return False
        which, sets = opened.of.which, self._window.annotations.active_sets
        if sets is not None and sets.current.listed.which == which:
            self._window.say("Choose another set for what you draw: this one is under review.")
            return False
        if annotation.id in active.document:
            return True
        taken = replace(annotation, is_locked=False).noted(_SOURCE, which.source or which.key.name)
        if active.do(adding("Accept", [taken])):
            return True
        self._window.say("It cannot be added to your annotations: see that they can be changed.")
        return False

    def _give_back(self) -> None:
        """Take the object out of the reader's own again."""
        annotation, active = self._object, self._window.annotations.active
        taken = active.document.get(annotation.id) if active and annotation else None
        if active is not None and taken is not None and _SOURCE in taken.metadata:
            active.do(removing("Reject", [taken]))

    # -----------------------------------------------------------------------------------------

    @property
    def _role(self) -> str:
        return self._opened.of.role if self._opened is not None else ""

    def _write(self, work: Callable[[], ReviewNews], opened: OpenedReview) -> None:
        self._unwritten += 1
        self._disk.run(
            work,
            lambda news: self._on_written(news, opened),
            lambda error: self._on_not_written(error, opened),
            keeps="A verdict",
        )

    def _on_written(self, news: ReviewNews, opened: OpenedReview) -> None:
        self._unwritten -= 1
        if opened is not self._opened:
            return
        self._news.append(news)
        if self._unwritten:
            return
        written, self._news = self._news, []
        for row in {row for each in written for row in opened.take(each)}:
            self.panel.model.row_changed(row)
        self.panel.show_status()

    def _on_not_written(self, error: Exception, opened: OpenedReview) -> None:
        """What is shown is again what is on the disk."""
        self._unwritten -= 1
        self._window.show_error(
            f"A verdict is not saved ({reason_of(error)}): make room, and give it again."
        )
        if opened is self._opened:
            self._open(opened.of)

    def _on_failed(self, error: Exception) -> None:
        if not isinstance(error, CoverslipError | OSError):
            _log.error("a review of annotations failed", exc_info=error)
        self._window.show_error(f"The review cannot be opened: {error}")

    def _find_waiting(self) -> None:
        from viewer.studies.reviewable_sets import waiting_sets

        study = self._study.study
        if study is None:
            self._window.say("Open a project to see which of its sets wait.")
            return
        here = self._opened.of.which if self._opened is not None else None
        self._disk.run(
            lambda: waiting_sets(study),
            lambda sets: self._on_waiting([each for each in sets if each != here]),
            self._on_failed,
        )

    def _on_waiting(self, sets: list[AnnotationSet]) -> None:
        project = self._project.project
        found = next(((each, s) for each in sets if (s := project.slide(each.identity))), None)
        if found is None:
            self._window.say("No other set waits for a review.")
            return
        self._wanted, wanted = found
        pane = self._window.panes.active
        slide = project.slide(pane.source.info.identity) if pane.source else None
        if slide is not None and slide.identity == wanted.identity:
            self.refresh()
        else:
            self._window.open_slide(self._project.path_of(wanted))

    def _on_shown(self, shown: bool) -> None:
        if shown != self._is_shown:
            self._is_shown = shown
            self.refresh()

    def _on_study_changed(self) -> None:
        """What the study hides from now on goes from the panel."""
        named = self._study.identity_of(self._window.panes.active)
        if named and self._study.view(named) != self._seen:
            self.refresh()

    def _on_leaving(self, pane: SlidePane) -> None:
        if pane is self._pane:
            self._show(None, [])

    def _if_active(self, handler: Callable[[], object]) -> Callable[[], object]:
        return lambda: handler() if self.is_active else None

    def _watch_pane(self, pane: SlidePane) -> None:
        pane.slide_leaving.connect(self._on_leaving)
        pane.slide_changed.connect(
            lambda changed: changed is self._window.panes.active and self.refresh()
        )
        pane.view_changed.connect(lambda changed, _: changed is self._pane and self._watch.touch())

    def _connect(self) -> None:
        window, panel = self._window, self.panel
        for command_id, handler in (
            ("review.accept", self._accept),
            ("review.edit", self._correct),
            ("review.reject", self._reject),
            ("review.skip", self._skip),
            ("review.previous", lambda: self._step(-1)),
            ("review.next", lambda: self._step(1)),
            ("review.undo", self._undo),
        ):
            window.commands.on(command_id, self._if_active(handler))
        panel.set_chosen.connect(self._open)
        panel.object_chosen.connect(self._choose)
        panel.comment_given.connect(self._reject)
        panel.when_built(lambda: panel.comment.textEdited.connect(lambda _: self._watch.touch()))
        panel.status_given.connect(self._say_of_set)
        panel.waiting_requested.connect(self._find_waiting)
        panel.shown.connect(self._on_shown)
        window.panes.active_changed.connect(lambda _: self.refresh())
        window.reader.leaving.connect(self._leave_object)
        window.reader.changed.connect(self.refresh)
        self._project.switched.connect(self.refresh)
        self._study.changed.connect(self._on_study_changed)
        window.recording.control.place_changed.connect(
            lambda place: self._watch.hold() if place in ("dialog", "elsewhere") else None
        )
        window.panes.watch(self._watch_pane)


def _regions(annotation: Annotation) -> shapely.MultiPolygon:
    """Return what to outline: the region, or a box round points and lines."""
    parts = [
        part
        for part in shapely.get_parts(annotation.geometry).tolist()
        if isinstance(part, shapely.Polygon)
    ]
    return shapely.MultiPolygon(parts or [shapely.box(*annotation.geometry.buffer(1.0).bounds)])
