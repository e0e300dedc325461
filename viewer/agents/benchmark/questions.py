"""Questions about slides or images, as benchmarks publish them and as people write them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from viewer.agents.benchmark.question_files import read_rows
from viewer.agents.benchmark.question_options import Options, options_of
from viewer.agents.choices import choice_of, option_index, readings
from viewer.agents.errors import AgentError
from viewer.agents.policies.answers import GRADE_KEY
from viewer.untyped import is_list, is_mapping, is_sequence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.agents.benchmark.question_files import Row

__all__ = ["Question", "QuestionFile", "option_index", "read_questions"]

_SLIDE_KEYS = ("slide", "image_path", "slide_path", "image", "img", "file", "wsi")
_TEXT_KEYS = ("question", "prompt")
_ANSWER_KEYS = ("answer", "correct_answer", "ground_truth", "answer_index", "answer_idx", "label")
_ID_KEYS = ("id", "benchmark_id", "No", "question_id", "bbox_id")
_TASK_KEYS = ("task", "benchmark_name")
_OWN_LINE = re.compile(r"^[ \t]*\{options\}(?=[ \t]*$)", re.MULTILINE)
_PUBLISHED = "benchmark_name"
"""The column by which a file of MultiPathQA is known."""
_NO = ("false", "0", "no", "n", "f", "0.0")
_MOST_SLIDE_CHARS = 1000
_BOX_ASKED = (
    'Where in the image is this: "{expression}"? Answer with its box as [x0, y0, x1, y1] in '
    "level-0 pixels."
)
_MASK_ASKED = (
    "{question}\nAnswer with the outline of all of it, as one JSON object: "
    '{{"polygons": [[[x, y], ...], ...]}} in level-0 pixels.'
)


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes
    ----------
    slide
        As the file names it.
    options
        Empty for a free answer.
    answer
        The right one, in the words of its option where there are any; a grade is a number.
    task
        The group that it is counted in; "" where there are none.
    labels
        What stands before the options in the file, such as A, C, D; empty where nothing does.
    metric
        The figure that its authors report, "accuracy" or "balanced_accuracy"; "" where none is.
    box
        Where what is asked for lies, x0, y0, x1, y1 in pixels of the image.
    masks
        What is to be outlined, as the JSON text of COCO's run-length masks.
    """

    id: str
    slide: str
    text: str
    options: tuple[str, ...]
    answer: str
    task: str = ""
    labels: tuple[str, ...] = ()
    metric: str = field(default="", compare=False)
    box: tuple[float, float, float, float] | None = None
    masks: str = ""

    @property
    def is_grade(self) -> bool:
        """Return whether a grade is asked for, which is right only when it is exactly right."""
        asked = self.text.casefold()
        is_asked = GRADE_KEY in asked or "isup" in asked or self.task.casefold() == "panda"
        return not self.options and is_asked and self.answer.isdecimal()

    @property
    def is_place(self) -> bool:
        """Return whether a place is asked for."""
        return self.box is not None or bool(self.masks)

    @property
    def is_free(self) -> bool:
        """Return whether the answer is words that only a reader can judge."""
        return not (self.options or self.is_grade or self.is_place)


class QuestionFile(msgspec.Struct, frozen=True):
    """The questions of a file, and how many its authors marked as not valid."""

    questions: list[Question]
    invalid: int = 0


def read_questions(path: Path) -> QuestionFile:
    """Return the questions of a .json, .jsonl, .csv or .tsv file.

    Raises
    ------
    AgentError
        The file cannot be used; the sentence names the question that is wrong, and its line.
    """
    rows = read_rows(path)
    if not rows:
        raise AgentError(f"{path.name} holds no questions.")
    valid = [(n, row) for n, row in enumerate(rows, 1) if _is_valid(row)]
    if not valid:
        raise AgentError(f"{path.name} holds no valid questions: is_valid is false for all.")
    found: list[tuple[int, Row, Question, int | None]] = []
    for number, row in valid:
        with _naming(path, number, row):
            question, stated = _question(row, number)
            found.append((number, row, question, stated))
    counts_from = _counts_from([(q, n) for _, _, q, n in found if n is not None])
    questions: list[Question] = []
    for number, row, question, stated in found:
        with _naming(path, number, row):
            answered = question if stated is None else _numbered(question, stated, counts_from)
            questions.append(answered)
    return QuestionFile(_with_own_ids(questions), len(rows) - len(valid))


class _naming:  # noqa: N801 - reads as a word of the language
    """Names the question and its line in the error of the block within."""

    def __init__(self, path: Path, number: int, row: Row) -> None:
        line = f" (line {row.line})" if row.line else ""
        self._where = f"Question {number} of {path.name}{line}"

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ValueError):
            raise AgentError(f"{self._where}: {error}.") from error


def _is_valid(row: Row) -> bool:
    stated = row.first("is_valid")
    return stated is None or str(stated).strip().casefold() not in _NO


def _question(row: Row, number: int) -> tuple[Question, int | None]:
    """Return the question, and the number that its answer is where that is still to be read."""
    slide = str(_single(row.first(*_SLIDE_KEYS), "image") or "").strip()
    text = str(row.first(*_TEXT_KEYS) or "").strip()
    expression = row.first("expression")
    box = row.first("bbox")
    if not slide or not (text or expression):
        raise ValueError("its slide or its text is missing")
    if len(slide) > _MOST_SLIDE_CHARS:
        raise ValueError("its image is within the file: save it beside, and name it in image_path")
    known = row.first(*_ID_KEYS)
    question = Question(
        id=str(number if known is None else known).strip(),
        slide=slide,
        text=text,
        options=(),
        answer="",
        task=str(row.first(*_TASK_KEYS) or row.part),
        metric=str(row.first("metric_type") or ""),
    )
    if box is not None and expression is not None:
        return _with_box(question, expression, box), None
    if row.first("masks") is not None:
        masks = json.dumps(row.first("masks"), separators=(",", ":"))
        asked = _MASK_ASKED.format(question=text)
        return replace(question, text=asked, answer="mask", masks=masks), None
    options = options_of(row)
    published = row.first(_PUBLISHED) is not None
    question = replace(
        question,
        text=_filled(text, options, published),
        options=options.texts,
        labels=options.labels,
    )
    answer, stated = _answer(row, question, published=published)
    return replace(question, answer=answer), stated


