"""What plainer formats cannot hold of an annotation, so that it can be reported."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from viewer.annotations.annotation import AUTHOR, CREATED, DRAWN_WITH, MODIFIED
from viewer.annotations.formats.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from viewer.annotations.annotation import Annotation

Trait = Literal["name", "color", "kind", "lock", "ellipse", "nucleus", "numbers", "notes", "more"]

_STAMPS = frozenset({AUTHOR, CREATED, MODIFIED, DRAWN_WITH})
"""Metadata that is put on strokes: nobody typed it, and nobody misses it."""


def each_alone(
    annotations: Iterable[Annotation], problems: list[Problem], holds: Collection[Trait] = ()
) -> Iterator[tuple[int, Annotation]]:
    """Yield annotations with their number, those inside of others behind them.

    Tells what is lost.
    """
    for number, annotation in enumerate(annotations, 1):
        for each in _with_inner(annotation):
            gone = _traits_of(each, holds)
            if gone:
                problems.append(Problem(number, f"{_listed(gone)}, which this format cannot hold"))
            yield number, replace(each, children=()) if each.children else each


def _with_inner(annotation: Annotation) -> Iterator[Annotation]:
    waiting = [annotation]
    while waiting:
        each = waiting.pop()
        waiting += reversed(each.children)
        yield each


def _traits_of(annotation: Annotation, holds: Collection[Trait]) -> list[str]:
    own_color = annotation.color is not None
    has: dict[Trait, tuple[bool, str]] = {
        "name": (bool(annotation.name), "its name"),
        "color": (own_color, "its own color"),
        "kind": (annotation.kind != "annotation", f"that it is a {annotation.kind}"),
        "lock": (annotation.is_locked, "that it is locked"),
        "ellipse": (annotation.is_ellipse, "that it is an ellipse"),
        "nucleus": (annotation.nucleus is not None, "its nucleus"),
        "numbers": (bool(annotation.measurements), "its measurements"),
        "notes": (not annotation.metadata.keys() <= _STAMPS, "its notes"),
        "more": (bool(annotation.unknown), "what else its file said"),
    }
    gone = [text for trait, (is_there, text) in has.items() if is_there and trait not in holds]
    if annotation.children:
        gone.append("its place around others")
    return gone


def _listed(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
