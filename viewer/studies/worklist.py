"""The slides that are read one after another: what comes next, by slide, case and stain."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Generic, TypeVar

from viewer.studies.cases import NOWHERE, CasePlace, CaseRuleError, place_by_name, place_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from viewer.studies.project import Project, ProjectSlide

Slide = TypeVar("Slide")

_DIGITS = re.compile(r"(\d+)")
_HE = ("he", "h&e", "h+e", "h-e", "h e")


@dataclass(frozen=True, slots=True)
class WorklistEntry(Generic[Slide]):
    """One slide of a worklist.

    Attributes
    ----------
    key
        Tells it from the others: the identity in a project, the path in a tray.
    """

    key: str
    slide: Slide
    place: CasePlace = NOWHERE
    is_read: bool = False
    is_missing: bool = False


class Worklist(Generic[Slide]):
    """Slides in the order of reading: those of a case together, where its first one stands."""

    def __init__(self, entries: Iterable[WorklistEntry[Slide]]) -> None:
        self.entries = grouped(entries)

    def entry(self, key: str) -> WorklistEntry[Slide] | None:
        """Return the entry of a key."""
        return next((each for each in self.entries if each.key == key), None)

    def next(self, key: str, step: int) -> WorklistEntry[Slide] | None:
        """Return the slide after (1) or before (-1) one, passing over what is missing."""
        return next((each for each in self._from(key, step) if not each.is_missing), None)

    def next_unread(self, key: str, step: int) -> WorklistEntry[Slide] | None:
        """Return the next slide that is not read yet, beginning anew at the end of the list."""
        ahead = list(self._from(key, step))
        met = {each.key for each in ahead} | {key}
        rest = [each for each in self.entries[:: 1 if step > 0 else -1] if each.key not in met]
        open_ones = (each for each in (*ahead, *rest) if not each.is_read and not each.is_missing)
        return next(open_ones, None)

    def next_case(self, key: str, step: int) -> WorklistEntry[Slide] | None:
        """Return the first slide of the next case, or of the one before."""
        here = self.entry(key)
        others = [
            each
            for each in self._from(key, step)
            if not each.is_missing and (here is None or not _is_one_case(each, here))
        ]
        if not others:
            return None
        return next((each for each in self.case(others[0].key) if not each.is_missing), others[0])

    def case(self, key: str) -> list[WorklistEntry[Slide]]:
        """Return all slides of the case that one belongs to, itself among them."""
        here = self.entry(key)
        return [each for each in self.entries if here is not None and _is_one_case(each, here)]

    def partner(self, key: str, shown: Iterable[str] = ()) -> WorklistEntry[Slide] | None:
        """Return what to show beside a slide: another stain of its block, else of its case.

        Asked again with that one among `shown`, the next; the first again after the last.
        """
        here = self.entry(key)
        others = [each for each in self.case(key) if each.key != key and not each.is_missing]
        if here is None or not others:
            return None
        others.sort(key=lambda each: each.place.block != here.place.block)
        met = [index for index, each in enumerate(others) if each.key in set(shown)]
        return others[(met[-1] + 1) % len(others)] if met else others[0]

    def _from(self, key: str, step: int) -> list[WorklistEntry[Slide]]:
        keys = [each.key for each in self.entries]
        at = keys.index(key) if key in keys else -1 if step > 0 else len(keys)
        return list(self.entries[at + 1 :] if step > 0 else self.entries[:at][::-1])


def project_entries(
    project: Project, missing: Collection[str] = (), *, hides_names: bool = False
) -> tuple[WorklistEntry[ProjectSlide], ...]:
    """Return the slides of a project by case; where names are hidden, no case is told."""
    rule = project.case_rule.strip()
    return grouped(
        WorklistEntry(
            slide.identity,
            slide,
            NOWHERE if hides_names else place_of(rule, slide),
            is_read=slide.state == "done",
            is_missing=slide.identity in missing,
        )
        for slide in project.slides
    )


def file_entries(
    paths: Iterable[Path], read: Collection[Path] = ()
) -> tuple[WorklistEntry[Path], ...]:
    """Return slides that are of no project by case, as usual names tell it."""
    return grouped(
        WorklistEntry(str(path), path, _usual_place(path.name), is_read=path in read)
        for path in paths
    )


def grouped(entries: Iterable[WorklistEntry[Slide]]) -> tuple[WorklistEntry[Slide], ...]:
    """Return the slides of a case together, by block and stain; the others where they were."""
    cases: dict[str, list[WorklistEntry[Slide]]] = {}
    for number, each in enumerate(entries):
        cases.setdefault(each.place.case or f"\0{number}", []).append(each)
    for slides in cases.values():
        slides.sort(key=lambda each: (natural(each.place.block), _stain_order(each.place.stain)))
    return tuple(each for slides in cases.values() for each in slides)


@lru_cache(maxsize=20_000)
def natural(text: str) -> tuple[tuple[int, str], ...]:
    """Return a key by which A2 comes before A10."""
    parts = _DIGITS.split(text.casefold())
    return tuple((int(part), "") if part.isdecimal() else (0, part) for part in parts)


@lru_cache(maxsize=20_000)
def letters(text: str) -> str:
    """Return the letters and digits of a text, as names are compared with what is typed."""
    return "".join(filter(str.isalnum, text.casefold()))


def _usual_place(name: str) -> CasePlace:
    try:
        return place_by_name("", name)
    except CaseRuleError:  # a very strange name, which takes too long
        return NOWHERE


def _stain_order(stain: str) -> tuple[bool, tuple[tuple[int, str], ...]]:
    """H&E first, as pathologists look at it first; then by name."""
    return stain.casefold() not in _HE, natural(stain)


def _is_one_case(one: WorklistEntry[Slide], other: WorklistEntry[Slide]) -> bool:
    return one.key == other.key or bool(one.place.case and one.place.case == other.place.case)