def _answer(row: Row, question: Question, *, published: bool) -> tuple[str, int | None]:
    """Return the answer in words, or the number that stands for it."""
    value = _single(row.first(*_ANSWER_KEYS), "answer")
    if value is None:
        raise ValueError("its answer is missing")
    options, labels = question.options, question.labels
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    said = str(value).strip()
    if not options:
        return said.casefold() if isinstance(value, bool) else said, None
    if isinstance(value, bool):
        index = choice_of(value, options, labels)
        if index is None:
            raise ValueError(f'its answer "{said.casefold()}" is none of its options')
        return options[index], None
    if published:
        # MultiPathQA gives the option's number from 1, also where options are numbers themselves.
        index = option_index(said, options, labels, by_number=True)
        if index is None:
            raise ValueError(f'its answer "{said}" is none of its options')
        return options[index], None
    if said.isdecimal() and not any(label.isdecimal() for label in labels):
        return "", int(said)
    found: set[int] = readings(said, options, labels, numbers_from=None)
    if not found and said.casefold() in ("true", "false"):  # tables know no truth values
        index = choice_of(said.casefold() == "true", options, labels)
        found = set() if index is None else {index}
    return options[_one(said, found, options)], None


def _numbered(question: Question, number: int, counts_from: set[int]) -> Question:
    """Return a question whose answer is a number, as the numbers of its file are meant."""
    options = question.options
    found = {i for i, option in enumerate(options) if option.strip() == str(number)}
    found |= {number - first for first in counts_from if 0 <= number - first < len(options)}
    return replace(question, answer=options[_one(str(number), found, options)])


def _one(said: str, found: set[int], options: Sequence[str]) -> int:
    """Return the only reading of an answer. Raises ValueError where there is none, or two."""
    if not found:
        raise ValueError(f'its answer "{said}" is none of its options')
    if len(found) > 1:
        meant = " or ".join(f'"{options[index]}"' for index in sorted(found))
        raise ValueError(
            f'its answer "{said}" can mean {meant}: write the words or the letter of the option'
        )
    return found.pop()


def _counts_from(numbered: Sequence[tuple[Question, int]]) -> set[int]:
    """Return from what the numbers of a file can count: 0, 1, or either.

    A 0 says that they count from 0, the number of the last option that they count from 1.
    """
    plain = [
        (question, number) for question, number in numbered if str(number) not in question.options
    ]
    from_0 = any(number == 0 for _, number in plain)
    from_1 = any(number == len(question.options) for question, number in plain)
    if from_0 == from_1:
        return {0, 1}
    return {0} if from_0 else {1}


def _with_box(question: Question, expression: object, box: object) -> Question:
    """Return a question of RefPath, whose box is cut to whole pixels as its authors do."""
    words = expression[0] if is_list(expression) and expression else expression
    said = str(words).strip().removeprefix("[").removesuffix("]").strip()
    sides: object = json.loads(box) if isinstance(box, str) else box
    listed = sides if is_list(sides) else []
    numbers = [float(side) for side in listed if isinstance(side, int | float | str)]
    if len(numbers) != 4 or len(listed) != 4:
        raise ValueError("its bbox is no [x0, y0, x1, y1]")
    x0, y0, x1, y1 = numbers
    left, top = int(x0), int(y0)
    whole = (float(left), float(top), float(left + int(x1 - x0)), float(top + int(y1 - y0)))
    if whole[2] <= whole[0] or whole[3] <= whole[1]:
        raise ValueError("its bbox is empty")
    return replace(
        question, text=_BOX_ASKED.format(expression=said), answer=str(list(whole)), box=whole
    )


def _filled(text: str, options: Options, published: bool) -> str:
    """Return the text with its options where it leaves a place for them, as its authors fill it.

    A place on a line of its own takes a line for each option, one within a line takes their words.
    """
    labels = options.labels or tuple(str(n) for n in range(1, len(options.texts) + 1))
    listed = (f"{label}. {each}" for label, each in zip(labels, options.texts, strict=True))
    lines = "\n".join(listed)
    filled = _OWN_LINE.sub(lambda _: lines, text).replace("{options}", "; ".join(options.texts))
    return filled.replace("{{", "{").replace("}}", "}") if published else filled


def _single(value: object, name: str) -> object:
    """Return the only one of a list, or the value itself."""
    if is_sequence(value):
        if len(value) != 1:
            raise ValueError(f"it has {len(value)} values for its {name}, and one is meant")
        return value[0]
    if is_mapping(value):
        return next((value[key] for key in ("label", "text", "value") if key in value), None)
    return value


def _with_own_ids(questions: Sequence[Question]) -> list[Question]:
    """Return the questions with an id each: PathMMU's numbers begin anew in each part."""
    counted: dict[str, int] = {}
    for question in questions:
        counted[question.id] = counted.get(question.id, 0) + 1
    taken: set[str] = set()
    found: list[Question] = []
    for question in questions:
        own = question.id
        if counted[own] > 1 and question.task:
            own = f"{question.task}/{own}"
        name, again = own, 1
        while name in taken:
            again += 1
            name = f"{own}#{again}"
        taken.add(name)
        found.append(replace(question, id=name))
    return found
