"""The command line: open a window, tell of a slide, and all other commands.

Qt and the readers are imported by the commands that need them, so that the others are quick.
"""

from __future__ import annotations

import difflib
import gc
import os
import sys
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from viewer.cli.agents import evaluate_agent, run_agent, serve_mcp
from viewer.cli.align import align
from viewer.cli.annotations import annotations_app
from viewer.cli.behavior import evaluate_behavior, simulate, train_behavior
from viewer.cli.command_line import (
    HELP_OPTIONS,
    check_every_command,
    help_of,
    print_version,
    run_command_line,
)
from viewer.cli.compare import compare_annotations
from viewer.cli.density import density
from viewer.cli.display_check import why_no_display
from viewer.cli.embedding import embed
from viewer.cli.explain import explain
from viewer.cli.features import features_app, similar
from viewer.cli.models import models_app
from viewer.cli.opening import combined_slides
from viewer.cli.output import (
    AsChannels,
    ImageNumber,
    JsonOption,
    fail,
    print_json,
    print_table,
)
from viewer.cli.projects import projects_app
from viewer.cli.query import query
from viewer.cli.record import record_app
from viewer.cli.run import run_model
from viewer.cli.runs import runs_app
from viewer.cli.session_exchange import export, import_sessions
from viewer.cli.sessions import sessions_app
from viewer.cli.shot import shot
from viewer.cli.teaching_objects import train_objects
from viewer.cli.tma import find_cores
from viewer.cli.train_nuclei import train_nuclei
from viewer.cli.train_pixels import train_pixels
from viewer.cli.train_slide import train_slide
from viewer.cli.watch import watch
from viewer.cli.writing import convert_slide, deidentify_slide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typer.models import CommandInfo

_UNTIL_THE_END = (
    "What is done now is kept until the program ends: set COVERSLIP_HOME to a folder that can be "
    "written to keep it."
)
_NOT_KEPT = "Nothing that is done now is kept: set COVERSLIP_HOME to a folder that can be written."


class _OpenByDefault(TyperGroup):
    """Let `coverslip SLIDE` be `coverslip open SLIDE`; a slide named "info" is written ./info.

    A first word that is neither a command nor a file, folder or address ends with exit code 2 and
    the nearest command, so that a mistyped command never opens a window on a slide of that name.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        index = _first_word(args)
        if index >= len(args):
            if not {"-h", "--help", "-V", "--version"} & set(args):
                args = [*args, "open"]
        elif args[index] not in self.commands:
            self._refuse_unknown(args[index])
            args = [*args[:index], "open", *args[index:]]
        return super().parse_args(ctx, args)

    def _refuse_unknown(self, word: str) -> None:
        """End with exit code 2 unless `word` is an option or names something that can be opened."""
        if _can_be_opened(word):
            return
        nearest = difflib.get_close_matches(word, self.commands, n=1)
        advice = f'Did you mean "coverslip {nearest[0]}"?' if nearest else "See coverslip --help."
        what = "file, folder or address" if Path(word).suffix else "command, file or folder"
        fail(f'There is no {what} "{word}". {advice}')


def _can_be_opened(word: str) -> bool:
    """Return whether `word` is an option, or names something that the window can open."""
    return word.startswith("-") or "://" in word or os.path.lexists(word)


def _first_word(args: Sequence[str]) -> int:
    """Return the index of what stands after the program's own options."""
    own = ("-V", "--version", "-h", "--help", "--log-level")
    index = 0
    while index < len(args) and args[index].split("=")[0] in own:
        index += 2 if args[index] == "--log-level" else 1
    return index


