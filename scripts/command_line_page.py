"""Writes docs/command-line.md from the commands themselves: python -m scripts.command_line_page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from viewer.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).resolve().parent.parent / "docs" / "command-line.md"
_INTRO = """\
# Command line

This page is made from the program: `python -m scripts.command_line_page`. Every command takes `-h`
and `-V`, and `coverslip help COMMAND` shows what stands here.

* Results go to stdout, sentences on what is wrong or left out to stderr.
* Exit codes: 0, done; 1, done in part, or nothing found; 2, the command cannot be carried out as it
  was given; 130, interrupted.
* `COVERSLIP_HOME` is the folder of settings, annotations, sessions, models and caches; without it
  they lie where the system keeps those of programs (on Linux `~/.config/coverslip`,
  `~/.local/share/coverslip`, `~/.cache/coverslip`).
* `HF_TOKEN` is your token of the Hugging Face hub, `HF_ENDPOINT` another address of it.
* `COVERSLIP_MODEL_KEY` is the key of a [model server](agents.md#what-leaves-the-machine) for one
  run, `COVERSLIP_TOKEN_HOST` what opens slides on [HOST](remote.md#credentials).
* `COVERSLIP_MODEL_MEMORY_GIB` is how much memory a model may take, `OMP_NUM_THREADS` how many
  threads; `COVERSLIP_MODEL_SCAN` and `COVERSLIP_UNCONFINED_MODELS` are told in
  [security](security.md#the-model-process).
"""


def page() -> str:
    """Return the text of the page."""
    return "\n".join([_INTRO, *_sections(typer.main.get_command(app), ("coverslip",))])


def _sections(command: Any, words: tuple[str, ...]) -> Iterator[str]:
    inner = command.commands if isinstance(command, TyperGroup) else {}
    yield f"{'#' * min(len(words) + 1, 3)} {' '.join(words)}\n"
    yield (command.help or "").strip() + "\n"
    options = [param for param in command.params if param.name != "help"]
    if options:
        yield "| | |\n| --- | --- |"
        for param in options:
            yield f"| {_written(param)} | {_cell(param)} |"
        yield ""
    for name in sorted(inner):
        yield from _sections(inner[name], (*words, name))


def _written(param: Any) -> str:
    if param.param_type_name == "argument":
        return f"`{(param.metavar or param.name.upper()).strip('[].')}`"
    return ", ".join(f"`{option}`" for option in param.opts)


def _cell(param: Any) -> str:
    text = " ".join((param.help or "").split()).replace("|", "\\|")
    default = param.default
    if isinstance(default, str | int | float) and not isinstance(default, bool) and default != "":
        text += f" Default: `{default}`."
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
