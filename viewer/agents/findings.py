"""What an agent saw and said, as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from viewer.geometry import Box

if TYPE_CHECKING:
    from viewer.agents.microscope import Field

Corners = tuple[float, float, float, float]
"""x0, y0, x1, y1 in level-0 pixels."""


class Visit(msgspec.Struct, frozen=True):
    """A region that the agent went to.

    Attributes
    ----------
    region
        Counted from 1 in the order of the walk.
    magnification
        None where the slide tells no scale.
    """

    region: int
    box: Corners
    magnification: float | None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a region.

    Attributes
    ----------
    label
        A few words, as on the slide.
    figures
        Name with unit to number.
    author
        Which models say so.
    """

    region: int
    box: Corners
    magnification: float | None
    label: str
    text: str
    figures: dict[str, float] = {}
    author: str = ""


class Claim(msgspec.Struct, frozen=True):
    """One thing that an answer says, and where it is seen; as the agent gives it, unchecked."""

    text: str
    box: Corners | None = None
    region: int | None = None


class GroundedClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A claim after its place was checked.

    Attributes
    ----------
    box
        Within the slide; None where the claim names no place on it.
    region
        The visited region that shows it; None marks a claim that nothing was looked at for.
    doubt
        Why the place cannot be trusted, one sentence; "" where it can.
    """

    text: str
    box: Corners | None
    region: int | None
    doubt: str = ""

    @property
    def is_visited(self) -> bool:
        return self.region is not None

    @property
    def line(self) -> str:
        """Return the claim in words, with the mark "not visited" where it belongs."""
        where = f"region {self.region}" if self.is_visited else "not visited"
        return f"{self.text.removesuffix('.')} ({where})"


class GroundedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent concludes.

    Attributes
    ----------
    choice
        Index of the option that was chosen; None where there are none, or none was.
    """

    text: str
    claims: tuple[GroundedClaim, ...] = ()
    choice: int | None = None


def corners(box: Box) -> Corners:
    """Return the corners of a box, to a tenth of a pixel."""
    return round(box.x0, 1), round(box.y0, 1), round(box.x1, 1), round(box.y1, 1)


def visit_of(region: int, field: Field) -> Visit:
    """Return the visit to a field."""
    return Visit(region, corners(field.box), field.magnification)


def box_of(corners: Corners) -> Box:
    """Return the box of four corners."""
    return Box(*corners)
