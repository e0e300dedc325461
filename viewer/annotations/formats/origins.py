"""From where a file counts: the corner of the slide, or that of its bounds as QuPath does."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from shapely import affinity

if TYPE_CHECKING:
    from viewer.annotations.annotation import Annotation
    from viewer.annotations.formats.problems import Problem

Origin = Literal["slide", "bounds"]
"""The corner of level 0, as OpenSlide, ASAP and ImageScope count; or that of the bounds."""

_NOTE = "its places"
_OURS = re.compile(rb'"coverslip"\s*:\s*\{')
_STATED = re.compile(rb'"origin"\s*:\s*"(slide|bounds)"')


def stated_origin(head: bytes) -> Origin | None:
    """Return from where a GeoJSON file says that it counts, by its first bytes; None by others."""
    ours = _OURS.search(head)
    if ours is None:
        return None
    stated = _STATED.search(head, ours.end())
    return "bounds" if stated is not None and stated[1] == b"bounds" else "slide"


def is_origin_note(problem: Problem) -> bool:
    """Return whether nothing is wrong: it says from where a file counts."""
    return problem.reason.startswith(_NOTE)


def origin_member(bounds_px: tuple[float, float]) -> dict[str, object]:
    """Return what a GeoJSON file that counts from bounds says of it, under "coverslip"."""
    return {"origin": "bounds", "origin_px": list(bounds_px)}


def origin_sentence(origin: Origin, bounds_px: tuple[float, float], *, is_stated: bool) -> str:
    """Return what is said where a slide has bounds and a file was read."""
    x, y = bounds_px
    where = f"the slide's bounds at {x:,.0f}, {y:,.0f} px, as QuPath's do"
    if origin == "slide":
        where = f"the corner of the slide, and not from its bounds at {x:,.0f}, {y:,.0f} px"
    guess = "the file does not say so (on the command line, --origin tells otherwise)"
    return f"{_NOTE} count from {where}" + ("" if is_stated else f"; {guess}")


def moved(annotation: Annotation, dx: float, dy: float) -> Annotation:
    """Return an annotation as drawn elsewhere, with its nucleus and its children."""
    nucleus = annotation.nucleus
    return replace(
        annotation,
        geometry=affinity.translate(annotation.geometry, dx, dy),
        nucleus=None if nucleus is None else affinity.translate(nucleus, dx, dy),
        children=tuple(moved(child, dx, dy) for child in annotation.children),
    )
