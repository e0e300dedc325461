"""Documents name only what is there: commands and their options, files, links."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from viewer.cli import app

REPOSITORY = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *(REPOSITORY / "docs").rglob("*.md")]
)
_ROOT = typer.main.get_command(app)
_GLOBAL = {"-h", "--help", "-V", "--version", "--log-level"}


def _commands(text: str) -> list[str]:
    """What a document has in code that begins with the program's name."""
    fenced = re.findall(r"```[a-z]*\n(.*?)```", text, re.S)
    lines = [line.strip().removeprefix("$ ") for block in fenced for line in block.split("\n")]
    lines += re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    return [line for line in lines if re.match(r"coverslip(\s|$)", line)]


def _problem(line: str) -> str:
    """What of a command is not there; "" where all is."""
    line = re.sub(r"\s#.*", "", line.split(" | ")[0].split(" > ")[0]).replace("\\", "")
    words = shlex.split(re.sub(r"[\[\]]|\.\.\.", " ", line))[1:]
    command: Any = _ROOT
    while words and isinstance(command, TyperGroup) and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    if isinstance(command, TyperGroup):
        if command is not _ROOT and words and not words[0].startswith("-"):
            return f"no command {words[0]}"
        command = command.commands["open"] if command is _ROOT else command
    known = _GLOBAL | {option for param in command.params for option in param.opts}
    unknown = [word.split("=")[0] for word in words if re.match(r"--?[a-zA-Z]", word)]
    return ", ".join(word for word in unknown if word not in known)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_and_options_are_there(document: Path) -> None:
    lines = _commands(document.read_text())
    assert {line: problem for line in lines if (problem := _problem(line))} == {}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text())
    inner = [link for link in links if "://" not in link]
    assert [link for link in inner if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_of_the_program_are_there(document: Path) -> None:
    named = re.findall(
        r"`((?:viewer|tests|training|benchmarks|examples)/[\w./-]+)`", document.read_text()
    )
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


def test_every_option_is_in_a_document() -> None:
    text = "\n".join(document.read_text() for document in DOCUMENTS)
    options: list[str] = []
    waiting: list[Any] = [_ROOT]
    while waiting:
        command = waiting.pop()
        options += [max(p.opts, key=len) for p in command.params if p.param_type_name == "option"]
        waiting += command.commands.values() if isinstance(command, TyperGroup) else []
    assert [option for option in options if f"`{option}`" not in text and option != "--help"] == []
