"""A session made ready for export: its header, its trace, its actions and what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.recording.behaviors import actions_of
from viewer.recording.events import DiagnosisEntered, NoteTaken
from viewer.recording.log_reader import iter_blocks
from viewer.recording.reference_rules import reference_actions
from viewer.recording.review.items import item_key
from viewer.recording.review.rationales import rationale_of
from viewer.recording.review.verdicts import reviews_by, verdicts_checksum
from viewer.recording.session import SessionHeader, read_header
from viewer.recording.trace_loading import trace_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from viewer.recording.export.options import ExportOptions
    from viewer.recording.log_line import LogLine
    from viewer.recording.review.rationales import Rationale
    from viewer.recording.trace import Action, Trace


class Reading(msgspec.Struct, frozen=True):
    """A session with what was made of it.

    Attributes
    ----------
    notes
        (seconds since the start, text), where the reader allowed texts.
    conclusion
        The last diagnosis entered, "" where there is none.
    rationales
        Of each action, what reviewers accepted; None where they did not.
    verdicts_checksum
        Tells whether reviews changed.
    """

    folder: Path
    header: SessionHeader
    trace: Trace
    actions: list[Action]
    notes: list[tuple[float, str]]
    conclusion: str
    rationales: list[Rationale | None]
    verdicts_checksum: str

    @property
    def id(self) -> str:
        return self.header.id

    def notes_of(self, index: int) -> str:
        """Return what was noted from the beginning of an action to the beginning of the next."""
        since_s = self.actions[index].start_s
        is_last = index + 1 == len(self.actions)
        until_s = float("inf") if is_last else self.actions[index + 1].start_s
        return "\n".join(text for at_s, text in self.notes if since_s <= at_s < until_s)

    def words_of(self, index: int) -> str:
        """Return what may be said at an action: the accepted rationale, else the reader's notes."""
        rationale = self.rationales[index]
        return rationale.text if rationale is not None else self.notes_of(index)


def load_reading(folder: Path, options: ExportOptions) -> Reading:
    """Read a session.

    Raises
    ------
    SessionError
        It cannot be read.
    """
    header = read_header(folder)
    texts: list[tuple[float, NoteTaken | DiagnosisEntered]] = []
    trace = trace_of(_noting_texts(iter_blocks(folder), texts), header)
    if options.mode == "reference":
        actions = reference_actions(trace)
    else:
        actions = actions_of(trace, slide=header.slide.size)
    notes = [(at_s, note.text) for at_s, note in texts if isinstance(note, NoteTaken) and note.text]
    diagnoses = [event.text for _, event in texts if isinstance(event, DiagnosisEntered)]
    conclusion = next((text for text in reversed(diagnoses) if text), "")
    reviews = reviews_by(folder, options.reviewer)
    rationales = [rationale_of(item_key(action), reviews) for action in actions]
    checksum = verdicts_checksum(reviews)
    return Reading(folder, header, trace, actions, notes, conclusion, rationales, checksum)


def _noting_texts(
    blocks: Iterable[list[LogLine]], texts: list[tuple[float, NoteTaken | DiagnosisEntered]]
) -> Iterator[list[LogLine]]:
    """Hand the blocks on and keep what was written, so that a long log is read once."""
    for lines in blocks:
        for line in lines:
            if isinstance(line.event, (NoteTaken, DiagnosisEntered)):
                texts.append((line.elapsed_ns / 1e9, line.event))
        yield lines
