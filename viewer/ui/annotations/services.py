"""What the parts of the annotations ask of the one that puts them together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from viewer.ui.services import Drawings

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.annotations.document import Edit
    from viewer.annotations.document_state import DocumentState
    from viewer.annotations.sets.annotation_set import SetKey, SetKind
    from viewer.ui.annotations.sets.slide_sets import SetEntry, SlideSets
    from viewer.ui.annotations.slide_annotations import SlideAnnotations
    from viewer.ui.slides.slide_pane import SlidePane


class KeptSets(Drawings, Protocol):
    """The sets of annotations of the slides that are shown."""

    @property
    def active_sets(self) -> SlideSets | None:
        """Return the sets of the active pane's slide; None before they are there."""
        ...

    @property
    def can_annotate(self) -> bool:
        """Return whether the active pane's slide can be drawn on."""
        ...

    @property
    def chosen_count(self) -> int:
        """Return how many annotations are chosen in the active pane."""
        ...

    def sets_of(self, pane: SlidePane) -> SlideSets | None:
        """Return the sets of a pane's slide; None before they are there."""
        ...

    def states_in_sight(self, pane: SlidePane) -> list[tuple[SetKey, DocumentState]]:
        """Return what exports of a pane's slide hold, to be put `together` in a thread."""
        ...


class SetAdder(Protocol):
    """What adds sets to a slide."""

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
        ...

    def note_step(
        self,
        sets: SlideSets,
        annotations: SlideAnnotations,
        edit: Edit,
        also: Callable[[bool], object] | None = None,
    ) -> None:
        """Let undo take back what was put into a set that is not drawn in.

        And what was done beside, which `also` undoes (True) or does again (False).
        """
        ...


class GrowingSets(KeptSets, Protocol):
    """Sets to which others can be added."""

    @property
    def sets(self) -> SetAdder:
        """Return what adds sets to a slide."""
        ...
