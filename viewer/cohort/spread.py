"""One value over many slides or objects: how it spreads, and what lies far out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.cohort.table import slide_values
from viewer.errors import CoverslipError
from viewer.overlays.objects import UNLIKE
from viewer.prepared_types import prepared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from viewer.cohort.batch import Batch

AREA = "Area um2"
"""Of objects, by the name that models measure it by."""
BINS = 40
_MAD_SCALE = 1.4826
"""Makes of the median absolute deviation of a normal distribution its standard deviation."""
_MOST_OBJECTS = 1000


class Spread(msgspec.Struct, frozen=True):
    """Values of n slides or objects, those farthest from the median first.

    Attributes
    ----------
    slides
        (n,) paths of the slides.
    values
        (n,) the value of each.
    deviations
        (n,) its distance from the median in robust standard deviations; 0 where all are alike.
    places
        (n, 2) middles of objects, level-0 pixels; None for slides.
    counts, low, high
        (bins,) histogram between two values, of all there are.
    total
        How many there are; of objects more than are listed.
    """

    slides: list[str]
    values: NDArray[np.float64]
    deviations: NDArray[np.float64]
    places: NDArray[np.float64] | None
    counts: NDArray[np.int64]
    low: float
    high: float
    median: float
    total: int

    def ordered(
        self, column: int, names: Mapping[str, str], *, descending: bool
    ) -> NDArray[np.intp]:
        """Return the order of the rows by slide (0), value (1), or how far out they lie (2).

        Parameters
        ----------
        names
            What the slides are called where they are listed, by their paths.
        """
        if column == 0:
            keys = np.array([names[slide].casefold() for slide in self.slides])
        else:
            keys = self.values if column == 1 else np.abs(self.deviations)
        order = np.argsort(keys, kind="stable")
        return order[::-1] if descending else order


def slide_spread(batch: Batch, column: str) -> Spread | None:
    """Return how a column of a batch's table spreads over its slides; None where it is empty."""
    pairs = [
        (slide.path, value)
        for slide, record in zip(batch.slides, batch.records(), strict=True)
        if record.state == "done"
        and isinstance(value := slide_values(batch, slide, record).get(column), int | float)
    ]
    if not pairs:
        return None
    values = np.array([value for _, value in pairs], np.float64)
    median = float(np.median(values))
    spread = _MAD_SCALE * float(np.median(np.abs(values - median)))
    deviations = (values - median) / spread if spread else np.zeros(len(values))
    order = np.argsort(-np.abs(values - median), kind="stable")
    counts, edges = np.histogram(values, BINS)
    return Spread(
        [pairs[index][0] for index in order], values[order], deviations[order], None,
        counts, float(edges[0]), float(edges[-1]), median, len(values),
    )  # fmt: skip


class AskQuery(msgspec.Struct, frozen=True):
    """Asks the helper for all rows of a query, with the values of its parameters."""

    sql: str
    parameters: dict[str, str | float | list[str]] = {}


class QueryRows(msgspec.Struct, frozen=True):
    """The rows, or one sentence about why there are none."""

    rows: list[list[object]] = []
    problem: str = ""


_NAMES = """
select distinct unnest(map_keys(measurements)) as name from objects
where number = 0 and list_contains($results, result) order by name
"""
_OF_AREA = """
with o as (
  select result, x_px, y_px, area_um2::double as v from objects
  where list_contains($results, result) and area_um2 is not null
)"""
_OF_MEASUREMENT = """
with o as (
  select result, x_px, y_px, measurements[$value]::double as v from objects
  where list_contains($results, result) and measurements[$value] is not null
)"""
_HISTOGRAM = """,
r as (select quantile_cont(v, 0.002) as low, quantile_cont(v, 0.998) as high from o)
select least($bins - 1, greatest(0, floor($bins * (v - low) / nullif(high - low, 0))))::int as bin,
  count(*), any_value(low), any_value(high)
from o, r group by bin
"""
"""What lies beyond its ends, one of five hundred on each side, is counted in its end bins."""
_OUTLIERS = """,
m as (select median(v) as m, $scale * mad(v) as d from o)
select result, x_px, y_px, v, coalesce((v - m) / nullif(d, 0), 0), m from o, m
order by abs(v - m) desc limit $most
"""


def object_values(batch: Batch) -> list[str]:
    """Return what is measured of the objects of a batch. Raises SpreadError."""
    if not (results := _results(batch)):
        return []
    if store := batch.settings.store:
        raise SpreadError(
            f"The objects of this batch lie in the store {store}, which this table does not read. "
            "Open a slide to see its objects."
        )
    names = [str(row[0]) for row in _asked(_NAMES, {"results": list(results)})]
    return [AREA, *(name for name in names if name not in (AREA, UNLIKE))]


def object_spread(batch: Batch, value: str) -> Spread | None:
    """Return how a measurement spreads over all objects of a batch; None where there are none.

    Raises
    ------
    SpreadError
        The objects cannot be asked; one sentence says why.
    """
    results = _results(batch)
    if not results:
        return None
    objects = _OF_AREA if value == AREA else _OF_MEASUREMENT
    parameters: dict[str, str | float | list[str]] = {"results": list(results)}
    if value != AREA:
        parameters["value"] = value
    bins = _asked(objects + _HISTOGRAM, {**parameters, "bins": BINS})
    if not bins:
        return None
    counts = np.zeros(BINS, np.int64)
    for number, count, _, _ in bins:
        counts[int(str(number or 0))] += int(str(count))
    far = _asked(objects + _OUTLIERS, {**parameters, "scale": _MAD_SCALE, "most": _MOST_OBJECTS})
    numbers = np.array([[float(str(each)) for each in row[1:]] for row in far], np.float64)
    return Spread(
        [results[str(row[0])] for row in far], numbers[:, 2], numbers[:, 3], numbers[:, :2],
        counts, float(str(bins[0][2])), float(str(bins[0][3])), float(numbers[0, 4]),
        int(counts.sum()),
    )  # fmt: skip


class SpreadError(CoverslipError):
    """Objects that cannot be asked; `str()` is one sentence."""


def _results(batch: Batch) -> Mapping[str, str]:
    """Return the path of the slide of each result of a batch."""
    found: dict[str, str] = {}
    for slide in batch.slides:
        record = batch.record(slide)
        name = record.record.get("results")
        if record.state == "done" and isinstance(name, str) and name:
            found[name] = slide.path
    return found


def _asked(sql: str, parameters: dict[str, str | float | list[str]]) -> list[list[object]]:
    from viewer.processes.helper import HelperEndedError, HelperFailedError, helper

    try:
        body = helper().run("viewer.cohort.query.in_helper:answer", AskQuery(sql, parameters))
    except (HelperEndedError, HelperFailedError, OSError) as error:
        raise SpreadError(f"The objects cannot be asked ({error}).") from error
    answer = msgspec.msgpack.decode(body, type=prepared(QueryRows))
    if answer.problem:
        raise SpreadError(answer.problem)
    return answer.rows
