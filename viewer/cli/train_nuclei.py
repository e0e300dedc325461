"""`coverslip train nuclei`: the nuclei network learns from corrected outlines."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli.output import (
    DeviceOption,
    FileMppOption,
    JsonOption,
    OriginName,
    checked_device,
    fail,
    origin_named,
    print_record,
    say,
)
from viewer.cli.teaching_options import (
    ModelName,
    OutFolder,
    ReaderName,
    Refusals,
    Slides,
    name_of,
    reader_named,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from viewer.inference.teaching.nuclei_tuning import TuningProgress


def train_nuclei(
    slides: Slides,
    marks: Annotated[
        list[Path],
        typer.Option(
            "--marks",
            help="Outlines of nuclei as they should be, and regions of the class Corrected* in "
            "which all are outlined, in any known format of annotations: one file for each slide "
            "in its order, or a folder with a file of each slide's name.",
        ),
    ],
    out: OutFolder,
    model: Annotated[
        str, typer.Option(help="The network that learns: its name, folder or file.")
    ] = "nuclei",
    name: ModelName = None,
    reader: ReaderName = None,
    steps: Annotated[int, typer.Option(help="How long it learns.", min=1, max=100_000)] = 300,
    origin: OriginName = None,
    mpp: FileMppOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Have the nuclei network learn from corrected outlines; it is kept only if it got better.

    A third of the outlines is held back, and measures the network as it came and as it is then: it
    is kept if panoptic quality rises by 0.005 or more and F1 does not fall. In
    regions of the class Corrected* what is found and not outlined is wrong, so that deleted nuclei
    teach, too. The model runs like any other: coverslip run OUT SLIDE.
    """
    from viewer.audit_log import trail
    from viewer.inference.ai_extra import missing_ai
    from viewer.inference.models.model_library import opened_model
    from viewer.inference.teaching.corrections import read_corrections
    from viewer.inference.teaching.nuclei_tuning import NucleiTeacher, tune_nuclei, write_tuned
    from viewer.inference.teaching.taught_bundles import base_of, check_folder
    from viewer.inference.teaching.taught_card import GAIN

    if sentence := missing_ai():
        fail(sentence)
    checked_device(device)
    with Refusals():
        check_folder(out, "outlines")
        corrected = read_corrections(slides, marks, origin_named(origin), mpp)
        for path, _ in corrected:
            trail.note("opened", path.absolute(), "train by corrected outlines")
        with opened_model(model) as bundle, _bar() as show:
            teacher = NucleiTeacher(base_of(bundle), device, show, steps)
            tuned = tune_nuclei(corrected, teacher, mpp, reader_named(reader))
            made = write_tuned(out, tuned, name_of(name, out))
    for note in tuned.notes:
        say(note)
    figures = tuned.card.corrections
    assert figures is not None
    record = {
        "model": made.name,
        "version": made.version,
        "folder": str(made.folder),
        "by": tuned.card.by,
        "base": f"{tuned.card.base} {tuned.card.base_version}",
        "outlines": figures.outlines,
        "held_back": figures.held_back,
        "held_back_by": figures.by,
        "f1_before": figures.f1_before,
        "f1_after": figures.f1_after,
        "quality_before": figures.quality_before,
        "quality_after": figures.quality_after,
        "kept_if": GAIN,
        "about": figures.sentence,
    }
    print_record(record, json=json)


@contextmanager
def _bar() -> Generator[Callable[[TuningProgress], None]]:
    """Show how far it is, on stderr, where it can be seen."""
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

    from viewer.cli.progress_bar import bars

    with bars(TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task("", total=None)

        def show(progress: TuningProgress) -> None:
            status = f"{progress.what} {progress.done:,}/{progress.total:,}"
            bar.update(task, description=status, total=progress.total, completed=progress.done)

        yield show
