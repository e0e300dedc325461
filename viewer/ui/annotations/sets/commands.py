"""What is done with sets of annotations: new ones, copies, merges, locks, and the list of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

from PySide6.QtCore import QObject, QPoint, Qt, QTimer
from PySide6.QtWidgets import QInputDialog, QMenu

from viewer.annotations.document import ReadOnlyError, adding
from viewer.annotations.sets.together import together
from viewer.progress import while_wanted
from viewer.ui.annotations.bulk_edits import MANY
from viewer.ui.annotations.services import KeptSets
from viewer.ui.annotations.sets.steps import free_name, may_go, removed, removed_names, step_in_sets
from viewer.ui.annotations.wording import many
from viewer.ui.opened_dialog import open_dialog
from viewer.ui.services import CommandHost, DialogHost, MessageHost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import Document, Edit
    from viewer.annotations.sets.annotation_set import SetKind
    from viewer.ui.annotations.annotations_panel import AnnotationsPanel
    from viewer.ui.annotations.editing_commands import EditingCommands
    from viewer.ui.annotations.sets.panel import SetsPanel
    from viewer.ui.annotations.sets.slide_sets import SetEntry, SlideSets
    from viewer.ui.annotations.slide_annotations import SlideAnnotations
    from viewer.ui.status_bar import WindowStatusBar

_LOOK_MS = 5000
"""How often it is looked which sets others made: shared folders do not tell."""
_LONGEST_NAME = 80
_BEFORE = "Before the file changed"
_PAUSE_MS = 50
"""Steps in a row are counted once."""


class EditedSets(KeptSets, Protocol):
    """Sets, and what changes many of their annotations."""

    editing: EditingCommands


class SetCommandsHost(MessageHost, DialogHost, CommandHost, Protocol):
    """What the commands on sets ask of the window."""

    status: WindowStatusBar


class SetCommands(QObject):
    """Owned by the part; keeps the panel's list of sets in step with the active pane."""

    def __init__(
        self, window: SetCommandsHost, kept: EditedSets, panel: AnnotationsPanel, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._kept = kept
        self._page = panel
        self._touched: dict[SetEntry, None] = {}
        """Sets whose counts are to be shown anew."""
        self._pause = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._pause.timeout.connect(self._show_counts)
        self._look = QTimer(self, interval=_LOOK_MS)
        self._look.timeout.connect(self._refresh)
        self._look.start()
        panel.when_built(self._connect_panel)
        commands = window.commands
        commands.on("annotate.new_set", self._ask_new)
        commands.on("annotate.copy_set", self._copy_chosen)
        commands.on("annotate.merge_sets", self._ask_merge)
        commands.on("annotate.compare_sets", self._compare)
        commands.on("annotate.restore_set", self._restore)

    @property
    def _panel(self) -> SetsPanel:
        return self._page.sets

    def _connect_panel(self) -> None:
        queued = Qt.ConnectionType.QueuedConnection  # the list is filled anew by what they do
        self._panel.shown_changed.connect(self._set_shown, queued)
        self._panel.lock_changed.connect(self._set_locked, queued)
        self._panel.current_chosen.connect(self.draw_in, queued)
        self._panel.removal_requested.connect(self._remove_chosen, queued)
        self._panel.menu_requested.connect(self._open_menu)

    def shut_down(self) -> None:
        """Look at no folder any more."""
        self._look.stop()

    def show(self) -> None:
        """List the sets of the active pane's slide."""
        self._page.when_built(self._show, "sets")

    def _show(self) -> None:
        sets = self._kept.active_sets
        if sets is None:
            self._panel.show_sets([], None)
        else:
            self._panel.show_sets(sets.entries, sets.current)

    def touch(self, entry: SetEntry) -> None:
        """Count a set anew soon: something was drawn in it."""
        self._touched[entry] = None
        if not self._pause.isActive():
            self._pause.start()

    def _show_counts(self) -> None:
        touched, self._touched = self._touched, {}
        for entry in touched if self._page.is_built else ():
            self._panel.show_count(entry)

    def draw_in(self, entry: SetEntry) -> None:
        """Let strokes go to a set."""
        sets = self._kept.active_sets
        if sets is None or entry not in sets.entries:
            return
        if not sets.make_current(entry):
            self._window.say(entry.listed.why_locked)
            self.show()

    def copy_chosen_to(self, entry: SetEntry) -> None:
        """Copy what is chosen in the active pane to another of the reader's sets."""
        sets, active = self._kept.active_sets, self._kept.active
        if sets is None or active is None or not len(active.selection):
            return
        ids = active.selection.ids
        chosen = active.document.snapshot()

        def done(edit: Edit) -> None:
            self._window.status.say_of_drawing(
                f"{many(len(edit.changes))} copied to {entry.label}."
            )
            if entry.annotations is not None:
                self.note_step(sets, entry.annotations, edit)
            self.show()

        def put(annotations: SlideAnnotations) -> None:
            self._add_copies(
                annotations.document, "Copy annotations", len(ids), lambda: chosen.of(ids), done
            )

        self._with_open(sets, entry, put)

    def _add_copies(
        self,
        document: Document,
        label: str,
        count: int,
        held: Callable[[], Iterable[Annotation]],
        done: Callable[[Edit], object],
        stopped: Callable[[], object] = lambda: None,
    ) -> None:
        """Add copies of annotations to a set, very many in a thread; `held` gives them there."""
        if count > MANY:
            self._kept.editing.bulk.do(
                document, label, count, lambda _: adding(label, _copies(held())), done,
                stopped=stopped,
            )  # fmt: skip
            return
        edit = adding(label, _copies(held()))
        try:
            document.do(edit)
        except ReadOnlyError as error:
            self._window.say(str(error))
            return
        done(edit)

    def add(
        self,
        sets: SlideSets,
        name: str,
        kind: SetKind,
        source: str,
        put: Callable[[SlideAnnotations], object],
        *,
        shown: bool = True,
    ) -> SetEntry:
        """Call `put` with the document of a set of this name, once it is open."""
        known = sets.entries.copy()
        entry = sets.new(name, kind, source, shown=shown)
        entry.is_made = entry.is_made or entry not in known
        annotations = entry.annotations
        assert annotations is not None
        annotations.when_open(put)
        return entry

    def copy_former(self, sets: SlideSets, drawn: Sequence[Annotation]) -> None:
        """Copy what was drawn on what the file of a slide held before to a set of its own."""

        def put(annotations: SlideAnnotations) -> None:
            def done(edit: Edit) -> None:
                self._window.status.say_of_drawing(
                    f"{many(len(edit.changes))} copied to {_BEFORE}."
                )
                self.note_step(sets, annotations, edit)
                self.show()

            document = annotations.document
            self._add_copies(document, "Copy annotations", len(drawn), lambda: drawn, done)

        self.add(sets, _BEFORE, "imported", "", put)

    def note_step(
        self,
        sets: SlideSets,
        annotations: SlideAnnotations,
        edit: Edit,
        also: Callable[[bool], object] | None = None,
    ) -> None:
        """Let undo take back what was put into a set that is not drawn in, with a set made for it.

        One that is drawn in undoes it by itself, but for what was done beside; `also` as
        `step_in_sets`.
        """
        entry = next((each for each in sets.entries if each.annotations is annotations), None)
        if entry is None or (entry is sets.current and also is None) or not edit.changes:
            return
        bulk = self._kept.editing.bulk
        sets.push_step(step_in_sets(edit.label, sets, [entry], bulk, also))

    # -----------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        sets = self._kept.active_sets
        if sets is not None and sets.slide.study is not None and self._window.window().isVisible():
            sets.refresh()

    def _set_shown(self, entry: SetEntry, shown: bool) -> None:
        sets = self._kept.active_sets
        if sets is not None and entry in sets.entries:
            sets.set_shown(entry, shown)

    def _set_locked(self, entry: SetEntry, locked: bool) -> None:
        sets = self._kept.active_sets
        if sets is None or entry not in sets.entries:
            return
        if entry.is_own:
            sets.set_locked(entry, locked)
        else:
            self._window.say(entry.listed.why_locked)

    def _ask_new(self) -> None:
        sets = self._kept.active_sets
        if sets is None:
            return
        dialog = QInputDialog(self._window.window())
        dialog.setWindowTitle("New set")
        dialog.setLabelText("Name of the set; what you draw goes to it from then on:")
        dialog.setTextValue(free_name(sets, "Set 2"))

        def take(text: str) -> None:
            name = text.strip()[:_LONGEST_NAME]
            if name and sets is self._kept.active_sets:
                was_removed = name in removed_names(sets)
                sets.make_current(sets.new(name, "drawn"))
                if was_removed:
                    self._window.say(f"{name} is there again, with what it held.")

        dialog.textValueSelected.connect(take)
        open_dialog(dialog)

    def _copy_chosen(self) -> None:
        entry = self._panel.chosen
        if entry is None:
            self._window.say("Choose a set in the list of the page Annotate first.")
        else:
            self._copy(entry)

    def _copy(self, entry: SetEntry) -> None:
        """The annotations of a set, once more in the set that is drawn in."""
        sets, active = self._kept.active_sets, self._kept.active
        if sets is None or active is None:
            return
        if entry is sets.current:
            self._window.say(f"{entry.label} is the set that you draw in: choose another one.")
            return

        def done(edit: Edit) -> None:
            self._window.status.say_of_drawing(
                f"{many(len(edit.changes))} of {entry.label} copied to {sets.current.label}; "
                "Ctrl+Z takes them back."
            )

        def put(annotations: SlideAnnotations) -> None:
            if self._kept.active is not active:
                return
            if not len(annotations.document):
                self._window.say(f"There is nothing in {entry.label}.")
                return
            state, count = annotations.document.snapshot(), len(annotations.document)
            label = f"Copy {entry.label}"
            if count > MANY:
                self._add_copies(active.document, label, count, lambda: state, done)
            elif active.do(edit := adding(label, _copies(state))):
                done(edit)

        self._with_open(sets, entry, put)

    def _ask_merge(self) -> None:
        """The sets that are shown, as one new set."""
        sets = self._kept.active_sets
        if sets is None:
            return
        shown = [each for each in sets.entries if each.is_shown and each.is_open]
        if len(shown) < 2:
            self._window.say("Show two or more sets to merge them.")
            return
        dialog = QInputDialog(self._window.window())
        dialog.setWindowTitle("Merge sets")
        dialog.setLabelText(
            f"Name of the set for all annotations of the {len(shown)} sets that are shown:"
        )
        dialog.setTextValue(free_name(sets, "Merged"))

        def take(text: str) -> None:
            name = text.strip()[:_LONGEST_NAME]
            if name and sets is self._kept.active_sets:
                self._merge(sets, shown, name)

        dialog.textValueSelected.connect(take)
        open_dialog(dialog)

    def _merge(self, sets: SlideSets, shown: Sequence[SetEntry], name: str) -> None:
        from viewer.annotations.sets.annotation_set import MY_ANNOTATIONS

        if name == MY_ANNOTATIONS or any(name == each.listed.which.key.name for each in shown):
            self._window.say(f'"{name}" is one of the sets: choose another name.')
            return
        states = [
            (each.listed.which.key, each.annotations.document.snapshot())
            for each in shown
            if each.annotations is not None
        ]
        count = sum(len(state.held) for _, state in states)
        source = ", ".join(entry.label for entry in shown)

        def put(annotations: SlideAnnotations) -> None:
            def done(edit: Edit) -> None:
                self._window.status.say_of_drawing(
                    f"{many(len(edit.changes))} of {len(shown)} sets are in {name} now."
                )
                self.note_step(sets, annotations, edit)
                self.show()

            self._add_copies(
                annotations.document, "Merge sets", count, lambda: together(states), done,
                lambda: sets.forget_empty(annotations),
            )  # fmt: skip

        self.add(sets, name, "merged", source, put)

    def _compare(self) -> None:
        self._window.commands["panels.comparison"].setChecked(False)
        self._window.commands["panels.comparison"].trigger()

    def _remove_chosen(self, entry: SetEntry) -> None:
        sets = self._kept.active_sets
        if sets is None or entry not in sets.entries:
            return
        if may_go(entry):
            self._remove(sets, entry)
        else:
            self._window.say(entry.listed.why_locked or f"{entry.label} stays: it is the first.")

    def _remove(self, sets: SlideSets, entry: SetEntry) -> None:
        sets.push_step(removed(sets, entry))
        self._window.status.say_of_drawing(
            f'{entry.label} is removed; Ctrl+Z or "Bring back removed set" brings it back.'
        )

    def _restore(self) -> None:
        sets = self._kept.active_sets
        if sets is None or not sets.removed:
            self._window.say("No set of this slide was removed since it was opened.")
        else:
            sets.restore(sets.removed[-1])

    def _with_open(
        self, sets: SlideSets, entry: SetEntry, act: Callable[[SlideAnnotations], object]
    ) -> None:
        """Open a set if need be, without showing it for long."""
        if entry.annotations is None:
            sets.set_shown(entry, True)
        assert entry.annotations is not None
        entry.annotations.when_open(act)

    def _open_menu(self, entry: SetEntry, at: QPoint) -> None:
        sets = self._kept.active_sets
        if sets is None:
            return
        menu = QMenu(self._panel)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        draw = menu.addAction("&Draw in this set", lambda: self.draw_in(entry))
        draw.setEnabled(entry.is_own and entry is not sets.current)
        is_locked = entry.annotations is not None and entry.annotations.is_locked
        lock = menu.addAction(
            "Un&lock" if is_locked else "&Lock", lambda: sets.set_locked(entry, not is_locked)
        )
        lock.setEnabled(entry.is_own)
        copy = menu.addAction("&Copy to the set that you draw in", lambda: self._copy(entry))
        copy.setEnabled(entry is not sets.current)
        menu.addSeparator()
        for name in ("annotate.merge_sets", "annotate.compare_sets", "annotate.new_set"):
            menu.addAction(self._window.commands[name])
        menu.addSeparator()
        remove = menu.addAction("&Remove", lambda: self._remove(sets, entry))
        remove.setEnabled(may_go(entry))
        menu.addAction(self._window.commands["annotate.restore_set"])
        menu.popup(at)


def _copies(annotations: Iterable[Annotation]) -> list[Annotation]:
    """Return the same under ids of their own: an annotation is in one set alone."""
    return [replace(each, id=uuid4()) for each in while_wanted(annotations)]
