"""What changes things in a laboratory: bulk edits, undo, reviews, answers, exports, the limit.

Each step is waited for by what it is to bring about, not by time.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.big_slide import write_flat
from benchmarks.collection_windows import is_covered
from benchmarks.laboratory import objects
from benchmarks.stalls import open_in, wait
from viewer.annotations.document import adding, removing
from viewer.ui.background_runner import BackgroundRunner

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.laboratory import Laboratory
    from viewer.ui.annotations.pane_annotations import PaneAnnotations
    from viewer.ui.main_window import MainWindow

_PATIENCE_S = 300.0
"""A slide whose changes of millions are still being written is opened after those."""
_READER = "laboratory"
_FORM = {
    "id": "laboratory",
    "title": "Laboratory",
    "questions": [{"id": "grade", "text": "Grade", "kind": "text"}],
}
_FLAT_PX = 100_000
_KEPT_RESULTS, _RESULT_BYTES = 200, 1 << 20


class Work:
    """What the user may do besides looking, each as likely as the others."""

    def __init__(self, window: MainWindow, laboratory: Laboratory, chance: random.Random) -> None:
        self._window, self._laboratory, self._chance = window, laboratory, chance
        self._flat = write_flat(laboratory.folder / "flat.tif", _FLAT_PX)
        self._limit = BackgroundRunner("results limit", 1, window)
        self._written = 0
        window.change_settings(reader=_READER)
        self._load_form()
        self._draw()
        self.steps: dict[str, Callable[[], None]] = {
            "class of all": self._class_of_all,
            "delete all and undo": self._delete_all,
            "undo": self._undo,
            "filter annotations": self._filter,
            "hide a class": self._hide_class,
            "review": self._review,
            "answer": self._answer,
            "export answers": self._export_answers,
            "export sessions": self._export_sessions,
            "open a flat slide": self._open_flat,
            "hold the limit of results": self._limit_results,
        }

    # Annotations -----------------------------------------------------------------------------

    def _draw(self) -> None:
        """Put the objects into the reader's own set, which a project keeps in its folder."""
        here, sets = self._opened(), self._window.annotations.active_sets
        assert sets is not None
        # A day that was ended in the middle of a change of all of them leaves others.
        if len(here.document) != self._laboratory.objects:
            here.document.do(removing("Delete", list(here.document)))
            here.document.do(adding("Import", objects(self._laboratory.objects)))
            wait(lambda: sets.is_saved, _PATIENCE_S)

    def _drawn(self) -> PaneAnnotations:
        """Open the slide of the objects and wait for all of them."""
        here = self._opened()
        wait(lambda: len(here.document) == self._laboratory.objects, _PATIENCE_S)
        return here

    def _opened(self) -> PaneAnnotations:
        """Open the slide of the objects, and its annotations."""
        annotations, path = self._window.annotations, self._laboratory.drawn_on
        pane = self._window.panes.active
        # A slide that was asked for since comes in its place, and takes its annotations away.
        if pane.path != path or pane.source is None or pane.is_opening:
            open_in(pane, lambda: self._window.open_paths([path]), _PATIENCE_S)
        wait(lambda: annotations.active is not None and self._is_at_rest(), _PATIENCE_S)
        here = annotations.active
        assert here is not None
        return here

    def _is_at_rest(self) -> bool:
        return not self._window.annotations.editing.bulk.is_busy

    def _select_all(self) -> PaneAnnotations:
        here = self._drawn()
        self._window.annotations.classes.hide(())
        here.selection.choose([])
        self._window.commands["edit.select_all"].trigger()
        wait(lambda: len(here.selection) == len(here.document), _PATIENCE_S)
        return here

    def _class_of_all(self) -> None:
        here, classes = self._select_all(), self._window.annotations.classes
        wanted = self._chance.choice(classes.palette.classes).annotation_class
        classes.give(wanted)
        wait(lambda: here.document.class_counts[wanted.name] == len(here.document), _PATIENCE_S)

    def _delete_all(self) -> None:
        here = self._select_all()
        self._window.commands["edit.delete"].trigger()
        wait(lambda: len(here.document) == 0, _PATIENCE_S)
        wait(self._is_at_rest, _PATIENCE_S)
        self._window.commands["edit.undo"].trigger()
        wait(lambda: len(here.document) == self._laboratory.objects, _PATIENCE_S)

    def _undo(self) -> None:
        here, label = self._drawn(), self._drawn().document.undo_label
        if label is not None:
            self._window.commands["edit.undo"].trigger()
            wait(lambda: self._is_at_rest() and here.document.redo_label == label, _PATIENCE_S)

    def _filter(self) -> None:
        here, panel = self._drawn(), self._window.annotations.panel
        panel.show()
        panel.filter.setText(f"object {self._chance.randint(10, 99)}")
        wait(lambda: 0 < panel.model.shown_count < len(here.document), _PATIENCE_S)
        panel.filter.clear()
        wait(lambda: panel.model.shown_count == len(here.document), _PATIENCE_S)

    def _hide_class(self) -> None:
        here, classes = self._drawn(), self._window.annotations.classes
        classes.hide({self._chance.choice(list(here.document.class_counts))})
        wait(lambda: here.desk.hidden_classes == classes.hidden, _PATIENCE_S)
        classes.hide(())

    # Reviews, answers, exports ---------------------------------------------------------------

    def _folders(self) -> list[Path]:
        panels = self._window.recording.panels
        panels.sessions.show()
        panels.sessions.filter.clear()
        wait(lambda: bool(panels.sessions.model.listing.sessions), _PATIENCE_S)
        return [each.folder for each in panels.sessions.model.listing.sessions]

    def _review(self) -> None:
        review, commands = self._window.recording.review, self._window.commands
        review.start(self._chance.choice(self._folders()))
        wait(lambda: review.reviewing.review is not None, _PATIENCE_S)
        found = review.reviewing.review
        assert found is not None
        done = found.figures().done
        for number in range(min(3, len(found.items) - done)):
            commands["review.skip"].trigger()
            wait(lambda number=number: found.figures().done == done + number + 1, _PATIENCE_S)
        commands["review.undo"].trigger()
        review.close_review()

    def _load_form(self) -> None:
        questions = self._window.projects.questions
        if not questions.forms:
            path = self._laboratory.folder / "form.json"
            path.write_text(json.dumps(_FORM))
            questions.load(path)
            wait(lambda: bool(questions.forms), _PATIENCE_S)

    def _answer(self) -> None:
        window, questions = self._window, self._window.projects.questions
        slides = window.projects.opened.project.slides
        path = window.projects.opened.path_of(self._chance.choice(slides))
        pane = window.panes.active
        open_in(pane, lambda: window.open_paths([path]), _PATIENCE_S)
        questions.panel.show()
        wait(lambda: questions.panel.fields["grade"].isEnabled(), _PATIENCE_S)
        questions.panel.answered.emit("laboratory", "grade", str(self._chance.randint(1, 5)))
        written: list[int] = []
        questions.when_written(lambda: written.append(1))
        wait(lambda: bool(written), _PATIENCE_S)

    def _export_answers(self) -> None:
        path = self._laboratory.folder / "answers.csv"
        path.unlink(missing_ok=True)
        self._window.projects.questions.export(path)
        wait(path.exists, _PATIENCE_S)

    def _export_sessions(self) -> None:
        from viewer.ui.recording.export_dialog import ExportDialog

        window = self._window
        out = self._laboratory.folder / f"export {self._written}"
        self._written += 1
        wanted = self._folders()[: self._chance.randint(1, 20)]
        window.recording.panels.sessions.export_requested.emit(wanted)
        wait(lambda: bool(window.findChildren(ExportDialog)))
        dialog = window.findChildren(ExportDialog)[-1]
        dialog.format.setCurrentText("csv")
        dialog.folder.setText(str(out))
        dialog.accept()
        done = f"exported to {out}."  # the export before it may still be spoken of
        wait(lambda: done in window.status.currentMessage(), _PATIENCE_S)
        shutil.rmtree(out)

    # Slides and results ----------------------------------------------------------------------

    def _open_flat(self) -> None:
        pane = self._window.panes.active
        open_in(pane, lambda: self._window.open_paths([self._flat]), _PATIENCE_S)
        wait(lambda: is_covered(pane.canvas), _PATIENCE_S)

    def _limit_results(self) -> None:
        """Write kept results, as a model does, of which most are beyond the limit."""
        from viewer.overlays.result_store import clear_results, results_folder

        seed = self._written

        def work() -> int:
            rest = np.random.default_rng(seed).bytes(_RESULT_BYTES)
            for number in range(_KEPT_RESULTS):
                place = results_folder() / f"slide {number}"
                place.mkdir(parents=True, exist_ok=True)
                (place / "model.sqlite").write_bytes(rest)
            return clear_results(keep_bytes=_KEPT_RESULTS * _RESULT_BYTES // 10)

        freed: list[int] = []
        self._limit.run(work, freed.append)
        wait(lambda: bool(freed), _PATIENCE_S)
