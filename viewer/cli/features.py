"""`coverslip similar` and `features`: patch features of many slides, searched and exchanged."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import replace

from viewer.cli.output import (
    DeviceOption,
    EncoderOption,
    FileMppOption,
    JsonOption,
    checked_device,
    fail,
    print_json,
    print_table,
    say,
)
from viewer.cli.run_area import box_of
from viewer.plurals import percent

if TYPE_CHECKING:
    from collections.abc import Generator

    from viewer.cohort.features.rows import Encoder
    from viewer.cohort.features.searching import FoundPatch, SearchOptions
    from viewer.cohort.features.store import FeatureStore
    from viewer.geometry import Box
    from viewer.inference.models.bundle import ModelBundle

features_app = typer.Typer(help="Stores of patch features.", no_args_is_help=True)

_Store = Annotated[str, typer.Argument(help="A folder, or an s3:// address.")]
_OfStore = Annotated[
    str, typer.Option("--store", metavar="STORE", help="A folder, or an s3:// address.")
]


def similar(
    slide: Annotated[
        Path | None, typer.Argument(help="The slide with the region; none with --words.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="X,Y,W,H in level-0 pixels.")] = None,
    words: Annotated[
        list[str] | None,
        typer.Option(
            help="Instead of a region: a phrase, of encoders that take words; of several (repeat "
            "the option), the one that fits a patch best counts."
        ),
    ] = None,
    *,
    store: _OfStore,
    encoder: Annotated[
        str,
        typer.Option(
            help="Whose features, where the store holds those of several encoders: a name, or the "
            "folder of the encoder."
        ),
    ] = "",
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
    mpp: FileMppOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Find patches like a region, or that fit words, over all slides of a store."""
    from viewer.cohort.features.errors import FeatureStoreError
    from viewer.cohort.features.searching import SearchOptions
    from viewer.inference.models.bundle import BundleError
    from viewer.inference.runs.running import RunError
    from viewer.slides import SlideError

    checked_device(device)
    if words:
        if slide is not None or region is not None:
            fail("--words says what is looked for instead of a slide and a region: give one.")
    elif slide is None or region is None:
        fail("Say what is looked for: a slide with --region X,Y,W,H, or --words.")
    box = None if region is None else box_of(region)
    options = SearchOptions(
        count, per_slide, "", quality, dict(_attribute(each) for each in where or []),
        is_exact=exact,
    )  # fmt: skip
    try:
        if words:
            found = _fitting(store, encoder, words, options)
        else:
            assert slide is not None
            assert box is not None
            found = _alike(store, encoder, slide, box, mpp, device, options, here=here)
    except (FeatureStoreError, SlideError, BundleError, RunError) as error:
        fail(str(error))
    if json:
        print_json([_found_record(each, phrase) for each, phrase in found])
        return
    if not found:
        say("Nothing like it was found: the store holds no other patches that may be shown.")
    several = words is not None and len(words) > 1
    columns = ("likeness", "slide", "region", "sound tissue", "path")
    rows = [
        (
            f"{each.likeness:.3f}", each.name, _place(each.box), _percent(each.quality), each.path,
            *([phrase] if several else []),
        )
        for each, phrase in found
    ]  # fmt: skip
    print_table((*columns, "words") if several else columns, rows)


def _alike(
    store: str, encoder: str, slide: Path, box: Box, mpp: float | None, device: str,
    options: SearchOptions, *, here: bool,
) -> list[tuple[FoundPatch, str]]:  # fmt: skip
    """Return what is like a region of a slide."""
    from viewer.cohort.features.asking import region_vector
    from viewer.cohort.features.searching import find_similar

    with _encoder_of(store, encoder) as (kept, of, bundle):
        key, wanted = region_vector(kept, of, slide, box, mpp, device, bundle)
        options = replace(options, but="" if here else key)
        return [(each, "") for each in find_similar(kept, of, wanted, options)]


def _fitting(
    store: str, encoder: str, words: list[str], options: SearchOptions
) -> list[tuple[FoundPatch, str]]:
    """Return what phrases fit, with the phrase that fits best."""
    from viewer.cohort.features.asking import find_by_words, installed_encoder
    from viewer.inference.runs.word_classes import word_vectors

    with _encoder_of(store, encoder) as (kept, of, bundle):
        said = word_vectors(bundle or installed_encoder(of), words)
        for sentence in said.troubles():
            say(sentence)
        return find_by_words(kept, of, said, options)


@contextmanager
def _encoder_of(
    store: str, encoder: str
) -> Generator[tuple[FeatureStore, Encoder, ModelBundle | None]]:
    """Give a store, whose features are searched, and the encoder where its folder is named."""
    from viewer.cohort.features.store import FeatureStore
    from viewer.inference.models.model_library import opened_model

    kept = FeatureStore(store)
    if not encoder or not Path(encoder).exists():
        yield kept, kept.encoder(encoder), None
        return
    with opened_model(encoder) as bundle:
        yield kept, kept.encoder(bundle.key), bundle


@features_app.command("list")
def list_features(
    store: _Store,
    json: JsonOption = False,
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

        print_json(
            [row | {"attributes": msgspec.json.decode(str(row["attributes"]))} for row in rows]
        )
        return
    shown = ("encoder", "name", "patches", "length", "path")
    print_table(shown, [tuple(str(row[name]) for name in shown) for row in rows])


@features_app.command("export")
def export_features(
    store: _Store,
    folder: Annotated[Path, typer.Argument(help="Where SLIDE.h5 of each slide goes.")],
    encoder: EncoderOption = "",
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


def _attribute(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        fail(f'--where takes NAME=VALUE, such as stain=H&E, not "{text}".')
    return name, value


def _found_record(found: FoundPatch, phrase: str) -> dict[str, object]:
    box = found.box
    return {
        "slide": found.path, "name": found.name, "key": found.slide,
        "region": [box.x0, box.y0, box.width, box.height],
        "likeness": round(found.likeness, 6),
        "quality": None if found.quality != found.quality else round(found.quality, 4),
        **({"words": phrase} if phrase else {}),
    }  # fmt: skip


def _place(box: Box) -> str:
    # Rounded as whole numbers, which have no "-0".
    return ",".join(f"{round(each)}" for each in (box.x0, box.y0, box.width, box.height))


def _percent(quality: float) -> str:
    return "" if quality != quality else percent(quality)
