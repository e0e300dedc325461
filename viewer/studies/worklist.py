"""The slides that are read one after another: what comes next, by slide, case and stain."""

from __future__ import annotations

from copy import copy
from functools import lru_cache
from itertools import chain, takewhile
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec
from msgspec.structs import replace

from viewer.slides.natural_order import natural
from viewer.studies.cases import NOWHERE, CasePlace, CaseRuleError, place_by_name, place_of
from viewer.studies.changed_places import changed_places

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from viewer.studies.project import Project, ProjectSlide

Slide = TypeVar("Slide")

_HE = ("he", "h&e", "h+e", "h-e", "h e")


class WorklistEntry(msgspec.Struct, Generic[Slide], frozen=True, gc=False):
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
    """Slides in the order of reading.

    Parameters
    ----------
    entries
        In that order, as `grouped` brings them into it.
    """

    def __init__(self, entries: Iterable[WorklistEntry[Slide]]) -> None:
        self.entries = tuple(entries)
        self._numbers = {each.key: number for number, each in enumerate(self.entries)}
        self.keys = [each.key for each in self.entries]
        """In the order of reading; worklists of the same order have the same object."""

    def with_changed(self, changed: Iterable[WorklistEntry[Slide]]) -> Worklist[Slide]:
        """Return a list of the same order with other entries under some of its keys."""
        entries = list(self.entries)
        for each in changed:
            entries[self._numbers[each.key]] = each
        made = copy(self)
        made.entries = tuple(entries)
        return made

    def changes_since(self, before: Worklist[Slide]) -> list[WorklistEntry[Slide]] | None:
        """Return the entries that are others than before; None where the order is another."""
        if self.keys is not before.keys:
            return None
        places = changed_places(before.entries, self.entries)
        return [self.entries[place] for place in places]

    def entry(self, key: str) -> WorklistEntry[Slide] | None:
        """Return the entry of a key."""
        number = self._numbers.get(key)
        return None if number is None else self.entries[number]

    def number(self, key: str) -> int:
        """Return where in the order of reading a slide stands; -1 where it does not."""
        return self._numbers.get(key, -1)

    def next(self, key: str, step: int) -> WorklistEntry[Slide] | None:
        """Return the slide after (1) or before (-1) one, passing over what is missing."""
        return next((each for each in self._from(key, step) if not each.is_missing), None)

    def next_unread(
        self,
        key: str,
        step: int,
        is_read: Callable[[WorklistEntry[Slide]], bool] = lambda each: each.is_read,
    ) -> WorklistEntry[Slide] | None:
        """Return the next slide that is not read yet, beginning anew at the end of the list."""
        around = chain(self._from(key, step), self._before(key, step))
        return next((each for each in around if not is_read(each) and not each.is_missing), None)

    def next_case(self, key: str, step: int) -> WorklistEntry[Slide] | None:
        """Return the first slide of the next case, or of the one before."""
        here = self.entry(key)
        other = next(
            (
                each
                for each in self._from(key, step)
                if not each.is_missing and (here is None or not _is_one_case(each, here))
            ),
            None,
        )
        if other is None:
            return None
        return next((each for each in self.case(other.key) if not each.is_missing), other)

    def case(self, key: str) -> list[WorklistEntry[Slide]]:
        """Return all slides of the case that one belongs to, itself among them."""
        here = self.entry(key)
        if here is None:
            return []
        # Those of a case stand together.
        around = (self._beside(key, here, -1)[::-1], [here], self._beside(key, here, 1))
        return list(chain.from_iterable(around))

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

    def _beside(
        self, key: str, here: WorklistEntry[Slide], step: int
    ) -> list[WorklistEntry[Slide]]:
        return list(takewhile(lambda each: _is_one_case(each, here), self._from(key, step)))

    def _from(self, key: str, step: int) -> Iterator[WorklistEntry[Slide]]:
        """Yield what follows a slide; all where it is not listed."""
        at, count = self.number(key), len(self.entries)
        if step > 0:
            numbers = range(at + 1, count)
        else:
            numbers = range(at - 1 if at >= 0 else count - 1, -1, -1)
        return map(self.entries.__getitem__, numbers)

    def _before(self, key: str, step: int) -> Iterator[WorklistEntry[Slide]]:
        """Yield what `_from` leaves out but the slide itself, from the end it begins anew at."""
        at, count = self.number(key), len(self.entries)
        numbers = range(0) if at < 0 else range(at) if step > 0 else range(count - 1, at, -1)
        return map(self.entries.__getitem__, numbers)


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


