"""Models of the WSInfer zoo: config.json beside torchscript_model.pt.

As of its model-config schema 1.0. WSInfer reads a patch of `patch_size_pixels` at `spacing_um_px`
through Pillow's bicubic filter, applies the transforms of torchvision, and takes the softmax of
several classes or the sigmoid of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from viewer.inference.layouts.reading import (
    bundle_of,
    card_files,
    class_list,
    model_name,
    read_json,
    stated_license,
    three_numbers,
)
from viewer.inference.models.bundle import BundleError
from viewer.inference.models.model_check import try_model
from viewer.limits import open_regular
from viewer.untyped import is_sequence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.inference.models.bundle import ModelBundle

NAME = "WSInfer"
CONFIG, WEIGHTS = "config.json", "torchscript_model.pt"
_IS_WSINFER = b"patch_size_pixels"
_HEAD_BYTES = 1 << 16
_CITATION = "Kaczmarzyk et al. 2024, doi:10.1038/s41698-024-00499-9"
_FILTERS = {
    "bilinear": "bilinear", "bicubic": "bicubic", "nearest": "nearest", "lanczos": "lanczos",
    "box": "box", "2": "bilinear", "3": "bicubic", "0": "nearest", "1": "lanczos", "4": "box",
}  # fmt: skip
"""Names and numbers of interpolations that torchvision takes, by ours."""


class Transform(msgspec.Struct, frozen=True):
    """A step between the patch and the network, as torchvision names it."""

    name: str
    arguments: dict[str, object] | None = None


class Config(msgspec.Struct, frozen=True):
    """What config.json says."""

    num_classes: Annotated[int, Meta(ge=1)]
    class_names: list[Annotated[str, Meta(min_length=1)]]
    patch_size_pixels: Annotated[int, Meta(ge=1)]
    spacing_um_px: Annotated[float, Meta(gt=0)]
    transform: list[Transform]
    architecture: str = ""
    spec_version: str = "1.0"


def recognizes(path: Path) -> bool:
    """Return whether a folder holds the weights or the description of a WSInfer model."""
    if (path / WEIGHTS).is_file():
        return True
    try:
        with open_regular(path / CONFIG) as file:
            return _IS_WSINFER in file.read(_HEAD_BYTES)
    except OSError:
        return False


def described(path: Path) -> ModelBundle:
    """Describe a folder by its config.json. Raises BundleError."""
    config = read_json(path / CONFIG, Config)
    _check(config, path.name)
    mean, std, resize = _transforms(config.transform, f"{path.name}/{CONFIG}")
    size_px = config.patch_size_pixels
    fed: dict[str, object] = {"resampling": "bicubic"}
    if resize is not None and resize[0] != size_px:
        fed |= {"resize_px": resize[0], "resize_by": resize[1]}
    return bundle_of(
        path / WEIGHTS,
        {
            "name": model_name(path),
            "task": "classification",
            "mpp_um": config.spacing_um_px,
            "patch_px": size_px,
            "normalization": {"mean": mean, "std": std},
            "classes": class_list(config.class_names),
            "head": "softmax" if config.num_classes > 1 else "logit",
            "input": fed,
            "format": "torchscript",
            "license": stated_license(path),
            "citation": _CITATION,
            "about": f"WSInfer model ({config.architecture or 'architecture not stated'}).",
        },
    )


def cards(path: Path) -> Sequence[Path]:
    """Return the readme and license of the zoo's folder."""
    return card_files(path)


def prove(path: Path, bundle: ModelBundle) -> None:  # noqa: ARG001
    """Feed it once: its answer must have a number for each class."""
    try_model(bundle)


def _check(config: Config, name: str) -> None:
    if config.spec_version != "1.0":
        raise BundleError(
            f"{name}/{CONFIG} is of the version {config.spec_version}: only 1.0 is known."
        )
    if len(config.class_names) != config.num_classes:
        raise BundleError(
            f"{name}/{CONFIG} says num_classes {config.num_classes} and names "
            f"{len(config.class_names)} classes: correct one of them."
        )
    if len(set(config.class_names)) < len(config.class_names):
        raise BundleError(f"{name}/{CONFIG} names a class twice: class_names have to differ.")


_Norms = list[float]


def _transforms(
    steps: Sequence[Transform], name: str
) -> tuple[_Norms, _Norms, tuple[int, str] | None]:
    """Return mean, deviation, and side and filter of the resizing, if any.

    Raises
    ------
    BundleError
        They are not Resize, ToTensor and Normalize, in this order.
    """
    order = [each.name for each in steps]
    unknown = [each for each in order if each not in ("Resize", "ToTensor", "Normalize")]
    if unknown:
        raise BundleError(
            f"{name} asks for the transform {unknown[0]}: known are Resize, ToTensor and Normalize."
        )
    wanted = [each for each in ("Resize", "ToTensor", "Normalize") if each in order]
    if order != wanted or "ToTensor" not in order:
        text = ", ".join(order) or "none"
        raise BundleError(
            f"{name} has the transforms {text}: only Resize, ToTensor and Normalize, in this "
            "order and each once, are known, and ToTensor is needed."
        )
    given = {each.name: dict(each.arguments or {}) for each in steps}
    mean, std = [0.0] * 3, [1.0] * 3
    if "Normalize" in given:
        norms = given["Normalize"]
        mean, std = (_three(norms.pop(each, None), each, name) for each in ("mean", "std"))
        norms.pop("inplace", None)
    _check_none_left(given.get("ToTensor"), "ToTensor", name)
    _check_none_left(given.get("Normalize"), "Normalize", name)
    return mean, std, _resize(given["Resize"], name) if "Resize" in given else None


def _resize(arguments: dict[str, object], name: str) -> tuple[int, str]:
    size = arguments.pop("size", None)
    by = str(arguments.pop("interpolation", "bilinear")).lower().rpartition(".")[2]
    arguments.pop("antialias", None)  # which counts for tensors alone
    left = {key: each for key, each in arguments.items() if each is not None}
    _check_none_left(left, "Resize", name)
    sides = size if is_sequence(size) else [size]
    pixels = [each for each in sides if type(each) is int and each > 0]
    if len(pixels) != len(sides) or len(set(sides)) != 1:
        raise BundleError(f"{name} says size {size} for Resize: one side in pixels is known.")
    if by not in _FILTERS:
        raise BundleError(
            f"{name} asks for the interpolation {by}: known are {', '.join(_FILTERS)}."
        )
    return pixels[0], _FILTERS[by]


def _three(value: object, argument: str, name: str) -> list[float]:
    numbers = three_numbers(value)
    if numbers is None:
        raise BundleError(
            f"{name} says {argument} {value} for Normalize: three numbers are needed, or one."
        )
    return numbers


def _check_none_left(arguments: dict[str, object] | None, transform: str, name: str) -> None:
    if arguments:
        raise BundleError(
            f"{name} gives {transform} the argument {next(iter(arguments))}, which is not known."
        )
