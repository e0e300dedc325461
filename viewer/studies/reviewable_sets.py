"""Which sets of a slide somebody can review, and in which role."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import msgspec

from viewer.annotations.sets.listing import sets_of_slide
from viewer.annotations.sets.set_store import SetStore
from viewer.folders import data_folder
from viewer.slides.slide_key import file_name_of
from viewer.studies.review_store import REVIEWS_FOLDER, ReviewStore
from viewer.studies.set_review import ObjectReview, QueueStanding, SetReview, queue

if TYPE_CHECKING:
    from viewer.annotations.annotation import Annotation
    from viewer.annotations.sets.annotation_set import AnnotationSet
    from viewer.annotations.sets.records import Sealer
    from viewer.studies.set_review import ReviewNews
    from viewer.studies.study_reader import StudyReader

Role = Literal["own", "judge", "sort"]
"""One's own set is handed in; another's is judged; what a model or agent made is sorted."""


class ReviewableSet(msgspec.Struct, frozen=True):
    """A set as the panel of reviews lists it; `sealer` seals its lines, None leaves them plain."""

    which: AnnotationSet
    role: Role
    label: str
    sealer: Sealer | None = None

    def opened(self, person: str) -> OpenedReview:
        """Read the set and what was said of it. Raises AnnotationStoreError, OSError."""
        drawn, _ = SetStore(self.which, self.sealer, read_only=True).annotations()
        store = ReviewStore(self.which, person, self.sealer)
        review = store.read()
        drawn = queue(drawn, review)
        return OpenedReview(self, drawn, review, QueueStanding(drawn, review), store)


@dataclass(slots=True)
class OpenedReview:
    """A set under review: its objects in the order of the queue."""

    of: ReviewableSet
    annotations: list[Annotation]
    review: SetReview
    standing: QueueStanding
    store: ReviewStore
    _rows: dict[str, int] = field(init=False, repr=False)
    """Rows of the objects, by their ids."""

    def __post_init__(self) -> None:
        self._rows = {each.id.hex: row for row, each in enumerate(self.annotations)}

    def judge(self, row: int, said: ObjectReview) -> None:
        """Take what is said of the object of a row, as it is now."""
        self.review.objects[self.annotations[row].id.hex] = said
        self.standing.judge(row, said.verdict)

    def take(self, news: ReviewNews) -> list[int]:
        """Take what was written, and what others wrote meanwhile; return the rows it changes."""
        review = self.review
        review.status, review.by, review.comment = news.status, news.by, news.comment
        review.objects |= news.objects
        review.together_s |= news.together_s
        changed = sorted(
            self._rows[id_] for id_ in news.objects | news.together_s if id_ in self._rows
        )
        for row in changed:
            said = review.of(self.annotations[row])
            self.standing.judge(row, said.verdict if said is not None else "")
        return changed


def reviewable_sets(
    study: StudyReader | None, identity: str, project_identity: str, reader: str
) -> list[ReviewableSet]:
    """Return the sets of a slide that a reader may see, with what the reader can do with each.

    Parameters
    ----------
    study
        The project that the slide is read for; None for the slide alone.
    identity, project_identity
        Of the slide, and what the project calls it.

    Raises
    ------
    OSError
        The folder or the keyring cannot be read.
    """
    found: list[ReviewableSet] = []
    is_ai_hidden = False
    if study is not None:
        view = study.view(project_identity)
        sealer = study.sealer(view)
        is_ai_hidden = "ai" in view.hides
        found += [_reviewable(each, reader, sealer) for each in study.sets(project_identity)]
    for each in sets_of_slide(data_folder(), identity):
        is_made = each.kind in ("agent", "model")
        if each.key.reader == reader and is_made and not is_ai_hidden:
            found.append(_reviewable(each, reader, None))
    return found


def waiting_sets(study: StudyReader) -> list[AnnotationSet]:
    """Return the sets of others that were handed in and wait for a verdict. Raises OSError."""
    waiting: list[AnnotationSet] = []
    for which in study.all_sets():
        folder = which.folder / REVIEWS_FOLDER / file_name_of(which.identity)
        if which.key.reader == study.reader or not folder.is_dir():
            continue
        sealer = study.sealer(study.view(which.identity))
        if ReviewStore(which, study.reader, sealer).read().status == "handed in":
            waiting.append(which)
    return waiting


def _reviewable(which: AnnotationSet, reader: str, sealer: Sealer | None) -> ReviewableSet:
    key = which.key
    is_made = which.kind in ("agent", "model")
    role: Role = "sort" if is_made else "own" if key.reader == reader else "judge"
    stage = f" ({key.stage})" if key.stage else ""
    who = "" if key.reader == reader else f"{key.reader or 'Nobody'}: "
    return ReviewableSet(which, role, f"{who}{key.name}{stage}", sealer)