def renewed_worklist(
    worklist: Worklist[ProjectSlide],
    before: Project,
    project: Project,
    missing_before: Collection[str] = (),
    missing: Collection[str] = (),
    *,
    hides_names: bool = False,
) -> Worklist[ProjectSlide]:
    """Return the worklist of a project that was changed; see `renewed_entries`.

    Of states, readers and notes that were changed no other slide is looked at.
    """
    changed = project.changes_since(before)
    is_same = missing is missing_before and before.case_rule == project.case_rule
    # A project may list a slide twice.
    if changed is not None and is_same and len(project.numbers) == len(worklist.keys):
        entries = [
            (worklist.entry(project.slides[n].identity), before.slides[n], project.slides[n])
            for n in changed
        ]
        if all(entry is not None and _is_called_as(one, other) for entry, one, other in entries):
            return worklist.with_changed(
                replace(entry, slide=slide, is_read=slide.state == "done")
                for entry, _, slide in entries
                if entry is not None
            )
    if hides_names:
        renewed = project_entries(project, missing, hides_names=True)
    else:
        renewed = renewed_entries(worklist.entries, before, project, missing)
    return Worklist(renewed)


def renewed_entries(
    entries: Sequence[WorklistEntry[ProjectSlide]],
    before: Project,
    project: Project,
    missing: Collection[str] = (),
) -> tuple[WorklistEntry[ProjectSlide], ...]:
    """Return `project_entries` of a project that was changed; only new names are looked at.

    Parameters
    ----------
    entries
        Of the project `before`, with its names.
    """
    if before.case_rule != project.case_rule:
        return project_entries(project, missing)
    held = {each.key: each for each in entries}
    made: dict[str, WorklistEntry[ProjectSlide]] = {}
    has_moved = len(held) != len(project.slides)
    for slide in project.slides:
        former = held.get(slide.identity)
        is_missing = slide.identity in missing
        if former is not None and former.slide is slide and former.is_missing == is_missing:
            made[slide.identity] = former
            continue
        is_known = former is not None and _is_called_as(former.slide, slide)
        place = former.place if former and is_known else place_of(project.case_rule.strip(), slide)
        has_moved = has_moved or former is None or former.place != place
        made[slide.identity] = WorklistEntry(
            slide.identity, slide, place, is_read=slide.state == "done", is_missing=is_missing
        )
    if has_moved or len(made) != len(held):
        return grouped(made.values())
    return tuple(made[each.key] for each in entries)


def _is_called_as(one: ProjectSlide, other: ProjectSlide) -> bool:
    """Return whether all is the same that tells a slide's place."""
    names = ("name", "path", "case", "block", "stain")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def file_entries(paths: Iterable[Path]) -> tuple[WorklistEntry[Path], ...]:
    """Return slides that are of no project by case, as usual names tell it."""
    return grouped(WorklistEntry(str(path), path, usual_place(path.name)) for path in paths)


def grouped(entries: Iterable[WorklistEntry[Slide]]) -> tuple[WorklistEntry[Slide], ...]:
    """Return the slides of a case together, by block and stain; the others where they were."""
    cases: dict[str, list[WorklistEntry[Slide]]] = {}
    for number, each in enumerate(entries):
        cases.setdefault(each.place.case or f"\0{number}", []).append(each)
    for slides in cases.values():
        slides.sort(key=lambda each: (natural(each.place.block), _stain_order(each.place.stain)))
    return tuple(each for slides in cases.values() for each in slides)


@lru_cache(maxsize=20_000)
def letters(text: str) -> str:
    """Return the letters and digits of a text, as names are compared with what is typed."""
    return "".join(filter(str.isalnum, text.casefold()))


def usual_place(name: str) -> CasePlace:
    """Return case, block and stain as usual names tell them; looked at once a name."""
    try:
        return place_by_name("", name)
    except CaseRuleError:  # a very strange name, which takes too long
        return NOWHERE


def _stain_order(stain: str) -> tuple[bool, tuple[tuple[int, str], ...]]:
    """H&E first, as pathologists look at it first; then by name."""
    return stain.casefold() not in _HE, natural(stain)


def _is_one_case(one: WorklistEntry[Slide], other: WorklistEntry[Slide]) -> bool:
    return one.key == other.key or bool(one.place.case and one.place.case == other.place.case)
