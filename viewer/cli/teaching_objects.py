"""`coverslip train objects`: teaches classes of cells by marks."""

from __future__ import annotations

from typing import Annotated

import typer

from viewer.cli.output import (
    DeviceOption,
    FileMppOption,
    JsonOption,
    OriginName,
    checked_device,
    fail,
    print_record,
    say,
)
from viewer.cli.teaching_options import (
    MarksFiles,
    ModelName,
    OutFolder,
    ReaderName,
    Refusals,
    Slides,
    name_of,
    reader_named,
    slides_with_marks,
    taught_record,
)


def train_objects(
    slides: Slides,
    marks: MarksFiles,
    out: OutFolder,
    model: Annotated[
        str, typer.Option(help="The model that finds the objects: its name, folder or file.")
    ] = "nuclei",
    name: ModelName = None,
    reader: ReaderName = None,
    features: Annotated[
        bool,
        typer.Option(
            help="Learn by what the network sees in each object, too, and not by its measurements "
            "alone."
        ),
    ] = True,
    origin: OriginName = None,
    mpp: FileMppOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Teach classes of cells by marks: a model that finds them and tells their class.

    A point means the object that it lies in, an area all whose middle it holds. The model runs like
    any other: coverslip run OUT SLIDE.
    """
    from viewer.cli.progress_bar import progress_bar
    from viewer.inference.models.model_library import opened_model
    from viewer.inference.teaching.taught_bundles import base_of, can_be_taught, check_folder
    from viewer.inference.teaching.training_objects import train_objects as train

    checked_device(device)
    with Refusals():
        check_folder(out, "objects")
        marked = slides_with_marks(slides, marks, origin)
        with opened_model(model) as bundle:
            if not can_be_taught(bundle):
                fail(f"{bundle.name} finds no outlined objects: give a model such as nuclei.")
            with progress_bar() as show:
                training = train(
                    marked, base_of(bundle), out, name_of(name, out), reader_named(reader), mpp,
                    device, show, uses_features=features,
                )  # fmt: skip
    for note in training.notes:
        if note not in marked.notes:
            say(note)
    record = taught_record(training.bundle) | {"cells": training.cells}
    print_record(record, json=json)
