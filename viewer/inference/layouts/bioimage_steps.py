"""The steps of a bioimage.io package as our own model.json says them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from viewer.inference.layouts.reading import three_numbers
from viewer.inference.models.bundle import BundleError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.inference.layouts.bioimage_card import Step

_HIGH = 255.0


class _Line(msgspec.Struct):
    """value * gain + offset, for each of three channels."""

    gain: list[float] = msgspec.field(default_factory=lambda: [1.0] * 3)
    offset: list[float] = msgspec.field(default_factory=lambda: [0.0] * 3)

    def then(self, gain: Sequence[float], offset: Sequence[float]) -> _Line:
        new = [a * b for a, b in zip(self.gain, gain, strict=True)]
        moved = zip(self.offset, gain, offset, strict=True)
        return _Line(new, [was * by + more for was, by, more in moved])


def fed_as(steps: Sequence[Step], name: str) -> dict[str, object]:
    """Return `input` and `normalization` of model.json for the steps before a network.

    Statistics of a tile are taken of the whole slide instead, or tiles would show as blocks.

    Raises
    ------
    BundleError
        A step is not known, or they cannot be said in this way.
    """
    line, asked = _Line(), {}
    for step in steps:
        kind, given = step.kind, step.kwargs
        is_fixed = given.get("mode") == "fixed"
        if kind == "ensure_dtype" or (kind == "clip" and not asked and _is_harmless(given)):
            continue
        if kind == "scale_linear":
            gain, offset = (
                _three(given.get("gain", 1.0), name),
                _three(given.get("offset", 0.0), name),
            )
            line = line.then(gain, offset)
        elif kind == "fixed_zero_mean_unit_variance" or (
            kind == "zero_mean_unit_variance" and is_fixed
        ):
            mean, std = _three(given.get("mean"), name), _three(given.get("std"), name)
            if min(std) <= 0:
                raise BundleError(f"{name} divides by a deviation of 0.")
            line = line.then(
                [1 / each for each in std], [-m / s for m, s in zip(mean, std, strict=True)]
            )
        elif kind in ("zero_mean_unit_variance", "scale_range") and not asked:
            if min(line.gain) <= 0:
                raise BundleError(f"{name} inverts images before it scales them.")
            line, asked = _Line(), _by_statistics(kind, given, name)
        else:
            raise BundleError(
                f"{name} asks for the step {kind or 'without a name'} before the network, which is "
                "not known here: known are scale_linear, clip to 0 to 255, and one of "
                "zero_mean_unit_variance and scale_range."
            )
    if min(line.gain) <= 0:
        raise BundleError(f"{name} inverts images, which is not known here.")
    whole = 1.0 if asked else _HIGH
    std = [1 / (gain * whole) for gain in line.gain]
    mean = [-offset / gain / whole for offset, gain in zip(line.offset, line.gain, strict=True)]
    return {"input": asked, "normalization": {"mean": mean, "std": std}}


def head_of(steps: Sequence[Step], channels: int, name: str) -> str | None:
    """Return `head` by the steps after a network; None where they do not tell.

    Raises
    ------
    BundleError
        A step is not known.
    """
    head = None
    for step in steps:
        match step.kind:
            case "ensure_dtype" | "binarize":
                pass
            case "sigmoid" if head is None:
                head = "logit" if channels == 1 else "sigmoid"
            case "softmax" if head is None:
                head = "softmax"
            case kind:
                raise BundleError(
                    f"{name} asks for the step {kind or 'without a name'} after the network, which "
                    "is not known here: known are sigmoid, softmax and binarize."
                )
    return head


def _by_statistics(kind: str, given: dict[str, Any], name: str) -> dict[str, object]:
    axes = given.get("axes")
    letters = [str(axis)[:1] for axis in axes] if axes else ["c"]
    asked: dict[str, object] = {"jointly": "c" in letters}
    if kind == "zero_mean_unit_variance":
        return asked | {"scaling": "standard"}
    low, high = given.get("min_percentile", 0.0), given.get("max_percentile", 100.0)
    if not all(isinstance(each, int | float) for each in (low, high)):
        raise BundleError(f"{name} says percentiles that are no numbers.")
    if given.get("reference_tensor"):
        raise BundleError(f"{name} scales by another tensor, which is not known here.")
    return asked | {"scaling": "percentiles", "percentiles": [float(low), float(high)]}


def _is_harmless(given: dict[str, Any]) -> bool:
    low, high = given.get("min"), given.get("max")
    return (low is None or low <= 0) and (high is None or high >= _HIGH)


def _three(value: object, name: str) -> list[float]:
    numbers = three_numbers(value)
    if numbers is None:
        raise BundleError(f"{name} scales by {value}: one number is needed, or three.")
    return numbers
