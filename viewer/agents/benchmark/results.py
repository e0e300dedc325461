"""The results of a benchmark: one line a question, on the disk before the next is asked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from viewer.agents.errors import AgentError

if TYPE_CHECKING:
    from pathlib import Path

RESULTS_FILE = "results.jsonl"


class RunAbout(msgspec.Struct, frozen=True, kw_only=True, tag="about", tag_field="line"):
    """What a run is; results of another are not mixed with it.

    Attributes
    ----------
    questions
        Checksum of all questions.
    """

    policy: str
    model: str
    most_steps: int
    questions: str
    settings: dict[str, str] = {}
    schema_version: int = 1


class Result(msgspec.Struct, frozen=True, kw_only=True, tag="result", tag_field="line"):
    """What became of a question.

    Attributes
    ----------
    given
        The option that was chosen, or the free answer; None where there was none.
    session
        Folder of the session, beside the results.
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


class ResultsFile:
    """Appends results; those of a run that was cut off are taken up.

    Raises
    ------
    AgentError
        The file belongs to another run, or cannot be read or written.
    """

    def __init__(self, folder: Path, about: RunAbout) -> None:
        self.path = folder / RESULTS_FILE
        self.results: list[Result] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            known = self._read()
            if known is None:
                self._append(about)
            elif known != about:
                raise AgentError(
                    f"{self.path} holds the results of another policy, model or questions: "
                    "choose another folder."
                )
        except OSError as error:
            raise self._not_kept(error) from error

    @property
    def done(self) -> set[str]:
        """Ids of the questions that need not be asked again."""
        return {result.id for result in self.results}

    def add(self, result: Result) -> None:
        """Keeps a result; on the disk when it returns. Raises AgentError."""
        try:
            self._append(result)
        except OSError as error:
            raise self._not_kept(error) from error
        self.results.append(result)

    def _read(self) -> RunAbout | None:
        if not self.path.exists():
            return None
        data = self.path.read_bytes()
        whole, _, torn = data.rpartition(b"\n")
        if torn:  # the last line of a run that was killed
            with self.path.open("r+b") as file:
                file.truncate(len(data) - len(torn))
        about: RunAbout | None = None
        for line in whole.splitlines():
            try:
                record = msgspec.json.decode(line, type=RunAbout | Result)
            except msgspec.MsgspecError as error:
                raise AgentError(
                    f"{self.path} is damaged ({error}): begin in a new folder."
                ) from error
            if isinstance(record, RunAbout):
                about = record
            else:
                self.results.append(record)
        return about

    def _append(self, line: RunAbout | Result) -> None:
        with self.path.open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _not_kept(self, error: OSError) -> AgentError:
        return AgentError(f"{self.path} cannot be written ({error.strerror or error}).")
