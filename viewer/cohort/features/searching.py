# (lancedb and pyarrow bring no types)
"""Finds patches that look alike in a store of features."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from viewer.cohort.features.errors import FeatureStoreError, lance_reason
from viewer.geometry import Box

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from viewer.cohort.features.rows import Encoder
    from viewer.cohort.features.store import FeatureStore

_log = logging.getLogger(__name__)

_EXACT_ROWS = 50_000
"""Up to here every vector is compared: that takes some ten milliseconds."""
_ROWS_A_PARTITION = 2_000
_ROUNDS, _SAMPLE = 12, 64
"""Of k-means, with so many vectors a partition: more of both takes hours and finds no more."""
_PROBES_SHARE, _LEAST_PROBES = 0.04, 16
_CANDIDATES, _LEAST_REFINE = 240, 2
"""So many are compared exactly after the compressed ones, and at least twice those asked for."""
_MORE, _LEAST_MORE, _MOST_ROUNDS = 4, 32, 8
"""Four times as many patches as asked for are fetched, so that enough are left of enough slides;
then twice those that are missing, without the slides of which enough are found."""


class FoundPatch(msgspec.Struct, frozen=True):
    """A patch that looks like the one asked for.

    Attributes
    ----------
    slide, path, name
        As in `SlideFeatures`.
    likeness
        Cosine similarity, 1 for the same.
    quality
        Share of sound tissue; NaN where it is unknown.
    """

    slide: str
    path: str
    name: str
    box: Box
    likeness: float
    quality: float


class SearchOptions(msgspec.Struct, frozen=True):
    """What is looked for, and among which slides.

    Attributes
    ----------
    count
        Patches at most.
    per_slide
        Of one slide at most, so that one slide does not crowd out the rest; 0 for no limit.
    but
        A slide to leave out.
    least_quality
        Share of sound tissue that a patch must have where it is known.
    attributes
        Attributes that a slide must have, such as {"stain": "H&E"}.
    is_exact
        Whether every vector is compared, whatever that takes.
    """

    count: int = 24
    per_slide: int = 4
    but: str = ""
    least_quality: float = 0.0
    attributes: dict[str, str] | None = None
    is_exact: bool = False


def find_similar(
    store: FeatureStore, encoder: Encoder, wanted: NDArray[np.floating], options: SearchOptions
) -> list[FoundPatch]:
    """Return the patches most like a vector (d,), the most alike first.

    Patches that overlap one of the same slide that is more alike are left out.

    Raises
    ------
    FeatureStoreError
        The store cannot be searched, or holds no slide with the attributes asked for.
    """
    if wanted.shape != (encoder.length,):
        raise FeatureStoreError(
            f"{encoder.name} makes vectors of {encoder.length} numbers, not {wanted.shape[-1]}."
        )
    slides = store.slides(encoder)
    allowed = _allowed(slides, options)
    table = store.table_of(encoder)
    seen: dict[tuple[str, float, float], dict[str, Any]] = {}
    full: set[str] = set()
    found: list[FoundPatch] = []
    count = _MORE * options.count
    for _ in range(_MOST_ROUNDS):
        where = _where(slides, allowed, full, options)
        candidates = _CANDIDATES if not full else _LEAST_REFINE * count
        rows = nearest_rows(
            table, wanted, count, where, candidates=candidates, is_exact=options.is_exact
        )
        seen |= {(row["slide"], row["x"], row["y"]): row for row in rows}
        found = _spread(sorted(seen.values(), key=lambda row: row["_distance"]), slides, options)
        if len(found) >= options.count or len(rows) < count:
            break  # enough, or all there is
        of_slide = Counter(patch.slide for patch in found)
        now_full = {key for key, taken in of_slide.items() if taken == options.per_slide}
        if now_full <= full:
            count *= 2  # what is nearest lies one over another, or is of no slide that is known
        else:
            count = max(_LEAST_MORE, 2 * (options.count - len(found)))
        full |= now_full
        if allowed is not None and allowed <= full:
            break
    return found


def nearest_rows(
    table: Any, wanted: NDArray[np.floating], count: int, where: str = "", *,
    candidates: int = _CANDIDATES, is_exact: bool = False,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return the rows of a table with the nearest vectors. Raises FeatureStoreError."""
    columns = ["slide", "x", "y", "side_px", "quality", "_distance"]
    try:
        search = table.search(wanted.astype(np.float16)).distance_type("cosine")
        if where:
            search = search.where(where, prefilter=True)
        if is_exact:
            search = search.bypass_vector_index()
        else:
            partitions = _partitions(table.count_rows())
            probes = max(_LEAST_PROBES, round(_PROBES_SHARE * partitions))
            refine = max(_LEAST_REFINE, -(-candidates // count))
            search = search.nprobes(probes).refine_factor(refine)
        return search.select(columns).limit(count).to_arrow().to_pylist()
    except Exception as error:  # lancedb raises whatever its Rust core does
        _log.info("a search failed", exc_info=error)
        raise FeatureStoreError(
            f"The features cannot be searched ({lance_reason(error)})."
        ) from error


def keep_index(store: FeatureStore, encoder: Encoder) -> bool:
    """Build the index that large tables are searched by, or take new rows into it.

    Inverted lists of codes of one bit a number (RaBitQ, Gao and Long 2024), which need no codebook:
    built in minutes for a million vectors; the nearest candidates are compared exactly, which
    brings the recall back.

    Returns
    -------
    Whether the table has an index now; small ones are compared whole.
    """
    from lancedb.index import Bitmap

    store.compact(encoder)
    table = store.table_of(encoder)
    try:
        rows = table.count_rows()
        if rows <= _EXACT_ROWS:
            return False
        stats = next(
            (table.index_stats(each.name) for each in table.list_indices()
             if each.columns == ["vector"]),
            None,
        )  # fmt: skip
        if stats is not None and stats.num_unindexed_rows < rows / 3:
            table.optimize()
            return True
        table.create_index("vector", config=_index_of(encoder.length, rows), replace=True)
        # Which rows are of other slides is then known without reading them all.
        table.create_index("slide", config=Bitmap(), replace=True)
    except Exception as error:  # as above
        _log.info("an index cannot be built", exc_info=error)
        raise FeatureStoreError(
            f"The index of {encoder.name} cannot be built ({lance_reason(error)}); searches take "
            "longer without it."
        ) from error
    return True


def _index_of(length: int, rows: int) -> Any:
    from lancedb.index import IvfFlat, IvfRq

    # Codes of one bit a number come in whole bytes.
    kind = IvfFlat if length % 8 else IvfRq
    return kind(
        distance_type="cosine", num_partitions=_partitions(rows), max_iterations=_ROUNDS,
        sample_rate=_SAMPLE,
    )  # fmt: skip


def _partitions(rows: int) -> int:
    return max(16, rows // _ROWS_A_PARTITION)


def _allowed(slides: dict[str, dict[str, Any]], options: SearchOptions) -> set[str] | None:
    """Return the slides that have the attributes asked for; None where all do."""
    import json

    wanted = options.attributes or {}
    if not wanted:
        return None
    allowed = {
        key
        for key, row in slides.items()
        if all(
            str(json.loads(row["attributes"]).get(name, "")).casefold() == value.casefold()
            for name, value in wanted.items()
        )
    }
    if not allowed:
        text = ", ".join(f"{name}={value}" for name, value in wanted.items())
        raise FeatureStoreError(f"No slide of the store has the attributes {text}.")
    return allowed


def _where(
    slides: Collection[str], allowed: set[str] | None, full: set[str], options: SearchOptions
) -> str:
    """Return the condition of rows; none of `full`, the slides of which enough are found."""
    conditions: list[str] = []
    if allowed is not None:
        conditions.append(f"slide IN ({_names(allowed - full)})")
    elif full:
        conditions.append(f"slide NOT IN ({_names(full)})")
    if options.but and options.but in slides:
        conditions.append(f"slide != {_names({options.but})}")
    if options.least_quality > 0:
        conditions.append(f"(quality >= {options.least_quality:.6g} OR quality != quality)")
    return " AND ".join(conditions)


def _names(keys: set[str]) -> str:
    return ", ".join("'" + key.replace("'", "''") + "'" for key in sorted(keys))


def _spread(
    rows: list[dict[str, Any]], slides: dict[str, dict[str, Any]], options: SearchOptions
) -> list[FoundPatch]:
    """Return the best rows, so many of a slide, none over another; of known slides alone."""
    found: list[FoundPatch] = []
    of_slide: dict[str, list[Box]] = {}
    for row in rows:
        about = slides.get(row["slide"])
        if about is None:
            continue  # an embedding of it is under way, or was ended
        taken = of_slide.setdefault(row["slide"], [])
        side = row["side_px"]
        box = Box(row["x"], row["y"], row["x"] + side, row["y"] + side)
        if options.per_slide and len(taken) >= options.per_slide:
            continue
        if any(_overlap(box, other) for other in taken):
            continue
        taken.append(box)
        likeness = 1.0 - row["_distance"]
        found.append(
            FoundPatch(row["slide"], about["path"], about["name"], box, likeness, row["quality"])
        )
        if len(found) == options.count:
            break
    return found


def _overlap(a: Box, b: Box) -> bool:
    """Return whether two patches share more than a quarter of their side in both directions."""
    side = a.x1 - a.x0
    slack = 0.25 * side
    return (
        a.x0 + slack < b.x1 and b.x0 + slack < a.x1 and a.y0 + slack < b.y1 and b.y0 + slack < a.y1
    )
