"""What a stroke makes of the document, from its first pause to its end as one step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.annotations.document import Change, Edit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from viewer.annotations.annotation import Annotation
    from viewer.canvas.annotating.edit_context import EditContext


class StrokeTransaction:
    """The annotations that a stroke changes; None stands for one that is not there."""

    def __init__(self, desk: EditContext, label: str) -> None:
        self._desk = desk
        self._label = label
        self._step: Edit | None = None
        self._found: dict[UUID, Annotation | None] = {}

    @property
    def is_kept(self) -> bool:
        """Return whether something of the stroke came to the document."""
        return self._step is not None

    def put(self, wanted: Mapping[UUID, Annotation | None]) -> bool:
        """Bring the document to this, and what was put before and is not wanted, back.

        False where the document may not be changed, or where all that is new lies beside the
        slide; which is said.
        """
        document = self._desk.document
        new = [each for id_, each in wanted.items() if each is not None and id_ not in document]
        if not all(self._desk.is_on_slide(each.geometry) for each in new):
            return False
        for id_ in wanted:
            self._found.setdefault(id_, document.get(id_))
        goal = self._found | dict(wanted)
        changes = tuple(
            Change(now, after) for id_, after in goal.items() if (now := document.get(id_)) != after
        )
        if not changes:
            return True
        done = self._desk.do(Edit(self._label, changes), self._step)
        self._step = done or self._step
        return done is not None

    def take_back(self) -> None:
        """Put everything back as if the stroke had never been."""
        if self._step is not None:
            self.put({})
