"""The files of the reviews of one set: lines that are only added to, one file a person and device.

They lie in the project's folder. Where the study is sealed they are sealed as the sets are.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from viewer.annotations.sets.annotation_set import SUFFIX
from viewer.annotations.sets.records import clock_now
from viewer.device import WriterName, files_of_writers
from viewer.files.kept_lines import GrowingFiles, append_lines
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.slides.slide_key import file_name_of
from viewer.studies.set_review import ObjectEvent, ReviewEvent, SetEvent, SetReview, review_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.sets.annotation_set import AnnotationSet
    from viewer.annotations.sets.records import Sealer
    from viewer.studies.set_review import ReviewNews, SetStatus, Verdict

REVIEWS_FOLDER = "reviews"


class _SealedEvent(msgspec.Struct, frozen=True, array_like=True, tag="sealed"):
    """An event that only holders of a key can read; by whom it was sealed is not hidden."""

    by: str
    sealed: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(prepared(SetEvent | ObjectEvent | _SealedEvent)).decode


class ReviewStore:
    """The review of one set, as one person reads and writes it; used by one thread at a time.

    Parameters
    ----------
    which
        The set that is reviewed.
    person
        Who works here, by pseudonym.
    sealer
        Seals what is written and opens what is sealed; None writes plain lines.
    """

    def __init__(self, which: AnnotationSet, person: str, sealer: Sealer | None = None) -> None:
        self.which = which
        self.person = person
        self._sealer = sealer
        self._folder = which.folder / REVIEWS_FOLDER / file_name_of(which.identity)
        self._files = GrowingFiles()
        self._events: dict[tuple[int, str], ReviewEvent] = {}
        self._review = SetReview()
        """What the events come to, which each that comes changes."""
        self._last = (0, "")
        """The latest of the events."""
        self._told_of: set[str] = set()
        """Objects that something was said of since `judge` or `say` returned last."""
        self.sealed_count = 0
        """Events that stay sealed here."""

    def read(self) -> SetReview:
        """Return how far the review is, with what others wrote since. Raises OSError."""
        self._read()
        self._told_of.clear()
        return self._review.copied()

    def judge(
        self,
        annotation: Annotation,
        verdict: Verdict | None,
        comment: str = "",
        spent_s: float = 0.0,
    ) -> ReviewNews:
        """Keep a verdict on an object as it is now, or with None only the time spent on it.

        Returns when it is on the disk, with what else was said since the last time. Raises OSError.
        """
        of = annotation.modified_utc
        id_ = annotation.id.hex
        event = ObjectEvent(self._clock(), self.person, id_, verdict, comment, of, spent_s)
        return self._write(event)

    def say(self, status: SetStatus, comment: str = "") -> ReviewNews:
        """Keep that the set is handed in, approved or returned, as `judge` does. Raises OSError."""
        return self._write(SetEvent(self._clock(), self.person, status, comment))

    # -----------------------------------------------------------------------------------------

    def _clock(self) -> int:
        return clock_now(self._last[0])

    def _write(self, event: ReviewEvent) -> ReviewNews:
        body = _encode(event)
        if self._sealer is not None:
            sealed = self._sealer.seal(body, self._about(self.person))
            body = _encode(_SealedEvent(self.person, sealed))
        writer = WriterName(f"{REVIEWS_FOLDER}~{self._folder.name}~{self._prefix}{self._who}")
        try:
            append_lines(self._folder / f"{self._prefix}{self._who}~{writer.name}{SUFFIX}", [body])
        finally:
            writer.release()
        self._add([event])
        self._read()
        told_of, self._told_of = self._told_of, set()
        return self._review.news_of(told_of)

    def _read(self) -> None:
        for path in files_of_writers(self._folder, self._prefix):
            self._add(self._events_of(self._files.read(path)))

    def _add(self, events: Iterable[ReviewEvent]) -> None:
        """Add events: what is later than all before goes on from there, else all is added anew."""
        is_late = False
        for event in events:
            at = event.clock, event.by
            if self._events.get(at) == event:
                continue
            self._events[at] = event
            if isinstance(event, ObjectEvent):
                self._told_of.add(event.id)
            if at <= self._last:
                is_late = True
                continue
            self._last = at
            if not is_late:
                self._review.take(event)
        if is_late:
            self._review = review_of(self._events.values())

    def _events_of(self, bodies: Iterable[bytes]) -> Iterator[ReviewEvent]:
        for body in bodies:
            try:
                event = _decode(body)
            except DECODE_ERRORS:
                continue
            if isinstance(event, _SealedEvent):
                event = self._unsealed(event)
                if event is None:
                    self.sealed_count += 1
                    continue
            yield event

    def _unsealed(self, event: _SealedEvent) -> ReviewEvent | None:
        if self._sealer is None:
            return None
        body = self._sealer.unseal(event.sealed, self._about(event.by))
        try:
            found = _decode(body) if body is not None else None
        except DECODE_ERRORS:
            return None
        # Nobody can speak in another's name.
        is_own = isinstance(found, SetEvent | ObjectEvent) and found.by == event.by
        return found if is_own and not isinstance(found, _SealedEvent) else None

    def _about(self, person: str) -> bytes:
        key = self.which.key
        parts = ("review", self.which.identity, key.reader, key.name, key.stage, person)
        return "\0".join(parts).encode()

    @property
    def _prefix(self) -> str:
        return self.which.key.file_name

    @property
    def _who(self) -> str:
        return hashlib.blake2b(self.person.encode(), digest_size=6).hexdigest()
