"""`coverslip embed`, `similar` and `features`: patch features of many slides, kept and searched."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path  # noqa: TC003 - typer reads it
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli.output import (
    EXIT_INCOMPLETE,
    Unconfined,
    checked_device,
    fail,
    numbers,
    print_json,
    print_table,
    say,
)

if TYPE_CHECKING:
    from viewer.cohort.features.embedding import SlideOutcome
    from viewer.cohort.features.searching import FoundPatch
    from viewer.geometry import Box
    from viewer.inference.runs.engine import Progress

features_app = typer.Typer(help="Stores of patch features.", no_args_is_help=True)

_Store = Annotated[
    str,
    typer.Option(metavar="STORE", help="A folder, or an s3:// address; made when absent."),
]
_OfStore = Annotated[
    str, typer.Option("--store", metavar="STORE", help="A folder, or an s3:// address.")
]
_Encoder = Annotated[
    str, typer.Option(help="Whose features, where the store holds those of several encoders.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Mpp = Annotated[
    float | None, typer.Option(help="um per pixel of slides that tell none.", min=0.001)
]
_Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]


def embed(
    encoder: Annotated[
        str,
        typer.Argument(help="Name of an encoder, such as tissue-likeness, or its folder."),
    ],
    slides: Annotated[
        list[Path],
        typer.Argument(
            metavar="SLIDE... | PROJECT", help="Slides, folders of them, lists and projects."
        ),
    ],
    store: _Store,
    features: Annotated[
        Path | None,
        typer.Option(
            help="A folder of features that this encoder made elsewhere, SLIDE.h5 of each slide "
            "(TRIDENT, CLAM); they are taken in and nothing is computed."
        ),
    ] = None,
    attributes: Annotated[
        Path | None,
        typer.Option(
            help="CSV with a column slide, names or paths, and others that `similar --where` and "
            "the gallery can ask for, such as stain."
        ),
    ] = None,
    mpp: _Mpp = None,
    device: _Device = "auto",
    quality: Annotated[
        bool, typer.Option(help="Have Tissue quality look at each slide, too.")
    ] = True,
    unconfined: Unconfined = False,
    json: _Json = False,
) -> None:
    """Embed the patches of slides by an encoder, and keep their features; each slide once.

    What is kept already is not computed again: the same command goes on where it was ended. Exit
    code 1 where a slide failed; the others are embedded.
    """
    from viewer.cohort.features.embedding import EmbedOptions, embed_slides, encoder_of
    from viewer.cohort.features.errors import FeatureStoreError
    from viewer.cohort.features.searching import keep_index
    from viewer.cohort.features.store import FeatureStore
    from viewer.cohort.slides import named_slides
    from viewer.inference.models.bundle import BundleError
    from viewer.inference.models.model_library import opened_model
    from viewer.inference.process.confinement_policy import allow_unconfined

    checked_device(device)
    if features is not None and not features.is_dir():
        fail(f"{features} is no folder: --features takes the folder of SLIDE.h5 files.")
    told = _read_attributes(attributes) if attributes is not None else {}
    if unconfined:
        allow_unconfined()
    named = named_slides(slides)
    for sentence in named.problems:
        say(sentence)
    if not named.slides:
        if not named.problems:
            fail("There are no slides to embed: name slides, a folder of them, or a project.")
        sys.exit(EXIT_INCOMPLETE if named.missing else 2)
    names = {name for path, name in named.slides} | {str(path) for path, _ in named.slides}
    for name in told.keys() - names:
        say(f"{attributes}: there is no slide {name} among those to embed.")
    options = EmbedOptions(mpp, device, features, quality, told)
    outcomes: list[SlideOutcome] = []
    try:
        with opened_model(encoder) as bundle, _Bar(len(named.slides)) as bar:
            encoder_of(bundle, 0)
            kept = FeatureStore(store, writes=True)
            outcomes = embed_slides(bundle, named.slides, kept, options, bar)
            if any(outcome.state == "done" for outcome in outcomes):
                keep_index(kept, kept.encoder(bundle.key))
    except (BundleError, FeatureStoreError) as error:
        fail(str(error))
    if json:
        print_json([_outcome_record(outcome) for outcome in outcomes])
    if named.problems or any(outcome.state == "failed" for outcome in outcomes):
        sys.exit(EXIT_INCOMPLETE)


def similar(
    slide: Annotated[Path, typer.Argument(help="The slide with the region.")],
    region: Annotated[str, typer.Option(help="X,Y,W,H in level-0 pixels.")],
    store: _OfStore,
    encoder: _Encoder = "",
    count: Annotated[int, typer.Option(help="Patches, at most.", min=1, max=1000)] = 24,
    per_slide: Annotated[
        int, typer.Option(help="Patches of one slide, at most; 0 for any number.", min=0)
    ] = 4,
    here: Annotated[bool, typer.Option("--here", help="Look on this slide, too.")] = False,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Only slides with this attribute, such as stain=H&E; repeatable.",
        ),
    ] = None,
    quality: Annotated[
        float, typer.Option(help="Share of sound tissue in a patch, at least.", min=0, max=1)
    ] = 0.0,
    exact: Annotated[
        bool, typer.Option("--exact", help="Compare every patch, however long that takes.")
    ] = False,
    mpp: _Mpp = None,
    device: _Device = "auto",
    json: _Json = False,
) -> None:
    """Find patches like a region, over all slides of a store."""
    from viewer.cohort.features.asking import region_vector
    from viewer.cohort.features.errors import FeatureStoreError
    from viewer.cohort.features.searching import SearchOptions, find_similar
    from viewer.cohort.features.store import FeatureStore
    from viewer.geometry import Box
    from viewer.inference.models.bundle import BundleError
    from viewer.inference.runs.running import RunError
    from viewer.slides import SlideError

    checked_device(device)
    advice = "--region takes X,Y,W,H in level-0 pixels, such as 1000,800,512,512."
    x, y, width, height = numbers(region, 4, advice)
    if width <= 0 or height <= 0:
        fail(advice)
    attributes = dict(_attribute(each) for each in where or [])
    try:
        kept = FeatureStore(store)
        of = kept.encoder(encoder)
        key, wanted = region_vector(kept, of, slide, Box(x, y, x + width, y + height), mpp, device)
        options = SearchOptions(
            count, per_slide, "" if here else key, quality, attributes, is_exact=exact
        )
        found = find_similar(kept, of, wanted, options)
    except (FeatureStoreError, SlideError, BundleError, RunError) as error:
        fail(str(error))
    if json:
        print_json([_found_record(each) for each in found])
        return
    if not found:
        say("Nothing like it was found: the store holds no other patches that may be shown.")
    rows = [
        (
            f"{each.likeness:.3f}",
            each.name,
            _place(each.box),
            _percent(each.quality),
            each.path,
        )
        for each in found
    ]
    print_table(("likeness", "slide", "region", "sound tissue", "path"), rows)


@features_app.command("list")
def list_features(
    store: Annotated[str, typer.Argument(help="A folder, or an s3:// address.")],
    json: _Json = False,
) -> None:
    """List the encoders and slides of a store."""
    from viewer.cohort.features.errors import FeatureStoreError
    from viewer.cohort.features.store import FeatureStore

    try:
        kept = FeatureStore(store)
        rows = [
            {
                "encoder": of.name, "version": of.version, "encoder_key": of.key,
                "length": of.length, "name": row["name"], "slide": key, "path": row["path"],
                "patches": row["patches"], "mpp_um": row["mpp_um"], "at_utc": row["at_utc"],
                "attributes": row["attributes"],
            }
            for of in kept.encoders()
            for key, row in sorted(kept.slides(of).items(), key=lambda each: each[1]["name"])
        ]  # fmt: skip
    except FeatureStoreError as error:
        fail(str(error))
    if json:
        import msgspec

        print_json([row | {"attributes": msgspec.json.decode(row["attributes"])} for row in rows])
        return
    shown = ("encoder", "name", "patches", "length", "path")
    print_table(shown, [tuple(str(row[name]) for name in shown) for row in rows])


@features_app.command("export")
def export_features(
    store: Annotated[str, typer.Argument(help="A folder, or an s3:// address.")],
    folder: Annotated[Path, typer.Argument(help="Where SLIDE.h5 of each slide goes.")],
    encoder: _Encoder = "",
    layout: Annotated[str, typer.Option(help="Whose layout: trident or clam.")] = "trident",
) -> None:
    """Write the features of a store as the files that TRIDENT and CLAM read."""
    from viewer.cohort.features.errors import FeatureStoreError
    from viewer.cohort.features.exchange import write_features
    from viewer.cohort.features.store import FeatureStore

    if layout not in ("trident", "clam"):
        fail(f'--layout takes trident or clam, not "{layout}".')
    if folder.exists() and not folder.is_dir():
        fail(f"{folder} is a file: give a folder.")
    try:
        kept = FeatureStore(store)
        for path in write_features(kept, kept.encoder(encoder), folder, layout):
            typer.echo(path)
    except FeatureStoreError as error:
        fail(str(error))


# ---------------------------------------------------------------------------------------------


class _Bar:
    """How far an embedding is, on stderr: a line for each slide, and a bar where it is seen."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        self._bars = Progress(*columns, console=Console(stderr=True), transient=True)
        self._total, self._done = total, 0
        self._task = self._bars.add_task("", total=total)

    def __enter__(self) -> _Bar:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def on_begin(self, name: str) -> None:
        self._bars.update(self._task, description=name)

    def on_progress(self, progress: Progress) -> None:
        share = progress.done / progress.total if progress.total else 0.0
        self._bars.update(self._task, completed=self._done + share)

    def on_slide(self, outcome: SlideOutcome) -> None:
        self._done += 1
        self._bars.update(self._task, completed=self._done)
        place = f"{self._done}/{self._total} {outcome.name}"
        what = {"before": "embedded before", "failed": outcome.error}
        say(f"{place}: {what.get(outcome.state) or f'{outcome.patches:,} patches'}")
        for note in outcome.notes:
            say(f"{place}: {note}")


