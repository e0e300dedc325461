"""One reviewer's review of one session, as it is done."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

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
from viewer.recording.review.figures import ReviewFigures, ReviewTally
from viewer.recording.review.review_state import standing_of
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    ) -> None:
        self.session = session
        self.reviewer = reviewer
        self.items = list(items)
        self.log = log
        self._standing = standing_of(log.entries)
        self._is_new = not log.entries
        # Of items with one key the first counts.
        self._index_of = {item.key: n for n, item in reversed([*enumerate(self.items)])}
        self._decisions = [self._standing.verdict(item.key) for item in self.items]
        self._open_count = self._decisions.count(None)
        self._changed = set(range(len(self.items)))
        self._tally = ReviewTally()
        for item in self.items:
            self._put(item.key)

    # How things stand ------------------------------------------------------------------------

    def decision(self, index: int) -> Decided | None:
        """Return the verdict on an item, None while it is open."""
        return self._decisions[index]

    def decisions(self) -> list[Decided | None]:
        """Return the decisions on all items, in their order."""
        return list(self._decisions)

    def take_changed(self) -> dict[int, Decided | None]:
        """Return the verdicts that changed since this was last asked, at first all, by index."""
        changed = {index: self._decisions[index] for index in sorted(self._changed)}
        self._changed.clear()
        return changed

    def text(self, index: int) -> str:
        """Return what belongs in the field: what was typed, else accepted, else the draft."""
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
        return self._open_count == 0

    def figures(self) -> ReviewFigures:
        """Counts and times, as things stand."""
        return self._tally.figures(len(self.items))

    def resume_index(self) -> int:
        """Return where to go on: at the item that was left open last, else at the next open one."""
        return self.next_open(self._index_of.get(self._standing.last_item, 0))

    def next_open(self, index: int) -> int:
        """Return the first open item from `index` on, else from the beginning, else `index`."""
        if self.is_done:
            return index
        order = chain(range(index, len(self._decisions)), range(index))
        return next(at for at in order if self._decisions[at] is None)

    # What the reviewer does ------------------------------------------------------------------

    def accept(
        self, index: int, text: str, seconds: float, by: Literal["typed", "dictated"] = "typed"
    ) -> Decided:
        """Accept the draft, or what was made of it: the verdict is "edited" where they differ.

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
        """Decide that no rationale goes out for the item."""
        source: Source = "none" if self.items[index].draft is None else "model"
        return self._decide(index, "rejected", "", source, seconds)

    def skip(self, index: int, seconds: float) -> Decided:
        """Leave the item without a judgment."""
        source: Source = "none" if self.items[index].draft is None else "model"
        return self._decide(index, "skipped", "", source, seconds)

    def type(self, index: int, text: str) -> None:
        """Keep what stands in the field, so that nothing typed is lost."""
        if text != self.text(index):
            self._take(Typed(item=self.items[index].key, text=text, at_utc=utc_stamp()))

    def leave(self, index: int, seconds: float) -> None:
        """Count the time on an item that is left without a verdict."""
        if seconds >= _LEAST_SECONDS:
            key = self.items[index].key
            self._take(Looked(item=key, seconds=round(seconds, 2), at_utc=utc_stamp()))

    def undo(self) -> int | None:
        """Take the last verdict back; return the index of its item, None where there is none."""
        index = self._index_of_last(self._standing.decisions)
        if index is not None:
            self._take(Undone(at_utc=utc_stamp()))
        return index

    def redo(self) -> int | None:
        """Let the verdict count again that was undone last; return the index of its item."""
        index = self._index_of_last(self._standing.undone)
        if index is not None:
            self._take(Redone(at_utc=utc_stamp()))
        return index

    def take_drafts(self, drafts: Mapping[int, Draft | None]) -> None:
        """Take the drafts of items, by their indices, in place of those they had."""
        for index, draft in drafts.items():
            self.items[index] = replace(self.items[index], draft=draft)

    def close(self) -> bool:
        """End the review; return whether all of it is on the disk."""
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
            at_utc=utc_stamp(),
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
                    at_utc=utc_stamp(),
                )
            )
        self.log.append(entry)
        self._standing.apply(entry)
        self._put(self._standing.last_item)

    def _put(self, key: str) -> None:
        """Count an item as it stands now."""
        index = self._index_of.get(key)
        if index is None:
            return
        before, now = self._decisions[index], self._standing.verdict(key)
        self._tally.put(key, now, self._standing.seconds.get(key, 0.0))
        if now is not before:
            self._decisions[index] = now
            self._open_count += (now is None) - (before is None)
            self._changed.add(index)

    def _index_of_last(self, decisions: list[Decided]) -> int | None:
        return self._index_of.get(decisions[-1].item) if decisions else None


def _distance(draft: Draft | None, text: str) -> int | None:
    if draft is None or not text:
        return None
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.distance(draft.text.strip(), text)
