"""Puts questions to an agent one by one, and takes up a run that was cut off."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from viewer.agents.actions import Task
from viewer.agents.benchmark.grading import given_answer, is_same
from viewer.agents.benchmark.overlap import (
    RIGHT_IOU,
    Overlap,
    box_overlap,
    mask_overlap,
    named_region,
    wanted_mask,
)
from viewer.agents.benchmark.results import Result, ResultsFile, RunAbout
from viewer.agents.benchmark.slide_places import SlidePlaces
from viewer.agents.chat.client import Spending
from viewer.agents.errors import (
    AgentError,
    BadAnswerError,
    EndpointError,
    LimitError,
    NotPermittedError,
    RefusedError,
)
from viewer.agents.policy_choice import PolicyChoice
from viewer.agents.reading import ReadingOptions, read_slide
from viewer.plurals import plural
from viewer.slides import SlideError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from shapely.geometry.base import BaseGeometry

    from viewer.agents.actions import Policy
    from viewer.agents.benchmark.judge import Judge
    from viewer.agents.benchmark.questions import Question
    from viewer.agents.findings import GroundedAnswer

_STOPPERS = (EndpointError, LimitError, NotPermittedError, RefusedError)
"""What is no fault of the agent: the run stops, and asks again when it is taken up."""


class BenchmarkRun(msgspec.Struct, frozen=True):
    """What is measured.

    Attributes
    ----------
    policy_for
        Makes the policy for a session's folder, which counts what it spends.
    slides
        Where slides lie that the questions name without a folder.
    most_cost
        Of all questions together; 0 for no limit.
    settings
        All that decides an answer beside these, by name; that of the `PolicyChoice` whose method
        `policy_for` is, where it is not given.
    judge
        Judges free answers, given what it may spend; without one they are compared.
    """

    questions: Sequence[Question]
    slides: Path
    policy: str
    model: str
    policy_for: Callable[[Path, Spending], Policy]
    options: ReadingOptions = msgspec.field(default_factory=ReadingOptions)
    most_cost: float = 0.0
    settings: Mapping[str, str] | None = None
    judge: Callable[[Spending], Judge] | None = None

    @property
    def about(self) -> RunAbout:
        """Return what the results are kept under."""
        chosen = getattr(self.policy_for, "__self__", None)
        settings = dict(self.settings or {})
        if self.settings is None and isinstance(chosen, PolicyChoice):
            settings = chosen.settings
        if self.options.mpp_um is not None:
            settings["mpp"] = str(self.options.mpp_um)
        if self.options.tissue_model is not None:
            settings["tissue"] = self.options.tissue_model
        return RunAbout(
            policy=self.policy,
            model=self.model,
            most_steps=self.options.most_steps,
            questions=hashlib.sha256(msgspec.json.encode(list(self.questions))).hexdigest(),
            settings=settings,
        )


class _LeftOutError(AgentError):
    """A question cannot be asked now; the sentence says why."""


def run_benchmark(
    bench: BenchmarkRun,
    folder: Path,
    on_result: Callable[[Result, int, int], object] = lambda _result, _done, _all: None,
    on_note: Callable[[str], object] = lambda _: None,
) -> list[Result]:
    """Ask what has not been asked, and return the results of all questions that could be.

    A question whose slide is missing or cannot be read is left out, and asked in a later run.

    Parameters
    ----------
    folder
        Of the results and sessions.
    on_result
        Called with each new result, and how many of how many are done.
    on_note
        Called with sentences for the user, such as which question is left out and why.

    Raises
    ------
    AgentError
        The run cannot begin or go on; what was done is kept.
    """
    kept = ResultsFile(folder, bench.about)
    if kept.changed:
        on_note(f"Asked anew, as this differs from the answers kept: {', '.join(kept.changed)}.")
    places = SlidePlaces(bench.slides, [question.slide for question in bench.questions])
    left_out = 0
    for question in bench.questions:
        try:
            place = places.find(question.slide)
            known = kept.known(question.id)
            if known is not None and _is_of(known, place.path):
                continue
            if place.path is None:
                raise _LeftOutError(place.why)
            if place.note:
                on_note(place.note)
            spent = _spent(bench, kept.results)
            kept.add(_result(bench, question, place.path, folder, kept.run, spent))
            on_result(kept.results[-1], len(kept.results), len(bench.questions))
        except _LeftOutError as error:
            left_out += 1
            on_note(f"{question.id} is left out ({question.slide}): {error}")
    if not kept.results:
        raise AgentError(f"No question could be asked: none of their slides is in {bench.slides}.")
    if left_out:
        on_note(
            f"Left out of all figures: {left_out:,} of {plural(len(bench.questions), 'question')}."
        )
    order = {question.id: index for index, question in enumerate(bench.questions)}
    return sorted(kept.results, key=lambda result: order[result.id])


def _is_of(known: Result, slide: Path | None) -> bool:
    """Return whether a result is of the slide that lies there now, or of one that is gone."""
    return slide is None or not known.slide_bytes or slide.stat().st_size == known.slide_bytes


def _spent(bench: BenchmarkRun, results: Sequence[Result]) -> float:
    """Return what all questions so far cost. Raises LimitError."""
    spent = sum(result.cost for result in results)
    if bench.most_cost and spent >= bench.most_cost:
        raise LimitError(f"The limit of cost is reached ({spent:.2f} of {bench.most_cost:g}).")
    return spent


def _result(
    bench: BenchmarkRun, question: Question, slide: Path, folder: Path, run: str, spent: float
) -> Result:
    spending = Spending(cost=spent)  # so that the client's limit is that of all questions
    task = Task(question.text, question.options, question.labels)
    try:
        reading = read_slide(
            slide,
            folder / "sessions",
            task,
            lambda session: bench.policy_for(session, spending),
            bench.options,
        )
    except SlideError as error:
        raise _LeftOutError(str(error)) from error
    if isinstance(reading.outcome.error, _STOPPERS):
        raise reading.outcome.error
    judgment = Judgment(question, reading.outcome.answer)
    if bench.judge is not None and question.is_free and judgment.given is not None:
        judgment.ask(bench.judge(spending))
    return msgspec.structs.replace(
        judgment.result(),
        steps=reading.outcome.steps,
        tokens_in=spending.tokens_in,
        tokens_out=spending.tokens_out,
        cost=round(spending.cost - spent, 6),
        elapsed_s=round(reading.elapsed_s, 3),
        failure=reading.outcome.failure or judgment.failure,
        session=reading.session.name,
        run=run,
        slide_bytes=slide.stat().st_size,
    )


class Judgment:
    """What was given to a question, and whether it is right; `answer` is None where none came."""

    def __init__(self, question: Question, answer: GroundedAnswer | None) -> None:
        self.failure = ""
        self.judged_by = ""
        self.overlap: tuple[float, float, float] | None = None
        self._question = question
        if question.is_place:
            self.given = None
            overlap = _nothing_named(question)
            named = None if answer is None else named_region(answer)
            if named is not None:
                overlap = _overlap(question, named)
                self.given = ", ".join(f"{side:.0f}" for side in named.bounds)
            elif answer is not None:
                self.failure = "The answer names no place."
            self.overlap = (overlap.intersection_px, overlap.named_px, overlap.wanted_px)
            self.is_right = named is not None and overlap.iou > RIGHT_IOU
            return
        self.given = None if answer is None else given_answer(question, answer.text, answer.choice)
        if answer is not None and self.given is None:
            self.failure = (
                "The answer gives no grade." if question.is_grade else "No option chosen."
            )
        self.is_right = self.given is not None and is_same(self.given, question)

    def ask(self, judge: Judge) -> None:
        """Let a model judge a free answer; one that it cannot judge is not right."""
        assert self.given is not None
        self.judged_by = judge.model
        try:
            self.is_right = judge.is_right(self._question, self.given)
        except BadAnswerError as error:
            self.is_right = False
            self.failure = f"The judge gave no verdict: {error}"

    def result(self) -> Result:
        """Return what became of the question, as far as its answer tells."""
        return Result(
            id=self._question.id,
            slide=self._question.slide,
            task=self._question.task,
            answer=self._question.answer,
            given=self.given,
            is_right=self.is_right,
            failure=self.failure,
            metric=self._question.metric,
            judged_by=self.judged_by,
            overlap=self.overlap,
        )


def _overlap(question: Question, named: BaseGeometry) -> Overlap:
    if question.box is not None:
        return box_overlap(named, question.box)
    try:
        return mask_overlap(named, question.masks)
    except ValueError as error:
        raise AgentError(f"The masks of {question.id} cannot be read: {error}.") from error


def _nothing_named(question: Question) -> Overlap:
    """Return the overlap of no place at all with what was asked for."""
    if question.box is not None:
        x0, y0, x1, y1 = question.box
        return Overlap(0.0, 0.0, (x1 - x0) * (y1 - y0))
    try:
        return Overlap(0.0, 0.0, float(wanted_mask(question.masks).sum()))
    except ValueError as error:
        raise AgentError(f"The masks of {question.id} cannot be read: {error}.") from error
