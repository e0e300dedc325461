"""`coverslip train behavior`, `evaluate behavior` and `sessions simulate`."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli.output import (
    JsonOption,
    SessionsFolder,
    checked_places,
    fail,
    print_json,
    print_record,
    print_table,
)
from viewer.cli.teaching_options import name_of
from viewer.plurals import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from viewer.attention.evaluating import Evaluation, Figure
    from viewer.attention.fitting import EpochDone
    from viewer.attention.simulating import PolicyName
    from viewer.attention.training import Training

_Sessions = Annotated[
    list[str] | None,
    typer.Argument(help="Sessions, or folders of sessions; all of this machine by default."),
]
_Slides = Annotated[
    list[Path] | None,
    typer.Option(help="Where the slides lie: files or folders; else where they last lay."),
]
_Mix = Annotated[
    bool, typer.Option("--mix", help="Take readers, simulated readers and agents together.")
]
_Threads = Annotated[int, typer.Option(help="Threads; as many as cores by default.", min=0)]


def simulate(
    slides: Annotated[list[Path], typer.Argument(help="The slides to read.")],
    policy: Annotated[
        str, typer.Option(help="scan: all tissue in lines; drill: where nuclei are dense; random.")
    ] = "drill",
    seed: Annotated[int, typer.Option(help="Another number is another reader.", min=0)] = 0,
    readers: Annotated[int, typer.Option(help="Sessions a slide.", min=1, max=1000)] = 1,
    magnification: Annotated[float, typer.Option(help="Of a scan.", min=0.5, max=80)] = 10.0,
    spots: Annotated[int, typer.Option(help="Places that a drill goes to.", min=1, max=200)] = 8,
    mpp: Annotated[
        float | None, typer.Option(help="um per pixel, where a slide does not tell.", min=0.01)
    ] = None,
    out: SessionsFolder = None,
    json: JsonOption = False,
) -> None:
    """Write sessions of simulated readers, for tests and demonstration; they are marked as such."""
    from viewer.attention.simulating import POLICIES, PolicyParameters, simulate_session
    from viewer.audit_log import trail
    from viewer.recording.library import sessions_folder
    from viewer.recording.session import SessionError
    from viewer.slides import SlideError, TileError, open_slide
    from viewer.slides.known_slides import remember

    known: dict[str, PolicyName] = {each: each for each in POLICIES}
    if (chosen := known.get(policy)) is None:
        fail(f'"{policy}" is no policy: use {", ".join(POLICIES)}.')
    parameters = PolicyParameters(magnification=magnification, spots=spots)
    folders: list[Path] = []
    for path in slides:
        try:
            source = open_slide(path)
            trail.note("opened", path.absolute(), "simulated reading")
            try:
                remember(source.info.identity, path)
                for reader in range(readers):
                    folders.append(
                        simulate_session(
                            source, chosen, seed + reader, out or sessions_folder(), parameters, mpp
                        )
                    )
            finally:
                source.close()
        except (SlideError, TileError, SessionError, OSError) as error:
            fail(str(error))
    if json:
        print_json({"ids": [folder.name for folder in folders]})
    else:
        for folder in folders:
            typer.echo(folder if out else folder.name)


def train_behavior(
    out: Annotated[Path, typer.Option("-o", "--out", help="A new folder for the model.")],
    sessions: _Sessions = None,
    slides: _Slides = None,
    name: Annotated[str, typer.Option(help="Of the model; that of its folder by default.")] = "",
    epochs: Annotated[int, typer.Option(help="At most.", min=1, max=100_000)] = 200,
    patience: Annotated[
        int, typer.Option(help="Epochs without progress after which it ends.", min=1)
    ] = 30,
    validation: Annotated[
        float, typer.Option(help="Share of the slides that judge.", min=0.01, max=0.9)
    ] = 0.2,
    seed: Annotated[int, typer.Option(help="Of chance, so that it can be repeated.", min=0)] = 0,
    mix: _Mix = False,
    threads: _Threads = 0,
    json: JsonOption = False,
) -> None:
    """Train a predictor of where readers look; interrupted, the same command goes on."""
    _check_ai()
    from viewer.attention.fitting import TrainingOptions
    from viewer.attention.readings import BehaviorError, session_folders
    from viewer.attention.training import train_predictor
    from viewer.inference.models.bundle import BundleError

    _use_threads(threads)
    options = TrainingOptions(
        name=name_of(name, out),
        epochs=epochs,
        patience=patience,
        validation_share=validation,
        seed=seed,
        may_mix=mix,
    )
    try:
        folders = session_folders(sessions or [])
        with _bar() as (on_slide, on_epoch):
            training = train_predictor(
                folders, out, options, checked_places(slides), on_slide, on_epoch
            )
    except (BehaviorError, BundleError, OSError) as error:
        fail(str(error))
    for sentence in training.left_out:
        typer.echo(sentence, err=True)
    print_record(_trained(training), json=json)


def evaluate_behavior(
    bundle: Annotated[str, typer.Argument(help="A predictor: its folder, or its name.")],
    sessions: _Sessions = None,
    slides: _Slides = None,
    k: Annotated[
        list[int] | None, typer.Option(help="How many boxes; repeat it. 5 and 10 by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of chance, so that it can be repeated.", min=0)] = 0,
    mix: _Mix = False,
    threads: _Threads = 0,
    json: JsonOption = False,
) -> None:
    """Measure a predictor on sessions that it was not trained on, beside simple baselines."""
    _check_ai()
    from viewer.attention.evaluating import evaluate_predictor
    from viewer.attention.predictor import Predictor
    from viewer.attention.readings import BehaviorError, session_folders
    from viewer.inference.models.bundle import BundleError
    from viewer.inference.models.model_library import find_model

    if k and min(k) < 1:
        fail("--k takes numbers of boxes from 1 on.")
    _use_threads(threads)
    try:
        predictor = Predictor(find_model(bundle))
        evaluation = evaluate_predictor(
            predictor,
            session_folders(sessions or []),
            checked_places(slides),
            ks=sorted(set(k or (5, 10))),
            seed=seed,
            may_mix=mix,
        )
    except (BehaviorError, BundleError) as error:
        fail(str(error))
    for sentence in evaluation.left_out:
        typer.echo(sentence, err=True)
    if json:
        print_json(_evaluation_record(evaluation, predictor.bundle.description.origins))
    else:
        _print_evaluation(evaluation, predictor.bundle.about)


# ---------------------------------------------------------------------------------------------


def _check_ai() -> None:
    """End the command where PyTorch is not installed."""
    from viewer.inference.ai_extra import missing_ai

    if sentence := missing_ai():
        fail(sentence)


def _use_threads(count: int) -> None:
    if count:
        import torch

        torch.set_num_threads(count)


def _trained(training: Training) -> dict[str, object]:
    return {
        "model": training.bundle.name,
        "folder": str(training.bundle.folder),
        "about": training.bundle.about,
        "sessions": training.sessions,
        "slides": training.slides,
        "validation_slides": training.validation_slides,
        "epochs": training.epochs,
        "taken_up_at": training.began_at,
        "best_epoch": training.best_epoch,
        "validation_loss": training.validation_loss,
    }


def _evaluation_record(evaluation: Evaluation, origins: tuple[str, ...]) -> dict[str, object]:
    import msgspec

    return {"trained_on": list(origins)} | msgspec.to_builtins(evaluation)


def _print_evaluation(evaluation: Evaluation, about: str) -> None:
    slides = plural(evaluation.slides, "slide")
    typer.echo(f"{about}\n{plural(evaluation.sessions, 'session')} on {slides}.")
    names = list(next(iter(evaluation.figures.values())))
    rows = [
        (each, *(_shown(figures[name]) if name in figures else "" for name in names))
        for each, figures in evaluation.figures.items()
    ]
    print_table(("map", *names), rows)
    typer.echo("By how much the predictor is better:")
    rows = [
        (each, *(_shown(figures[name]) if name in figures else "" for name in names))
        for each, figures in evaluation.ahead.items()
    ]
    print_table(("than", *names), rows)


def _shown(figure: Figure) -> str:
    return f"{figure.mean:.3f}\n{figure.low:.3f} to {figure.high:.3f}"


@contextmanager
def _bar() -> Generator[tuple[Callable[[int], None], Callable[[EpochDone], None]]]:
    """Show how far a training is, on stderr."""
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

    from viewer.cli.progress_bar import bars

    with bars(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()) as bar:
        task = bar.add_task("Reading slides", total=None)

        def on_slide(count: int) -> None:
            bar.update(task, description=f"Reading slides: {count}")

        def on_epoch(done: EpochDone) -> None:
            status = f"Epoch {done.epoch}: {done.loss:.3f}, held back {done.validation_loss:.3f}"
            best = f", best at {done.best_epoch}"
            bar.update(task, description=status + best, total=done.epochs, completed=done.epoch)

        yield on_slide, on_epoch
