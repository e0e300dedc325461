"""What the Edit and Annotate menus do to the chosen annotations of the active pane."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QInputDialog

from viewer.annotations import operations, shape_editing
from viewer.annotations.annotation import DESCRIPTION
from viewer.annotations.bookmarks import is_mark
from viewer.annotations.document import ReadOnlyError, changing, removing
from viewer.annotations.id_set import FEW, IdSet
from viewer.annotations.simplifying import simplified
from viewer.canvas.annotating.edit_context import HIDDEN
from viewer.memory.uncollected import uncollected
from viewer.ui.annotations.annotation_clipboard import AnnotationClipboard
from viewer.ui.annotations.bulk_edits import MANY, BulkEdits, BulkEditsHost
from viewer.ui.annotations.wording import LOCKED, many, where_others_are
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.services import CommandHost, PaneHost

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.annotation import Annotation, AnnotationClass
    from viewer.annotations.document import Edit
    from viewer.annotations.document_state import DocumentState
    from viewer.annotations.pixel_calibration import PixelCalibration
    from viewer.ui.annotations.pane_annotations import PaneAnnotations
    from viewer.ui.annotations.sets.slide_sets import SlideSets
    from viewer.ui.annotations.toolbox import Toolbox
    from viewer.ui.status_bar import WindowStatusBar

_AT_ONCE = 300
"""Annotations that are edited without a thread: quicker than the eye."""
_SELECTED_AT_ONCE = FEW
"""Annotations that are selected without a thread: their ids are put together within a frame."""
_SIMPLIFY_UM, _GROW_UM = 1.0, 10.0


class EditingHost(BulkEditsHost, PaneHost, CommandHost, Protocol):
    """What the commands on shapes ask of the window."""

    toolbox: Toolbox
    status: WindowStatusBar


class EditingCommands(QObject):
    """Owned by the part; `shut_down` ends its thread.

    Parameters
    ----------
    active
        The annotations of the active pane; None where it has none.
    """

    def __init__(
        self,
        window: EditingHost,
        active: Callable[[], PaneAnnotations | None],
        sets: Callable[[], SlideSets | None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._active = active
        self._sets = sets
        self._background = BackgroundRunner("edit annotations", 1, self)
        self.bulk = BulkEdits(window, self)
        commands = window.commands
        commands.on("edit.undo", lambda: self._turn(back=True))
        commands.on("edit.redo", lambda: self._turn(back=False))
        commands.on("edit.delete", self._delete)
        self._clipboard = AnnotationClipboard(window, active, self.bulk, self._background)
        self._clipboard.connect(commands)
        commands.on("edit.duplicate", self._duplicate)
        commands.on("edit.select_all", self._select_all)
        commands.on("annotate.merge", lambda: self._act("Merge", operations.merge))
        commands.on("annotate.subtract", lambda: self._act("Subtract", operations.subtract))
        commands.on("annotate.intersect", lambda: self._act("Intersect", operations.intersect))
        commands.on("annotate.split", lambda: self._act("Split", operations.split))
        commands.on("annotate.fill_holes", self._fill_holes)
        commands.on("annotate.simplify", self._ask_simplify)
        commands.on("annotate.grow", self._ask_grow)
        commands.on("annotate.rename", self._ask_name)
        self._share_f2()
        commands.on("annotate.lock", self._lock)
        commands.on("annotate.whole_slide", self._whole_slide)

    def shut_down(self) -> None:
        self.bulk.shut_down()
        self._background.close(finish=True)

    # What the list asks for ------------------------------------------------------------------

    def set_class(self, which: AnnotationClass | None) -> None:
        """Set the class of what is chosen, and of what is drawn next."""
        active = self._active()
        if active is None:
            return
        active.desk.current_class = which
        if self._is_of_many(active):
            name = which.name if which else "no class"
            self.bulk.set_class(
                active,
                which,
                lambda edit: self._window.status.say_of_drawing(
                    f"{many(len(edit.changes))} of {name} now."
                ),
            )
            return
        chosen = [each for each in self._changeable(active) if not is_mark(each)]
        if chosen:
            edit = operations.set_class(chosen, which, active.author)
            name = which.name if which else "no class"
            if active.do(edit) or not edit.changes:
                self._window.status.say_of_drawing(f"{many(len(chosen))} of {name} now.")
        elif all(map(is_mark, active.chosen)):
            self._window.status.say_of_drawing(
                f"New annotations: {which.name if which else 'no class'}."
            )

    def rename(self, id_: UUID, name: str) -> None:
        self._change("Rename", id_, lambda before: replace(before, name=name))

    def _share_f2(self) -> None:
        """Name by F2 on the slide, which in a review is the key of another command."""
        rename = self._window.commands["annotate.rename"]
        key = QShortcut(QKeySequence("F2"), self._window.panes)
        key.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        key.activated.connect(rename.trigger)
        rename.enabledChanged.connect(key.setEnabled)

    def _ask_name(self) -> None:
        """Ask in a box of its own, whose letters are no keys of tools."""
        from viewer.ui.opened_dialog import open_dialog

        active = self._active()
        if active is None or not len(active.selection):
            self._window.status.say_of_drawing("Select an annotation first (S): F2 names it.")
            return
        is_bulk = self._is_of_many(active)
        chosen = [] if is_bulk else self._changeable(active)
        if not chosen and not is_bulk:
            return
        dialog = QInputDialog(self._window.window())
        dialog.setWindowTitle("Name")
        count = len(active.selection) if is_bulk else len(chosen)
        which = "the annotation" if count == 1 else f"{count:,} annotations"
        dialog.setLabelText(f"Name of {which}:")
        names = {each.name for each in chosen}
        dialog.setTextValue(names.pop() if len(names) == 1 else "")

        def name(typed: str) -> None:
            if is_bulk:
                self.bulk.rename(
                    active, typed.strip(), lambda edit: self._say_named(edit, typed.strip())
                )
            else:
                self._name(active, chosen, typed.strip())

        dialog.textValueSelected.connect(name)
        open_dialog(dialog)

    def _say_named(self, edit: Edit, name: str) -> None:
        self._window.status.say_of_drawing(
            f'Named "{name}".' if name else f"{many(len(edit.changes))} without a name."
        )

    def _name(self, active: PaneAnnotations, chosen: list[Annotation], name: str) -> None:
        held = [active.document.get(each.id) for each in chosen]
        before = [each for each in held if each is not None]
        named = [replace(each, name=name).signed(active.author) for each in before]
        changed = [pair for pair in zip(before, named, strict=True) if pair[0].name != name]
        edit = changing("Rename", changed)
        if active.do(edit):
            self._say_named(edit, name)

    def describe(self, id_: UUID, text: str) -> None:
        self._change("Description", id_, lambda before: before.noted(DESCRIPTION, text))

    def _change(self, label: str, id_: UUID, edit: Callable[[Annotation], Annotation]) -> None:
        active = self._active()
        before = active.document.get(id_) if active is not None else None
        if active is None or before is None:
            return
        if before.is_locked:
            self._window.say(LOCKED)
            return
        active.do(changing(label, [(before, edit(before).signed(active.author))]))

    # History ---------------------------------------------------------------------------------

    def _turn(self, *, back: bool) -> None:
        active = self._active()
        if active is None:
            return
        tool = self._window.toolbox.tool_of(active.pane)
        if tool is not None and back and tool.can_step_back:
            tool.step_back()
            return
        if tool is not None and not back and tool.can_step_forward:
            tool.step_forward()
            return
        word, document, sets = "Undone" if back else "Done again", active.document, self._sets()
        step = sets.next_step(back=back) if sets is not None else None
        if sets is not None and step is not None:
            said = f"{word}: {step.label}."
            sets.turn(step, back=back, then=lambda: self._window.status.say_of_drawing(said))
            return
        label = document.undo_label if back else document.redo_label
        self.bulk.turn(
            document,
            active,
            lambda: label and self._window.status.say_of_drawing(f"{word}: {label}."),
            back=back,
        )

    # Edit ------------------------------------------------------------------------------------

    def _delete(self) -> None:
        active = self._active()
        if active is not None and self._is_of_many(active):
            self.bulk.delete(
                active,
                lambda edit: self._window.status.say_of_drawing(
                    f"{many(len(edit.changes))} removed."
                ),
            )
            return
        chosen = self._changeable(active) if active is not None else []
        if active is not None and chosen and active.do(removing("Delete", chosen)):
            self._window.status.say_of_drawing(f"{many(len(chosen))} removed.")

    def _duplicate(self) -> None:
        active = self._active()
        if active is None:
            return

        def choose(edit: Edit) -> None:
            active.selection.choose(edit.added_ids)

        if self._is_of_many(active):
            author = active.author
            self.bulk.shape(
                active,
                "Duplicate",
                lambda chosen: operations.duplicate(chosen, author),
                choose,
                with_locked=True,
            )
            return
        chosen = self._shown(active)
        if chosen:
            step = operations.duplicate(chosen, active.author)
            if active.do(step):
                choose(step)

    def _select_all(self) -> None:
        active = self._active()
        if active is not None and active.desk.is_hidden:
            self._window.say(HIDDEN)
        elif active is not None and len(active.document) > _SELECTED_AT_ONCE:
            self._select_very_many(active)
        elif active is not None:
            active.selection.choose(active.document.ids)
            self._say_selected(active)

    def _select_very_many(self, active: PaneAnnotations) -> None:
        """Select all, whose ids are put together in a thread; what is drawn meanwhile, too."""

        def found(state: DocumentState) -> IdSet:
            with uncollected(len(state.held)):
                return IdSet.of(state.held)

        active.choose_found(found, lambda _: self._say_selected(active))

    def _say_selected(self, active: PaneAnnotations) -> None:
        count = len(active.selection)
        elsewhere = "" if count else where_others_are(self._sets())
        self._window.status.say_of_drawing(elsewhere or f"{many(count)} selected.")

    # Shapes ----------------------------------------------------------------------------------

    def _act(self, title: str, act: Callable[[list[Annotation], str], Edit]) -> None:
        self._carry_out(title, act)

    def _reshape(self, label: str, edit: Callable[[BaseGeometry], BaseGeometry]) -> None:
        self._carry_out(
            label, lambda chosen, author: operations.reshape(label, chosen, edit, author)
        )

    def _fill_holes(self) -> None:
        self._reshape("Fill holes", shape_editing.without_holes)

    def _ask_simplify(self) -> None:
        self._ask_distance(
            "How far may the border move? The more, the fewer corners stay.",
            _SIMPLIFY_UM,
            0.1,
            "Simplify",
            simplified,
        )

    def _ask_grow(self) -> None:
        self._ask_distance(
            "How far does the border move outward? A negative distance shrinks.",
            _GROW_UM,
            -10_000.0,
            "Grow or shrink",
            shape_editing.grown,
        )

    def _ask_distance(
        self,
        sentence: str,
        value: float,
        low: float,
        label: str,
        edit: Callable[[BaseGeometry, float, PixelCalibration], BaseGeometry],
    ) -> None:
        from viewer.ui.annotations.simple_dialogs import DistanceDialog
        from viewer.ui.opened_dialog import open_dialog

        active = self._active()
        if active is None or not (self._is_of_many(active) or self._changeable(active)):
            return
        calibration = active.calibration
        is_um = calibration.unit == "um"
        dialog = DistanceDialog(label, sentence, value, low, self._window.window(), is_um=is_um)

        def reshape() -> None:
            distance = dialog.box.value()
            self._reshape(label, lambda shape: edit(shape, distance, calibration))

        dialog.accepted.connect(reshape)
        open_dialog(dialog)

    def _lock(self) -> None:
        active = self._active()
        if active is not None and self._is_of_many(active):
            self.bulk.set_locked(
                active,
                lambda edit: self._window.status.say_of_drawing(
                    f"{many(len(edit.changes))} {edit.label.lower()}ed."
                ),
            )
            return
        chosen = self._shown(active) if active is not None else []
        if active is None or not chosen:
            return
        locked = not all(annotation.is_locked for annotation in chosen)
        if active.do(operations.set_locked(chosen, locked=locked)):
            self._window.status.say_of_drawing(
                f"{many(len(chosen))} {'locked' if locked else 'unlocked'}."
            )

    def _whole_slide(self) -> None:
        active = self._active()
        if active is not None:
            slide = active.pane.canvas.slide_box
            step = operations.whole_slide(slide, active.desk.current_class, active.author)
            if active.do(step):
                active.selection.choose(change.id for change in step.changes)

    # -----------------------------------------------------------------------------------------

    def _shown(self, active: PaneAnnotations) -> list[Annotation]:
        """Return what is chosen; none where it is hidden or not ours to change, which is said."""
        chosen = active.chosen
        if chosen and active.document.is_read_only:
            self._window.say(str(ReadOnlyError(active.document.why_read_only)))
            return []
        if chosen and active.desk.is_hidden:
            self._window.say(HIDDEN)
            return []
        return chosen

    def _is_of_many(self, active: PaneAnnotations) -> bool:
        """Return whether so much is chosen that a thread changes it; hidden is none of it."""
        return len(active.selection) > MANY and not active.desk.is_hidden

    def _changeable(self, active: PaneAnnotations) -> list[Annotation]:
        chosen = self._shown(active)
        unlocked = [each for each in chosen if not each.is_locked]
        if len(unlocked) < len(chosen):
            self._window.say(LOCKED)
        return unlocked

    def _carry_out(self, title: str, make: Callable[[list[Annotation], str], Edit]) -> None:
        """Do what `make` works out of what is chosen, in a thread where that takes long."""
        from viewer.annotations.operations import OperationError

        active = self._active()
        if active is None:
            return
        author = active.author
        if self._is_of_many(active):
            self.bulk.shape(
                active,
                title,
                lambda chosen: make(chosen, author),
                lambda edit: self._on_done(
                    active, edit, active.selection.ids.with_ids(edit.added_ids)
                ),
            )
            return
        chosen = self._changeable(active)
        if not chosen:
            return
        if len(chosen) <= _AT_ONCE:
            try:
                self._do(active, make(chosen, author))
            except OperationError as error:
                self._window.say(str(error))
            return
        self._window.say(f"Working on {many(len(chosen))}...")
        self._background.run(
            lambda: make(chosen, author), lambda step: self._do(active, step), self._on_not_done
        )

    def _do(self, active: PaneAnnotations, step: Edit) -> None:
        try:
            done = active.do(step)
        except ValueError:
            self._window.say("The annotations were changed meanwhile: please try again.")
            return
        if done or not step.changes:
            here = active.document
            self._on_done(active, step, IdSet.of(c.id for c in step.changes if c.id in here))

    def _on_done(self, active: PaneAnnotations, step: Edit, chosen: AbstractSet[UUID]) -> None:
        if not step.changes:
            self._window.status.say_of_drawing(f"{step.label}: nothing to be changed.")
            return
        active.selection.choose(chosen)
        self._window.status.say_of_drawing(f"{step.label}: done.")

    def _on_not_done(self, error: Exception) -> None:
        self._window.say(str(error))
