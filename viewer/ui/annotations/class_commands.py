"""Classes in the window: the one in hand, keys and menus that give them, the editor."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QMenu

from viewer.annotations.document import Edit
from viewer.annotations.palette import PaletteError, read_palette, write_palette
from viewer.ui.actions import shown_shortcut
from viewer.ui.annotations.class_palette import ClassPalette
from viewer.ui.annotations.shown import swatch
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.commands import merged_bindings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.annotations.annotation import AnnotationClass
    from viewer.ui.annotations.annotations_panel import AnnotationsPanel
    from viewer.ui.annotations.classes_dialog import ClassesDialog
    from viewer.ui.annotations.editing_commands import EditingCommands
    from viewer.ui.annotations.pane_annotations import PaneAnnotations
    from viewer.ui.main_window import MainWindow


class ClassCommands(QObject):
    """Owned by the part; `shut_down` writes what is left."""

    def __init__(
        self,
        window: MainWindow,
        active: Callable[[], PaneAnnotations | None],
        editing: EditingCommands,
        panel: AnnotationsPanel,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._active = active
        self._editing = editing
        self._panel = panel
        self._disk = BackgroundRunner("classes", 1, self)
        self.current: AnnotationClass | None = None
        """Of what is drawn next, in panes opened from now on."""
        self.palette = ClassPalette(window, self._disk, self)
        self.palette.changed.connect(self.show_current)
        self.palette.key_pressed.connect(lambda each: self.give(each.annotation_class))
        self.palette.troubled.connect(window.show_error)
        self._menu = QMenu("Set &class", window)
        self._menu.aboutToShow.connect(self._fill_own_menu)
        window.menus["Annotate"].insertMenu(window.commands["annotate.lock"], self._menu)
        window.commands.on("annotate.classes", self.edit)
        panel.classes.clicked.connect(self.edit)
        panel.class_taken.connect(self._take)
        self.show_current()

    def shut_down(self) -> None:
        self._disk.close(finish=True)

    def give(self, which: AnnotationClass | None) -> None:
        """To what is chosen, and to what is drawn next."""
        self.current = which
        self._editing.set_class(which)
        self.show_current()

    def fill_menu(self, menu: QMenu) -> None:
        """An action a class, with its key."""
        for each in self.palette.classes:
            key = f"\t{shown_shortcut(each.key)}" if each.key else ""
            action = menu.addAction(swatch(each.color), each.name.replace("&", "&&") + key)
            action.triggered.connect(lambda _=False, which=each.annotation_class: self.give(which))
        menu.addSeparator()
        menu.addAction("&No class").triggered.connect(lambda: self.give(None))

    def show_current(self) -> None:
        """The class in hand, in the panel."""
        active = self._active()
        current = active.desk.current_class if active is not None else self.current
        self._panel.show_classes(self.palette.classes, current)

    def edit(self) -> None:
        """Opens the editor of the classes."""
        from viewer.ui.annotations.classes_dialog import ClassesDialog
        from viewer.ui.annotations.simple_dialogs import open_dialog

        active = self._active()
        counts = Counter(each.class_name for each in active.document) if active else Counter[str]()
        bindings = merged_bindings(self._window.settings.shortcuts)
        dialog = ClassesDialog(self.palette.classes, counts, bindings, self._window)
        dialog.import_requested.connect(lambda path: self._read(path, dialog))
        dialog.export_requested.connect(lambda path: self._write(path, dialog))
        dialog.accepted.connect(lambda: self._on_edited(dialog))
        open_dialog(dialog)

    # -----------------------------------------------------------------------------------------

    def _fill_own_menu(self) -> None:
        self._menu.clear()
        self.fill_menu(self._menu)

    def _take(self, name: str) -> None:
        """Of what is drawn next alone, from the panel's list."""
        found = self.palette.named(name)
        which = found.annotation_class if found is not None else None
        self.current = which
        active = self._active()
        if active is not None:
            active.desk.current_class = which

    def _on_edited(self, dialog: ClassesDialog) -> None:
        from viewer.annotations.operations import recolor_class

        before = {each.name: each for each in self.palette.classes}
        self.palette.use(dialog.palette_classes)
        for was, now in dialog.changes:
            if was in before and was != now.name:
                self.palette.renamed.emit(was, now.name)
        active = self._active()
        changed = [
            (was, now.annotation_class)
            for was, now in dialog.changes
            if was in before and before[was].annotation_class != now.annotation_class
        ]
        if active is None or not changed:
            return
        current = active.desk.current_class
        for was, now in changed:
            if current is not None and current.name == was:
                self.current = active.desk.current_class = now
        held = list(active.document)
        steps = [recolor_class(held, now, was) for was, now in changed]
        active.do(Edit("Change classes", tuple(c for step in steps for c in step.changes)))
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
            lambda _: dialog.tell(f"{len(classes)} classes were written to {path.name}."),
            lambda error: dialog.tell(_sentence(path, error)),
        )


def _sentence(path: Path, error: Exception) -> str:
    if isinstance(error, PaletteError):
        return str(error)
    return f"{path.name} cannot be written ({error}): choose another place."
