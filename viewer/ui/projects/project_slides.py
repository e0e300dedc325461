"""The slides of a project as the drawer lists them, with how far they are."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import Signal

from viewer.ui.projects.project_boxes import ProjectHeader, SlideDetails
from viewer.ui.slides.slide_list import MISSING, STATE_NAMES, SlideList, SlideRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from PySide6.QtWidgets import QMenu, QWidget

    from viewer.studies.project import ProjectSlide
    from viewer.studies.worklist import Worklist, WorklistEntry
    from viewer.ui.projects.open_project import OpenProject

_ASSIGNED = "assigned to "


class _SoughtIn(NamedTuple):
    """What is sought in of the slides of a project, by key, and of which slides it was made."""

    worklist: Worklist[ProjectSlide]
    hides_names: bool
    letters: dict[str, str]


class _Filtered(NamedTuple):
    """The keys of the slides that pass a filter, and of which slides and missing ones."""

    worklist: Worklist[ProjectSlide]
    missing: frozenset[str]
    wanted: str
    keys: list[str]


class ProjectSlides(SlideList):
    """Shows an `OpenProject`; what the user wants goes out as signals."""

    edited = Signal(str, dict)
    """Identity of a slide, and the members that the user changed."""
    remove_requested = Signal(list)
    """Identities of the chosen slides."""
    empty = "No slides yet. Press Add... below, or drop slides or a folder here."

    def __init__(self, opened: OpenProject, parent: QWidget) -> None:
        super().__init__(parent)
        self._opened = opened
        self._chosen: list[str] = []
        self._sought_in: _SoughtIn | None = None
        self._filtered: _Filtered | None = None
        self.header = ProjectHeader(parent)
        self.details = SlideDetails(parent)
        self.above, self.below = self.header, self.details
        self.details.edited.connect(self.edited)
        self.details.remove.clicked.connect(
            lambda: self.remove_requested.emit([slide.identity for slide in self.chosen()])
        )
        opened.changed.connect(self.refresh)
        self.refresh()

    @property
    def is_there(self) -> bool:
        return self._opened.is_open

    @property
    def filters(self) -> Sequence[tuple[str, str]]:
        """Return all, the states, and the people that slides are assigned to."""
        from viewer.studies.project import STATES

        people = sorted(self._opened.tally.people.keys() - {""})
        return [
            ("", "All slides"),
            *((state, STATE_NAMES[state]) for state in (*STATES, MISSING)),
            *((f"{_ASSIGNED}{name}", f"Assigned to {name}") for name in people),
        ]

    def keys(self, wanted: str = "", typed: str = "") -> Sequence[str]:
        from viewer.studies.worklist import letters

        keys, sought = self._passing(wanted), letters(typed)
        if not sought:
            return keys
        found = self._letters()
        return [each for each in keys if sought in found[each]]

    def row(self, key: str) -> SlideRow:
        opened = self._opened
        entry = self._entry(key)
        slide, path = entry.slide, opened.path_of(entry.slide)
        return SlideRow(
            path,
            opened.name_of(slide),
            entry.place,
            MISSING if key in opened.missing else slide.state,
            slide.assignee,
            slide.note,
            "" if opened.hides_names() else str(path),
        )

    def key_of(self, path: Path | None, identity: str) -> str:
        slide = self._opened.project.slide(identity) if identity else None
        return slide.identity if slide is not None else ""

    def why_not(self, key: str) -> str:
        if key not in self._opened.missing:
            return ""
        name = self._opened.name_of(self._entry(key).slide)
        return f"{name} is missing: press Find... to look for it."

    def choose(self, keys: Sequence[str]) -> None:
        self._chosen = list(keys)
        self._show_details()

    def chosen(self) -> list[ProjectSlide]:
        """Return the selected slides, in order."""
        return list(self._each_chosen())

    def add_actions(self, menu: QMenu, keys: Sequence[str]) -> None:
        from viewer.studies.project import STATES

        states = menu.addMenu("&State")
        for state in STATES:
            states.addAction(STATE_NAMES[state]).triggered.connect(
                lambda _=False, state=state: self._set_states(keys, state)
            )
        menu.addAction("&Remove from the project").triggered.connect(
            lambda: self.remove_requested.emit(list(keys))
        )

    def refresh(self) -> None:
        """Show the project as it is now."""
        self.header.show_project(self._opened)
        self.details.show_missing(
            is_any=bool(self._opened.missing), is_searching=self._opened.is_searching
        )
        self._show_details()
        self.changed.emit()

    def _set_states(self, keys: Sequence[str], state: str) -> None:
        """Set the state of slides, at once but where each has to be finished by itself."""
        from viewer.studies.project import changing_slides

        if state != "done":
            self._opened.change(changing_slides(keys, state=state))
            return
        for key in keys:
            self.edited.emit(key, {"state": state})

    def _letters(self) -> Mapping[str, str]:
        """Return what is sought in, by key: each slide is looked at once, not at each letter."""
        from viewer.studies.worklist import letters

        opened = self._opened
        worklist, hides = opened.worklist, opened.hides_names()
        known, name_of = self._sought_in, opened.name_of if hides else _shown_name
        if known is not None and known.worklist is worklist and known.hides_names == hides:
            return known.letters
        changed, found = worklist.entries, dict[str, str]()
        if known is not None and known.hides_names == hides:
            since = worklist.changes_since(known.worklist)
            changed, found = (changed, found) if since is None else (since, known.letters)
        for each in changed:
            found[each.key] = letters(f"{name_of(each.slide)} {each.place.text}")
        self._sought_in = _SoughtIn(worklist, hides, found)
        return found

    def _passing(self, wanted: str) -> list[str]:
        """Return the keys that pass a filter: the same list until another slide does."""
        worklist, missing, known = self._opened.worklist, self._opened.missing, self._filtered
        if not wanted:
            return worklist.keys
        keys: list[str] | None = None
        if known is not None and known.wanted == wanted and known.missing is missing:
            changed, before = worklist.changes_since(known.worklist), known.worklist
            if changed is not None and all(
                self._passes(each.slide, wanted) == self._passes(former.slide, wanted)
                for each in changed
                if (former := before.entry(each.key)) is not None
            ):
                keys = known.keys
        if keys is None:
            keys = [each.key for each in worklist.entries if self._passes(each.slide, wanted)]
        self._filtered = _Filtered(worklist, missing, wanted, keys)
        return keys

    def _entry(self, key: str) -> WorklistEntry[ProjectSlide]:
        entry = self._opened.worklist.entry(key)
        assert entry is not None
        return entry

    def _each_chosen(self) -> Iterator[ProjectSlide]:
        entries = map(self._opened.worklist.entry, self._chosen)
        return (each.slide for each in entries if each is not None)

    def _show_details(self) -> None:
        """Show the selected slide; of several it matters only that they are."""
        self.details.show_slides(list(islice(self._each_chosen(), 2)))

    def _passes(self, slide: ProjectSlide, wanted: str) -> bool:
        if wanted.startswith(_ASSIGNED):
            return slide.assignee == wanted.removeprefix(_ASSIGNED)
        is_missing = slide.identity in self._opened.missing
        return not wanted or wanted == slide.state or (wanted == MISSING and is_missing)


def _shown_name(slide: ProjectSlide) -> str:
    return slide.shown_name
