"""Arguments and actions of the environment as they are taken, or a sentence on what is wrong."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from viewer.agents.environment.rewards import SlideTask
from viewer.agents.errors import AgentError
from viewer.geometry import Box, Size
from viewer.untyped import is_sequence

_MOST_PX = 4096
_NO_SLIDES = "Slides are paths or SlideTasks: give a list of them."


class SlideEnvError(AgentError):
    """The environment cannot be made, or was asked for what it does not have."""


def checked_tasks(slides: object) -> list[SlideTask]:
    """Return slides as tasks; one alone is a list of one. Raises SlideEnvError."""
    given = [slides] if _is_one(slides) else slides
    if not _is_iterable(given):
        raise SlideEnvError(_NO_SLIDES)
    try:
        tasks = list(map(_task, given))
    except TypeError as error:
        raise SlideEnvError(_NO_SLIDES) from error
    if not tasks:
        raise SlideEnvError("There is nothing to look at: give at least one slide.")
    return tasks


def _is_one(slides: object) -> bool:
    return isinstance(slides, str | PathLike | SlideTask)


def _is_iterable(value: object) -> TypeGuard[Iterable[object]]:
    return isinstance(value, Iterable)


def _task(slide: Any) -> SlideTask:
    return slide if isinstance(slide, SlideTask) else SlideTask(Path(slide))


def checked_size(size_px: object) -> Size:
    """Return a side, or a width and a height. Raises SlideEnvError."""
    sides = size_px if is_sequence(size_px) else (size_px, size_px)
    try:
        width, height = (whole_number(side) for side in sides)
    except (TypeError, ValueError):
        width = height = 0
    if not (1 <= width <= _MOST_PX and 1 <= height <= _MOST_PX):
        raise SlideEnvError(
            f"size_px is the side of the image, or its width and height: give 1 to {_MOST_PX:,}."
        )
    return Size(width, height)


def checked_index(index: object, count: int) -> int:
    """Return the index of a slide. Raises SlideEnvError."""
    try:
        number = whole_number(index)
    except (TypeError, ValueError):
        number = -1
    if not 0 <= number < count:
        raise SlideEnvError(f"There is no slide {index}: there are {count}, counted from 0.")
    return number


def check_options(options: object) -> None:
    """Refuse options of an episode that are no mapping. Raises SlideEnvError."""
    if not isinstance(options, Mapping):
        raise SlideEnvError('Options are a dict, with "slide" and "field".')


def checked_field(field: Any) -> Box:
    """Return what an episode begins with. Raises SlideEnvError."""
    try:
        x0, y0, x1, y1 = (float(side) for side in field)
    except (TypeError, ValueError):
        x0 = y0 = x1 = y1 = math.nan
    if not (x0 < x1 and y0 < y1 and all(map(math.isfinite, (x0, y0, x1, y1)))):
        raise SlideEnvError(
            "A field is x0, y0, x1, y1 in level-0 pixels: left, top, right, bottom."
        )
    return Box(x0, y0, x1, y1)


def part_of(action: Mapping[str, object], name: str, count: int) -> list[float]:
    """Return the numbers of one part of an action. Raises SlideEnvError."""
    try:
        numbers = np.asarray(action[name], np.float64).ravel().tolist()
    except (KeyError, IndexError, TypeError, ValueError):
        numbers = []
    if len(numbers) != count:
        numbered = "one number" if count == 1 else f"{count} numbers"
        raise SlideEnvError(f'The action has to have {numbered} as "{name}": see action_space.')
    return numbers


def choice_of(action: Mapping[str, object], name: str, count: int) -> int:
    """Return a part of an action that is one of `count`, from 0. Raises SlideEnvError."""
    (number,) = part_of(action, name, 1)
    if not number.is_integer() or not 0 <= number < count:
        raise SlideEnvError(f"There is no {name} {number:g}: there are 0 to {count - 1}.")
    return int(number)


def whole_number(number: Any) -> int:
    """Return a whole number, also of NumPy's. Raises TypeError."""
    if isinstance(number, bool):
        raise TypeError("a truth value is no number")
    return operator.index(number)
