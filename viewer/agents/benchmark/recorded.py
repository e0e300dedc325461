"""Scores answers that were recorded elsewhere, such as by the authors' own scripts; asks nobody."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from viewer.agents.actions import Task
from viewer.agents.benchmark.harness import Judgment
from viewer.agents.benchmark.question_files import read_rows
from viewer.agents.chat.conversation import Reply
from viewer.agents.chat.thoughts import without_thoughts
from viewer.agents.choices import choice_of
from viewer.agents.errors import AgentError, BadAnswerError
from viewer.agents.findings import GroundedAnswer
from viewer.agents.policies.answers import final_answer
from viewer.untyped import is_list

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.agents.benchmark.question_files import Row
    from viewer.agents.benchmark.questions import Question
    from viewer.agents.benchmark.results import Result

_ID_KEYS = ("id", "benchmark_id", "question_id", "file_id", "No")
_TASK_KEYS = ("task", "benchmark_name", "benchmark")
_TRUTH = ("true", "false")
_ANSWER_KEYS = ("prediction", "response", "output", "answer", "given")


def recorded_results(questions: Sequence[Question], path: Path) -> list[Result]:
    """Return the results of the questions that a file of answers has answers to.

    A record has an id and what the model wrote, as `prediction` or `response`; several of one
    question, such as of its patches, vote. One whose `status` is not "ok" is no answer.

    Raises
    ------
    AgentError
        The file cannot be read, or answers none of the questions.
    """
    answers: dict[str, list[str]] = {}
    for row in read_rows(path, is_of_questions=False):
        identity, task = row.first(*_ID_KEYS), row.first(*_TASK_KEYS)
        if identity is None:
            continue
        names = [str(identity)] if task is None else [f"{task}/{identity}"]
        for name in names:
            answers.setdefault(name.strip(), []).append(_said(row))
    answered = [
        (question, said)
        for question in questions
        if (said := _answers_to(question, answers)) is not None
    ]
    first = 0 if any("0" in _bare_numbers(*each) for each in answered) else 1
    results = [_result(question, said, first) for question, said in answered]
    if not results:
        raise AgentError(f"{path.name} answers none of the questions: their ids have to be in it.")
    return results


def _answers_to(question: Question, answers: dict[str, list[str]]) -> list[str] | None:
    own = question.id.removeprefix(f"{question.task}/")
    for name in (question.id, f"{question.task}/{own}", own):
        if name in answers:
            return answers[name]
    return None


def _said(row: Row) -> str:
    """Return what was written, without thoughts; empty where there was no answer."""
    if row.first("status") not in (None, "ok"):
        return ""
    value = row.first(*_ANSWER_KEYS)
    while is_list(value) and len(value) == 1:
        value = value[0]
    if value is None or isinstance(value, str):
        return without_thoughts(value or "").answer
    return msgspec.json.encode(value).decode()


def _bare_numbers(question: Question, said: Sequence[str]) -> set[str]:
    """Return the answers that are numbers of options, and no option's own words or label."""
    own = {*question.options, *question.labels}
    numbers = {text.strip() for text in said if text.strip().isdecimal()}
    return set() if not question.options or any(map(str.isdecimal, own)) else numbers


def _result(question: Question, said: Sequence[str], first: int) -> Result:
    """Return the result of a question; `first` is the number of the first option."""
    numbers = _bare_numbers(question, said)
    judged = [
        (text, Judgment(question, _answer(question, _from_one(text, first, numbers))))
        for text in said
    ]
    given = [judgment.given for _, judgment in judged if judgment.given is not None]
    chosen = judged[0][1]
    if given:
        most = Counter(given).most_common(1)[0][0]
        chosen = next(judgment for _, judgment in judged if judgment.given == most)
    if not given and not chosen.failure:
        chosen.failure = "No answer was recorded."
    return chosen.result()


def _from_one(text: str, first: int, numbers: set[str]) -> str:
    return str(int(text) + 1 - first) if text.strip() in numbers else text


def _answer(question: Question, text: str) -> GroundedAnswer | None:
    if not text.strip():
        return None
    choice = None
    if question.options:
        task = Task(question.text, question.options, question.labels)
        try:
            word = text.strip().casefold()
            choice = choice_of(word == "true", question.options) if word in _TRUTH else None
            choice = final_answer(task)(Reply(text)).choice if choice is None else choice
        except BadAnswerError:
            choice = None
    return GroundedAnswer(text=text, choice=choice)
