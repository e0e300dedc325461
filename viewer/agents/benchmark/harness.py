"""Puts questions to an agent one by one, and takes up a run that was cut off."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from viewer.agents.actions import Task
from viewer.agents.benchmark.questions import Question, option_index
from viewer.agents.benchmark.results import Result, ResultsFile, RunAbout
from viewer.agents.client import Spending
from viewer.agents.errors import AgentError, EndpointError, NotPermittedError, RefusedError
from viewer.agents.reading import ReadingOptions, SlideReading, read_slide
from viewer.slides import SlideError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from viewer.agents.actions import Policy

_STOPPERS = (EndpointError, NotPermittedError, RefusedError)
"""What is no fault of the agent: the run stops, and asks again when it is taken up."""


@dataclass(frozen=True, slots=True)
class BenchmarkRun:
    """What is measured.

    Attributes
    ----------
    policy_for
        Makes the policy for a session's folder, which counts what it spends.
    slides
        Where slides lie that the questions name without a folder.
    most_cost
        Of all questions together; 0 for no limit.
    """

    questions: Sequence[Question]
    slides: Path
    policy: str
    model: str
    policy_for: Callable[[Path, Spending], Policy]
    options: ReadingOptions = field(default_factory=ReadingOptions)
    most_cost: float = 0.0


def run_benchmark(
    bench: BenchmarkRun,
    folder: Path,
    on_result: Callable[[Result, int, int], object] = lambda *_: None,
) -> list[Result]:
    """Asks what has not been asked, and gives the results of all questions.

    Parameters
    ----------
    folder
        Of the results and sessions.
    on_result
        Called with each new result, and how many of how many are done.

    Raises
    ------
    AgentError
        The run cannot begin or go on; what was done is kept.
    """
    digest = hashlib.sha256(msgspec.json.encode(list(bench.questions))).hexdigest()
    about = RunAbout(
        policy=bench.policy,
        model=bench.model,
        most_steps=bench.options.most_steps,
        questions=digest,
    )
    kept = ResultsFile(folder, about)
    places = _Places(bench.slides)
    for question in bench.questions:
        if question.id not in kept.done:
            _check_cost(bench, kept.results)
            kept.add(_result(bench, question, places.path(question.slide), folder))
            on_result(kept.results[-1], len(kept.results), len(bench.questions))
    order = {question.id: index for index, question in enumerate(bench.questions)}
    return sorted(kept.results, key=lambda result: order[result.id])


def _check_cost(bench: BenchmarkRun, results: Sequence[Result]) -> None:
    spent = sum(result.cost for result in results)
    if bench.most_cost and spent >= bench.most_cost:
        raise AgentError(f"The limit of cost is reached ({spent:.2f} of {bench.most_cost:g}).")


def _result(bench: BenchmarkRun, question: Question, slide: Path | None, folder: Path) -> Result:
    spending = Spending()
    if slide is None:
        return _scored(question, None, spending, "The slide was not found.")
    task = Task(question.text, question.options)
    try:
        reading = read_slide(
            slide,
            folder / "sessions",
            task,
            lambda session: bench.policy_for(session, spending),
            bench.options,
        )
    except SlideError as error:
        return _scored(question, None, spending, str(error))
    if isinstance(reading.outcome.error, _STOPPERS):
        raise reading.outcome.error
    return _scored(question, reading, spending, reading.outcome.failure)


def _scored(
    question: Question, reading: SlideReading | None, spending: Spending, failure: str
) -> Result:
    given = None if reading is None else _given(question, reading)
    return Result(
        id=question.id,
        slide=question.slide,
        task=question.task,
        answer=question.answer,
        given=given,
        is_right=given is not None and _is_same(given, question),
        steps=reading.outcome.steps if reading else 0,
        tokens_in=spending.tokens_in,
        tokens_out=spending.tokens_out,
        cost=round(spending.cost, 6),
        elapsed_s=round(reading.elapsed_s, 3) if reading else 0.0,
        failure=failure,
        session=reading.session.name if reading else "",
    )


def _given(question: Question, reading: SlideReading) -> str | None:
    answer = reading.outcome.answer
    if answer is None:
        return None
    if not question.options:
        return answer.text.strip()
    index = answer.choice
    if index is None:
        index = option_index(answer.text, question.options)
    return None if index is None else question.options[index]


def _is_same(given: str, question: Question) -> bool:
    """Options are the same by their words; a free answer has to hold the words of the right one."""
    answer, right = _words(given), _words(question.answer)
    return answer == right if question.options else f" {right} " in f" {answer} "


def _words(text: str) -> str:
    """In lower case, with a space between and nothing else."""
    return " ".join("".join(c if c.isalnum() else " " for c in text.casefold()).split())


class _Places:
    """Finds slides by the names that questions give them."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise AgentError(f"{folder} is no folder: give the one that holds the slides.")
        self._folder = folder
        self._by_name: dict[str, Path] | None = None

    def path(self, name: str) -> Path | None:
        """None where there is no such file."""
        direct = self._folder / name
        if direct.is_file():
            return direct
        if self._by_name is None:
            self._by_name = {path.name: path for path in self._folder.rglob("*") if path.is_file()}
        return self._by_name.get(name.replace("\\", "/").rpartition("/")[2])
