"""From the vectors of cells to one value or class for each: what a heatmap shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.overlays.patch_features import Features

    Field = NDArray[np.float32]


def softmax(logits: NDArray[np.floating], axis: int = -1) -> Field:
    """Return exp(x) / sum(exp(x)) over an axis, float32; NaN stays NaN.

    Of our own, since the window does without scipy.
    """
    wide = logits.astype(np.float32)
    if not wide.shape[axis]:
        return wide
    powers = np.exp(wide - np.nanmax(wide, axis=axis, initial=-np.inf, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def head_values(values: Features, head: str) -> Field:
    """Return what a classifier's kept answers say, (rows, columns, classes) float32.

    Parameters
    ----------
    head
        As `ModelDescription.head`.
    """
    match head:
        case "softmax":
            return softmax(values)
        case "sigmoid" | "logit":
            with np.errstate(over="ignore"):
                chances = 1 / (1 + np.exp(-values.astype(np.float32)))
            return chances.astype(np.float32)
        case _:
            return values.astype(np.float32)


def similarity(vectors: Features, marked: NDArray[np.bool_]) -> Field:
    """Return (rows, columns) cosine similarity with the mean of the marked cells, after centring.

    The slide's own mean is taken off first: vectors of one slide share a large common part that
    would make everything alike.

    Parameters
    ----------
    vectors
        (rows, columns, d), NaN where unknown.
    marked
        (rows, columns), at least one known cell.
    """
    return likeness(vectors, typical(vectors, marked))


def typical(vectors: Features, marked: NDArray[np.bool_], origin: Field | None = None) -> Field:
    """Return the direction (d,) of the marked cells from an origin, of unit length.

    Parameters
    ----------
    origin
        (d,) the slide's own mean by default; one and the same where slides are compared.
    """
    wanted = _centered(vectors, origin)[marked].mean(0)
    return wanted / max(float(np.linalg.norm(wanted)), 1e-9)


def likeness(vectors: Features, wanted: Field, origin: Field | None = None) -> Field:
    """Return the cosine similarity (rows, columns) with a direction; `origin` as `typical`."""
    return _centered(vectors, origin) @ wanted


def word_similarity(vectors: Features, words: Field) -> Field:
    """Return the cosine similarity (rows, columns, phrases) with words in the space of the images.

    Nothing is taken off first: images and words of a model with two towers lie apart, each round
    a mean of its own.

    Parameters
    ----------
    words
        (phrases, d), of unit length.
    """
    found = np.full((*vectors.shape[:2], len(words)), np.nan, np.float32)
    for row in range(len(vectors)):  # all at once would take too much memory
        wide = vectors[row].astype(np.float32)
        length = np.maximum(np.linalg.norm(wide, axis=-1, keepdims=True), 1e-9)
        found[row] = wide @ words.T / length
    return found


def mean_vector(vectors: Features) -> Field:
    """Return the mean (d,) of all known vectors, of which there is at least one."""
    wide = vectors.astype(np.float32)
    return wide[~np.isnan(wide[..., 0])].mean(0)


def nearest_prototype(
    vectors: Features, marks: Sequence[NDArray[np.bool_]]
) -> tuple[NDArray[np.int16], Field]:
    """Return the class of each cell by the nearest class mean, and how clear the choice is.

    As SimpleShot in the UNI paper (Chen et al. 2024): centered, unit length, nearest prototype.

    Parameters
    ----------
    marks
        For each class the cells marked as such, (rows, columns); empty ones are passed over.

    Returns
    -------
    int16 (rows, columns), -1 where unknown; float32 (rows, columns) of 0 to 1, the share of the
    winning class in a softmax over the similarities.
    """
    unit = _centered(vectors)
    used = [index for index, mark in enumerate(marks) if mark.any()]
    scores = np.full((*unit.shape[:2], len(marks)), -np.inf, np.float32)
    for index in used:
        prototype = unit[marks[index]].mean(0)
        scores[..., index] = unit @ (prototype / max(float(np.linalg.norm(prototype)), 1e-9))
    is_known = ~np.isnan(unit[..., 0]) if unit.shape[2] else np.zeros(unit.shape[:2], bool)
    if not used:
        return np.full(unit.shape[:2], -1, np.int16), np.zeros(unit.shape[:2], np.float32)
    safe = np.where(is_known[..., None], scores, 0)
    classes = np.where(is_known, safe.argmax(-1), -1).astype(np.int16)
    clarity = softmax(scores / _TEMPERATURE).max(-1)
    return classes, np.where(is_known, clarity, np.nan).astype(np.float32)


_TEMPERATURE = 0.1


def best_cells(field: Field, count: int, apart: int = 1) -> list[tuple[int, int]]:
    """Return the cells (row, column) of highest value, none within `apart` cells of a better one.

    Cells of NaN or minus infinity are none.
    """
    left = np.where(np.isnan(field), -np.inf, field)
    found: list[tuple[int, int]] = []
    while len(found) < count:
        row, column = (int(i) for i in np.unravel_index(int(left.argmax()), left.shape))
        if left[row, column] == -np.inf:
            break
        found.append((row, column))
        left[
            max(0, row - apart) : row + apart + 1, max(0, column - apart) : column + apart + 1
        ] = -np.inf
    return found


def percentiles(field: Field) -> Field:
    """Return the rank of each known value, 0 to 1, as attention maps are commonly shown.

    Equal values share the mean of their ranks.
    """
    known = ~np.isnan(field)
    ranks = np.full(field.shape, np.nan, np.float32)
    _, which, counts = np.unique(field[known], return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    mean_ranks = ends - counts + (counts - 1) / 2
    ranks[known] = mean_ranks[which] / max(int(known.sum()) - 1, 1)
    return ranks


def _centered(vectors: Features, origin: Field | None = None) -> Field:
    """Unit vectors seen from an origin, by default the mean of all known ones."""
    wide = vectors.astype(np.float32)
    known = ~np.isnan(wide[..., 0]) if wide.shape[2] else np.zeros(wide.shape[:2], bool)
    if known.any():
        wide = wide - (wide[known].mean(0) if origin is None else origin)
    return wide / np.maximum(np.linalg.norm(wide, axis=-1, keepdims=True), 1e-9)