app = typer.Typer(
    cls=_OpenByDefault,
    help="Coverslip, a whole-slide viewer: coverslip [SLIDE ...] opens the window.",
    add_completion=False,
    context_settings={"help_option_names": HELP_OPTIONS},
    pretty_exceptions_enable=False,
)
app.add_typer(sessions_app, name="sessions")
app.add_typer(models_app, name="models")
app.add_typer(annotations_app, name="annotations")
app.add_typer(projects_app, name="projects")
app.add_typer(record_app, name="record")
annotations_app.command("compare")(compare_annotations)
app.command()(shot)
app.command("run")(run_model)
app.add_typer(runs_app, name="runs")
app.command()(explain)
app.command()(query)
app.command("tma")(find_cores)
app.command()(embed)
app.command()(similar)
app.add_typer(features_app, name="features")
app.command()(watch)
app.command()(density)
app.command()(align)
app.command("convert")(convert_slide)
app.command("deidentify")(deidentify_slide)
sessions_app.command()(export)
sessions_app.command("import")(import_sessions)
sessions_app.command("simulate")(simulate)
train_app = typer.Typer(
    help="Train models: on recorded sessions, or by marks on slides.", no_args_is_help=True
)
train_app.command("behavior")(train_behavior)
train_app.command("pixels")(train_pixels)
train_app.command("objects")(train_objects)
train_app.command("nuclei")(train_nuclei)
train_app.command("slide")(train_slide)
app.add_typer(train_app, name="train")
evaluate_app = typer.Typer(help="Measure models and agents.", no_args_is_help=True)
evaluate_app.command("behavior")(evaluate_behavior)
evaluate_app.command("agent")(evaluate_agent)
app.add_typer(evaluate_app, name="evaluate")
app.command("agent")(run_agent)
app.command("mcp")(serve_mcp)


def _print_version(asked: bool) -> None:
    if asked:
        print_version()


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "-V", "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    log_level: Annotated[
        str, typer.Option(help="What is logged: debug, info, warning or error.")
    ] = "info",
) -> None:
    from viewer.access import mend_access
    from viewer.audit_log import keep_audit
    from viewer.logs import LEVELS, configure_logging
    from viewer.policy import read_policy
    from viewer.stand_in import stand_in

    if log_level not in LEVELS:
        fail(f'"{log_level}" is no log level: use one of {", ".join(LEVELS)}.')
    if reason := stand_in.ensure():
        until = _UNTIL_THE_END if stand_in.folder is not None else _NOT_KEPT
        typer.echo(f"{reason} {until}", err=True)
    if stand_in.brought_back:
        typer.echo(stand_in.brought_back, err=True)
    if problem := read_policy().problem:
        typer.echo(problem, err=True)
    configure_logging(log_level)
    mend_access()
    keep_audit()


@app.command("open")
def open_window(
    slides: Annotated[
        list[Path] | None, typer.Argument(help="Slides, or a folder of them.")
    ] = None,
    reset_window: Annotated[
        bool,
        typer.Option("--reset-window", help="Start with the default window size and panels."),
    ] = False,
    image: ImageNumber = None,
    picture: Annotated[
        Path | None,
        typer.Option(help="Paint the window to this file once the slide is sharp, and end."),
    ] = None,
    new_window: Annotated[
        bool, typer.Option("--new-window", help="Open a window of its own beside one that runs.")
    ] = False,
    as_channels: AsChannels = False,
    store: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder or bucket whose results of models are shown too, as `run --store` keeps "
            "them; repeatable."
        ),
    ] = None,
) -> None:
    """Open slides, or list those of a folder; in the window that runs, if there is one."""
    if image is not None:
        _check_image(slides or [], image)
    if as_channels:
        _check_channels(slides or [], image)
    stores = _store_names(store or [])
    if picture is None and (reason := why_no_display()):
        fail(reason)
    running = None
    if picture is None:
        from viewer.running_window import RunningWindow, hand_over

        is_plain = not (new_window or reset_window or as_channels or stores) and image is None
        running = RunningWindow.claim()
        if running is None and is_plain and hand_over(slides or []):
            typer.echo("Opened in the window that runs; --new-window opens another.")
            return
    gc.disable()  # what is made until the window stands stays: to look through it costs 60 ms
    from viewer.ui.application import run
    from viewer.ui.figures.view_picture import PictureError

    try:
        code = run(
            slides or [],
            reset_window=reset_window,
            image=image,
            picture=picture,
            running=running,
            as_channels=as_channels,
            stores=stores,
        )
    except PictureError as error:
        fail(str(error))
    raise typer.Exit(code)


