"""Keeps the panel's list in step with the active pane, both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, QPoint, Qt
from PySide6.QtWidgets import QMenu

from viewer.ui.annotations.services import KeptSets
from viewer.ui.annotations.wording import where_others_are
from viewer.ui.services import CommandHost, PaneHost

if TYPE_CHECKING:
    from viewer.annotations.document import Document, Edit
    from viewer.annotations.id_set import IdSet
    from viewer.ui.annotations.annotations_panel import AnnotationsPanel
    from viewer.ui.annotations.class_commands import ClassCommands
    from viewer.ui.annotations.editing_commands import EditingCommands
    from viewer.ui.annotations.sets.slide_sets import SlideSets

_MENU = ("annotate.lock", "edit.duplicate", "edit.copy", "annotate.count", "edit.delete")


class Listed(KeptSets, Protocol):
    """What is listed, and changed in the list."""

    classes: ClassCommands
    editing: EditingCommands


class ListingHost(PaneHost, CommandHost, Protocol):
    """What the list of annotations asks of the window."""

    menus: dict[str, QMenu]


class Listing(QObject):
    """Does nothing before the panel is built, and while it is hidden."""

    def __init__(
        self, window: ListingHost, kept: Listed, panel: AnnotationsPanel, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._window = window
        self._kept = kept
        self._panel = panel
        panel.shown.connect(self.show)
        panel.chosen_changed.connect(self._choose)
        panel.traveled.connect(self._travel)
        panel.described.connect(kept.editing.describe)
        panel.menu_requested.connect(self._open_menu)
        panel.when_built(self._begin)

    def _begin(self) -> None:
        self._panel.model.renamed.connect(self._kept.editing.rename)
        self._panel.model.filled.connect(self.show_chosen)
        self.show()

    def show(self) -> None:
        """List the annotations of the active pane."""
        if not self._panel.is_built:
            return
        active = self._kept.active
        self._panel.set_has_slide(has_slide=active is not None)
        if self._panel.isHidden():
            self._panel.model.show_document(None)
            return
        if active is None:
            self._panel.model.show_document(None)
            is_open = self._window.panes.active.source is not None
            self._panel.show_notice("" if is_open else "Open a slide to draw on it.")
        else:
            self._panel.model.show_document(active.document, active.calibration.mpp_um)
            self.show_notice()
        self.show_chosen()

    def show_notice(self) -> None:
        """Show whether the active pane's slide can be drawn on, and where to begin."""
        active = self._kept.active
        if active is not None and self._panel.is_built:
            self._panel.show_notice(_notice(active.document, self._kept.active_sets))

    def follow(self, step: Edit) -> None:
        """Show what a step of the active pane's document changed."""
        active = self._kept.active
        if active is None or self._panel.isHidden() or not self._panel.is_built:
            return
        if not step.label:
            self.show()
            return
        self._panel.apply(step)
        self.show_notice()
        self.show_chosen()

    def show_chosen(self) -> None:
        """Select what is chosen in the active pane; a panel that is not built keeps no ids."""
        if not self._panel.is_built:
            return
        active = self._kept.active
        if active is None or self._panel.isHidden():
            self._panel.show_chosen(frozenset(), None, can_describe=False)
            return
        chosen = active.selection
        one = next(iter(active.chosen), None) if len(chosen) == 1 else None
        self._panel.show_chosen(
            chosen.ids,
            None if one is None else (one.id, one.description),
            can_describe=self._kept.can_annotate and one is not None and not one.is_locked,
        )

    def _choose(self, ids: IdSet) -> None:
        if self._kept.active is not None:
            self._kept.active.selection.choose(ids)

    def _travel(self) -> None:
        active = self._kept.active
        if active is not None:
            active.travel_to_chosen()

    def _open_menu(self, at: QPoint) -> None:
        menu = QMenu(self._panel)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        commands = self._window.commands
        has_chosen = self._kept.chosen_count > 0
        travel = menu.addAction("&Go there", self._travel)
        rename = menu.addAction("Re&name", self._panel.rename)
        travel.setEnabled(has_chosen)
        rename.setEnabled(has_chosen and self._kept.can_annotate)
        classes = menu.addMenu("Set &class")
        classes.setEnabled(has_chosen and self._kept.can_annotate)
        self._kept.classes.fill_menu(classes)
        menu.addAction(self._window.menus["Edit shapes"].menuAction())
        menu.addSeparator()
        for name in _MENU:
            menu.addAction(commands[name])
        menu.popup(at)


def _notice(document: Document, sets: SlideSets | None) -> str:
    if document.is_read_only:
        another = "Another window draws on this slide: nothing can be changed here."
        return document.why_read_only or another
    if len(document):
        return ""
    return where_others_are(sets) or "No annotations yet. Pick a tool at the left (R, P, B)."
