"""Classes in the window: the one in hand, keys and menus that give them, the editor."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, QPoint, Qt, QTimer, Signal
from PySide6.QtWidgets import QMenu

from viewer.annotations.annotation import NO_CLASS, NO_CLASS_COLOR, NO_COLOR, AnnotationClass
from viewer.annotations.palette import PaletteError, read_palette, write_palette
from viewer.files.atomic_write import unwritable
from viewer.plurals import plural
from viewer.ui.actions import shown_shortcut
from viewer.ui.annotations.class_chip import ClassChip
from viewer.ui.annotations.class_list import class_rows
from viewer.ui.annotations.class_palette import ClassPalette
from viewer.ui.annotations.wording import many
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.commands import merged_bindings
from viewer.ui.services import CommandHost, DialogHost, MessageHost, SettingsHost
from viewer.ui.swatches import swatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from viewer.annotations.document import Document, Edit
    from viewer.ui.annotations.annotations_panel import AnnotationsPanel
    from viewer.ui.annotations.class_changes import ClassesChange
    from viewer.ui.annotations.classes_dialog import ClassesDialog
    from viewer.ui.annotations.editing_commands import EditingCommands
    from viewer.ui.annotations.pane_annotations import PaneAnnotations
    from viewer.ui.annotations.sets.slide_sets import SlideSets
    from viewer.ui.shell.frame import WindowFrame
    from viewer.ui.status_bar import WindowStatusBar


_PAUSE_MS = 50
_MOST_LOOKED_AT = 500
"""Changes of a step; of more all classes are counted anew."""


class ClassCommandsHost(MessageHost, DialogHost, CommandHost, SettingsHost, Protocol):
    """What the commands on classes ask of the window."""

    frame: WindowFrame
    menus: dict[str, QMenu]
    status: WindowStatusBar


class ClassCommands(QObject):
    """Owned by the part; `shut_down` writes what is left."""

    hidden_changed = Signal()
    """Other classes are hidden."""

    def __init__(
        self,
        window: ClassCommandsHost,
        active: Callable[[], PaneAnnotations | None],
        editing: EditingCommands,
        panel: AnnotationsPanel,
        sets: Callable[[], SlideSets | None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._active = active
        self._sets = sets
        self._editing = editing
        self._panel = panel
        self._disk = BackgroundRunner("classes", 1, self)
        self.current: AnnotationClass | None = None
        """Of what is drawn next, in panes opened from now on."""
        self.hidden: frozenset[str] = frozenset()
        """The names of classes that are not shown in this window; "" for what has none."""
        self._pause = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._pause.timeout.connect(self._count_touched)
        self._touched: dict[str, str] | None = {}
        """Names and colors of classes to be counted anew; None where all are."""
        self.chip = ClassChip(self._fill_chip, window.frame.tool_strip)
        window.frame.tool_strip.add_foot(self.chip)
        self.palette = ClassPalette(window.window(), self._disk, self)
        self.palette.changed.connect(self.show_current)
        self.palette.key_pressed.connect(lambda each: self.give(each.annotation_class))
        self.palette.troubled.connect(window.show_error)
        self._menu = QMenu("Set &class", window.window())
        self._menu.aboutToShow.connect(self._fill_own_menu)
        window.menus["Annotate"].insertMenu(window.commands["annotate.classes"], self._menu)
        window.commands.on("annotate.classes", self.edit)
        panel.when_built(self._connect_panel)
        self.show_current()

    def _connect_panel(self) -> None:
        self._panel.classes.clicked.connect(self.edit)
        classes = self._panel.class_list
        classes.taken.connect(lambda name: self.give(self._class_named(name)))
        classes.eye_clicked.connect(self._turn_eye)
        classes.menu_requested.connect(self._open_menu)

    def shut_down(self) -> None:
        self._disk.close(finish=True)

    def give(self, which: AnnotationClass | None) -> None:
        """Give a class to what is chosen, and to what is drawn next."""
        self.current = which
        self.show_again({which.name if which is not None else ""})
        self._editing.set_class(which)
        self.show_current()

    def touch(self, step: Edit | None = None) -> None:
        """Count anew soon: something was drawn, by default everything, as other sets are shown."""
        changed = None if step is None else _changed_classes(step)
        if self._touched is not None and changed is not None:
            self._touched |= changed
        else:
            self._touched = None
        if not self._pause.isActive():
            self._pause.start()

    def hide(self, names: Iterable[str]) -> None:
        """Show all classes but these."""
        hidden = frozenset(names)
        if hidden != self.hidden:
            self.hidden = hidden
            self.show_current()
            self.hidden_changed.emit()

    def show_again(self, names: AbstractSet[str]) -> None:
        """Show classes that were hidden, which is said."""
        hidden = self.hidden & names
        if hidden:
            self.hide(self.hidden - hidden)
            self._window.say(f"{', '.join(map(_label, sorted(hidden)))} is shown again.")

    def fill_menu(
        self, menu: QMenu, act: Callable[[AnnotationClass | None], object] | None = None
    ) -> None:
        """Add an action a class, with its key; `act` gets the class, by default it is given."""
        take = act or self.give
        for each in self.palette.classes:
            key = f"\t{shown_shortcut(each.key)}" if each.key else ""
            action = menu.addAction(swatch(each.color), each.name.replace("&", "&&") + key)
            action.triggered.connect(lambda _=False, which=each.annotation_class: take(which))
        menu.addSeparator()
        none = menu.addAction(swatch(NO_CLASS_COLOR), "&No class")
        none.triggered.connect(lambda _=False: take(None))

    def show_current(self) -> None:
        """Show the class in hand and what there is of each class and set."""
        active = self._active()
        current = active.desk.current_class if active is not None else self.current
        counts, colors = self._drawn()
        rows = class_rows(self.palette.classes, current, counts, colors, self.hidden)
        self._panel.show_classes(rows)
        self.chip.show_class(current)

    def _count_touched(self) -> None:
        touched, self._touched = self._touched, {}
        if touched is None or not self._panel.is_built or not self._show_counts(touched):
            self.show_current()

    def _show_counts(self, touched: Mapping[str, str]) -> bool:
        """Count some classes anew; False where one came, went or has another color."""
        drawn = self._documents()
        counts = {name: sum(each.class_counts[name] for each in drawn) for name in touched}
        others = {name: color for name, color in touched.items() if not self.palette.named(name)}
        return self._panel.class_list.rows.show_counts(counts, others)

    def edit(self) -> None:
        """Open the editor of the classes."""
        from viewer.ui.annotations.classes_dialog import ClassesDialog
        from viewer.ui.opened_dialog import open_dialog

        counts = self._drawn()[0]
        bindings = merged_bindings(self._window.settings.shortcuts)
        dialog = ClassesDialog(self.palette.classes, counts, bindings, self._window.window())
        dialog.import_requested.connect(lambda path: self._read(path, dialog))
        dialog.export_requested.connect(lambda path: self._write(path, dialog))
        dialog.accepted.connect(lambda: self._on_edited(dialog))
        open_dialog(dialog)

    # -----------------------------------------------------------------------------------------

    def _fill_own_menu(self) -> None:
        self._menu.clear()
        self.fill_menu(self._menu)

    def _fill_chip(self, menu: QMenu) -> None:
        """The chip is for what is drawn next alone: the list gives classes to what is there."""
        self.fill_menu(menu, self._take)

    def _take(self, which: AnnotationClass | None) -> None:
        self.current = which
        active = self._active()
        if active is not None:
            active.desk.current_class = which
        name = which.name if which is not None else ""
        self.show_again({name})
        self._window.status.say_of_drawing(f"New annotations: {_label(name)}.")
        self.show_current()

    def _class_named(self, name: str) -> AnnotationClass | None:
        """Return a class of the palette, else one that is drawn; None for no class."""
        found = self.palette.named(name)
        if found is not None:
            return found.annotation_class
        return AnnotationClass(name, self._drawn()[1].get(name, NO_COLOR)) if name else None

    def _drawn(self) -> tuple[Counter[str], dict[str, str]]:
        """Return how many of each class the shown sets hold, and the colors of the classes."""
        counts: Counter[str] = Counter()
        colors: dict[str, str] = {}
        for document in self._documents():
            counts += document.class_counts
            colors |= document.class_colors
        return counts, colors

    def _documents(self) -> list[Document]:
        """Return what is drawn in the shown sets."""
        sets = self._sets()
        if sets is None:
            return []
        return [
            each.annotations.document
            for each in sets.entries
            if each.annotations is not None and (each.is_shown or each is sets.current)
        ]

    def _turn_eye(self, name: str) -> None:
        self.hide(self.hidden ^ {name})

    def _open_menu(self, name: str, at: QPoint) -> None:
        menu = QMenu(self._panel)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        label = _label(name).replace("&", "&&")
        menu.addAction(f"&Give {label}", lambda: self.give(self._class_named(name)))
        menu.addAction("&Select all of it", lambda: self._choose_all(name)).setEnabled(
            self._active() is not None
        )
        menu.addSeparator()
        is_hidden = name in self.hidden
        menu.addAction("S&how" if is_hidden else "&Hide", lambda: self._turn_eye(name))
        others = {row.name for row in self._panel.class_list.rows.rows} - {name}
        menu.addAction("Show &only this class", lambda: self.hide(others))
        menu.addAction("Show &all classes", lambda: self.hide(())).setEnabled(bool(self.hidden))
        menu.addSeparator()
        menu.addAction(self._window.commands["annotate.classes"])
        menu.popup(at)

    def _choose_all(self, name: str) -> None:
        active = self._active()
        if active is not None:
            self.show_again({name})
            active.choose_class(
                name, lambda count: self._window.status.say_of_drawing(f"{many(count)} selected.")
            )

    def _on_edited(self, dialog: ClassesDialog) -> None:
        from viewer.ui.annotations.class_changes import ClassesChange, change_classes

        change = ClassesChange.of(self.palette.classes, dialog.palette_classes, dialog.changes)
        if change.before == change.after:
            return
        self._change(change)
        sets = self._sets()
        if sets is not None and self._active() is not None:
            change_classes(
                sets, change.redrawn, self._editing.bulk, self._window.say,
                lambda back: self._change(change.reversed if back else change),
            )  # fmt: skip
        self.show_current()

    def _change(self, change: ClassesChange) -> None:
        """Use other classes, unless the list was changed since, which is said."""
        if self.palette.classes != change.before:
            self._window.say("The list of classes was changed since: it stays as it is.")
            return
        self.palette.use(change.after)
        for was, now in change.renamed:
            self.palette.renamed.emit(was, now)
        active = self._active()
        current = active.desk.current_class if active is not None else None
        for was, now in change.redrawn:
            if active is not None and current is not None and current.name == was:
                self.current = active.desk.current_class = now
        self.show_current()

    def _read(self, path: Path, dialog: ClassesDialog) -> None:
        self._disk.run(
            lambda: read_palette(path),
            dialog.take,
            lambda error: dialog.tell(_sentence(path, error)),
        )

    def _write(self, path: Path, dialog: ClassesDialog) -> None:
        classes = dialog.palette_classes
        self._disk.run(
            lambda: write_palette(path, classes),
            lambda _: dialog.tell(
                f"{plural(len(classes), 'class was', 'classes were')} written to {path.name}."
            ),
            lambda error: dialog.tell(_sentence(path, error)),
            keeps=path.name,
        )


def _changed_classes(step: Edit) -> dict[str, str] | None:
    """Return the names and colors of the classes that a step changed; None of very many changes."""
    if step.is_reset or len(step.changes) > _MOST_LOOKED_AT:
        return None
    both = (each for change in step.changes for each in (change.before, change.after) if each)
    return {
        each.class_name: each.shown_as.color if each.shown_as else NO_CLASS_COLOR for each in both
    }


def _label(name: str) -> str:
    return name or NO_CLASS


def _sentence(path: Path, error: Exception) -> str:
    return str(error) if isinstance(error, PaletteError) else unwritable(path, error)