@app.command()
def info(
    slides: Annotated[list[Path], typer.Argument(metavar="SLIDE", help="The slide.")],
    json: JsonOption = False,
    image: ImageNumber = None,
    as_channels: AsChannels = False,
) -> None:
    """Tell what is known of a slide."""
    from viewer.cli.opening import opened_slide
    from viewer.cli.slide_about import about_lines, about_slide
    from viewer.slides import SlideError

    slide, others = combined_slides(slides, image, as_channels=as_channels)
    source = opened_slide(slide, image, others=others)
    try:
        about, lines = about_slide(source), about_lines(source)
    except SlideError as error:
        fail(str(error))
    finally:
        source.close()
    if json:
        print_json(about)
    else:
        print_table((), lines)


@app.command("help")
def show_help(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[COMMAND]...", help="Such as: sessions export.")
    ] = None,
) -> None:
    """Show the help of a command."""
    typer.echo(help_of(app, words or []))


def _check_channels(slides: list[Path], image: int | None) -> None:
    """End the command where the slides cannot be combined, before there is a window."""
    from viewer.slides import SlideError
    from viewer.slides.combining import open_combined

    if not slides:
        fail("--as-channels takes two slides or more of the same field.")
    combined_slides(slides, image, as_channels=True)
    try:
        open_combined(slides).close()
    except SlideError as error:
        fail(str(error))


def _store_names(given: list[str]) -> list[str]:
    """Return stores by whole names; what can be none ends the command."""
    if not given:
        return []
    from viewer.overlays.segments.errors import StorePlaceError
    from viewer.overlays.segments.places import place_of

    try:
        return [place_of(text).text for text in given]
    except StorePlaceError as error:
        fail(str(error))


def _check_image(slides: list[Path], image: int) -> None:
    """End the command where the one slide has no such image, before there is a window."""
    from viewer.slides import SlideError, open_slide

    if len(slides) != 1:
        fail("--image says which image of one slide to open: give one slide.")
    try:
        open_slide(slides[0], image).close()
    except SlideError as error:
        fail(str(error))


check_every_command(app)


def main() -> None:
    """Run a command line; ends the program with its exit code."""
    _forget_current_folder()
    _leave_no_memory()
    sys.exit(run_command_line(app_of(sys.argv[1:]), sys.argv[1:]))


def _forget_current_folder() -> None:
    """Import nothing more from the current folder, which an empty entry of PYTHONPATH names.

    Modules may have been planted there, beside slides that were downloaded.
    """
    try:
        here, own = Path.cwd(), Path(__file__).parents[2]
    except OSError:
        return  # it was removed
    sys.path[:] = [each for each in sys.path if (here / each) != here or here == own]


def _leave_no_memory() -> None:
    """Let no crash, also of a process that is started here, leave a core file.

    It would hold keys, names and pixels of slides, in whatever folder the program runs.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def app_of(args: Sequence[str]) -> typer.Typer:
    """Return the app with the one command that `args` name, since each costs a millisecond."""
    if {"-h", "--help"} & set(args[: _first_word(args)]):
        return app  # its help lists all commands
    word = next(iter(args[_first_word(args) :]), "open")
    small = copy(app)
    for name in (word, "open" if _can_be_opened(word) else word):
        small.registered_commands = [
            each for each in app.registered_commands if _name(each) == name
        ]
        small.registered_groups = [each for each in app.registered_groups if each.name == name]
        if small.registered_commands or small.registered_groups:
            return small
    return app


def _name(command: CommandInfo) -> str:
    return command.name or getattr(command.callback, "__name__", "").replace("_", "-")
