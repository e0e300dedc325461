"""A reading without any language model: proposals, then what the bundled models measure there."""

from __future__ import annotations

import re
from collections.abc import Generator
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from viewer.agents.actions import Action, Annotate, Answer, CallTool, GoTo, Note, Observation
from viewer.agents.choices import plain_words
from viewer.agents.findings import Claim, box_of, corners
from viewer.agents.proposals import TissueProposer
from viewer.plurals import percent, plural
from viewer.untyped import mapping_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from viewer.agents.actions import Scene, Walk
    from viewer.agents.proposals import Proposer
    from viewer.geometry import Box

REGIONS = 5
AUTHOR = "bundled models"
NUCLEI, DENSITY, SIZE, SOUND = (
    "Nuclei",
    "Nuclei per mm2",
    "Median nucleus um2",
    "Sound tissue",
)
"""Names of figures in findings."""
_TOOLS = ("count_nuclei", "tissue_quality", "tissue_classes")
_BACKGROUND = "Background"
"""The class of clear glass, as `tissue_quality` names it."""
_POOR = 0.7
"""Share of the tissue that is sound, below which a region is said to be of poor quality."""
_NEGATED = re.compile(r"\b(?:no|not|non|without|absent|neither|free of)\b")
_DENSE, _SPARSE = 1.3, 0.7
"""Times the median of the regions."""


class _Measured(msgspec.Struct):
    """What the models say of a region."""

    figures: dict[str, float] = msgspec.field(default_factory=dict[str, float])
    classes: dict[str, float] = msgspec.field(default_factory=dict[str, float])
    troubles: list[str] = msgspec.field(default_factory=list[str])


class LocalPolicy:
    """Goes to proposed boxes one by one and says in figures what is there.

    Parameters
    ----------
    proposer
        By default tissue and nuclei alone; else a predictor trained on readers.
    regions
        How many boxes are gone to.
    """

    name = "local"

    def __init__(self, proposer: Proposer | None = None, regions: int = REGIONS) -> None:
        self._proposer = proposer or TissueProposer()
        self._regions = regions

    def walk(self, scene: Scene, first: Observation) -> Walk:
        microscope = scene.microscope
        proposed = self._proposer.propose(microscope.source, microscope.optics, self._regions)
        measured: dict[int, _Measured] = {}
        seen = first
        for count, each in enumerate(proposed, 1):
            if not seen.steps_left:
                break
            why = f"Proposal {count} of {len(proposed)} by {self._proposer.name}."
            seen = yield GoTo(each.box, each.magnification, why)
            if seen.trouble:
                seen = yield Note(f"Proposal {count} was passed over: {seen.trouble}")
                continue
            seen = yield from _described(scene, each.box, seen, measured)
            if seen.was_moved:  # the user showed something of their own
                seen = yield from _described(scene, box_of(seen.visits[-1].box), seen, measured)
        yield _conclusion(measured, scene.task.options)


Walked = Generator[Action, Observation, Observation]


def _described(scene: Scene, box: Box, seen: Observation, measured: dict[int, _Measured]) -> Walked:
    """Measure a box of the present region and mark what was found; return what is seen last."""
    region = seen.visits[-1].region
    measurement = _Measured()
    x0, y0, x1, y1 = corners(box)
    for tool in _TOOLS:
        if tool in scene.tools.names and seen.steps_left:
            seen = yield CallTool(tool, {"x0": x0, "y0": y0, "x1": x1, "y1": y1})
            if seen.trouble:
                measurement.troubles.append(seen.trouble)
            else:
                _take(measurement, tool, mapping_of(seen.result))
    measured[region] = measurement
    after = yield Annotate(
        _label(measurement), _text(measurement), box, measurement.figures, AUTHOR
    )
    return after if after.was_moved or not seen.was_moved else seen


