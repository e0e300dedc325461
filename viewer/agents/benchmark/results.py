"""The results of a benchmark: one line a question, on the disk before the next is asked."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from viewer.agents.errors import AgentError
from viewer.errors import reason_of
from viewer.files.appending import append_whole
from viewer.limits import LOG_BYTES, read_regular
from viewer.prepared_types import DECODE_ERRORS, prepared

if TYPE_CHECKING:
    from pathlib import Path

RESULTS_FILE = "results.jsonl"


class RunAbout(msgspec.Struct, frozen=True, kw_only=True, tag="about", tag_field="line"):
    """What a run is; results of another are not mixed with it.

    Attributes
    ----------
    questions
        Checksum of all questions.
    settings
        All else that decides an answer, by name: system prompt, address, crop, scale and so on.
    """

    policy: str
    model: str
    most_steps: int
    questions: str
    settings: dict[str, str] = {}
    schema_version: int = 2

    @property
    def key(self) -> str:
        """Return what the results of this run are known by."""
        return hashlib.blake2b(msgspec.json.encode(self), digest_size=8).hexdigest()

    def is_of(self, other: RunAbout) -> bool:
        """Return whether both put the same questions to the same model and policy."""
        mine = (self.policy, self.model, self.questions)
        return mine == (other.policy, other.model, other.questions)

    def changed_from(self, other: RunAbout) -> list[str]:
        """Return the names of the settings that differ."""
        ours = self.settings | {"steps": str(self.most_steps)}
        theirs = other.settings | {"steps": str(other.most_steps)}
        return sorted(n for n in ours.keys() | theirs.keys() if ours.get(n) != theirs.get(n))


class Result(msgspec.Struct, frozen=True, kw_only=True, tag="result", tag_field="line"):
    """What became of a question.

    Attributes
    ----------
    given
        The option that was chosen, or the free answer; None where there was none.
    session
        Folder of the session, beside the results.
    run
        The key of the run that it belongs to.
    slide_bytes
        The size of the slide's file; another file is asked about anew.
    metric
        The figure that the authors of the question report.
    judged_by
        The model that judged a free answer; "" where it was compared.
    overlap
        Pixels in common, named and wanted, where a place was asked for.
    """

    id: str
    slide: str
    task: str
    answer: str
    given: str | None
    is_right: bool
    steps: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    elapsed_s: float = 0.0
    failure: str = ""
    session: str = ""
    run: str = ""
    slide_bytes: int = 0
    metric: str = ""
    judged_by: str = ""
    overlap: tuple[float, float, float] | None = None


class ResultsFile:
    """Appends results; those of a run that was cut off are taken up.

    Results of other settings stay in the file and are not used.

    Attributes
    ----------
    changed
        The settings in which the last run in the file differs from this one.

    Raises
    ------
    AgentError
        The file belongs to another policy, model or questions, or cannot be read or written.
    """

    def __init__(self, folder: Path, about: RunAbout) -> None:
        self.path = folder / RESULTS_FILE
        self.run = about.key
        self.changed: list[str] = []
        self._results: dict[str, Result] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            known = self._read()
            if not all(about.is_of(each) for each in known):
                raise AgentError(
                    f"{self.path} holds the results of another policy, model or questions: "
                    "choose another folder."
                )
            if about not in known:
                self.changed = about.changed_from(known[-1]) if known else []
                self._append(about)
        except OSError as error:
            raise self._not_kept(error) from error

    @property
    def results(self) -> list[Result]:
        """Return those of this run."""
        return list(self._results.values())

    def known(self, question: str) -> Result | None:
        """Return the result of a question that was answered before."""
        return self._results.get(question)

    def add(self, result: Result) -> None:
        """Keep a result; on the disk when it returns. Raises AgentError."""
        try:
            self._append(result)
        except OSError as error:
            raise self._not_kept(error) from error
        self._results[result.id] = result

    def _read(self) -> list[RunAbout]:
        """Take the results of this run; return what runs are in the file."""
        if not self.path.exists():
            return []
        # A kill tears the last line.
        whole = read_regular(self.path, LOG_BYTES).rpartition(b"\n")[0]
        abouts: list[RunAbout] = []
        for line in whole.splitlines():
            try:
                record = msgspec.json.decode(line, type=prepared(RunAbout | Result))
            except DECODE_ERRORS as error:
                raise AgentError(
                    f"{self.path} is damaged ({error}): begin in a new folder."
                ) from error
            if isinstance(record, RunAbout):
                abouts.append(record)
            elif record.run == self.run:
                self._results[record.id] = record
        return abouts

    def _append(self, line: RunAbout | Result) -> None:
        append_whole(self.path, [msgspec.json.encode(line) + b"\n"], cuts_torn=True)

    def _not_kept(self, error: OSError) -> AgentError:
        return AgentError(f"{self.path} cannot be written ({reason_of(error)}).")
