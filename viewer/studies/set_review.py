"""A set of annotations handed in by who drew it, and judged object by object by somebody else."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from uuid import UUID

    from viewer.annotations.annotation import Annotation

SetStatus = Literal["drawing", "handed in", "returned", "approved"]
Verdict = Literal["", "approved", "returned", "accepted", "corrected", "rejected"]
"""Of what a person drew: approved or returned; of what a model made: accepted, corrected or
rejected. "" takes a verdict back."""


class SetEvent(msgspec.Struct, frozen=True, array_like=True, tag="set"):
    """The set as a whole is handed in, approved or returned.

    Attributes
    ----------
    clock
        Microseconds since 1970, or later than any event that the writer had seen.
    """

    clock: int
    by: str
    status: SetStatus
    comment: str = ""


class ObjectEvent(msgspec.Struct, frozen=True, array_like=True, tag="object"):
    """Somebody judged an object, or only looked at it.

    Attributes
    ----------
    id
        The object's, 32 hexadecimal digits.
    verdict
        None where it was only looked at.
    of
        When the object was changed last: a verdict is on the object as it was then.
    spent_s
        Seconds of work on the object since the event before.
    """

    clock: int
    by: str
    id: str
    verdict: Verdict | None
    comment: str = ""
    of: str = ""
    spent_s: float = 0.0


ReviewEvent = SetEvent | ObjectEvent


class ObjectReview(msgspec.Struct, frozen=True):
    """What was said of an object last.

    Attributes
    ----------
    of
        When the object had been changed last at that time.
    """

    verdict: Verdict
    by: str
    comment: str
    of: str
    clock: int

    def holds_for(self, annotation: Annotation) -> bool:
        """Return whether the verdict is on the object as it is now."""
        return bool(self.verdict) and self.of == annotation.modified_utc


class SetReview(msgspec.Struct):
    """How far the review of a set is.

    Attributes
    ----------
    comment
        Said with the last change of the status.
    objects
        By the id of the object.
    spent_s
        Seconds of work, by person and id of the object.
    together_s
        Seconds that all together worked, by the id of the object.
    """

    status: SetStatus = "drawing"
    by: str = ""
    comment: str = ""
    objects: dict[str, ObjectReview] = msgspec.field(default_factory=dict[str, ObjectReview])
    spent_s: dict[tuple[str, str], float] = msgspec.field(
        default_factory=dict[tuple[str, str], float]
    )
    together_s: dict[str, float] = msgspec.field(default_factory=dict[str, float])

    def of(self, annotation: Annotation) -> ObjectReview | None:
        """Return what was said of an object; None where nothing holds for it as it is now."""
        said = self.objects.get(annotation.id.hex)
        return said if said is not None and said.holds_for(annotation) else None

    def seconds(self, id_: UUID) -> float:
        """Return how long all together worked on an object."""
        return self.together_s.get(id_.hex, 0.0)

    def is_open(self, annotation: Annotation) -> bool:
        """Return whether an object still waits for a verdict."""
        return self.of(annotation) is None

    def take(self, event: ReviewEvent) -> None:
        """Take an event that is later than all before it."""
        if isinstance(event, SetEvent):
            self.status, self.by, self.comment = event.status, event.by, event.comment
            return
        seconds, who = max(0.0, event.spent_s), (event.by, event.id)
        self.spent_s[who] = self.spent_s.get(who, 0.0) + seconds
        self.together_s[event.id] = self.together_s.get(event.id, 0.0) + seconds
        if event.verdict is not None:
            self.objects[event.id] = ObjectReview(
                event.verdict, event.by, event.comment, event.of, event.clock
            )

    def copied(self) -> SetReview:
        """Return a review that can be changed without this one."""
        return replace(
            self,
            objects=dict(self.objects),
            spent_s=dict(self.spent_s),
            together_s=dict(self.together_s),
        )

    def news_of(self, ids: Collection[str]) -> ReviewNews:
        """Return how the set and some of its objects stand."""
        objects = {id_: said for id_ in ids if (said := self.objects.get(id_)) is not None}
        seconds = {id_: self.together_s[id_] for id_ in ids if id_ in self.together_s}
        return ReviewNews(self.status, self.by, self.comment, objects, seconds)


class ReviewNews(msgspec.Struct, frozen=True):
    """What a review has become since it was asked last: the set, and objects that were told of.

    Attributes are those of `SetReview`, of these objects alone.
    """

    status: SetStatus
    by: str
    comment: str
    objects: dict[str, ObjectReview]
    together_s: dict[str, float]


def review_of(events: Iterable[ReviewEvent]) -> SetReview:
    """Return what the events of a set, from all who wrote any, come to."""
    review = SetReview()
    for event in sorted(events, key=lambda each: (each.clock, each.by)):
        review.take(event)
    return review


class QueueStanding:
    """How the objects of a queue stand: looked at once, then changed by each verdict."""

    def __init__(self, annotations: Sequence[Annotation], review: SetReview) -> None:
        said = [review.of(annotation) for annotation in annotations]
        self._verdicts = ["open" if each is None else each.verdict for each in said]
        self._waits = np.array([each is None for each in said], np.bool_)
        self._counts = Counter(self._verdicts)

    @property
    def counts(self) -> dict[str, int]:
        """Return how many objects have which verdict; under "open" those that wait for one."""
        return {verdict: count for verdict, count in self._counts.items() if count}

    def judge(self, row: int, verdict: Verdict) -> None:
        """Take a verdict on the object of a row; "" takes one back."""
        self._counts[self._verdicts[row]] -= 1
        self._verdicts[row] = verdict or "open"
        self._counts[self._verdicts[row]] += 1
        self._waits[row] = not verdict

    def next_waiting(self, row: int) -> int | None:
        """Return the next row that waits for a verdict, round the end of the queue; None for none.

        The row itself comes last.
        """
        for begin, part in ((row + 1, self._waits[row + 1 :]), (0, self._waits[: row + 1])):
            if part.any():
                return begin + int(part.argmax())
        return None


def queue(annotations: Iterable[Annotation], review: SetReview) -> list[Annotation]:
    """Return the objects of a set in the order of review: those that wait first, then the rest."""
    each = list(annotations)
    waiting = [annotation for annotation in each if review.is_open(annotation)]
    return [*waiting, *(annotation for annotation in each if not review.is_open(annotation))]


def counts(annotations: Iterable[Annotation], review: SetReview) -> dict[str, int]:
    """Return how many objects have which verdict; under "open" those that wait for one."""
    return QueueStanding(list(annotations), review).counts
