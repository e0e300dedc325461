"""Packages of bioimage.io: rdf.yaml, bioimageio.yaml or model.yaml beside the weights.

As of the model descriptions 0.4 and 0.5. A package is taken once its own test input gives its test
output, in the confined process. What the format has no place for is read from `config: coverslip`,
by the names of model.json.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from viewer.inference.errors import ModelProcessError
from viewer.inference.layouts.bioimage_card import card_path, read_package
from viewer.inference.layouts.bioimage_steps import fed_as, head_of
from viewer.inference.layouts.reading import (
    bundle_of,
    card_files,
    check_channels,
    check_one_input,
    class_list,
    side_of_square,
)
from viewer.inference.layouts.tensor_files import read_tensor, tensor_range
from viewer.inference.models.bundle import BundleError
from viewer.inference.models.model_check import try_model
from viewer.inference.process.messages import PackageTest, TensorStep
from viewer.inference.process.model_process import ModelProcess, thread_count
from viewer.untyped import is_mapping, mapping_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.inference.layouts.bioimage_card import Package, Tensor
    from viewer.inference.models.bundle import ModelBundle

NAME = "bioimage.io"
_FORMATS = {"onnx": "onnx", "torchscript": "torchscript"}
"""Of weights, the first that is there; others would run code."""
_PATCH_PX = 512
_OWN = ("name", "version", "format", "weights", "sha256", "data", "license", "schema_version")
"""What `config: coverslip` does not say, since the package does."""
_TOLERANCE = 1e-3
_MISMATCHED = 100
"""Of a million numbers, as bioimageio.core has it."""


def recognizes(path: Path) -> bool:
    """Return whether a folder holds the card of a package."""
    return path.is_dir() and card_path(path) is not None


def described(path: Path) -> ModelBundle:
    """Describe a package by its card. Raises BundleError."""
    package, name = _package(path)
    kind = _weights(package, name)
    fed, given = _input(package, name), _own_words(package, name)
    output = _output(package, given, name)
    channels = _channels(path, output, name)
    patch_px = _patch_px(fed, name)
    about: dict[str, object] = {
        "name": package.name[:80],
        "version": package.version[:40],
        "task": "segmentation",
        "patch_px": patch_px,
        "format": _FORMATS[kind],
        "license": package.license,
        "citation": package.citation,
        "about": package.description[:2000],
        **fed_as(fed.steps, name),
    }
    if len(package.outputs) > 1:
        at = package.outputs.index(output)
        about["outputs"] = [str(at)]
    if fed.um is not None:
        about["mpp_um"] = fed.um
    about |= _sides(output, patch_px, name)
    if "stardist" in package.config:
        about |= _stardist(package.config["stardist"], channels)
    else:
        names = output.channels if len(output.channels) == channels else ()
        usual = (
            [output.name] if channels == 1 else [f"{output.name} {n + 1}" for n in range(channels)]
        )
        about["classes"] = class_list(names or usual)
        about["head"] = head_of(output.steps, channels, name) or _head(
            path, output, channels, given, name
        )
    about |= given
    if "mpp_um" not in about:
        raise BundleError(
            f"{name} does not say how many micrometers a pixel has: give its axes a unit and scale "
            '(format 0.5), or add "config: {coverslip: {mpp_um: 0.5}}" with the right number.'
        )
    return bundle_of(path / package.weights[kind], about)


def cards(path: Path) -> Sequence[Path]:
    """Return the card, and the readme and license beside it."""
    card = card_path(path)
    return [*([] if card is None else [card]), *card_files(path)]


def prove(path: Path, bundle: ModelBundle) -> None:
    """Compare what the test input gives with the test output, then feed it once.

    Raises
    ------
    BundleError
        They differ, or one of them is missing.
    ModelFailedError
        The model does not work.
    """
    package, name = _package(path)
    fed, output = package.inputs[0], _output(package, _own_words(package, name), name)
    inputs, expected = (read_tensor(path, each.test, name) for each in (fed, output))
    tolerance = _tolerances(package.config)
    test = PackageTest(
        inputs,
        expected,
        fed.axes,
        output.axes,
        [TensorStep(step.kind, step.kwargs) for step in fed.steps],
        [TensorStep(step.kind, step.kwargs) for step in output.steps],
        package.outputs.index(output),
        *tolerance,
    )
    try:
        with closing(ModelProcess(uses_cuda=False)) as process:
            process.load(bundle, "cpu", thread_count())
            process.prove(test)
    except ModelProcessError as error:
        raise BundleError(f"{bundle.name} cannot be used: {error}") from error
    try_model(bundle)


def _package(path: Path) -> tuple[Package, str]:
    card = card_path(path)
    if card is None:
        raise BundleError(f"{path.name} holds no rdf.yaml: it is no package of bioimage.io.")
    return read_package(card), f"{path.name}/{card.name}"


def _weights(package: Package, name: str) -> str:
    for kind in _FORMATS:
        source = package.weights.get(kind)
        if source is None:
            continue
        if "://" in source or "/" in source or "\\" in source or not source:
            raise BundleError(
                f"{name} names weights that are not in its folder ({source}): download the whole "
                "package."
            )
        return kind
    kinds = ", ".join(package.weights) or "none"
    raise BundleError(
        f"{name} has weights as {kinds} alone, which would run code of the package: ask its makers "
        "for weights as ONNX or TorchScript."
    )


def _input(package: Package, name: str) -> Tensor:
    check_one_input(len(package.inputs), name)
    fed = package.inputs[0]
    if sorted(fed.axes) != sorted("bcyx"):
        raise BundleError(
            f"{name} takes the axes {fed.axes}: images of b, c, y and x are known, in any order."
        )
    check_channels(fed.sizes.get("c", len(fed.channels) or None), name)
    return fed


def _own_words(package: Package, name: str) -> dict[str, Any]:
    given: object = package.config.get("coverslip") or {}
    if not is_mapping(given):
        raise BundleError(f"{name} says config: coverslip, which has to be names and values.")
    known: dict[str, Any] = {str(key): value for key, value in given.items()}
    if ours := [key for key in known if key in _OWN]:
        raise BundleError(f"{name} says {ours[0]} under config: coverslip: it says it elsewhere.")
    return known


def _output(package: Package, given: dict[str, Any], name: str) -> Tensor:
    """Return the output that counts: the only one, or the one that is named."""
    named: Sequence[str] = given.get("outputs") or []
    wanted = [each for each in package.outputs if not named or each.name in named]
    if len(wanted) == 1:
        return wanted[0]
    names = ", ".join(each.name for each in package.outputs)
    raise BundleError(
        f"{name} has several outputs ({names}): say which one counts, such as "
        f'"config: {{coverslip: {{outputs: [{package.outputs[0].name}]}}}}".'
    )


def _channels(path: Path, output: Tensor, name: str) -> int:
    known = output.sizes.get("c", len(output.channels) or None)
    if isinstance(known, int):
        return known
    shape = tensor_range(path, output.test, name)[0]
    if len(shape) != len(output.axes):
        raise BundleError(f"{name} has a test output of {len(shape)} axes, and says {output.axes}.")
    return shape[output.axes.index("c")] if "c" in output.axes else 1


def _patch_px(fed: Tensor, name: str) -> int:
    """Return the side that is fixed, or the largest usual one that fits."""
    sides: list[int] = []
    for letter in "yx":
        size = fed.sizes.get(letter, (_PATCH_PX, 1))
        if isinstance(size, int):
            sides.append(size)
        else:
            least, step = size
            most = max(least, _PATCH_PX)
            sides.append(least + (most - least) // step * step if step else least)
    return side_of_square(sides[0], sides[1], name)


def _sides(output: Tensor, patch_px: int, name: str) -> dict[str, object]:
    """Return which part of a patch an output answers for, and in pixels of which size."""
    if output.ratio <= 0 or output.ratio > 1 or not (1 / output.ratio).is_integer():
        raise BundleError(
            f"{name} answers with {output.ratio:g} pixels for each pixel of the image: one, or one "
            "for each 2, 3, 4 and so on, is known."
        )
    downsample = round(1 / output.ratio)
    answer_px = patch_px + int(output.offset) * downsample
    sides: dict[str, object] = {"margin_px": output.halo * downsample}
    if downsample > 1:
        sides["answer_downsample"] = downsample
    if answer_px != patch_px:
        sides["answer_px"] = answer_px
    return sides


def _head(path: Path, output: Tensor, channels: int, given: dict[str, Any], name: str) -> str:
    """Return what values without a step after the network are, by those of the test output."""
    if "head" in given:
        return str(given["head"])
    _, low, high = tensor_range(path, output.test, name)
    if low >= 0 and high <= 1:
        return "probabilities"
    if channels == 1:
        return "regression"
    raise BundleError(
        f"{name} does not say what the {channels} values of its output are, from {low:g} to "
        f'{high:g}: add "config: {{coverslip: {{head: softmax}}}}", or sigmoid.'
    )


def _stardist(config: object, channels: int) -> dict[str, object]:
    thresholds = mapping_of(mapping_of(config).get("thresholds"))
    decoding: dict[str, object] = {"rays": channels - 1}
    for theirs, ours in (("prob", "least_probability"), ("nms", "most_overlap")):
        if theirs in thresholds:
            decoding[ours] = thresholds[theirs]
    return {
        "task": "instances", "decoder": "stardist", "decoding": decoding,
        "classes": class_list(["Nucleus"]),
    }  # fmt: skip


def _tolerances(config: dict[str, Any]) -> tuple[float, float, float]:
    """Return absolute and relative tolerance, and how many of a million may differ more."""
    try:
        listed: list[dict[str, Any]] = config["bioimageio"]["reproducibility_tolerance"] or [{}]
        stated = listed[0]
        absolute = float(stated.get("absolute_tolerance", _TOLERANCE))
        relative = float(stated.get("relative_tolerance", _TOLERANCE))
        many = float(stated.get("mismatched_elements_per_million", _MISMATCHED))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return _TOLERANCE, _TOLERANCE, _MISMATCHED
    return min(absolute, 0.01), min(relative, 0.01), min(many, 1000.0)
