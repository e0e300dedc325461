"""In the model process: whether a package's test input gives its test output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from viewer.inference.errors import ModelFailedError
from viewer.inference.layouts.tensor_files import tensor_of
from viewer.untyped import is_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.inference.process.messages import PackageTest, TensorStep
    from viewer.inference.process.network import Network

    Values = NDArray[np.floating[Any]]

_KINDS = ("float32", "float64", "float16", "uint8", "int8", "uint16", "int16", "int32", "bool")
_SMALL = 1e-6
"""Added to what is divided by, where a package says nothing else."""


def check_package(network: Network, name: str, test: PackageTest) -> None:
    """Refuse a model whose test input does not give its test output.

    Raises
    ------
    ModelFailedError
        One sentence says how they differ.
    """
    try:
        inputs, expected = tensor_of(test.inputs), tensor_of(test.expected)
    except ValueError as error:
        raise ModelFailedError(f"A test tensor of {name} cannot be read: {error}.") from error
    if inputs.ndim != len(test.axes):
        raise ModelFailedError(
            f"The test input of {name} has {inputs.ndim} axes, and its card says {test.axes}."
        )
    try:
        fed = applied(test.before, inputs, test.axes).astype(np.float32)
        found = network.raw(np.ascontiguousarray(fed))
        if test.output >= len(found):
            raise ModelFailedError(f"{name} gives {len(found)} outputs: its card names more.")
        given = applied(test.after, found[test.output], test.expected_axes)
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise ModelFailedError(f"The test of {name} cannot be made: {error}.") from error
    _compare(given, expected, name, test)


def _compare(given: Values, expected: Values, name: str, test: PackageTest) -> None:
    if given.shape != expected.shape:
        raise ModelFailedError(
            f"The test input of {name} gives {given.shape}, and its test output is "
            f"{expected.shape}: it is not the model that its card describes."
        )
    wanted = expected.astype(np.float64)
    apart = np.abs(given.astype(np.float64) - wanted)
    # What is not finite differs from everything but itself.
    same = (apart <= test.absolute + test.relative * np.abs(wanted)) | (
        np.isnan(given) & np.isnan(wanted)
    )
    wrong = int((~same).sum())
    if wrong > test.mismatched * expected.size / 1e6:
        most = float(np.nanmax(np.where(same, 0, apart)))
        raise ModelFailedError(
            f"The test input of {name} does not give its test output: {wrong:,} of "
            f"{expected.size:,} numbers differ, by up to {most:.3g}, so it is not used."
        )


def applied(steps: Sequence[TensorStep], values: Values, axes: str) -> Values:
    """Return values after the steps of a package. Raises ValueError for one that is not known."""
    for step in steps:
        values = _applied(step.kind, step.arguments, values, axes)
    return values


def _applied(kind: str, given: dict[str, Any], values: Values, axes: str) -> Values:
    if kind == "ensure_dtype":
        dtype = str(given.get("dtype", "float32"))
        if dtype not in _KINDS:
            raise ValueError(f"the kind of numbers {dtype} is not known")
        return values.astype(dtype)
    values = values.astype(np.float32)
    if kind == "zero_mean_unit_variance" and given.get("mode") == "fixed":
        kind = "fixed_zero_mean_unit_variance"
    over = _over(given.get("axes"), axes)
    small = float(given.get("eps") or _SMALL)
    match kind:
        case "scale_linear":
            gain, offset = given.get("gain", 1.0), given.get("offset", 0.0)
            return values * _along(gain, axes) + _along(offset, axes)
        case "fixed_zero_mean_unit_variance":
            return (values - _along(given["mean"], axes)) / _along(given["std"], axes)
        case "zero_mean_unit_variance":
            mean, std = (f(values, axis=over, keepdims=True) for f in (np.mean, np.std))
            return (values - mean) / (std + small)
        case "scale_range":
            shares = given.get("min_percentile", 0.0), given.get("max_percentile", 100.0)
            low, high = (np.percentile(values, q, axis=over, keepdims=True) for q in shares)
            return ((values - low) / (high - low + small)).astype(np.float32)
        case "clip":
            return np.clip(values, given.get("min"), given.get("max"))
        case "sigmoid":
            return 1 / (1 + np.exp(-values))
        case "softmax":
            powers = np.exp(values - values.max(axes.index("c"), keepdims=True))
            return powers / powers.sum(axes.index("c"), keepdims=True)
        case "binarize":
            return (values > _along(given["threshold"], axes)).astype(np.float32)
        case _:
            raise ValueError(f"the step {kind} is not known")


def _over(said: Any, axes: str) -> tuple[int, ...]:
    """Return the places of axes that are named, by letter or in full; all where none is."""
    letters = [str(each)[:1] for each in said] if said else list(axes)
    return tuple(axes.index(letter) for letter in letters if letter in axes)


def _along(value: Any, axes: str) -> Any:
    """Return a number, or numbers for the channels in their place among the axes."""
    if not is_list(value):
        return np.float32(value)
    shape = [len(value) if axis == "c" else 1 for axis in axes]
    return np.array(value, np.float32).reshape(shape)
