"""The context menu of the canvas: of an annotation, or of the slide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, QPoint
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMenu

from viewer.canvas.annotating.picking import BORDER_PX, annotation_under
from viewer.geometry import Box, Point
from viewer.ui.annotations.bulk_edits import MANY
from viewer.ui.services import CommandHost, DialogHost, MessageHost, PaneHost

if TYPE_CHECKING:
    from viewer.annotations.annotation import Annotation
    from viewer.ui.annotations.controller import AnnotationsController
    from viewer.ui.annotations.pane_annotations import PaneAnnotations
    from viewer.ui.file_commands import FileCommands
    from viewer.ui.slides.slide_pane import SlidePane

_OF_SHAPE = (
    "edit.copy",
    "edit.copy_measurements",
    "edit.copy_region",
    "edit.duplicate",
    "edit.delete",
)
_OF_SLIDE_END = ("overlays.find_similar", "view.go_to", "edit.paste")


class CanvasMenuHost(MessageHost, DialogHost, PaneHost, CommandHost, Protocol):
    """What the menu on a slide asks of the window."""

    annotations: AnnotationsController
    file_commands: FileCommands
    menus: dict[str, QMenu]


class CanvasMenu(QObject):
    """Opens the menu where a pane's canvas asks for one; it runs commands of the registry."""

    def __init__(self, window: CanvasMenuHost) -> None:
        super().__init__(window.window())
        self._window = window
        self.menu: QMenu | None = None
        """The menu that was opened last."""

    def open(self, pane: SlidePane, at: Point | None) -> None:
        """Open the menu at a logical position on the canvas.

        Parameters
        ----------
        at
            None where a key asked: at what is selected if that is in sight and not very much, else
            at the mouse, else in the middle of the view.
        """
        window = self._window
        window.panes.activate(pane)
        here, canvas = window.annotations.of(pane), pane.canvas
        is_few = here is not None and 0 < len(here.selection) <= MANY
        chosen = here.chosen[0] if here is not None and is_few else None
        if at is None:
            at, under = self._place_of_key(pane, here, chosen)
        else:
            under = self._under(here, at)
        if under is not None and here is not None and under.id not in here.selection:
            here.selection.choose([under.id])
        menu = QMenu(canvas)
        menu.setToolTipsVisible(True)
        menu.aboutToHide.connect(lambda: menu.deleteLater())
        if under is not None and here is not None:
            self._fill_of_shape(menu, here)
        self._fill_of_slide(menu, pane, canvas.view.to_slide(at))
        self.menu = menu
        menu.popup(canvas.mapToGlobal(_point(at)))

    # -----------------------------------------------------------------------------------------

    def _under(self, here: PaneAnnotations | None, at: Point) -> Annotation | None:
        if here is None:
            return None
        view = here.pane.canvas.view
        return annotation_under(here.desk, view.to_slide(at), BORDER_PX * view.downsample)

    def _place_of_key(
        self, pane: SlidePane, here: PaneAnnotations | None, chosen: Annotation | None
    ) -> tuple[Point, Annotation | None]:
        canvas = pane.canvas
        if chosen is not None and here is not None and not here.desk.is_hidden:
            box = Box(*chosen.geometry.bounds)
            if box.intersects(canvas.view.box):
                place = canvas.view.to_screen(box.intersection(canvas.view.box).center)
                return place, chosen
        if canvas.pointer is not None:
            return canvas.pointer, self._under(here, canvas.pointer)
        return Point(canvas.width() / 2, canvas.height() / 2), None

    def _fill_of_shape(self, menu: QMenu, here: PaneAnnotations) -> None:
        window, commands = self._window, self._window.commands
        can_change = window.annotations.can_annotate
        classes = menu.addMenu("Set &class")
        classes.setEnabled(can_change)
        window.annotations.classes.fill_menu(classes)
        menu.addAction(commands["annotate.lock"])
        measures = menu.addMenu("&Measurements")
        for line in window.annotations.models.lines_of(here):
            action = measures.addAction(line.replace("&", "&&"))
            action.setToolTip("Copy this line")
            action.triggered.connect(lambda _=False, line=line: self._copy(line))
        measures.addSeparator()
        measures.addAction(commands["annotate.count"])
        menu.addSeparator()
        for command in _OF_SHAPE:
            menu.addAction(commands[command])
        self._add_sets(menu)
        menu.addSeparator()
        menu.addAction(commands["annotate.run_model"])
        menu.addAction(window.menus["Edit shapes"].menuAction())
        menu.addSeparator()

    def _add_sets(self, menu: QMenu) -> None:
        """Offer the reader's other sets, where there are some, to copy to."""
        part = self._window.annotations
        sets = part.active_sets
        others = [each for each in sets.entries if each is not sets.current] if sets else []
        own = [each for each in others if each.is_own and not each.is_locked]
        if not own:
            return
        submenu = menu.addMenu("Copy to s&et")
        for entry in own:
            action = submenu.addAction(entry.label.replace("&", "&&"))
            action.triggered.connect(lambda _=False, entry=entry: part.sets.copy_chosen_to(entry))

    def _fill_of_slide(self, menu: QMenu, pane: SlidePane, at: Point) -> None:
        window, commands = self._window, self._window.commands
        menu.addAction("Copy c&oordinates", lambda: window.file_commands.copy_coordinates(at))
        menu.addAction(commands["annotate.bookmark"])
        note = menu.addAction(
            commands["annotate.note"].icon(),
            "Stick a &note here...",
            lambda: window.annotations.notes.ask_note(at),
        )
        note.setEnabled(commands["annotate.note"].isEnabled())
        menu.addAction(commands["file.save_picture"])
        menu.addAction(commands["annotate.mitosis_count"])
        menu.addAction(commands["annotate.counting_frame"])
        if len(window.panes.panes) > 1:
            menu.addAction(commands["panes.align"])
        menu.addSeparator()
        for command in _OF_SLIDE_END:
            menu.addAction(commands[command])

    def _copy(self, line: str) -> None:
        QGuiApplication.clipboard().setText(line)
        self._window.say(f"Copied: {line}")


def _point(at: Point) -> QPoint:
    return QPoint(round(at.x), round(at.y))
