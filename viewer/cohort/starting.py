"""How a batch begins: the model is looked at once, and what decides its numbers is frozen."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from viewer.access import make_folder
from viewer.cohort.batch import Batch, BatchSettings, open_batch
from viewer.cohort.errors import BatchError
from viewer.errors import reason_of
from viewer.inference.cells.kept_settings import all_kept_stains
from viewer.inference.cells.models import takes_settings
from viewer.inference.models.model_library import opened_model
from viewer.inference.runs.results import finds_objects
from viewer.inference.runs.running import RunError
from viewer.inference.runs.word_classes import check_words, told_by_words
from viewer.inference.tasks.known import TASKS
from viewer.overlays.files.area_files import AREA_FORMATS
from viewer.overlays.files.export import FORMATS
from viewer.overlays.files.patch_files import CELL_FORMATS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from viewer.cohort.batch import BatchWhere
    from viewer.inference.models.bundle import ModelBundle


def begin_batch(
    model: str,
    slides: Sequence[tuple[Path, str]],
    options: Mapping[str, str],
    out: Path | None = None,
    form: str | None = None,
    store: str = "",
    where: BatchWhere | None = None,
) -> Batch:
    """Return the batch of a model over slides (path, name), begun or gone on with.

    Parameters
    ----------
    options
        Of `coverslip run`, for each slide.
    out, form
        The folder for a file a slide, made when absent, and the format of those files.
    store
        The folder or bucket that results are kept in; "" for this machine's own.
    where
        Where it runs; by default on this machine.

    Raises
    ------
    BundleError
        There is no such model, or it cannot be used.
    BatchError
        The folder or the format cannot be used, or the batch cannot be kept.
    """
    with opened_model(model) as bundle:
        told = _told_by_words(bundle, options["words"]) if "words" in options else bundle
        are_objects = finds_objects(told.task)
        formats = FORMATS if are_objects else CELL_FORMATS
        if TASKS[told.task].tells_areas(told.description.head):
            formats = formats | AREA_FORMATS
        settings = BatchSettings(
            model=str(Path(model).absolute()) if Path(model).exists() else model,
            name=bundle.name,
            version=bundle.version,
            key=bundle.key,
            options=dict(options),
            stains=all_kept_stains() if takes_settings(bundle) else {},
            out=str(_folder(out)) if out is not None else "",
            suffix=_suffix(formats, form, are_objects=are_objects) if out is not None else "",
            store=store,
        )
    return open_batch(settings, slides, where=where)


def _told_by_words(bundle: ModelBundle, words: str) -> ModelBundle:
    """Return what a model is that is asked by phrases, with ; between them. Raises BatchError."""
    phrases = words.split(";")
    try:
        check_words(bundle, phrases)
    except RunError as error:
        raise BatchError(str(error)) from error
    return told_by_words(bundle, phrases)


def _suffix(formats: Mapping[str, Sequence[str]], form: str | None, *, are_objects: bool) -> str:
    if form is None:
        return ".geojson" if are_objects else ".csv"
    known = [suffix for suffixes in formats.values() for suffix in suffixes]
    suffix = f".{form.lower().lstrip('.')}"
    if suffix not in known:
        names = ", ".join(each.lstrip(".") for each in known)
        raise BatchError(f'There is no format "{form}" for what this model finds: use {names}.')
    return suffix


def _folder(out: Path) -> Path:
    if out.exists() and not out.is_dir():
        raise BatchError(f"{out} is a file: with several slides, -o is a folder.")
    suffixes = {
        each for group in (FORMATS, CELL_FORMATS) for ends in group.values() for each in ends
    }
    if not out.exists() and out.suffix.lower() in suffixes:
        raise BatchError(f"With several slides, -o is a folder: {out.name} is the name of a file.")
    try:
        folder = make_folder(out.absolute())
    except OSError as error:
        raise BatchError(f"{out} cannot be made ({reason_of(error)}).") from error
    try:
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise BatchError(
            f"Nothing can be written into {out} ({reason_of(error)}): choose another folder."
        ) from error
