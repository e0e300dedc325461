"""What the commands of agents have in common: their options, and the policy made from them."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from viewer.cli.output import checked_device, fail
from viewer.errors import reason_of
from viewer.limits import JSON_BYTES, read_regular
from viewer.recording.agent_modes import AGENT_PREFIX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.agents.endpoint import Endpoint
    from viewer.agents.permission import Permission
    from viewer.agents.policy_choice import PolicyChoice
    from viewer.agents.reading import ReadingOptions
    from viewer.annotations.annotation import Annotation

_MOST_PROBLEMS = 20
KEY_VARIABLE = "COVERSLIP_MODEL_KEY"
"""Holds the key of the model's server for one run, where there is no keyring."""

PolicyOption = Annotated[
    str,
    typer.Option(
        help="local: no language model. predictor: proposals, then a model reasons. "
        "giant: the model chooses every crop. Baselines: thumbnail, patch."
    ),
]
UrlOption = Annotated[
    str | None, typer.Option(help="Address of the model's server; by default as in the settings.")
]
ModelOption = Annotated[str | None, typer.Option(help="The model, as its server knows it.")]
StudyOption = Annotated[
    str, typer.Option(help="What the permission to send pictures is given for.")
]
PermitOption = Annotated[
    bool, typer.Option("--permit", help="Allow pictures of this study's slides to be sent.")
]
AskKeyOption = Annotated[
    bool, typer.Option("--ask-key", help="Ask for the server's key; it goes to the keyring.")
]
StepsOption = Annotated[int, typer.Option(help="Moves and measurements at most.", min=1, max=1000)]
RegionsOption = Annotated[int, typer.Option(help="Proposals that are gone to.", min=1, max=50)]
CropOption = Annotated[
    int | None, typer.Option(help="Longest side of what giant and thumbnail see, px.", min=64)
]
SystemOption = Annotated[
    Path | None, typer.Option(help="A text file: the role given to the model.")
]
PredictorOption = Annotated[
    str | None, typer.Option(help="Predictor that proposes; tissue and nuclei by default.")
]
TissueOption = Annotated[
    str | None, typer.Option(help="Model of tissue classes that fits the organ.")
]


def wanted_policy(
    policy: str,
    regions: int,
    crop_px: int | None,
    system: Path | None,
    predictor: str | None,
    url: str | None,
    model: str | None,
    study: str,
    permit: bool,
    ask_key: bool,
) -> PolicyChoice:
    from viewer.agents.errors import AgentError
    from viewer.agents.policy_choice import POLICIES, PolicyChoice

    plugin = None
    if policy not in POLICIES:
        from viewer.agents.plugins.plugin_names import find_plugin, is_offered, named_plugins

        if not is_offered(policy):
            names = (*POLICIES, *named_plugins())
            fail(f'There is no policy "{policy}": there are {", ".join(names)}.')
        plugin = find_plugin(policy)
    prompt = None
    if system is not None:
        try:
            prompt = read_regular(system, JSON_BYTES).decode()
        except OSError as error:
            raise AgentError(f"{system} cannot be read ({reason_of(error)}).") from error
        except UnicodeError as error:
            raise AgentError(f"{system} cannot be read ({error}).") from error
    proposer = None
    if predictor is not None:
        from viewer.agents.trained_proposals import trained_proposer  # brings torch

        proposer = trained_proposer(predictor)
    choice = PolicyChoice(policy, regions, crop_px, prompt, proposer)
    if policy == "local":
        return choice
    if plugin is not None:
        choice = replace(choice, plugin=plugin)
        if url is None and model is None and not permit:
            return choice  # it has to do without a model server
    endpoint = _endpoint(url, model)
    permission = _permission(endpoint, study, permit=permit)
    return replace(
        choice,
        endpoint=endpoint,
        study=study,
        permission=permission,
        key=_key(endpoint, ask=ask_key),
    )


def _endpoint(url: str | None, model: str | None) -> Endpoint:
    import msgspec

    from viewer.agents.endpoint import load_endpoint

    endpoint = load_endpoint()
    if url is not None:
        endpoint = msgspec.structs.replace(endpoint, base_url=url)
    if model is not None:
        endpoint = msgspec.structs.replace(endpoint, model=model)
    endpoint.check()
    return endpoint


def _permission(endpoint: Endpoint, study: str, *, permit: bool) -> Permission:
    """Return the permission that was given before, or is given now with --permit."""
    from viewer.agents.permission import PermissionBook, check_permitted, what_will_be_sent

    book = PermissionBook()
    known = book.find(study, endpoint.host)
    if known is None and not permit:
        for line in what_will_be_sent(endpoint, study):
            typer.echo(line, err=True)
        fail("Nothing was sent. Add --permit to allow it, once for this study and host.")
    given = known or book.give(study, endpoint.host)
    check_permitted(endpoint, study, given)
    return given


def _key(endpoint: Endpoint, *, ask: bool) -> str | None:
    """From the keyring, or for this run only from the environment; never shown."""
    from viewer.agents.chat.keys import Keys
    from viewer.agents.endpoint import check_key

    keys = Keys()
    if ask:
        typed = typer.prompt("Key", hide_input=True, err=True)
        check_key(typed, endpoint.host)
        problem = keys.set(endpoint.host, typed)
        if problem:
            typer.echo(problem, err=True)
    key = keys.key_of(endpoint.host) or os.environ.get(KEY_VARIABLE) or None
    check_key(key, endpoint.host)
    return key


def reading_options(
    policy: str,
    steps: int,
    mpp_um: float | None,
    device: str,
    tissue: str | None,
    annotations: Path | None,
    slide: Path | None = None,
) -> ReadingOptions:
    """Return how an agent reads; `slide` is that of the annotations."""
    from viewer.agents.reading import ReadingOptions

    checked_device(device)
    checked_tissue(tissue)
    read = _annotations(annotations, slide) if annotations else ()
    return ReadingOptions(
        steps, f"{AGENT_PREFIX}{policy}", mpp_um, device, tissue, lambda _identity: read
    )


def checked_tissue(tissue: str | None) -> None:
    """Raise AgentError where a name is not that of a model of tissue classes."""
    from viewer.agents.errors import AgentError
    from viewer.inference.models.bundle import BundleError
    from viewer.inference.models.model_library import find_model
    from viewer.inference.tasks.known import TASKS

    if tissue is None:
        return
    try:
        found = find_model(tissue)
    except BundleError as error:
        raise AgentError(str(error)) from error
    if TASKS[found.task].explains != "tile":
        raise AgentError(
            f"{found.name} names no tissue: --tissue takes a model of the task classification."
        )


def _annotations(path: Path, slide: Path | None) -> Sequence[Annotation]:
    """Return the annotations of a file where they lie on the slide; say what is wrong with it."""
    from viewer.agents.errors import AgentError
    from viewer.annotations.formats.exchange import read_all
    from viewer.annotations.formats.problems import AnnotationFileError, Problems
    from viewer.annotations.formats.slide_place import SlidePlace
    from viewer.cli.opening import opened_slide
    from viewer.slides import SlideError

    problems = Problems()
    try:
        place = None
        if slide is not None:
            with closing(opened_slide(slide)) as source:
                place = SlidePlace.of(source)
        read = read_all(path, problems, slide=place)
    except (AnnotationFileError, SlideError) as error:
        raise AgentError(str(error)) from error
    for problem in problems[:_MOST_PROBLEMS]:
        typer.echo(f"{path.name}: {problem}", err=True)
    return read
