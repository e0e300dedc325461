"""A picture of what is known of the cells of a slide: colors by class or by value."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.colors import rgb_of
from viewer.overlays.scoring import (
    best_cells,
    head_values,
    nearest_prototype,
    percentiles,
    similarity,
    softmax,
    word_similarity,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.geometry import Box
    from viewer.overlays.area import Area
    from viewer.overlays.patch_feature_map import PatchFeatureMap
    from viewer.overlays.slide_prediction import SlidePrediction
    from viewer.overlays.word_vectors import WordVectors

    Rgba = NDArray[np.uint8]

COLOR_MAPS = ("viridis", "cividis", "magma", "inferno", "batlow")
"""All perceptually even; the first two and the last read well by the color-blind."""
NOT_THIS = "Not this"
"""The class of marks that say only what the others are not; it is not painted."""
_GALLERY = 12
_PROBLEMS = (
    "focus", "blur", "oof", "fold", "pen", "marker", "ink", "dark", "bubble", "dust", "artifact",
)  # fmt: skip
"""What the names of classes have that are problems of quality."""
_SOUND = (
    "sound tissue", "sound", "good tissue", "good", "normal tissue", "clean tissue", "clean",
    "usable", "tissue", "artifact-free", "no artifact", "glass",
)  # fmt: skip
"""What classes without a problem are called."""


class HeatmapStyle(msgspec.Struct, frozen=True):
    """How values become colors.

    Attributes
    ----------
    shown
        Index of the class whose probability is shown; None for the likeliest class of each cell.
    low, high
        What lies outside is not painted; shares, 0 to 1, of the range that is painted.
    as_percentiles
        Whether ranks are shown instead of the values themselves.
    hidden
        Classes that are left out of the likeliest ones.
    """

    shown: int | None = None
    color_map: str = COLOR_MAPS[0]
    low: float = 0.0
    high: float = 1.0
    as_percentiles: bool = False
    hidden: frozenset[int] = frozenset()


class Mark(msgspec.Struct, frozen=True):
    """A box of a slide that stands for a class; level-0 pixels."""

    box: Box
    name: str


class Query(msgspec.Struct, frozen=True):
    """What is asked of embeddings: where is it like this, or like which of these.

    Words come before an area, and an area before marks.
    """

    like: Area | None = None
    marks: tuple[Mark, ...] = ()
    words: WordVectors | None = None

    @property
    def names(self) -> list[str]:
        """Return the classes that were marked, in the order of their first mark."""
        return list(dict.fromkeys(mark.name for mark in self.marks))

    @property
    def lacks_second(self) -> bool:
        """Return whether the only class marked has nothing to be told from."""
        is_by_marks = self.like is None and self.words is None
        return is_by_marks and len(self.names) == 1


class Heatmap(msgspec.Struct, frozen=True):
    """A painted heatmap and its legend.

    Attributes
    ----------
    colors
        uint8 (rows, columns, 4), a pixel a cell.
    values
        float32 (rows, columns) what a cell has, NaN where unknown.
    classes
        int16 (rows, columns) or None where only one value is shown.
    best
        Cells (row, column) of highest value that are not next to each other.
    low, high
        The values that have the first and the last color, but by rank.
    ranks
        float32 (rows, columns) what the colors say where they say ranks, 0 to 1; else None.
    counts
        How many cells of each class lie within the bounds of the style; those of a background
        and of hidden classes are counted too.
    """

    colors: Rgba
    values: NDArray[np.float32]
    classes: NDArray[np.int16] | None
    best: list[tuple[int, int]]
    low: float = 0.0
    high: float = 1.0
    ranks: NDArray[np.float32] | None = None
    counts: tuple[int, ...] = ()

    def value_text(self, row: int, column: int) -> str:
        """Return the value of a cell in as many digits as its color tells, and a rank if shown."""
        text = number_text(float(self.values[row, column]), self.high - self.low)
        if self.ranks is None:
            return text
        return f"{text} (percentile {100 * float(self.ranks[row, column]):.0f})"


def painted_colors(classes: Sequence[tuple[str, str]], *, is_map: bool) -> list[str]:
    """Return the color of each class, "" for one that is not painted.

    Not painted are the background of a segmentation and, where classes are problems of quality,
    what has none: the tissue that can be read stays in sight.

    Parameters
    ----------
    classes
        Name and color of each.
    is_map
        Whether each pixel has a class, as in a segmentation, and not a patch as a whole.
    """
    is_quality = _tells_quality([name for name, _ in classes])
    return [
        "" if (is_map and is_background(name)) or (is_quality and _is_sound(name)) else color
        for name, color in classes
    ]


def is_background(name: str) -> bool:
    """Return whether a class is where nothing is; those that QuPath ignores end with a star."""
    return name.casefold() in ("background", "nothing", "none") or name.endswith("*")


def _tells_quality(names: Sequence[str]) -> bool:
    """Return whether classes tell sound tissue from problems: two of these at least."""
    problems = [name for name in names if any(word in name.casefold() for word in _PROBLEMS)]
    return len(problems) > 1 and any(_is_sound(name) for name in names)


def _is_sound(name: str) -> bool:
    plain = name.casefold().replace("_", " ").strip()
    return plain in _SOUND or is_background(name)


def class_heatmap(
    found: PatchFeatureMap, style: HeatmapStyle, class_colors: Sequence[str]
) -> Heatmap | None:
    """Return the heatmap of a classification; None before anything is known.

    Parameters
    ----------
    class_colors
        "" for a class that is not painted.
    """
    if not found.values.shape[2]:
        return None
    chances = head_values(found.values, found.head)
    if found.head == "regression":
        return score_heatmap(found, style)
    if style.shown is not None or chances.shape[2] == 1:
        return _of_values(chances[..., style.shown or 0], style)
    known = found.known
    classes = np.where(known, np.where(known[..., None], chances, 0).argmax(-1), -1)
    return _of_classes(classes.astype(np.int16), chances.max(-1), style, class_colors)


def query_heatmap(
    found: PatchFeatureMap, style: HeatmapStyle, query: Query, class_colors: Sequence[str]
) -> Heatmap | None:
    """Return likeness of embeddings; None while nothing is asked, or known where it was marked.

    One class alone would be the likeliest everywhere, so nothing is painted before a second.
    """
    if not found.values.shape[2] or query.lacks_second:
        return None
    if query.words is not None:
        return _of_words(found, style, query.words, class_colors)
    if query.like is not None:
        marked = found.cells_in(query.like)
        if not marked.any():
            return None
        return _of_values(np.clip(similarity(found.values, marked), 0, 1), style, marked)
    marks = [
        np.any([found.cells_in(mark.box) for mark in query.marks if mark.name == name], axis=0)
        for name in query.names
    ]
    if sum(bool(mark.any()) for mark in marks) < 2:
        return None
    classes, clarity = nearest_prototype(found.values, marks)
    return _of_classes(classes, clarity, style, class_colors)


def _of_words(
    found: PatchFeatureMap, style: HeatmapStyle, words: WordVectors, class_colors: Sequence[str]
) -> Heatmap | None:
    """Of one phrase, stretched from its lowest to its highest similarity; of several, classes."""
    if not found.count:
        return None
    alike = word_similarity(found.values, words.vectors)
    if len(words.phrases) == 1:
        return _of_values(alike[..., 0], style, span=_span(alike))
    chances = softmax(alike * np.float32(words.scale))
    classes = np.where(found.known, np.where(found.known[..., None], chances, 0).argmax(-1), -1)
    return _of_classes(classes.astype(np.int16), chances.max(-1), style, class_colors)


def score_heatmap(found: PatchFeatureMap, style: HeatmapStyle) -> Heatmap | None:
    """Return scores, stretched from their lowest to their highest; None before any is known."""
    if not found.count:
        return None
    scores = found.score(style.shown or 0)
    if np.isnan(scores).all():
        return None
    apart = max(1, round(found.cell / found.raster_px))
    return _of_values(scores, style, span=_span(scores), apart=apart)


def expected_heatmap(found: PatchFeatureMap, style: HeatmapStyle) -> Heatmap | None:
    """Return where readers are likely to look, at all magnifications or one, the most being 1.

    None before anything is known.
    """
    if not found.values.shape[2]:
        return None
    expected = np.exp(found.values.astype(np.float32))
    values = expected.sum(-1) if style.shown is None else expected[..., style.shown]
    most = max(float(np.nanmax(values)), 1e-9)
    return _of_values((values / most).astype(np.float32), style)


def attention_heatmap(judgment: SlidePrediction, style: HeatmapStyle) -> Heatmap:
    """Return the attention of a slide model, stretched from the lowest to the highest."""
    heads = judgment.attention
    scores = heads[
        0 if len(heads) == 1 else judgment.likeliest if style.shown is None else style.shown
    ]
    return _of_values(scores, style, span=_span(scores))


def number_text(value: float, span: float) -> str:
    """Return a number in as many digits as tell a hundredth of a span of values."""
    digits = 2 - math.ceil(math.log10(span)) if span > 0 else 2
    return f"{value:.{min(max(digits, 0), 12)}f}"


def _span(values: NDArray[np.float32]) -> tuple[float, float]:
    return float(np.nanmin(values)), float(np.nanmax(values))


def _of_values(
    values: NDArray[np.float32],
    style: HeatmapStyle,
    left_out: NDArray[np.bool_] | None = None,
    span: tuple[float, float] = (0.0, 1.0),
    apart: int = 1,
) -> Heatmap:
    low, high = span
    ranks = percentiles(values) if style.as_percentiles else None
    # In float64: the lowest attention may be 30 powers of ten below the highest.
    width = float(high) - low
    scaled = ranks if ranks is not None else (values.astype(np.float64) - low) / (width or 1.0)
    known = ~np.isnan(scaled)
    safe = np.where(known, scaled, 0)
    colors = _table(style.color_map)[np.clip(safe * 255, 0, 255).astype(np.uint8)]
    colors[..., 3] = np.where(known & (safe >= style.low) & (safe <= style.high), 255, 0)
    ranked = values if left_out is None else np.where(left_out, np.nan, values)
    best = best_cells(ranked.astype(np.float32), _GALLERY, apart)
    return Heatmap(colors, values, None, best, low, high, ranks)


def _of_classes(
    classes: NDArray[np.int16],
    values: NDArray[np.float32],
    style: HeatmapStyle,
    class_colors: Sequence[str],
) -> Heatmap:
    painted = [[*rgb_of(color), 255] if color else [0] * 4 for color in class_colors]
    table = np.array([*painted, [0] * 4], np.uint8)
    colors = table[classes]
    safe = np.nan_to_num(values)
    is_left_out = (safe < style.low) | (safe > style.high)
    colors[is_left_out | np.isin(classes, list(style.hidden))] = 0
    shown = classes[~is_left_out & (classes >= 0)]
    counts = tuple(np.bincount(shown, minlength=len(class_colors)).tolist())
    return Heatmap(colors, values, classes, best_cells(values, _GALLERY), counts=counts)


@lru_cache(maxsize=8)
def _table(name: str) -> Rgba:
    """Return (256, 4)."""
    from cmap import Colormap  # only for the maps that are shown

    return np.round(Colormap(name).lut(256) * 255).astype(np.uint8)


def gradient(name: str, steps: int, low: float = 0.0) -> list[str]:
    """Colors of a map from a share `low` of it to its high end, "#rrggbb"."""
    places = np.linspace(255 * low, 255, steps).round().astype(int)
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b, _ in _table(name)[places].tolist()]
