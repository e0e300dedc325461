"""The whole tree of commands, walked: help, version, bad values, streams that end."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import typer
from cli_steps import coverslip
from typer.core import TyperGroup

from scripts.command_line_page import page
from viewer.cli import app
from viewer.cli.command_line import run_command_line
from viewer.cli.display_check import why_no_display

REPOSITORY = Path(__file__).resolve().parent.parent


def _walk(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, command
    if isinstance(command, TyperGroup):
        for name, inner in command.commands.items():
            yield from _walk(inner, (*words, name))


TREE = list(_walk(typer.main.get_command(app)))
LEAVES = [(words, command) for words, command in TREE if not isinstance(command, TyperGroup)]


@pytest.fixture(autouse=True, scope="module")
def _one_tree() -> Iterator[None]:
    """The commands are the same in each run: typer need not make all of them anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command", functools.cache(typer.main.get_command))
        yield


def _named(tree: list[tuple[tuple[str, ...], Any]]) -> list[Any]:
    return [pytest.param(*each, id=" ".join(each[0]) or "coverslip") for each in tree]


def _filled(command: Any, **given: str) -> list[str]:
    """A command line that gives a value to each argument, and to each option that must be there."""
    words: list[str] = []
    for param in command.params:
        value = given.get(param.name, "9")
        if param.param_type_name == "argument":
            words.append(value)
        elif param.required or param.name in given:
            words += [max(param.opts, key=len), value]
    return words


@pytest.mark.parametrize(("words", "command"), _named(TREE))
def test_each_level_has_help_and_tells_the_version(
    words: tuple[str, ...], command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in ("-h", "--help"):
        assert run_command_line(app, [*words, option]) == 0
        assert "Usage: coverslip" in capsys.readouterr().out
    assert run_command_line(app, ["help", *words]) == 0
    assert " ".join(("Usage: coverslip", *words)) in capsys.readouterr().out
    for option in ("-V", "--version"):
        assert run_command_line(app, [*words, option]) == 0
        assert capsys.readouterr().out.startswith("Coverslip ")
    assert command.help
    assert [param.name for param in command.params if not param.help] == []


@pytest.mark.parametrize(("words", "command"), _named(LEAVES))
def test_an_unknown_option_is_one_sentence(
    words: tuple[str, ...], command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(app, [*words, "--frobnicate"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "--help" in captured.err


def test_the_page_of_the_command_line_is_of_this_program() -> None:
    text = (REPOSITORY / "docs" / "command-line.md").read_text()
    assert text == page(), "make it anew: python -m scripts.command_line_page"


def _with(kind: type) -> list[Any]:
    """Commands with their parameters of a kind."""
    return [
        pytest.param(words, command, param.name, id=" ".join((*words, param.name)))
        for words, command in LEAVES
        for param in command.params
        if kind in _types(command, param.name)
    ]


def _types(command: Any, name: str) -> set[type]:
    import inspect
    import typing

    hint = typing.get_type_hints(inspect.unwrap(command.callback)).get(name)
    found = {hint}
    for _ in range(3):
        found |= {inner for each in found for inner in typing.get_args(each)}
    return {each for each in found if isinstance(each, type)}


@pytest.mark.parametrize(("words", "command", "name"), _with(Path))
def test_an_empty_path_is_refused(
    words: tuple[str, ...], command: Any, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run_command_line(app, [*words, *_filled(command, **{name: ""})])
    assert ended.value.code == 2
    assert "is empty: give a file or folder." in capsys.readouterr().err


@pytest.mark.parametrize(("words", "command", "name"), _with(float))
@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_what_is_no_number_is_refused(
    words: tuple[str, ...], command: Any, name: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = [*words, *_filled(command), f"--{name.replace('_', '-')}={value}"]
    try:
        code: object = run_command_line(app, line)
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert capsys.readouterr().err.count("\n") == 1


def app_py(*arguments: object, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(REPOSITORY / "app.py"), *map(str, arguments)],
        stderr=subprocess.PIPE, text=True, timeout=100, check=False, **more,
    )  # fmt: skip


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="There is no /dev/full here.")
def test_a_full_output_is_one_sentence(sample_slide: Path) -> None:
    with open("/dev/full", "w") as full:
        said = app_py("info", sample_slide, stdout=full)
    assert said.returncode == 2
    assert said.stderr == "The output cannot be written (No space left on device).\n"


def test_a_closed_pipe_is_no_trouble(sample_slide: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        said = app_py("info", sample_slide, stdout=writing)
    finally:
        os.close(writing)
    assert said.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("run", "nuclei", "SLIDE", "--device", "toaster"), "use auto, cpu"),
        (("run", "nuclei", "SLIDE", "-o", "missing/a.csv"), "There is no folder missing"),
        (("run", "nuclei", "SLIDE", "--region", "nan,0,9,9"), "--region takes X,Y,W,H"),
        (("shot", "SLIDE", "-o", "x.png", "--center", "nan,nan"), "--center takes X,Y"),
        (("shot", "SLIDE", "-o", "."), "is a folder"),
        (("shot", "SLIDE", "-o", "x.png", "--mpp", "1", "--mag", "2"), "give one of them"),
        (("agent", "SLIDE", "-o", "agent", "--tissue", "nuclei"), "names no tissue"),
        (("info", "SLIDE", "--image", "abc"), "--image takes a whole number."),
        (("models", "remove", "nuclei"), "it came with Coverslip"),
        (("help", "frobnicate"), 'no command "frobnicate"'),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    arguments: tuple[str, ...], sentence: str, sample_slide: Path, tmp_path: Path
) -> None:
    words = [str(sample_slide) if word == "SLIDE" else word for word in arguments]
    said = coverslip(*words, folder=tmp_path)
    assert said.returncode == 2
    assert sentence in said.stderr
    assert said.stderr.count("\n") == 1


def test_a_line_in_a_pipe_stays_a_line(tmp_path: Path) -> None:
    said = coverslip("models", "list", folder=tmp_path)
    lines = said.stdout.splitlines()
    assert lines[0].split() == ["name", "version", "task", "mpp_um", "license"]
    assert all(line == line.rstrip() for line in lines)
    assert max(map(len, lines)) > 100


def test_a_picture_is_taken_at_a_scale(sample_slide: Path, tmp_path: Path) -> None:
    from PIL import Image

    sides = ("--size", "200x150", "--center", "1100,1400")
    for scale in (("--mpp", "0.998"), ("--downsample", "2")):
        out = tmp_path / f"{scale[0]}.png"
        said = coverslip("shot", sample_slide, "-o", out, *scale, *sides)
        assert said.returncode == 0, said.stderr
    first, second = (Image.open(path).tobytes() for path in sorted(tmp_path.glob("*.png")))
    assert first == second


def _has_model(pid: int) -> bool:
    children = psutil.Process(pid).children()
    return any("main=viewer.inference.process.model_main" in child.cmdline() for child in children)


def test_ctrl_c_ends_a_run_at_once(sample_slide: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(REPOSITORY / "app.py"), "run", "nuclei", str(sample_slide)]
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        # What runs in the background of a shell passes on that it ignores the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:  # fmt: skip
        until_s = time.monotonic() + 60
        while not _has_model(process.pid) and time.monotonic() < until_s:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err


@pytest.mark.parametrize("display", [":77", "nowhere.invalid:0", "nonsense"])
def test_a_display_that_does_not_answer_is_said(
    display: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", display)
    assert why_no_display().startswith(f"The display {display} does not answer")
