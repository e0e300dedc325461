"""How a command line ends: every command checked alike, and one sentence for what is wrong."""

from __future__ import annotations

import errno
import functools
import math
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from viewer import __version__
from viewer.cli.interrupts import interrupts_heard
from viewer.cli.output import EXIT_BAD_INPUT, fail, say
from viewer.errors import reason_of
from viewer.slides.remote.address import is_address, slide_path
from viewer.untyped import is_sequence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HELP_OPTIONS = ["-h", "--help"]
_EXIT_INTERRUPTED = 130
_IN_OUR_WORDS = (
    ("valid integer", "takes a whole number"),
    ("valid number", "takes a number"),
    ("valid boolean", "takes true or false"),
)
"""What the library says of a value that cannot be read, and what to say instead."""


class CheckedGroup(TyperGroup):
    """Commands of one subject; it tells the version too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what stands before the command."""
        _print_version_if_asked(args)
        return super().parse_args(ctx, args)


class CheckedCommand(TyperCommand):
    """Refuse what no command can use: an empty path, a number that is none."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments and look at what came of them."""
        _print_version_if_asked(args)
        has_empty = any(not arg or re.fullmatch("-[-a-z]+=", arg) for arg in args)
        _note_addresses(args)
        rest = super().parse_args(ctx, args)
        for param in self.params:
            value = ctx.params.get(param.name)
            # An empty path is the current folder, which nobody meant.
            if has_empty and Path() in _each(value):
                fail(f"{_label(param)} is empty: give a file or folder.")
            if any(isinstance(each, float) and not math.isfinite(each) for each in _each(value)):
                fail(f"{_label(param)} takes a number, not {value}.")
        return rest


_addresses: dict[Path, Path] = {}
"""What the library makes of each address that was typed, a path of the disk, and its own path."""


def _note_addresses(args: list[str]) -> None:
    words = [word for arg in args for word in (arg, arg.partition("=")[2]) if is_address(word)]
    _addresses.update({Path(word): slide_path(word) for word in words})


def _taking_addresses(command: Callable[..., Any]) -> Callable[..., Any]:
    """Have a command get slides on servers as such."""

    @functools.wraps(command)
    def wrapped(*args: Any, **options: Any) -> Any:
        return command(*args, **{name: _in_place(value) for name, value in options.items()})

    return wrapped


def _in_place(value: Any) -> Any:
    if isinstance(value, Path):
        return _addresses.get(value, value)
    if is_sequence(value):
        placed = map(_in_place, value)
        return tuple(placed) if isinstance(value, tuple) else list(placed)
    return value


def check_every_command(app: typer.Typer) -> None:
    """Have all commands of an app, and of those in it, be `CheckedCommand`s."""
    for command in app.registered_commands:
        command.cls = CheckedCommand
        if command.callback is not None:
            command.callback = _taking_addresses(command.callback)
    for group in app.registered_groups:
        group.cls = CheckedGroup
        if group.typer_instance is not None:
            check_every_command(group.typer_instance)


def run_command_line(app: typer.Typer, arguments: list[str]) -> int:
    """Run a command and return its exit code; what is wrong is one sentence on stderr."""
    try:
        with interrupts_heard():
            code = app(arguments, prog_name="coverslip", standalone_mode=False)
        sys.stdout.flush()
    except typer.Abort:
        return _EXIT_INTERRUPTED
    except OSError as error:
        return _unwritable(error)
    except TyperException as error:  # the command line cannot be read
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(_format(error))
        else:
            say(_usage_sentence(error))
        return EXIT_BAD_INPUT
    return code if isinstance(code, int) else 0


def print_version() -> NoReturn:
    """Print the version and end the command."""
    typer.echo(f"Coverslip {__version__}")
    raise typer.Exit


def help_of(app: typer.Typer, words: list[str]) -> str:
    """Return the help of the command that `words` name. Ends the command where there is none."""
    command = typer.main.get_command(app)
    context = typer.Context(command, info_name="coverslip", help_option_names=HELP_OPTIONS)
    for word in words:
        inner = command.get_command(context, word) if isinstance(command, TyperGroup) else None
        if inner is None:
            fail(f'There is no command "{" ".join(words)}". See "coverslip --help".')
        command = inner
        context = typer.Context(command, info_name=word, parent=context)
    return command.get_help(context)


def _print_version_if_asked(args: list[str]) -> None:
    if args[:1] in (["-V"], ["--version"]):
        print_version()


def _unwritable(error: OSError) -> int:
    """Return the exit code where stdout is closed or full; raise what has another reason."""
    if error.errno not in (errno.EPIPE, errno.ENOSPC, errno.EIO):
        raise error
    # Python would try, and complain, once more at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno == errno.EPIPE:
        return 1
    say(f"The output cannot be written ({reason_of(error)}).")
    return EXIT_BAD_INPUT


def _format(error: Any) -> str:
    """Return the text of one of the library's errors, which have no public types."""
    return str(error.format_message())


def _usage_sentence(error: Any) -> str:
    said = " ".join(_format(error).split())
    param = getattr(error, "param", None)
    if param is not None:
        for theirs, ours in _IN_OUR_WORDS:
            if theirs in said:
                said = f"{_label(param)} {ours}."
    said = said if said.endswith((".", "?")) else f"{said}."
    context = getattr(error, "ctx", None)
    where = context.command_path if context is not None else "coverslip"
    return f'{said} See "{where} --help".'


def _label(param: Any) -> str:
    """Return how a parameter is written on the command line."""
    if param.param_type_name == "argument":
        return param.name.upper()
    return max(param.opts, key=len)


def _each(value: object) -> Iterator[object]:
    if isinstance(value, list | tuple):
        yield from value
    else:
        yield value
