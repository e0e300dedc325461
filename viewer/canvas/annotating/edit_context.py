"""What the tools of one pane work on: its annotations, who draws, and how."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Protocol

import msgspec

from viewer.annotations.annotation import Annotation
from viewer.annotations.counting.frame import CountingFrame
from viewer.annotations.counting.tally import LOOK_ALIKE, MITOSIS
from viewer.annotations.document import Change, Edit, ReadOnlyError, adding, changing
from viewer.annotations.measured import remeasured
from viewer.annotations.pixel_calibration import PixelCalibration
from viewer.annotations.planes import on_plane, tells_plane
from viewer.annotations.selection import MOST_IN_A_FRAME
from viewer.annotations.shape_editing import without
from viewer.geometry import Box
from viewer.memory.long_list import gathered
from viewer.slides.channels import FIRST_PLANE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.annotation import AnnotationClass
    from viewer.annotations.document import Document
    from viewer.annotations.document_state import DocumentState
    from viewer.annotations.pixel_calibration import MicronsPerPixel
    from viewer.annotations.selection import Selection
    from viewer.geometry import Point
    from viewer.slides.channels import ImagePlane


HIDDEN = "Annotations are hidden: show them first (A)."
BESIDE_SLIDE = "Nothing was drawn: that place lies beside the slide."


class ManyAtOnce(Protocol):
    """What changes and selects very many annotations in a thread."""

    def shape_chosen(self, label: str, make: Callable[[list[Annotation]], Edit]) -> None:
        """Carry out what `make` works out of all that is chosen and not locked."""
        ...

    def choose_found(self, find: Callable[[DocumentState], AbstractSet[UUID]]) -> None:
        """Choose the ids that are found."""
        ...


class DrawingOptions(msgspec.Struct):
    """How the tools draw; one object for all panes of a window.

    Attributes
    ----------
    avoid_overlap
        Whether new regions leave out what others cover.
    snapping
        Whether corners jump to borders that are near.
    brush_px
        Diameter of the brush: logical screen pixels, or level-0 pixels with `brush_on_slide`.
    wand_sensitivity
        How unlike a color may be that the wand still takes, in standard deviations of the colors
        round the place where it is set down.
    frame
        Of the fields that are counted next.
    counted_classes
        What the digits 1 to 9 take up while counting.
    counted_class
        Of what is counted next.
    """

    avoid_overlap: bool = False
    snapping: bool = False
    brush_px: float = 50.0
    brush_on_slide: bool = False
    wand_sensitivity: float = 2.0
    frame: CountingFrame = msgspec.field(default_factory=CountingFrame)
    counted_classes: tuple[AnnotationClass, ...] = (MITOSIS, LOOK_ALIKE)
    counted_class: AnnotationClass = MITOSIS


class EditContext:
    """The annotations of one slide in one pane, for the tools and for commands.

    Parameters
    ----------
    say
        Shows a sentence for a while.
    mpp_um
        µm per level-0 pixel; None where unknown.
    show
        Shows hidden annotations again, those of these classes too.
    slide
        The whole slide, level-0 pixels: what lies beside it is not drawn.
    plane
        Gives the focal plane and time point that is looked at, on which new annotations lie.
    many
        What is done to very many goes to it, where it is given.
    """

    def __init__(
        self,
        document: Document,
        selection: Selection,
        options: DrawingOptions,
        say: Callable[[str], object],
        *,
        author: str = "",
        mpp_um: MicronsPerPixel | None = None,
        show: Callable[[frozenset[str]], object] = lambda _: None,
        slide: Box | None = None,
        plane: Callable[[], ImagePlane] = lambda: FIRST_PLANE,
        many: ManyAtOnce | None = None,
    ) -> None:
        self.document = document
        self.many = many
        self._plane = plane
        self.selection = selection
        self.options = options
        self.say = say
        self.author = author
        self.calibration = PixelCalibration.of(mpp_um)
        self.is_hidden = False
        """Whether annotations are not shown: nothing unseen is chosen or changed."""
        self.hidden_classes: frozenset[str] = frozenset()
        """The names of classes that are not shown; "" for what has none."""
        self._show = show
        self._slide = None if slide is None else slide.polygon
        self.current_class: AnnotationClass | None = None
        """Of what is drawn next."""
        self.is_editing = False
        """Whether the step that the document reports comes from here."""

    def do(self, step: Edit, joining: Edit | None = None) -> Edit | None:
        """Carry out a step, as a part of the step `joining` if that was the last one.

        Returns the step as the history has it; None where nothing was to be done or may be done,
        which is said.
        """
        if not step.changes:
            return None
        step = self.followed(step, self._plane())
        self.is_editing = True
        try:
            done = self.document.do(step, joining)
        except ReadOnlyError as error:
            self.say(str(error))
            return None
        finally:
            self.is_editing = False
        self._show_what_is_new(step)
        return done

    def followed(self, step: Edit, plane: ImagePlane) -> Edit:
        """Return a step with rulers measured anew, and what is new on a plane; for any thread."""
        return replace(step, changes=gathered(self._followed(each, plane) for each in step.changes))

    def is_in_sight(self, annotation: Annotation) -> bool:
        """Return whether it is shown."""
        return not self.is_hidden and annotation.class_name not in self.hidden_classes

    def show_hidden(self) -> None:
        """Show annotations again that are hidden: nothing is to be drawn unseen."""
        name = self.current_class.name if self.current_class is not None else ""
        if self.is_hidden or name in self.hidden_classes:
            self._show(frozenset({name}))

    def _show_what_is_new(self, step: Edit) -> None:
        """Show what was made or given another class: it is not to vanish at once."""
        new = [
            change.after
            for change in step.changes
            if change.after is not None
            and (change.before is None or change.before.class_name != change.after.class_name)
        ]
        if not all(map(self.is_in_sight, new)):
            self._show(frozenset(each.class_name for each in new))

    def is_on_slide(self, geometry: BaseGeometry) -> bool:
        """Return whether any of a shape (level-0 pixels) lies on the slide; if not, say so."""
        if self._slide is None or geometry.is_empty or self._slide.intersects(geometry):
            return True
        self.say(BESIDE_SLIDE)
        return False

    def _followed(self, change: Change, plane: ImagePlane) -> Change:
        """Measure a ruler anew where it is another, and lay what is new on its plane."""
        before, after = change.before, change.after
        if before is None and after is not None and not tells_plane(after):
            return msgspec.structs.replace(change, after=on_plane(after, plane))
        if before is None or after is None or before.geometry is after.geometry:
            return change
        measured = remeasured(after, self.calibration)
        return change if measured is after else msgspec.structs.replace(change, after=measured)

    @property
    def changeable(self) -> list[Annotation]:
        """Return what is chosen, shown and not locked, in the order of drawing."""
        return [each for each in self.selection.changeable if self.is_in_sight(each)]

    @property
    def many_chosen(self) -> ManyAtOnce | None:
        """Return what changes all that is chosen in a thread, where that is very many."""
        return self.many if len(self.selection) > MOST_IN_A_FRAME else None

    def uppermost(self, fits: Callable[[Annotation], bool]) -> list[Annotation]:
        """Return of what is `changeable` and fits the uppermost, in a list; [] for none.

        Of a million that are selected not all are looked at.
        """
        if len(self.selection) <= MOST_IN_A_FRAME:
            return list(filter(fits, self.changeable))[-1:]
        found = (each for each in reversed(self.document) if self.is_changeable(each))
        return list(islice(filter(fits, found), 1))

    def changeable_at(self, point: Point) -> list[Annotation]:
        """Return what is `changeable` and whose bounds hold a level-0 point."""
        return self.changeable_inside(Box.around(point, 0, 0))

    def changeable_inside(self, box: Box) -> list[Annotation]:
        """Return what is `changeable` and whose bounds meet a level-0 box."""
        return [each for each in self.document.inside(box) if self.is_changeable(each)]

    def is_changeable(self, annotation: Annotation) -> bool:
        """Return whether it is chosen, shown and not locked."""
        is_own = annotation.id in self.selection and not annotation.is_locked
        return is_own and self.is_in_sight(annotation)

    def new(self, geometry: BaseGeometry) -> Annotation:
        """Return an annotation of the present class and author, not yet in the document."""
        drawn = Annotation(geometry, shown_as=self.current_class)
        return drawn.signed(self.author)

    def spared(self, region: BaseGeometry, own: Iterable[Annotation] = ()) -> BaseGeometry:
        """Return a region without what others cover, where overlap is to be avoided.

        Raises EmptyShapeError.
        """
        if not self.options.avoid_overlap:
            return region
        own_ids = {annotation.id for annotation in own}
        others = [
            each.geometry
            for each in self.document.inside(Box(*region.bounds))
            if each.id not in own_ids and each.id not in self.selection and each.geometry.area > 0
        ]
        return without(region, others) if others else region

    def reshaped(self, annotation: Annotation, geometry: BaseGeometry) -> Annotation:
        """Return the annotation with another shape; an ellipse is none any more."""
        return replace(annotation, geometry=geometry, is_ellipse=False).signed(self.author)

    def add(self, label: str, *annotations: Annotation, joining: Edit | None = None) -> Edit | None:
        """Add annotations and choose them; None where one lies beside the slide."""
        if not all(self.is_on_slide(each.geometry) for each in annotations):
            return None
        done = self.do(adding(label, annotations), joining)
        if done is not None:
            self.selection.choose(annotation.id for annotation in annotations)
        return done

    def put(self, label: str, wanted: Mapping[UUID, Annotation | None]) -> Edit | None:
        """Put each annotation in the place of the one with its id; None removes it."""
        pairs = [(self.document.get(id_), after) for id_, after in wanted.items()]
        changes = tuple(Change(now, after) for now, after in pairs if now != after)
        return self.do(Edit(label, changes))

    def change(
        self, label: str, before: Annotation, after: Annotation, joining: Edit | None = None
    ) -> Edit | None:
        """Put an annotation in the place of another with its id."""
        return self.do(changing(label, [(before, after)]), joining)
