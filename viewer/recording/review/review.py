"""One reviewer's review of one session, as it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from viewer import __version__
from viewer.recording.review.entries import (
    Decided,
    Looked,
    Opened,
    Redone,
    ReviewError,
    Typed,
    Undone,
)
from viewer.recording.review.figures import ReviewFigures, figures_of
from viewer.recording.review.review_state import standing_of
from viewer.recording.review.verdicts import Reviewed
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from viewer.recording.review.entries import Draft, Entry, Source, Verdict
    from viewer.recording.review.items import ReviewItem
    from viewer.recording.review.review_log import ReviewLog

_LEAST_SECONDS = 0.05
_NO_TEXT = "There is no text to accept: type a rationale first, or skip this one."


class Review:
    """Gives verdicts on items, takes them back, and tells how things stand.

    Every change goes to the log, which takes it in a thread; nothing here waits for the disk.

    Parameters
    ----------
    log
        Of this reviewer and session; what it holds already is gone on with.
    """

    def __init__(
        self,
        session: str,
        reviewer: str,
        items: Sequence[ReviewItem],
        log: ReviewLog,
        now: Callable[[], str] = utc_stamp,
    ) -> None:
        self.session = session
        self.reviewer = reviewer
        self.items = list(items)
        self.log = log
        self._now = now
        self._standing = standing_of(log.entries)
        self._is_new = not log.entries

    # How things stand ------------------------------------------------------------------------

    def decision(self, index: int) -> Decided | None:
        """Return the verdict on an item, None while it is open."""
        return self._standing.verdicts().get(self.items[index].key)

    def decisions(self) -> list[Decided | None]:
        """Of all items, in their order."""
        verdicts = self._standing.verdicts()
        return [verdicts.get(item.key) for item in self.items]

    def text(self, index: int) -> str:
        """What belongs in the field: what was typed, else what was accepted, else the draft."""
        item = self.items[index]
        if (typed := self._standing.typed.get(item.key)) is not None:
            return typed
        decision = self.decision(index)
        if decision is not None and decision.text:
            return decision.text
        return item.draft.text if item.draft is not None else ""

    def seconds(self, index: int) -> float:
        """Spent on an item."""
        return self._standing.seconds.get(self.items[index].key, 0.0)

    @property
    def can_undo(self) -> bool:
        return self._index_of_last(self._standing.decisions) is not None

    @property
    def can_redo(self) -> bool:
        return self._index_of_last(self._standing.undone) is not None

    @property
    def is_done(self) -> bool:
        """Return whether no item is open."""
        return None not in self.decisions()

    def figures(self) -> ReviewFigures:
        """Counts and times, as things stand."""
        standing = self._standing
        reviewed = Reviewed(self.reviewer, standing.verdicts(), standing.seconds)
        return figures_of(reviewed, [item.key for item in self.items])

    def resume_index(self) -> int:
        """Return where to go on: at the item that was left open last, else at the next open one."""
        keys = [item.key for item in self.items]
        last = self._standing.last_item
        start = keys.index(last) if last in keys else 0
        return self.next_open(start)

    def next_open(self, index: int) -> int:
        """The first open item from `index` on, else from the beginning, else `index` itself."""
        decisions = self.decisions()
        order = [*range(index, len(decisions)), *range(index)]
        return next((at for at in order if decisions[at] is None), index)

    # What the reviewer does ------------------------------------------------------------------

    def accept(
        self, index: int, text: str, seconds: float, by: Literal["typed", "dictated"] = "typed"
    ) -> Decided:
        """Accepts the draft, or what was made of it: the verdict is "edited" where they differ.

        Parameters
        ----------
        by
            How a text without a draft was written.

        Raises
        ------
        ReviewError
            The text is empty.
        """
        text = text.strip()
        if not text:
            raise ReviewError(_NO_TEXT)
        draft = self.items[index].draft
        if draft is None:
            return self._decide(index, "accepted", text, by, seconds)
        verdict: Verdict = "accepted" if text == draft.text.strip() else "edited"
        return self._decide(index, verdict, text, "model", seconds)

    def reject(self, index: int, seconds: float) -> Decided:
        """No rationale goes out for the item."""
        source: Source = "none" if self.items[index].draft is None else "model"
        return self._decide(index, "rejected", "", source, seconds)

    def skip(self, index: int, seconds: float) -> Decided:
        """Leaves the item without a judgment."""
        source: Source = "none" if self.items[index].draft is None else "model"
        return self._decide(index, "skipped", "", source, seconds)

    def type(self, index: int, text: str) -> None:
        """Keeps what stands in the field, so that nothing typed is lost."""
        if text != self.text(index):
            self._take(Typed(item=self.items[index].key, text=text, at_utc=self._now()))

    def leave(self, index: int, seconds: float) -> None:
        """Counts the time on an item that is left without a verdict."""
        if seconds >= _LEAST_SECONDS:
            key = self.items[index].key
            self._take(Looked(item=key, seconds=round(seconds, 2), at_utc=self._now()))

    def undo(self) -> int | None:
        """Takes the last verdict back; the index of its item, None where there is none."""
        index = self._index_of_last(self._standing.decisions)
        if index is not None:
            self._take(Undone(at_utc=self._now()))
        return index

    def redo(self) -> int | None:
        """Lets the verdict count again that was undone last; the index of its item."""
        index = self._index_of_last(self._standing.undone)
        if index is not None:
            self._take(Redone(at_utc=self._now()))
        return index

    def set_items(self, items: Sequence[ReviewItem]) -> None:
        """Takes the same actions with new drafts."""
        self.items = list(items)

    def close(self) -> bool:
        """Ends the review; whether all of it is on the disk."""
        return self.log.close()

    # -----------------------------------------------------------------------------------------

    def _decide(
        self, index: int, verdict: Verdict, text: str, source: Source, seconds: float
    ) -> Decided:
        item = self.items[index]
        draft = item.draft
        decision = Decided(
            item=item.key,
            verdict=verdict,
            text=text,
            source=source,
            seconds=round(seconds, 2),
            at_utc=self._now(),
            draft=draft.text if draft is not None else "",
            model=draft.model if draft is not None else "",
            prompt_sha256=draft.prompt_sha256 if draft is not None else "",
            edit_distance=_distance(draft, text),
        )
        self._take(decision)
        return decision

    def _take(self, entry: Entry) -> None:
        if self._is_new:
            self._is_new = False
            self.log.append(
                Opened(
                    session=self.session,
                    reviewer=self.reviewer,
                    app_version=__version__,
                    at_utc=self._now(),
                )
            )
        self.log.append(entry)
        self._standing.apply(entry)

    def _index_of_last(self, decisions: list[Decided]) -> int | None:
        if not decisions:
            return None
        keys = [item.key for item in self.items]
        return keys.index(decisions[-1].item) if decisions[-1].item in keys else None


def _distance(draft: Draft | None, text: str) -> int | None:
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.distance(draft.text.strip(), text) if draft is not None and text else None
