"""What one pane shows of its slide's annotations: what is chosen in it, its desk and layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar, Unpack

import shapely

from viewer.annotations.bookmarks import kept_view
from viewer.annotations.id_set import IdSet
from viewer.annotations.pixel_calibration import PixelCalibration
from viewer.annotations.planes import plane_of
from viewer.annotations.selection import Selection
from viewer.canvas.annotating.edit_context import EditContext
from viewer.canvas.layer import LayerOrder
from viewer.canvas.notes_layer import NotesLayer
from viewer.geometry import Box
from viewer.ui.annotations.wording import LOCKED
from viewer.window_first import giving_way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.document import Document, Edit
    from viewer.annotations.document_state import DocumentState
    from viewer.canvas.annotating.edit_context import DrawingOptions
    from viewer.ui.annotations.sets.layers import ShownStyle
    from viewer.ui.annotations.slide_annotations import SlideAnnotations
    from viewer.ui.background_runner import BackgroundRunner
    from viewer.ui.slides.slide_pane import SlidePane

_T = TypeVar("_T")
_TRAVEL_MARGIN = 1.3
"""The field is so much larger than what is traveled to."""
_MANY = 2000
"""Chosen annotations that take longer than a frame to look through."""
_NEAREST_MPP_UM = 0.25
"""As near as small things are traveled to: 40x."""


class BulkWork(Protocol):
    """What works on very many annotations in a thread."""

    background: BackgroundRunner

    def shape(
        self,
        active: PaneAnnotations,
        label: str,
        make: Callable[[list[Annotation]], Edit],
        then: Callable[[Edit], object],
    ) -> None:
        """Carry out what `make` works out of all that is chosen and not locked."""
        ...


class PaneAnnotations:
    """There from the opening of the slide's annotations until the slide leaves the pane."""

    def __init__(
        self,
        pane: SlidePane,
        slide: SlideAnnotations,
        options: DrawingOptions,
        say: Callable[[str], object],
        author: str,
        show_again: Callable[[frozenset[str]], object],
        bulk: BulkWork,
    ) -> None:
        from viewer.canvas.annotations_layer import AnnotationsLayer

        self.pane = pane
        self.slide = slide
        self._bulk, self._background = bulk, bulk.background
        canvas = pane.canvas
        self.selection = Selection(slide.document)
        self.desk = EditContext(
            slide.document,
            self.selection,
            options,
            say,
            author=author,
            mpp_um=canvas.optics.mpp_um,
            show=show_again,
            slide=canvas.slide_box,
            plane=lambda: canvas.plane,
            many=self,
        )
        self.layer = AnnotationsLayer(slide.document, self.selection, canvas.update, author)
        self.notes = NotesLayer(slide.document, canvas.update)
        canvas.add_layer(self.layer, LayerOrder.ANNOTATIONS)
        canvas.add_layer(self.notes, LayerOrder.ANNOTATIONS)

    @property
    def document(self) -> Document:
        return self.slide.document

    @property
    def chosen(self) -> list[Annotation]:
        """Return what is chosen, in the order of drawing."""
        return self.selection.annotations

    @property
    def chosen_bounds(self) -> Box | None:
        """Return the bounds of what is chosen and has an area, level-0 pixels; None for nothing.

        Of very many also of those without: to look at each shape takes long.
        """
        if len(self.selection) > _MANY:
            return self.document.state.box_of(self.selection.ids)
        shapes = [each.geometry for each in self.chosen if each.geometry.area]
        return Box(*shapely.total_bounds(shapes).tolist()) if shapes else None

    @property
    def author(self) -> str:
        return self.desk.author

    @author.setter
    def author(self, name: str) -> None:
        self.desk.author = self.layer.reader = name

    @property
    def mpp_um(self) -> float | None:
        """µm per level-0 pixel, the mean of both axes; None where unknown."""
        return self.pane.canvas.optics.mean_mpp_um

    @property
    def calibration(self) -> PixelCalibration:
        """Return how lengths and areas on the slide are measured."""
        return self.desk.calibration

    def calibrate(self) -> None:
        """Measure by the pixel size that the slide has now."""
        self.desk.calibration = PixelCalibration.of(self.pane.canvas.optics.mpp_um)

    def do(self, step: Edit) -> bool:
        """Carry out a step; return False where nothing was to be done or may be done."""
        return self.desk.do(step) is not None

    def show(self, **style: Unpack[ShownStyle]) -> None:
        """Paint them so; what is hidden is neither chosen nor changed."""
        is_shown, hidden = style["is_shown"], style.get("hidden_classes", frozenset())
        self.desk.is_hidden, self.desk.hidden_classes = not is_shown, hidden
        self.layer.show(**style)
        self.notes.set_shown(shown=is_shown, hidden_classes=hidden)
        if hidden & self.document.class_counts.keys():
            self._choose_in_sight(hidden)

    def choose_class(self, name: str, chosen: Callable[[int], object]) -> None:
        """Choose all of a class, of very many found in a thread; `chosen` is told how many."""
        if len(self.document) > _MANY:
            self.choose_found(lambda state: state.ids_of_class(name), chosen)
            return
        self.selection.choose(self.document.ids_of_class(name))
        chosen(len(self.selection))

    def choose_found(
        self,
        find: Callable[[DocumentState], AbstractSet[UUID]],
        chosen: Callable[[int], object] = lambda _: None,
    ) -> None:
        """Choose the ids that are found in a thread; `chosen` is told how many."""
        document, state = self.document, self.document.snapshot()

        def choose(ids: AbstractSet[UUID]) -> None:
            if self.desk.many is None:
                return  # the slide has left the pane
            if document.holds(state):
                self.selection.choose(ids)
                chosen(len(self.selection))
            else:
                self.choose_found(find, chosen)  # something was changed meanwhile

        self._background.run(lambda: find(state), choose)

    def look(self, work: Callable[[], _T], then: Callable[[_T], object]) -> None:
        """Look through very many annotations in a thread, and call `then` with what was found."""
        self._background.run(work, then)

    def shape_chosen(self, label: str, make: Callable[[list[Annotation]], Edit]) -> None:
        """Carry out what `make` works out, in a thread, of all that is chosen and not locked."""

        def done(edit: Edit) -> None:
            if not edit.changes:
                self.desk.say(LOCKED)

        self._bulk.shape(self, label, make, done)

    def _choose_in_sight(self, hidden: AbstractSet[str]) -> None:
        """Choose nothing that is hidden; of very many that are chosen this is found in a thread."""
        # No snapshot: the next stroke would have to copy all of it.
        ids, held = self.selection.ids, self.document.state.held

        def found() -> IdSet:
            chosen = ((id_, held.get(id_)) for id_ in giving_way(ids))
            return IdSet.of(
                id_ for id_, each in chosen if each is not None and each.class_name not in hidden
            )

        def choose(in_sight: IdSet) -> None:
            if self.selection.ids is ids and self.desk.hidden_classes == hidden:
                self.selection.choose(in_sight)

        if len(ids) > _MANY:
            self._background.run(found, choose)
        elif ids:
            choose(found())

    def travel(self, annotations: Iterable[Annotation]) -> None:
        """Show annotations as large as they fit."""
        wanted = list(annotations)
        if not wanted:
            return
        canvas = self.pane.canvas
        if canvas.source is not None and canvas.source.info.axes.has_planes:
            canvas.set_plane(plane_of(wanted[0]))
        kept = kept_view(wanted[0], canvas.view.size) if len(wanted) == 1 else None
        if kept is not None:
            canvas.show_view(kept, animated=True)
            return
        self._go_to(Box(*shapely.total_bounds([each.geometry for each in wanted]).tolist()))

    def travel_to_chosen(self) -> None:
        """Show what is chosen as large as it fits; of very much a thread finds out where it is."""
        ids = self.selection.ids
        if len(ids) <= _MANY:
            self.travel(self.selection.annotations)
            return
        state = self.document.snapshot()
        self._background.run(
            lambda: state.box_of(ids), lambda box: self._go_to(box) if box is not None else None
        )

    def _go_to(self, box: Box) -> None:
        canvas = self.pane.canvas
        field = Box.around(box.center, box.width * _TRAVEL_MARGIN, box.height * _TRAVEL_MARGIN)
        nearest = _NEAREST_MPP_UM / (self.mpp_um or _NEAREST_MPP_UM)
        canvas.go_to(box.center, max(canvas.view.showing(field).downsample, nearest))

    def close(self) -> None:
        """Take the layers off the canvas."""
        canvas = self.pane.canvas
        for layer in (self.layer, self.notes):
            canvas.remove_layer(layer)
            layer.close()
        self.desk.many = None
        self.selection.close()
