"""Up to four panes side by side, one of them active, that can move together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import QApplication, QSplitter, QVBoxLayout, QWidget

from viewer.ui.slides.linking import AlignedLink, Link
from viewer.ui.slides.slide_pane import SlidePane

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from viewer.canvas.tile_picture import TilePicture
    from viewer.slides.alignment.transform import SlideAlignment
    from viewer.tiles.cache import TileCache

MOST_PANES = 4
_PANES_PER_ROW = 2
_NOT_LEADING = ("open", "resize", "link")
"""Causes of a change of view that linked panes do not follow."""


class SplitView(QWidget):
    """Holds the panes; the first is always there."""

    active_changed = Signal(object)
    """The pane that commands now act on."""
    pane_added = Signal(object)
    """A new pane; `watch` tells of those that are here, too."""
    panes_changed = Signal()
    """Panes came or went, or linking began or ended."""

    def __init__(self, cache: TileCache[TilePicture], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cache = cache
        self.panes: list[SlidePane] = []
        self._links: dict[tuple[SlidePane, SlidePane], Link | AlignedLink] = {}
        self.alignment_of: Callable[[SlidePane, SlidePane], SlideAlignment | None] = (
            lambda _leader, _follower: None
        )
        """Gives where places of one pane's slide lie on another's, where that is known."""
        self._is_linked = False
        self._is_following = False
        self._rows = QSplitter(Qt.Orientation.Vertical, self)
        self._rows.setChildrenCollapsible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._rows)
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        self._hearing = application.focusChanged.connect(self._on_focus_changed)
        self.active = self._make_pane()
        self._mark_active()

    @property
    def is_linked(self) -> bool:
        return self._is_linked

    @property
    def has_room(self) -> bool:
        """Return whether another pane can be added."""
        return len(self.panes) < MOST_PANES

    def add_pane(self) -> SlidePane:
        """Return a new empty pane, which becomes the active one.

        The active one when there is no room.
        """
        if not self.has_room:
            return self.active
        pane = self._make_pane()
        self.activate(pane)
        self.panes_changed.emit()
        return pane

    def split(self) -> None:
        """Add a pane that shows the slide of the active one, at the same place."""
        here, view = self.active, self.active.canvas.destination
        path, source, shows_all = here.path, here.source, here.canvas.shows_all
        plane = here.canvas.plane
        there = self.add_pane()
        if path is None or source is None or there is here:
            return

        def show(opened: Path) -> None:
            if opened == path:
                there.canvas.set_plane(plane)
                there.canvas.follow_view(view, "open")
                if shows_all:  # in a pane of another size
                    there.canvas.fit()

        there.opened.connect(show, Qt.ConnectionType.SingleShotConnection)
        image = source.info.image if source.info.images else None
        there.open(path, image, here.combined_with)

    def close_pane(self, pane: SlidePane) -> None:
        """Close a pane and its slide; the last pane stays and only loses its slide."""
        if len(self.panes) == 1:
            pane.close_slide()
            return
        index = self.panes.index(pane)
        was_active = pane is self.active  # hiding it moves the focus on
        self.panes.remove(pane)
        pane.shut_down()
        pane.hide()
        pane.setParent(None)
        pane.deleteLater()
        self._arrange()
        if len(self.panes) == 1:
            self._is_linked = False
        self._relink()
        if was_active:
            self.activate(self.panes[max(0, index - 1)])
        self._mark_active()
        self.panes_changed.emit()

    def finish(self) -> None:
        """What is unfinished on any slide is finished: the window is about to close."""
        for pane in self.panes:
            if pane.source is not None:
                pane.slide_closing.emit(pane)

    def watch(self, meet: Callable[[SlidePane], object]) -> None:
        """Call `meet` with every pane that is here, and with each that comes."""
        for pane in self.panes:
            meet(pane)
        self.pane_added.connect(meet)

    def activate(self, pane: SlidePane) -> None:
        """Make the pane the one that commands act on and give it the keyboard."""
        self._set_active(pane)
        pane.focus()

    def step_active(self, step: int) -> None:
        """Activate the next (1) or previous (-1) pane."""
        index = self.panes.index(self.active) + step
        self.activate(self.panes[index % len(self.panes)])

    def pane_at(self, position: QPoint) -> SlidePane:
        """Return the pane under a position of this widget, else the active one."""
        for pane in self.panes:
            if pane.rect().contains(pane.mapFrom(self, position)):
                return pane
        return self.active

    def set_linked(self, linked: bool) -> None:
        """Panes move together from how they stand now, or each for itself again."""
        self._is_linked = linked and len(self.panes) > 1
        self._relink()
        if self._is_linked:
            self._lead(self.active)
        self.panes_changed.emit()

    def realign(self, leader: SlidePane) -> None:
        """An alignment is another: panes that move together go where it puts them."""
        self._relink()
        if self._is_linked:
            self._lead(leader)

    def shut_down(self) -> None:
        """End all panes' threads and free their slides."""
        self.disconnect(self._hearing)  # of no effect the second time that a window is closed
        for pane in self.panes:
            pane.shut_down()

    def _make_pane(self) -> SlidePane:
        place = len(self.panes)
        self._make_rows(place + 1)
        # Where it is to stand at once: another parent later would style all of it anew.
        pane = SlidePane(self._cache, self._row(place // _PANES_PER_ROW))
        pane.view_changed.connect(self._on_view_changed)
        pane.slide_changed.connect(self._on_slide_changed)
        pane.close_requested.connect(self.close_pane)
        pane.outdated.connect(self._on_outdated)
        self.panes.append(pane)
        self._arrange()
        self.pane_added.emit(pane)
        return pane

    def _on_outdated(self, pane: SlidePane) -> None:
        """A pane at rest reads nothing: it would show, and be drawn on, as it was."""
        for other in self.panes:
            if other is not pane and pane.path in (other.path, *other.combined_with):
                other.look_again()

    def _make_rows(self, pane_count: int) -> int:
        """Make what rows so many panes lack, and return how many they need."""
        needed = -(-pane_count // _PANES_PER_ROW)
        while self._rows.count() < needed:
            row = QSplitter(Qt.Orientation.Horizontal, self._rows)
            row.setChildrenCollapsible(False)
            self._rows.addWidget(row)
        return needed

    def _arrange(self) -> None:
        """One row for up to two panes, two rows beyond, all of equal size."""
        needed = self._make_rows(len(self.panes))
        for index, pane in enumerate(self.panes):
            row = self._row(index // _PANES_PER_ROW)
            if row.indexOf(pane) != index % _PANES_PER_ROW:
                row.insertWidget(index % _PANES_PER_ROW, pane)
        for index in reversed(range(self._rows.count())):
            row = self._row(index)
            if index >= needed:
                row.setParent(None)
                row.deleteLater()
            else:
                row.setSizes([1000] * row.count())
        self._rows.setSizes([1000] * needed)

    def _row(self, index: int) -> QSplitter:
        row = self._rows.widget(index)
        assert isinstance(row, QSplitter)
        return row

    def _set_active(self, pane: SlidePane) -> None:
        changed = pane is not self.active
        self.active = pane
        self._mark_active()
        if changed:
            self.active_changed.emit(pane)

    def _mark_active(self) -> None:
        alone = len(self.panes) == 1
        for pane in self.panes:
            pane.set_active(active=pane is self.active, alone=alone)

    def _on_focus_changed(self, _before: QWidget | None, now: QWidget | None) -> None:
        for pane in self.panes:
            if now is not None and (now is pane or pane.isAncestorOf(now)):
                self._set_active(pane)

    def _on_slide_changed(self, _pane: SlidePane) -> None:
        self._relink()

    def _on_view_changed(self, pane: SlidePane, cause: str) -> None:
        if cause == "optics":
            self._relink()
        elif self._is_linked and not self._is_following and cause not in _NOT_LEADING:
            self._lead(pane)

    def _lead(self, leader: SlidePane) -> None:
        """Bring the other panes to where `leader` is."""
        self._is_following = True
        try:
            for follower in self.panes:
                link = self._links.get((leader, follower))
                if link is not None:
                    view = link.follow(leader.canvas.view, follower.canvas.view)
                    follower.canvas.follow_view(view)
        finally:
            self._is_following = False

    def _relink(self) -> None:
        """Take how the panes stand now as what linking keeps."""
        self._links = {}
        if not self._is_linked:
            return
        shown = [pane for pane in self.panes if pane.source is not None]
        for leader in shown:
            for follower in shown:
                if leader is not follower:
                    self._links[leader, follower] = self._link(leader, follower)

    def _link(self, leader: SlidePane, follower: SlidePane) -> Link | AlignedLink:
        alignment = self.alignment_of(leader, follower)
        if alignment is not None:
            return AlignedLink(alignment.affine)
        return Link.between(
            leader.canvas.view,
            leader.canvas.optics,
            follower.canvas.view,
            follower.canvas.optics,
        )
