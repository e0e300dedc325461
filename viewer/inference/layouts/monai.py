"""Bundles of MONAI: metadata.json (in configs) with models/model.ts.

As of the MONAI Bundle specification: `network_data_format` says what the network takes and gives. A
state dict alone needs code of MONAI to be of use, and is refused with the command that exports it.
What the format has no place for is read from "coverslip", by the names of model.json.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.inference.errors import ModelFailedError
from viewer.inference.layouts.reading import (
    bundle_of,
    card_files,
    check_channels,
    check_one_input,
    class_list,
    model_name,
    read_json,
    side_of_square,
    stated_license,
)
from viewer.inference.models.bundle import BundleError
from viewer.inference.models.model_check import try_model
from viewer.untyped import is_mapping, is_sequence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.inference.models.bundle import ModelBundle

NAME = "MONAI"
CARD = "metadata.json"
_WEIGHTS = ("model.onnx", "model.ts")
_STATE = ("model.pt", "model.pth")
_PATCH_PX = 512
_SIZE_DIGITS = 9
_OWN = ("name", "version", "format", "weights", "sha256", "data", "schema_version")
_SCALED: dict[tuple[float, float], tuple[float, float, str]] = {
    (0, 1): (0.0, 1.0, "0-1"), (0, 255): (0.0, 1.0, "0-255"), (-1, 1): (0.5, 0.5, "0-1"),
}  # fmt: skip
"""Mean, deviation and scaling that give values of a range."""


class Format(msgspec.Struct, frozen=True):
    """What an input or output of the network holds."""

    type: str = ""
    format: str = ""
    num_channels: int | None = None
    spatial_shape: list[int | str] = []
    value_range: list[float] = []
    channel_def: dict[str, str] = {}


class Formats(msgspec.Struct, frozen=True):
    """What the network takes and gives, by name."""

    inputs: dict[str, Format]
    outputs: dict[str, Format]


class Metadata(msgspec.Struct, frozen=True):
    """What metadata.json says."""

    network_data_format: Formats
    version: str = "1"
    name: str = ""
    description: str = ""
    references: list[str] = []
    coverslip: dict[str, object] = {}


def recognizes(path: Path) -> bool:
    """Return whether a folder is a bundle, by its metadata and models."""
    return _card(path) is not None and (path / "models").is_dir()


def described(path: Path) -> ModelBundle:
    """Describe a bundle by its metadata. Raises BundleError."""
    card = _card(path)
    if card is None:
        raise BundleError(f"{path.name} holds no {CARD}: it is no bundle of MONAI.")
    name = f"{path.name}/{CARD}"
    about = read_json(card, Metadata)
    weights = _weights(path, card)
    fed = _only_input(about, name)
    given = about.coverslip
    if ours := [key for key in given if key in _OWN]:
        raise BundleError(f"{name} says {ours[0]} under coverslip: it says it elsewhere.")
    if "mpp_um" not in given:
        raise BundleError(
            f"{name} does not say how many micrometers a pixel has: add "
            '"coverslip": {"mpp_um": 0.5} with the right number.'
        )
    return bundle_of(
        weights,
        {
            "name": (about.name or model_name(path))[:80],
            "version": about.version[:40] or "1",
            "format": "onnx" if weights.suffix == ".onnx" else "torchscript",
            "license": stated_license(path),
            "citation": "; ".join(about.references)[:2000],
            "about": about.description[:2000],
            "patch_px": _patch_px(fed, name),
            **_fed_as(fed, name),
            **_answer(about.network_data_format.outputs, given, name),
            **given,
        },
    )


def cards(path: Path) -> Sequence[Path]:
    """Return the metadata, and the readme and license of the bundle."""
    card = _card(path)
    docs = path / "docs"
    beside: list[Path] = [*card_files(path), *(card_files(docs) if docs.is_dir() else [])]
    seen = {each.name: each for each in reversed(beside)}
    return [*([] if card is None else [card]), *seen.values()]


def prove(path: Path, bundle: ModelBundle) -> None:  # noqa: ARG001
    """Feed it once. Raises BundleError or ModelFailedError."""
    try:
        try_model(bundle)
    except ModelFailedError as error:
        hint = '"coverslip" of ' + CARD
        raise ModelFailedError(str(error).replace("model.json", hint)) from error


def _card(path: Path) -> Path | None:
    places = (path / "configs" / CARD, path / CARD)
    return next((each for each in places if each.is_file()), None)


def _weights(path: Path, card: Path) -> Path:
    for name in _WEIGHTS:
        if (path / "models" / name).is_file():
            return path / "models" / name
    state = next((name for name in _STATE if (path / "models" / name).is_file()), None)
    if state is None:
        raise BundleError(f"{path.name} lacks its weights models/model.ts: copy the whole bundle.")
    configs = path / "configs"
    known = ("inference.json", "inference.yaml", "inference.yml")
    config = next((name for name in known if (configs / name).is_file()), "inference.json")
    raise BundleError(
        f"{path.name} has its weights as a state dict alone (models/{state}), which needs code of "
        "MONAI: export it in its folder by `python -m monai.bundle ckpt_export network_def "
        f"--filepath models/model.ts --ckpt_file models/{state} "
        f"--meta_file {card.relative_to(path).as_posix()} --config_file configs/{config}`."
    )


def _only_input(about: Metadata, name: str) -> Format:
    inputs = about.network_data_format.inputs
    check_one_input(len(inputs), name)
    fed = next(iter(inputs.values()))
    check_channels(fed.num_channels, name)
    if len(fed.spatial_shape) != 2:
        raise BundleError(
            f"{name} takes images of {len(fed.spatial_shape)} dimensions: two are known."
        )
    return fed


def _patch_px(fed: Format, name: str) -> int:
    """Return the side that is fixed, or a usual one where the bundle takes several.

    Sizes that a network takes are numbers, or texts such as "*", "256" and "16*n".
    """
    sides: list[int] = []
    for size in fed.spatial_shape:
        text = str(size).replace(" ", "")
        factor = text.removesuffix("*n").removeprefix("n*")
        if _is_size(text):
            sides.append(int(text))
        elif text == "*" or factor == "n":
            sides.append(_PATCH_PX)
        elif _is_size(factor) and factor != text and 0 < int(factor) <= _PATCH_PX:
            sides.append(_PATCH_PX // int(factor) * int(factor))
        elif text.replace("*", "").replace("n", "").isdecimal() and "**" in text:
            sides.append(_PATCH_PX)  # a power, such as "2**p*n"
        else:
            raise BundleError(f"{name} says the spatial_shape {size}, which is not known.")
    return side_of_square(sides[0], sides[1], name)


def _fed_as(fed: Format, name: str) -> dict[str, object]:
    low, high = (*fed.value_range, None, None)[:2]
    known = _SCALED.get((low, high)) if low is not None and high is not None else None
    if known is None:
        raise BundleError(
            f"{name} says that the network takes values of {fed.value_range or 'no known range'}: "
            "0 to 1, 0 to 255 and -1 to 1 are known."
        )
    mean, std, scaling = known
    return {
        "normalization": {"mean": [mean] * 3, "std": [std] * 3}, "input": {"scaling": scaling},
    }  # fmt: skip


def _answer(outputs: dict[str, Format], given: dict[str, object], name: str) -> dict[str, object]:
    """Return task, classes and head by what the network gives."""
    hover = [
        _named(outputs, words) for words in (("nucle", "np"), ("horizontal", "hv"), ("type", "tp"))
    ]
    if len(outputs) == 3 and all(hover):
        kinds = outputs[str(hover[2])].num_channels or 0
        return {
            "task": "instances", "decoder": "hovernet", "outputs": hover, "margin_px": 64,
            "classes": class_list(f"Type {number + 1}" for number in range(kinds - 1)),
            "head": "softmax", **_middle(outputs[str(hover[0])]),
        }  # fmt: skip
    if len(outputs) != 1 and "outputs" not in given:
        raise BundleError(
            f"{name} has several outputs ({', '.join(outputs)}): say which one counts, as "
            f'"coverslip": {{"outputs": ["{next(iter(outputs))}"]}}.'
        )
    named = given.get("outputs")
    asked = map(str, named) if is_sequence(named) or is_mapping(named) else outputs
    wanted = [outputs[each] for each in asked if each in outputs]
    answer = wanted[0] if wanted else next(iter(outputs.values()))
    if not answer.num_channels:
        raise BundleError(f"{name} does not say how many channels its output has (num_channels).")
    names = [answer.channel_def.get(str(n), "") for n in range(answer.num_channels)]
    if answer.channel_def and (len(answer.channel_def) != len(names) or not all(names)):
        raise BundleError(
            f"{name} says num_channels {answer.num_channels} and names "
            f"{len(answer.channel_def)} channels of its output: correct one of them."
        )
    if not all(names):
        names = [f"Class {n + 1}" for n in range(answer.num_channels)]
    sides = [str(side) for side in answer.spatial_shape]
    is_by_patch = answer.format == "classification" and set(sides) <= {"1"}
    return {
        "task": "classification" if is_by_patch else "segmentation",
        "classes": class_list(each[:80] for each in names),
        "head": "softmax" if len(names) > 1 else "logit",
    }


def _named(outputs: dict[str, Format], words: Sequence[str]) -> str | None:
    return next((name for name in outputs if any(word in name for word in words)), None)


def _middle(answer: Format) -> dict[str, object]:
    sides = {str(side) for side in answer.spatial_shape}
    side = next(iter(sides)) if len(sides) == 1 else ""
    return {"answer_px": int(side)} if _is_size(side) else {}


def _is_size(text: str) -> bool:
    return text.isdecimal() and len(text) <= _SIZE_DIGITS
