"""Scores that pathologists report, from counts of cells; each by one published rule.

Definitions, rules where they differ, and sources are in docs/scores.md. A score that is undefined,
such as a share of no cells, is None. Pool the counts of several regions before you score them: the
mean of their scores is another number.
"""

from __future__ import annotations

import math
import reprlib
from fractions import Fraction
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal, NamedTuple, SupportsFloat

import msgspec

from viewer.errors import CoverslipError

if TYPE_CHECKING:
    from collections.abc import Iterable

Bands = Literal["continuous", "integer"]
BANDS: tuple[Bands, ...] = ("continuous", "integer")
CPS_CAP = 100.0
LEAST_TUMOR_CELLS = 100
"""Viable tumor cells that a TPS or CPS needs to be adequate."""
_PERCENT_SLACK = 0.5
"""By which areas in percent may miss 100 since each is rounded."""


class ScoreError(CoverslipError, ValueError):
    """Counts that cannot be; `str()` is one sentence."""


class Allred(msgspec.Struct, frozen=True):
    """An Allred score.

    Attributes
    ----------
    proportion
        0 to 5, by the share of positive cells.
    intensity
        0 to 3, by the mean intensity of the positive cells.
    """

    proportion: int
    intensity: int

    @property
    def total(self) -> int:
        """Return the score, 0 or 2 to 8."""
        return self.proportion + self.intensity


class Interval(NamedTuple):
    """The ends of a confidence interval."""

    low: float
    high: float


def h_score(negative: float, weak: float, moderate: float, strong: float) -> float | None:
    """Return the H-score, 0 to 300, of cells by intensity; None where there are none.

    Parameters
    ----------
    negative, weak, moderate, strong
        Counts of cells, or their shares. Cells without a grade belong to none of them.

    Raises
    ------
    ScoreError
        A number is negative or not finite.
    """
    negative, weak, moderate, strong = _numbers(
        negative=negative, weak=weak, moderate=moderate, strong=strong
    )
    total = negative + weak + moderate + strong
    return 100.0 * (weak + 2 * moderate + 3 * strong) / total if total else None


def allred(
    negative: int, weak: int, moderate: int, strong: int, bands: Bands = "continuous"
) -> Allred | None:
    """Return the Allred score of counted cells; None where there are none.

    The proportion is 1 below 1/100, 2 from there, 3 from 1/10, 4 from 1/3, 5 from 2/3, compared in
    whole numbers. The intensity is that of the mean of the positive cells: weak up to 5/3,
    moderate up to 7/3, strong above, as QuPath has it.

    Parameters
    ----------
    bands
        "integer" rounds to whole percent first and takes 1 to 10, 11 to 33, 34 to 66, and 67 or
        more, as report templates print them; what is below 1 % before rounding stays 1.

    Raises
    ------
    ScoreError
        A count is negative or not whole, or the bands have another name.
    """
    negative, weak, moderate, strong = _counts(
        negative=negative, weak=weak, moderate=moderate, strong=strong
    )
    if bands not in BANDS:
        raise ScoreError(f'Allred\'s bands cannot be "{bands}": choose {" or ".join(BANDS)}.')
    positive = weak + moderate + strong
    total = negative + positive
    if not total:
        return None
    if not positive:
        return Allred(0, 0)
    share = Fraction(positive, total)
    intensity = Fraction(weak + 2 * moderate + 3 * strong, positive)
    return Allred(
        _proportion(share, bands), 1 + (intensity > Fraction(5, 3)) + (intensity > Fraction(7, 3))
    )


def tps(positive: int, viable: int) -> float | None:
    """Return the tumor proportion score in percent, not rounded; None without viable tumor cells.

    Parameters
    ----------
    positive
        Viable tumor cells with membrane staining of any intensity.
    viable
        All viable tumor cells.

    Raises
    ------
    ScoreError
        A count is negative or not whole, or more cells are positive than there are.
    """
    positive, viable = _share("positive", positive, "viable", viable)
    return 100.0 * positive / viable if viable else None


def cps(tumor: int, lymphocytes: int, macrophages: int, viable: int) -> float | None:
    """Return the combined positive score, capped at 100; None without viable tumor cells.

    Parameters
    ----------
    tumor, lymphocytes, macrophages
        Positive cells.
    viable
        All viable tumor cells, positive or not.

    Raises
    ------
    ScoreError
        A count is negative or not whole, or more tumor cells are positive than there are.
    """
    lymphocytes, macrophages = _counts(lymphocytes=lymphocytes, macrophages=macrophages)
    tumor, viable = _share("tumor", tumor, "viable", viable)
    if not viable:
        return None
    return min(CPS_CAP, 100.0 * (tumor + lymphocytes + macrophages) / viable)


def labeling_index(positive: int, total: int) -> float | None:
    """Return the share of positive cells in percent, such as Ki-67's; None where there are none.

    Raises
    ------
    ScoreError
        A count is negative or not whole, or more cells are positive than there are.
    """
    positive, total = _share("positive", positive, "total", total)
    return 100.0 * positive / total if total else None


