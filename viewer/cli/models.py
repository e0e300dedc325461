"""`coverslip models`: the models at hand."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli.output import (
    JsonOption,
    Unconfined,
    fail,
    print_json,
    print_record,
    print_table,
    say,
)

if TYPE_CHECKING:
    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.models.zoo_download import Zoo
    from viewer.overlays.earlier_results import EarlierResults
    from viewer.slides import SlideSource

models_app = typer.Typer(help="Models that find things on slides.", no_args_is_help=True)

_Model = Annotated[
    Path, typer.Argument(help="A model of any known layout (docs/models.md): folder, file or zip.")
]


@models_app.command("list")
def list_models(json: JsonOption = False) -> None:
    """List the models at hand."""
    from viewer.inference.models.model_library import all_models

    problems: list[str] = []
    records = [_record(bundle) for bundle in all_models(problems)]
    for problem in problems:
        say(f"A model is left out: {problem}")
    if json:
        print_json(records)
        return
    columns = ("name", "version", "task", "mpp_um", "license")
    print_table(columns, [tuple(str(record[name]) for name in columns) for record in records])


@models_app.command()
def check(model: _Model, unconfined: Unconfined = False, json: JsonOption = False) -> None:
    """Load a model and let it work once, without adding it."""
    from viewer.inference.layouts.known import checked_model
    from viewer.inference.models.bundle import BundleError
    from viewer.inference.models.model_library import unpacked
    from viewer.inference.process.confinement_policy import allow_unconfined

    if unconfined:
        allow_unconfined()
    try:
        with unpacked(model) as folder:
            bundle = checked_model(folder)
    except BundleError as error:
        fail(str(error))
    print_record(_record(bundle) | {"folder": str(model)}, json=json)


@models_app.command()
def add(
    model: _Model,
    unconfined: Unconfined = False,
    json: JsonOption = False,
) -> None:
    """Let a model work once, and copy it to the models at hand if it does."""
    from viewer.inference.models.bundle import BundleError
    from viewer.inference.models.model_library import add_model
    from viewer.inference.process.confinement_policy import allow_unconfined

    if unconfined:
        allow_unconfined()
    try:
        bundle = add_model(model, tries=True)
    except BundleError as error:
        fail(str(error))
    print_record(_record(bundle), json=json)


@models_app.command()
def remove(
    name: Annotated[str, typer.Argument(help="The model's name, or that of its folder.")],
    version: Annotated[
        str | None, typer.Option(help="Its version, where there are several.")
    ] = None,
) -> None:
    """Remove a model that was added; those that came with Coverslip stay."""
    from viewer.inference.models.bundle import BundleError
    from viewer.inference.models.model_library import remove_model

    try:
        bundle = remove_model(name, version)
    except BundleError as error:
        fail(str(error))
    typer.echo(f"{bundle.name} {bundle.version} was removed.")


@models_app.command()
def fetch(
    name: Annotated[
        str,
        typer.Argument(
            help="An encoder or CLIP, such as phikon-v2 or plip (see --list), clip:OWNER/NAME, "
            "wsinfer:NAME or instanseg:NAME."
        ),
    ] = "",
    token: Annotated[
        str | None,
        typer.Option(
            help="Your token of the hub, for encoders that ask for one.", envvar="HF_TOKEN"
        ),
    ] = None,
    merge: Annotated[
        int,
        typer.Option(help="Patches to merge in each block: quicker, a little less exact.", min=0),
    ] = 0,
    registry: Annotated[
        str, typer.Option(help="Address of a zoo's list of models, such as a mirror's.")
    ] = "",
    show: Annotated[
        bool, typer.Option("--list", help="List the encoders and CLIPs that are known.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Download a model of another laboratory once; it works offline afterwards."""
    from viewer.inference.models.bundle import BundleError
    from viewer.inference.models.clips import KNOWN_CLIPS
    from viewer.inference.models.encoders import KNOWN_ENCODERS, fetch_encoder
    from viewer.inference.models.zoos import zoo_of

    if show or not name:
        columns = ("name", "repository", "token", "license")
        rows = [
            (key, known.repository, "needed" if known.is_gated else "", known.license)
            for key, known in KNOWN_ENCODERS.items()
        ] + [(key, known.repository, "", known.license) for key, known in KNOWN_CLIPS.items()]
        print_table(columns, rows)
        return
    try:
        if zoo := zoo_of(name):
            if merge:
                fail(f"--merge is for encoders: {name} is fetched as it is.")
            _fetch_from_zoo(*zoo, registry, json=json)
            return
        known = KNOWN_ENCODERS.get(name.casefold())
        if known is None:
            fail(
                f'There is no encoder "{name}"; known are '
                f"{', '.join((*KNOWN_ENCODERS, *KNOWN_CLIPS))}, and others as clip:OWNER/NAME, "
                "wsinfer:NAME and instanseg:NAME."
            )
        bundle = fetch_encoder(known, token, merge)
    except BundleError as error:
        fail(str(error))
    print_record(_record(bundle), json=json)


def _fetch_from_zoo(zoo: Zoo, name: str, registry: str, *, json: bool) -> None:
    """Show checksum, license and card of a model of a zoo, and add it after that."""
    from viewer.inference.models.model_library import add_model
    from viewer.inference.models.zoos import fetched_model
    from viewer.plain_text import shown_text

    with fetched_model(zoo, name, registry) as fetched:
        about = fetched.bundle.description
        record = {
            **_record(fetched.bundle),
            "sha256": about.sha256,
            "source": fetched.source,
        }
        del record["folder"]
        card = shown_text(fetched.card)
        if not json:
            print_record(record, json=False)
            typer.echo(f"\n{card}\n" if card else "It came without a card.")
        bundle = add_model(fetched.path)
    if json:
        print_json(record | {"card": card, "folder": str(bundle.folder)})
    else:
        typer.echo(f'Added: run it with coverslip run "{bundle.name}" SLIDE.')


@models_app.command("results")
def list_results(
    slide: Annotated[Path, typer.Argument(help="The slide.")], json: JsonOption = False
) -> None:
    """List what earlier versions of Coverslip found on a slide; it is not used any more."""
    from viewer.cli.opening import opened_slide
    from viewer.slides import SlideError

    try:
        with closing(opened_slide(slide)) as source:
            found = _earlier(source)
    except SlideError as error:
        fail(str(error))
    if json:
        print_json(
            [
                {
                    "model": each.model,
                    "mpp_um": each.mpp_um,
                    "tiles": each.tiles,
                    "objects": each.objects,
                    "made_by": "an earlier version",
                    "file": str(each.path),
                }
                for each in found
            ]
        )
        return
    for each in found:
        typer.echo(f"{each.sentence}: run the model again.")
    if not found:
        typer.echo("Earlier versions kept no results of this slide.")


def _earlier(source: SlideSource) -> list[EarlierResults]:
    from viewer.inference.models.bundle import STEPS_VERSION
    from viewer.overlays.earlier_results import earlier_results

    naming = source.info.naming
    names = () if naming is None else naming.former_names
    return earlier_results(source.info.identity, names, STEPS_VERSION)


def _record(bundle: ModelBundle) -> dict[str, object]:
    import msgspec

    about = bundle.description
    taught = msgspec.to_builtins(about.teaching)
    return {
        "name": about.name,
        "version": about.version,
        "task": about.task,
        "mpp_um": about.mpp_um,
        "classes": [name for name, _ in bundle.colors],
        "license": about.license,
        "citation": about.citation,
        "folder": str(bundle.folder),
        **({} if taught is None else {"taught": taught}),
    }