def _take(measurement: _Measured, tool: str, result: Mapping[str, object]) -> None:
    """The result of a tool as figures; the names are those of `SlideTools`."""
    if tool == "count_nuclei":
        names = {NUCLEI: "nuclei", DENSITY: "nuclei_per_mm2", SIZE: "median_area_um2"}
        for name, key in names.items():
            value = result.get(key)
            if isinstance(value, int | float):
                measurement.figures[name] = float(value)
        return
    told = mapping_of(result["shares"])
    shares = {name: float(share) for name, share in told.items() if isinstance(share, int | float)}
    if tool == "tissue_quality":
        tissue = 1.0 - shares.get(_BACKGROUND, 0.0)
        if tissue > 0.0:  # glass beside the tissue says nothing of its quality
            measurement.figures[SOUND] = min(shares.get(SOUND, 0.0) / tissue, 1.0)
    else:
        measurement.classes = shares


def _label(measurement: _Measured) -> str:
    if DENSITY not in measurement.figures:
        return "Not measured"
    return f"{measurement.figures[NUCLEI]:,.0f} nuclei, {measurement.figures[DENSITY]:,.0f}/mm²"


def _text(measurement: _Measured) -> str:
    figures = measurement.figures
    sentences: list[str] = []
    if SIZE in figures:
        sentences.append(f"Median nucleus {figures[SIZE]:.0f} µm².")
    if SOUND in figures:
        share = f"{percent(figures[SOUND])} of the tissue"
        is_poor = figures[SOUND] < _POOR
        sentences.append(
            f"Poor quality, good in {share}: judge it with care."
            if is_poor
            else f"Good quality ({share})."
        )
    if measurement.classes:
        shares = ", ".join(
            f"{name} {percent(share)}" for name, share in list(measurement.classes.items())[:3]
        )
        sentences.append(f"Tissue: {shares}.")
    return " ".join([*sentences, *measurement.troubles]) or "Nothing was measured."


def _conclusion(measured: Mapping[int, _Measured], options: Sequence[str]) -> Answer:
    densities = {
        region: measurement.figures[DENSITY]
        for region, measurement in measured.items()
        if DENSITY in measurement.figures
    }
    choice = _choice(measured, options)
    if not measured:
        return Answer("No region with tissue was found on the slide.", choice=choice)
    visited = f"{plural(len(measured), 'region was', 'regions were')} visited"
    if not densities:
        return Answer(f"{visited}; nothing could be measured.")
    middle = median(densities.values())
    claims = [
        Claim(f"{density:,.0f} nuclei/mm², {_against(density, middle)}.", region=region)
        for region, density in sorted(densities.items(), key=lambda pair: -pair[1])
    ]
    poor = [r for r, measurement in measured.items() if measurement.figures.get(SOUND, 1.0) < _POOR]
    claims += [Claim("Much of the tissue is blurred, folded or inked.", region=r) for r in poor]
    text = (
        f"{visited}. The median is {middle:,.0f} nuclei/mm²; "
        f"the densest is region {max(densities, key=lambda region: densities[region])}. "
        "These are counts of models, and no opinion on disease."
    )
    return Answer(text, tuple(claims), choice)


def _against(density: float, middle: float) -> str:
    if density >= _DENSE * middle:
        return "denser than most"
    return "sparser than most" if density <= _SPARSE * middle else "average"


def _choice(measured: Mapping[int, _Measured], options: Sequence[str]) -> int | None:
    """Return the option that names the tissue class with the largest share.

    None where none does.
    """
    totals: dict[str, float] = {}
    for measurement in measured.values():
        for name, share in measurement.classes.items():
            totals[plain_words(name)] = totals.get(plain_words(name), 0.0) + share
    words = [plain_words(option) for option in options]
    named = {index: totals[option] for index, option in enumerate(words) if option in totals}
    for index, option in enumerate(words) if not named else ():
        for name, total in totals.items():
            if re.search(rf"\b{re.escape(name)}\b", option) and not _NEGATED.search(option):
                named[index] = total
    return max(named, key=lambda index: named[index]) if named else None
