"""Holds what an agent says against the slide and against what it looked at."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import msgspec

from viewer.agents.findings import (
    Claim,
    Corners,
    GroundedAnswer,
    GroundedClaim,
    Visit,
    box_of,
    corners,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.agents.actions import Answer
    from viewer.geometry import Box

_LEAST_SEEN = 0.5
"""The share of a claim's box that a visited region has to hold."""
_NUMBER = r"\s*(-?\d+(?:\.\d+)?)\s*"
WRITTEN_BOX = re.compile(r"[\[(]" + ",".join([_NUMBER] * 4) + r"[\])]")
"""A box as models write one among words."""
_REGION = re.compile(r"\bregions?\s+(\d{1,4})\b", re.IGNORECASE)


class Reference(msgspec.Struct, frozen=True):
    """A place that a text names, for a link.

    Attributes
    ----------
    begin, end
        Of the words, in characters.
    box
        Level-0 pixels, on the slide.
    region
        Its number, where a visited region is named or shows the box.
    """

    begin: int
    end: int
    box: Corners
    region: int | None


def grounded(answer: Answer, visits: Sequence[Visit], slide: Box) -> GroundedAnswer:
    """Return the answer with the place of each claim checked; the text is left as it is."""
    claims = tuple(_grounded(claim, visits, slide) for claim in answer.claims)
    return GroundedAnswer(text=answer.text, claims=claims, choice=answer.choice)


def references_in(text: str, visits: Sequence[Visit], slide: Box) -> list[Reference]:
    """Boxes such as [x0, y0, x1, y1] and "region 3" in a text; what is not on the slide is not."""
    found: list[Reference] = []
    for match in WRITTEN_BOX.finditer(text):
        box = _checked((*map(float, match.groups()),), slide)
        if box is not None:
            found.append(Reference(match.start(), match.end(), box, _shown_in(box, visits)))
    for match in _REGION.finditer(text):
        visit = _visit(int(match[1]), visits)
        if visit is not None:
            found.append(Reference(match.start(), match.end(), visit.box, visit.region))
    return sorted(found, key=lambda reference: reference.begin)


def _grounded(claim: Claim, visits: Sequence[Visit], slide: Box) -> GroundedClaim:
    if claim.box is not None:
        box = _checked(claim.box, slide)
        if box is None:
            doubt = "Its box does not lie on the slide."
            return GroundedClaim(text=claim.text, box=None, region=None, doubt=doubt)
        region = _shown_in(box, visits)
        doubt = "" if region else "Its place was not looked at."
        return GroundedClaim(text=claim.text, box=box, region=region, doubt=doubt)
    visit = _visit(claim.region, visits)
    if visit is None:
        doubt = "It names no region that was looked at."
        return GroundedClaim(text=claim.text, box=None, region=None, doubt=doubt)
    return GroundedClaim(text=claim.text, box=visit.box, region=visit.region)


def _checked(sides: tuple[float, ...], slide: Box) -> Corners | None:
    """Return the part of a box on the slide; None where that is less than half of it."""
    x0, y0, x1, y1 = sides
    if not all(map(math.isfinite, sides)) or x1 <= x0 or y1 <= y0:
        return None
    box = box_of((x0, y0, x1, y1))
    inside = box.intersection(slide)
    if inside.is_empty or inside.width * inside.height < box.width * box.height / 2:
        return None
    return corners(inside)


def _shown_in(corners: Corners, visits: Sequence[Visit]) -> int | None:
    """Return the region that shows most of a box, if it is at least half of it.

    Of equals the closest.
    """
    box = box_of(corners)

    def seen(visit: Visit) -> tuple[float, float]:
        field = box_of(visit.box)
        common = field.intersection(box)
        share = 0.0 if common.is_empty else common.width * common.height / (box.width * box.height)
        return share, -field.width * field.height

    best = max(visits, key=seen, default=None)
    return best.region if best is not None and seen(best)[0] >= _LEAST_SEEN else None


def _visit(region: int | None, visits: Sequence[Visit]) -> Visit | None:
    return next((visit for visit in visits if visit.region == region), None)