def ki67_global(
    areas: Iterable[float], indices: Iterable[float | None], weighted: bool = True
) -> float | None:
    """Return the global Ki-67 score in percent from fields that stand for parts of a tumor.

    Parameters
    ----------
    areas
        The share of the tumor's area, in percent, that each field stands for (negligible, low,
        medium, high). Where they do not make 100 together, they are weighed by their sum.
    indices
        The labeling index of each field in percent; None only where the area is 0.
    weighted
        By area; else the mean of the fields whose area is not 0.

    Returns
    -------
    None where all areas are 0.

    Raises
    ------
    ScoreError
        The lists differ in length, a number is not 0 to 100, areas exceed 100 % together, or a
        field has an area and no index.
    """
    shares, values = _listed("areas", areas), _listed("indices", indices)
    if len(shares) != len(values):
        raise ScoreError(
            f"{len(shares)} areas and {len(values)} indices do not go together: give one of each "
            "for every field."
        )
    parts = [_percent("area", share) for share in shares]
    percents = [None if value is None else _percent("index", value) for value in values]
    held: list[tuple[float, float]] = []
    for area, index in zip(parts, percents, strict=True):
        if area > 0:
            if index is None:
                raise ScoreError(f"The field that stands for {area:g} % of the area has no index.")
            held.append((area, index))
    total = math.fsum(area for area, _ in held)
    if total > 100 + _PERCENT_SLACK:
        raise ScoreError(f"The areas make {total:g} % together: give shares of one tumor.")
    if not held:
        return None
    if not weighted:
        return math.fsum(index for _, index in held) / len(held)
    return math.fsum(area * index for area, index in held) / total


def field_area_mm2(field_number: float, objective: float, tube_factor: float = 1.0) -> float:
    """Return the area of a microscope's field of view.

    Parameters
    ----------
    field_number
        Of the eyepiece: the diameter of its field in mm.
    objective
        Magnification of the objective, such as 40.
    tube_factor
        Magnification of what lies between them.

    Raises
    ------
    ScoreError
        A number is not above 0.
    """
    named = {"field number": field_number, "objective": objective, "tube factor": tube_factor}
    numbers = [_number(f"The {name}", value, "a number above 0") for name, value in named.items()]
    for name, number in zip(named, numbers, strict=True):
        if not (math.isfinite(number) and number > 0):
            raise ScoreError(f"The {name} cannot be {number:g}: give a number above 0.")
    diameter_mm = numbers[0] / (numbers[1] * numbers[2])
    return math.pi * diameter_mm**2 / 4


def per_mm2(count: float, area_mm2: float) -> float | None:
    """Return a count per mm² of the area in which it was counted; None where that is 0.

    Raises
    ------
    ScoreError
        A number is negative or not finite.
    """
    count, area_mm2 = _numbers(count=count, area=area_mm2)
    return count / area_mm2 if area_mm2 else None


def wilson_interval(successes: int, total: int, confidence: float = 0.95) -> Interval | None:
    """Return the ends of the Wilson score interval of a share, as fractions of 0 to 1.

    Returns
    -------
    None where `total` is 0.

    Raises
    ------
    ScoreError
        A count is negative or not whole, there are more successes than in all, or `confidence` is
        not between 0 and 1.
    """
    successes, total = _share("successes", successes, "total", total)
    confidence = _number("A confidence", confidence, "one between 0 and 1")
    quantile = (1 + confidence) / 2
    if not 0.5 < quantile < 1:
        raise ScoreError(f"A confidence of {confidence:g} cannot be: give one between 0 and 1.")
    if not total:
        return None
    z = NormalDist().inv_cdf(quantile)
    share, weight = successes / total, z * z / total
    middle = share + weight / 2
    reach = z * math.sqrt(share * (1 - share) / total + weight / (4 * total))
    low = (middle - reach) / (1 + weight) if successes else 0.0
    high = (middle + reach) / (1 + weight) if successes < total else 1.0
    return Interval(max(0.0, low), min(1.0, high))


def _proportion(share: Fraction, bands: Bands) -> int:
    """Return Allred's proportion score of a share above 0."""
    if share < Fraction(1, 100):
        return 1
    if bands == "continuous":
        return 2 + sum(share >= Fraction(*edge) for edge in ((1, 10), (1, 3), (2, 3)))
    percent = math.floor(100 * share + Fraction(1, 2))  # half a percent is rounded up
    return 2 + sum(percent > edge for edge in (10, 33, 66))


def _share(part_name: str, part: float, whole_name: str, whole: float) -> tuple[int, int]:
    part, whole = _counts(**{part_name: part, whole_name: whole})
    if part > whole:
        raise ScoreError(
            f"{part:,g} {part_name} of {whole:,g} {whole_name} cannot be: give at most as many as "
            "there are."
        )
    return part, whole


def _counts(**counts: float) -> list[int]:
    for (name, count), number in zip(counts.items(), _numbers(**counts), strict=True):
        if number != int(number):
            raise ScoreError(f"{name} cannot be {count:g}: give a whole number of cells.")
    return [int(count) for count in counts.values()]


def _numbers(**numbers: float) -> list[float]:
    advice = "a number of 0 or more"
    values = [_number(name, number, advice) for name, number in numbers.items()]
    for name, value in zip(numbers, values, strict=True):
        if not (math.isfinite(value) and value >= 0):
            raise ScoreError(f"{name} cannot be {value:g}: give {advice}.")
    return values


def _percent(name: str, value: float | None) -> float:
    percent = _number(f"An {name}", value, "0 to 100 %")
    if not 0 <= percent <= 100:
        raise ScoreError(f"An {name} of {percent:g} % cannot be: give 0 to 100 %.")
    return percent


def _number(name: str, value: object, advice: str) -> float:
    """Return a number of any kind as Python's own, so that none of numpy's small ones overflows."""
    try:
        if isinstance(value, SupportsFloat):
            return float(value)
    except OverflowError:
        raise ScoreError(f"{name} is too large: give {advice}.") from None
    except (TypeError, ValueError):
        pass  # such as an array of several
    raise ScoreError(f"{name} cannot be {reprlib.repr(value)}: give {advice}.")


def _listed(name: str, values: Iterable[float | None]) -> list[float | None]:
    try:
        return list(values)
    except TypeError:
        raise ScoreError(
            f"The {name} cannot be {reprlib.repr(values)}: give one for every field."
        ) from None