def _read_attributes(path: Path) -> dict[str, dict[str, str]]:
    """Return the attributes of slides, by name or path; ends the command where it cannot."""
    from viewer.limits import JSON_BYTES, read_regular

    try:
        text = read_regular(path, JSON_BYTES).decode("utf-8-sig")
        head = text.partition("\n")[0]
        table = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count))
        rows = [[cell.strip() for cell in row] for row in table if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is no CSV in UTF-8"
        fail(f"{path} cannot be read ({reason}).")
    names = rows[0] if rows else []
    at = next((index for index, name in enumerate(names) if name.casefold() == "slide"), None)
    if at is None:
        fail(f'{path} has no column "slide": give names or paths of slides there.')
    others = [(index, name) for index, name in enumerate(names) if name and index != at]
    return {
        row[at]: {name: row[index] if index < len(row) else "" for index, name in others}
        for row in rows[1:]
        if len(row) > at and row[at]
    }


def _attribute(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        fail(f'--where takes NAME=VALUE, such as stain=H&E, not "{text}".')
    return name, value


def _outcome_record(outcome: SlideOutcome) -> dict[str, object]:
    return {
        "slide": str(outcome.path), "name": outcome.name, "key": outcome.slide or None,
        "state": outcome.state, "patches": outcome.patches, "error": outcome.error or None,
        "notes": outcome.notes,
    }  # fmt: skip


def _found_record(found: FoundPatch) -> dict[str, object]:
    box = found.box
    return {
        "slide": found.path, "name": found.name, "key": found.slide,
        "region": [box.x0, box.y0, box.width, box.height],
        "likeness": round(found.likeness, 6),
        "quality": None if found.quality != found.quality else round(found.quality, 4),
    }  # fmt: skip


def _place(box: Box) -> str:
    return f"{box.x0:.0f},{box.y0:.0f},{box.width:.0f},{box.height:.0f}"


def _percent(quality: float) -> str:
    return "" if quality != quality else f"{quality:.0%}"
