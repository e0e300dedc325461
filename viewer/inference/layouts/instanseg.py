"""InstanSeg networks: instanseg.pt, alone or as exported for bioimage.io with rdf.yaml.

Fed values between two percentiles of the image, they answer with label maps: nuclei, or nuclei
and cells. Their pixel size is an attribute of the TorchScript, and in rdf.yaml for QuPath.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from viewer.inference.layouts.reading import (
    bundle_of,
    card_files,
    class_list,
    model_name,
    stated_license,
)
from viewer.inference.layouts.script_facts import script_facts
from viewer.inference.layouts.yaml_file import read_yaml
from viewer.inference.models.bundle import BundleError
from viewer.inference.models.model_check import try_model
from viewer.prepared_types import prepared

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.inference.models.bundle import ModelBundle

NAME = "InstanSeg"
WEIGHTS, CARD = "instanseg.pt", "rdf.yaml"
_PATCH_PX, _MARGIN_PX = 512, 64
"""A nucleus or cell up to 64 px across lies whole in the block or its margin."""
_SAME_SIZE = 0.01
_MICROMETER = ("um", "µm", "micrometer", "micron")
_CHANNELS = 3
_CITATION = "Goldsborough et al. 2024, arXiv:2408.15954"
_PERCENTILES = (0.1, 99.9)


class Axis(msgspec.Struct, frozen=True):
    """The step of an axis, as QuPath reads it."""

    step: float = math.nan
    unit: str = "um"


class QuPathConfig(msgspec.Struct, frozen=True):
    """What the export says for QuPath."""

    axes: list[Axis] = []


class Config(msgspec.Struct, frozen=True):
    """What the export says for other programs."""

    qupath: QuPathConfig = QuPathConfig()


class Range(msgspec.Struct, frozen=True):
    """Percentiles between which values are scaled."""

    min_percentile: float = _PERCENTILES[0]
    max_percentile: float = _PERCENTILES[1]
    axes: str | list[str] = "xy"


class Step(msgspec.Struct, frozen=True):
    """A step before the network."""

    name: str = ""
    id: str = ""
    kwargs: Range = Range()


class Sizes(msgspec.Struct, frozen=True):
    """The sizes that an input may have."""

    min: list[int] = []
    step: list[int] = []


class InputAxis(msgspec.Struct, frozen=True):
    """An axis as of version 0.5 of the format."""

    type: str = ""
    channel_names: list[str] | None = None


class Input(msgspec.Struct, frozen=True):
    """What the network is fed."""

    shape: Sizes | list[int] = []
    axes: str | list[InputAxis] = ""
    preprocessing: list[Step] = []


class Citation(msgspec.Struct, frozen=True):
    """Whom to cite."""

    text: str = ""


class Card(msgspec.Struct, frozen=True):
    """What rdf.yaml says that counts here."""

    name: Annotated[str, Meta(min_length=1)] = ""
    version: str | float | None = None
    license: str = ""
    inputs: list[Input] = []
    config: Config = Config()
    cite: list[Citation] = []


def recognizes(path: Path) -> bool:
    """Return whether a path is instanseg.pt or a folder that holds it."""
    return (path / WEIGHTS).exists() or (path.name == WEIGHTS and path.is_file())


def described(path: Path) -> ModelBundle:
    """Describe it by its attributes and rdf.yaml, which have to agree. Raises BundleError."""
    folder = path if path.is_dir() else path.parent
    weights, facts = folder / WEIGHTS, script_facts(folder / WEIGHTS)
    card = _card(folder / CARD)
    _check_channels(card, folder.name)
    low, high = _percentiles(card, folder.name)
    has_cells = bool(facts.get("cells_and_nuclei", False))
    about: dict[str, object] = {
        "name": (card.name or model_name(folder))[:80],
        "version": str(card.version or "1")[:40],
        "task": "instances",
        "mpp_um": _pixel_um(card, facts, folder.name),
        "patch_px": _PATCH_PX,
        "margin_px": _MARGIN_PX,
        "classes": class_list(["Nucleus", "Cell"] if has_cells else ["Nucleus"]),
        "input": {"scaling": "percentiles", "percentiles": (low, high)},
        "decoder": "labels",
        "format": "torchscript",
        "license": card.license[:200] or stated_license(folder),
        "citation": "; ".join(each.text for each in card.cite if each.text) or _CITATION,
        "about": "InstanSeg network. Its license may not cover the data that it was trained on.",
    }
    return bundle_of(weights, about)


def cards(path: Path) -> Sequence[Path]:
    """Return the readme, license and rdf.yaml."""
    folder = path if path.is_dir() else path.parent
    card = folder / CARD
    return [*card_files(folder), *([card] if card.is_file() else [])]


def prove(path: Path, bundle: ModelBundle) -> None:  # noqa: ARG001
    """Feed it once: it must answer with a label map for each class."""
    try_model(bundle)


def _card(path: Path) -> Card:
    if not path.exists():
        return Card()
    try:
        return msgspec.convert(read_yaml(path), prepared(Card), strict=False)
    except msgspec.ValidationError as error:
        raise BundleError(f"{path.parent.name}/{CARD} is invalid: {error}.") from error


def _pixel_um(card: Card, facts: dict[str, float | bool], name: str) -> float:
    """Return the micrometers per pixel that card and network agree on."""
    stated = [each.step for each in card.config.qupath.axes]
    if own := facts.get("pixel_size"):
        stated.append(float(own))
    if any(each.unit not in _MICROMETER for each in card.config.qupath.axes):
        raise BundleError(f"{name}/{CARD} gives the pixel size in another unit than um.")
    known = [each for each in stated if each > 0 and math.isfinite(each)]
    if not known:
        raise BundleError(
            f"{name} does not say its pixel size: neither {WEIGHTS} nor {CARD} has one, so it is "
            "not known at what scale it is to be fed."
        )
    if max(known) > min(known) * (1 + _SAME_SIZE):
        raise BundleError(
            f"{name} says two pixel sizes, {min(known):g} and {max(known):g} um: correct {CARD}."
        )
    return known[0]


def _check_channels(card: Card, name: str) -> None:
    """Refuse networks for other channels than red, green and blue. Raises BundleError."""
    for given in card.inputs:
        sizes = given.shape.min if isinstance(given.shape, Sizes) else given.shape
        steps = given.shape.step if isinstance(given.shape, Sizes) else []
        is_free = len(steps) > 1 and steps[1] > 0
        counts = sizes[1:2]
        if not isinstance(given.axes, str):
            counts += [
                len(axis.channel_names or []) for axis in given.axes if axis.type == "channel"
            ]
        if is_free or any(count != _CHANNELS for count in counts):
            what = "any number of channels" if is_free else f"{counts[0]} channels"
            raise BundleError(
                f"{name} takes {what}, as of fluorescence: Coverslip feeds red, green and blue."
            )


def _percentiles(card: Card, name: str) -> tuple[float, float]:
    steps = [step for given in card.inputs for step in given.preprocessing]
    if not steps:
        return _PERCENTILES
    names = [step.name or step.id for step in steps]
    if names != ["scale_range"]:
        raise BundleError(
            f"{name}/{CARD} asks for {', '.join(names)} before the network: scale_range is known."
        )
    if any(axis in ("c", "channel") for axis in steps[0].kwargs.axes):
        raise BundleError(
            f"{name}/{CARD} takes the percentiles of all channels together: those of each channel "
            "are known."
        )
    return steps[0].kwargs.min_percentile, steps[0].kwargs.max_percentile
