"""Models of other laboratories' zoos: fetched once on the user's order, offline afterwards."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from viewer.egress import EgressError, check_egress
from viewer.files.unfinished import unfinished_folder
from viewer.inference.layouts.known import cards, described
from viewer.inference.models.bundle import BundleError
from viewer.inference.models.clips import KNOWN_CLIPS, complete_clip
from viewer.inference.models.encoder_download import hub_url
from viewer.inference.models.model_library import check_allowed, models_folder, unpacked
from viewer.inference.models.zoo_download import REGISTRIES, Fetched, Zoo, ZooRequest
from viewer.limits import DESCRIPTION_BYTES, read_regular
from viewer.prepared_types import prepared
from viewer.processes.helper import HelperEndedError, HelperFailedError, helper

if TYPE_CHECKING:
    from collections.abc import Generator

    from viewer.inference.models.bundle import ModelBundle

_CARD_LENGTH = 4000


class FetchedModel(msgspec.Struct, frozen=True):
    """A model as it came from a zoo, described and not run yet.

    Attributes
    ----------
    path
        Where it lies, for `add_model`.
    source
        The address that it came from.
    card
        What its makers say of it, shortened.
    """

    path: Path
    bundle: ModelBundle
    source: str
    card: str


def zoo_of(name: str) -> tuple[Zoo, str] | None:
    """Return zoo and model of a name such as "wsinfer:NAME"; None where it names no zoo.

    A CLIP that is known by a name of its own needs no zoo before it.
    """
    if name.casefold() in KNOWN_CLIPS:
        return "clip", name.casefold()
    prefix, _, model = name.partition(":")
    zoo = prefix.casefold()
    match zoo:
        case "wsinfer" | "instanseg" | "clip" if model:
            return zoo, model
        case _:
            return None


@contextmanager
def fetched_model(zoo: Zoo, name: str, registry: str = "") -> Generator[FetchedModel]:
    """Download a model and describe it, without running it; it lasts as long as the context.

    Parameters
    ----------
    registry
        Address of another list of the zoo's kind, such as a mirror.

    Raises
    ------
    BundleError
        One sentence says what is wrong and what to do.
    """
    check_allowed()
    known = KNOWN_CLIPS.get(name.casefold()) if zoo == "clip" else None
    if zoo == "clip" and registry:
        raise BundleError("A CLIP lies on a hub, without a list of models: leave --registry out.")
    place = name if known is None else known.repository
    with unfinished_folder(models_folder()) as folder:
        fetched = _downloaded(ZooRequest(zoo, place, registry, str(folder)))
        path = Path(fetched.path)
        if zoo == "clip":
            complete_clip(path, known)
        with unpacked(path) as here:
            bundle, card = described(here), _card(here)
        yield FetchedModel(path, bundle, fetched.source, card)


def _downloaded(request: ZooRequest) -> Fetched:
    """Have the helper fetch it, as it alone reaches the network. Raises BundleError."""
    try:
        check_egress(
            hub_url() if request.zoo == "clip" else request.registry or REGISTRIES[request.zoo]
        )
        answer = helper().start("viewer.inference.models.zoo_download:download", request).wait()
    except (EgressError, HelperEndedError, HelperFailedError) as error:
        raise BundleError(str(error)) from None
    return msgspec.msgpack.decode(answer, type=prepared(Fetched))


def _card(path: Path) -> str:
    """Return what the readme says, without its head and shortened."""
    for file in cards(path):
        if file.suffix.lower() == ".md":
            text = read_regular(file, DESCRIPTION_BYTES).decode("utf-8", "replace").strip()
            if text.startswith("---"):
                text = text[3:].partition("\n---")[2].strip()
            return text[:_CARD_LENGTH]
    return ""
