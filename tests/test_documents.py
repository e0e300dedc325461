"""Documents name only what is there: commands and their options, files, links."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
from typer.core import TyperGroup

from viewer.agents.endpoint import Endpoint
from viewer.cli import app
from viewer.inference.cells.settings import CellSettings
from viewer.inference.models.description import ModelDescription
from viewer.policy import Policy
from viewer.recording.events import Event
from viewer.recording.session import SessionHeader, SlideRef
from viewer.setting_choices import CHOICES
from viewer.studies.forms import Form, Question
from viewer.studies.project import Project, ProjectSlide
from viewer.ui.commands import COMMANDS

REPOSITORY = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *(REPOSITORY / "docs").rglob("*.md")]
)
ARCHITECTURE = (REPOSITORY / "docs" / "architecture.md").read_text()
VIEWER = REPOSITORY / "viewer"
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


def test_keys_of_the_readme_are_those_of_commands() -> None:
    text = (REPOSITORY / "README.md").read_text()
    table = text.partition("## Keys and hands")[2].partition("\n## ")[0]
    named = {key for row in table.split("\n") if row.startswith("|") for key in _quoted(row)}
    known = {key.replace("Pg", "Page") for command in COMMANDS for key in command.shortcuts}
    of_classes = {f"Ctrl+{number}" for number in range(1, 10)}
    assert len(named) > 50
    assert named - known - of_classes == set()


def test_keys_in_documents_are_those_of_commands() -> None:
    known = {key for command in COMMANDS for key in command.shortcuts}
    known |= {f"Ctrl+{number}" for number in range(1, 10)}  # of classes
    known |= {"Ctrl+Enter"}  # of boxes for text
    unknown: dict[str, set[str]] = {}
    for document in DOCUMENTS:
        if document.name == "compared-with-qupath.md":  # has the keys of QuPath, too
            continue
        named = {key.replace("Page", "Pg") for key in _quoted(document.read_text())}
        keys = {key for key in named if re.fullmatch(r"((Ctrl|Alt|Shift)\+)+[^+\s]+|F\d+", key)}
        unknown |= {document.name: keys - known} if keys - known else {}
    assert unknown == {}


def test_menus_in_documents_are_there() -> None:
    places = {_words((*command.menu, command.text)) for command in COMMANDS}
    places |= {_words(("Settings", choice.group, choice.label)) for choice in CHOICES}
    places |= {("settings", "privacy"), ("file", "project", "recent projects")}
    step = r"\s>\s[A-Z][^>.,;:*()|\n]*(?:\n[^>.,;:*()|\n]*)?"
    named = 0
    for document in DOCUMENTS:
        text = re.sub(r"```.*?```|`[^`]*`", "", document.read_text(), flags=re.S)
        for path in re.findall(rf"\b[A-Z]\w*(?:{step})+", text):
            steps = [" ".join(part.split()).lower() for part in path.split(" > ")]
            assert any(_leads(steps, place) for place in places), f"{document.name}: {path}"
            named += 1
    assert named > 20


def _words(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(label.replace("&", "").removesuffix("...").lower() for label in labels)


def _leads(steps: list[str], place: tuple[str, ...]) -> bool:
    """Return whether steps lead to a place; of the last one words may be missing or follow it."""
    *through, last = steps
    if len(steps) > len(place) or tuple(through) != place[: len(through)]:
        return False
    label = place[len(through)]
    return last.startswith(label) or label.startswith(last)


def test_every_variable_of_the_program_is_in_a_document() -> None:
    text = (REPOSITORY / "docs" / "command-line.md").read_text()
    found = {
        name.rstrip("_")
        for path in VIEWER.rglob("*.py")
        for name in re.findall(r"\bCOVERSLIP_[A-Z_]+", path.read_text())
    }
    assert "COVERSLIP_HOME" in found
    assert {name for name in found if name not in text} == set()


@pytest.mark.parametrize(
    ("kind", "page"),
    [
        (CellSettings, "cells.md"), (Endpoint, "agents.md"), (Form, "projects.md"),
        (ModelDescription, "models.md"), (Policy, "policy.md"), (Project, "projects.md"),
        (ProjectSlide, "projects.md"), (Question, "projects.md"),
        (SessionHeader, "session-format.md"), (SlideRef, "session-format.md"),
    ],
    ids=lambda each: getattr(each, "__name__", each),
)  # fmt: skip
def test_each_member_of_a_file_is_in_its_page(kind: type[msgspec.Struct], page: str) -> None:
    text = (REPOSITORY / "docs" / page).read_text()
    said = set(re.findall(r"[`\"](\w+)[`\"]", text)) | {"schema_version"}
    assert set(kind.__struct_encode_fields__) - said - {"stains"} == set()


def test_each_event_of_a_session_is_in_its_page_with_its_members() -> None:
    text = (REPOSITORY / "docs" / "session-format.md").read_text()
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (.*)\|$", text, re.M)
    told = {tag: row for tags, row in rows for tag in _quoted(tags)}
    for kind in Event.__subclasses__():
        tag = kind.__struct_config__.tag
        assert tag in told, kind
        words = set(re.findall(r"\w+", told[str(tag)]))
        # The one member of a display is told by what it holds.
        assert set(kind.__struct_fields__) - words - {"look"} == set(), tag


def test_every_page_is_in_the_index_and_in_the_site() -> None:
    pages = {path.name for path in (REPOSITORY / "docs").glob("*.md")}
    index = (REPOSITORY / "docs" / "index.md").read_text()
    site = (REPOSITORY / "mkdocs.yml").read_text()
    assert {page for page in pages - {"index.md"} if f"({page})" not in index} == set()
    assert {page for page in pages if f"- {page}\n" not in site} == set()


# The page on the architecture -------------------------------------------------------------------


def _section(title: str) -> str:
    return ARCHITECTURE.partition(f"## {title}\n")[2].partition("\n## ")[0]


def _quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_the_picture_of_layers_is_what_the_contracts_say() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    rows = [re.findall(r"[\w.]+", row.replace("viewer.", "")) for row in layers]
    below = next(number for number, row in enumerate(rows) if "geometry" in row)
    picture = [row.split() for row in ARCHITECTURE.split("```")[1].strip().split("\n")]
    assert [sorted(row) for row in picture[:-1]] == [sorted(row) for row in rows[:below]]
    assert picture[-1][0] == "geometry"


def test_the_rooms_are_the_folders_and_files_that_there_are() -> None:
    rows = [row.split("|")[1:3] for row in _section("Rooms").split("\n") if row.startswith("| `")]
    named = {name: row for row in rows for name in _quoted(row[0])}
    folders = {each.name: each for each in VIEWER.iterdir() if (each / "__init__.py").exists()}
    files = {each.name for each in VIEWER.glob("*.py")} - {"__init__.py"}
    of_viewer = {name.removeprefix("viewer/") for name in named} - {"coverslip", "training"}
    assert of_viewer == files | folders.keys()
    for name, folder in folders.items():
        inner = {each.parent.name for each in folder.rglob("*/__init__.py")} - {name}
        within = {each.stem for each in folder.rglob("*.py")}
        told = set(_quoted(named.get(f"viewer/{name}", named.get(name, ["", ""]))[1]))
        assert inner - told == set(), name
        if f"viewer/{name}" in named:
            plain = {each for each in told if re.fullmatch("[a-z_]+", each)}
            assert plain - inner - within == set(), name


def test_the_processes_are_those_that_are_started() -> None:
    """Each module that begins a process is named where some module starts it by its name."""
    modules = {
        f"viewer.{'.'.join(path.relative_to(VIEWER).with_suffix('').parts)}": path
        for path in VIEWER.rglob("*.py")
    }
    texts = (path.read_text() for path in modules.values())
    started = {
        node.value
        for text in texts
        if '"viewer.' in text  # to parse all takes two seconds
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and node.value in modules
    }
    begin = {
        str(path.relative_to(VIEWER))
        for path in (modules[name] for name in started)
        if re.search(r"^(def main\(|if __name__)", path.read_text(), re.M)
    }
    named = {name for name in _quoted(_section("Processes")) if name.endswith(".py")}
    assert begin - named == set()
    assert {name for name in named if not (VIEWER / name).exists()} == set()
    assert len(begin) >= 9


def test_where_to_look_names_files_that_are_there() -> None:
    for row in _section("Where to look").split("\n"):
        folder = VIEWER
        for name in _quoted(row):
            if name.endswith(".py"):
                place = (VIEWER if "/" in name else folder) / name
                place = place if place.exists() else VIEWER / name
                assert place.exists(), row
                folder = place.parent
