"""Report files of annotations that were not read or written as they should."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from viewer.annotations.formats.problems import AnnotationFileError, left_out, not_held
from viewer.annotations.masks.label_masks import MaskError
from viewer.annotations.masks.training_tiles import TilesError
from viewer.files.atomic_write import unwritable
from viewer.slides import SlideError
from viewer.ui.annotations.simple_dialogs import ProblemsDialog, ask_choice
from viewer.ui.opened_dialog import open_dialog
from viewer.ui.services import DialogHost, MessageHost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from viewer.annotations.formats.problems import Problem
    from viewer.annotations.operations import Known

_log = logging.getLogger(__name__)


class FileReportsHost(MessageHost, DialogHost, Protocol):
    """What reports about files ask of the window."""


def tell_problems(
    window: FileReportsHost, title: str, summary: str, problems: Sequence[Problem]
) -> None:
    """List what was left out or repaired."""
    mended = sum(problem.is_repaired for problem in problems)
    parts = [gone] if (gone := left_out(problems)) else []
    parts += [f"{mended:,} repaired"] if mended else []
    sentence = f"{summary} Not as in the file: {', '.join(parts)}.".strip()
    lines = [str(problem) for problem in problems]
    open_dialog(ProblemsDialog(title, sentence, lines, window.window()))


def tell_not_held(
    window: FileReportsHost, title: str, summary: str, problems: Sequence[Problem]
) -> None:
    """List what of annotations that were written a format could not hold."""
    sentence = f"{summary} Not in the file: {not_held(problems)}."
    lines = [
        f"Number {each.number}: {each.reason}" if each.number else each.reason for each in problems
    ]
    open_dialog(ProblemsDialog(title, sentence, lines, window.window()))


def ask_known(
    window: FileReportsHost, name: str, known: int, total: int, answered: Callable[[Known], object]
) -> None:
    """Ask what is done with annotations of a file that the slide has already."""
    choices: dict[str, Known] = {"&Replace": "replace", "Keep &both": "both", "&Skip": "skip"}
    ask_choice(
        window.window(),
        f"Import {name}",
        f"{_share(known, total)} of {name} {'is' if known == 1 else 'are'} on this slide already.",
        "Replace them by the file's, keep both, or skip them?",
        choices,
        "skip",
        answered,
    )


def _share(known: int, total: int) -> str:
    if known < total:
        return f"{known:,} of the {total:,} annotations"
    return "The annotation" if total == 1 else f"All {total:,} annotations"


def tell_not_written(window: FileReportsHost, path: Path, error: Exception) -> None:
    """Say in one sentence why a file, or a folder, is not there."""
    if isinstance(error, AnnotationFileError | MaskError | TilesError | SlideError):
        window.show_error(str(error))
        return
    if not isinstance(error, OSError):
        _log.error("annotations could not be written", exc_info=error)
    window.show_error(unwritable(path, error))
