"""The project that is open in a window: shown at once, written in threads, kept up to date."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec
from PySide6.QtCore import QObject, Qt, QTimer, Signal

from viewer.access import who_can_read
from viewer.errors import sentence_of
from viewer.plurals import plural
from viewer.ui.background_runner import BackgroundRunner, Urgency

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from viewer.studies.project import Change, Project, ProjectSlide, SlideState
    from viewer.studies.project_tally import ProjectTally
    from viewer.studies.worklist import Worklist

_log = logging.getLogger(__name__)
_LOOK_MS = 3000
"""How often the file is looked at: shared folders do not tell of changes."""


class _Listed(msgspec.Struct, frozen=True):
    """Slides in the order of reading, and what they were listed of."""

    project: Project
    missing: frozenset[str]
    hides_names: bool
    worklist: Worklist[ProjectSlide]

    def is_of(self, project: Project, missing: frozenset[str], *, hides_names: bool) -> bool:
        """Return whether nothing has changed since, without comparing thousands of slides."""
        is_same = self.project is project and self.missing is missing
        return is_same and self.hides_names == hides_names


class _Places(msgspec.Struct, frozen=True):
    """Where the slides of a project lie, by path; of slides of one path the first counts."""

    project: Project
    numbers: dict[Path, int]

    @classmethod
    def of(cls, project: Project, folder: Path) -> _Places:
        from viewer.studies.project import slide_path

        slides = project.slides
        backwards = range(len(slides) - 1, -1, -1)
        return cls(project, {slide_path(slides[number], folder): number for number in backwards})

    def renewed(self, project: Project, folder: Path) -> _Places:
        """Return the places of a project that was changed; only paths that were are looked at."""
        changed, before = project.changes_since(self.project), self.project.slides
        if changed is None or any(before[n].path != project.slides[n].path for n in changed):
            return _Places.of(project, folder)
        return _Places(project, self.numbers)


class _Read(msgspec.Struct, frozen=True):
    """A project as it was read, and what is asked of all its slides, found out in the thread."""

    folder: Path
    seen_ns: int
    readers: str
    listed: _Listed
    places: _Places
    tally: ProjectTally


class OpenProject(QObject):
    """Owned by the window's part; `shut_down` writes what is left."""

    changed = Signal()
    """The project, or what is missing of it, is another."""
    switched = Signal()
    """Another project is open, or none."""
    said = Signal(str)
    troubled = Signal(str)
    _looked_at = Signal(int)
    """How many slides that are to be added were opened so far; from a thread."""

    def __init__(self, parent: QObject) -> None:
        from viewer.studies.project import Project

        super().__init__(parent)
        self.folder: Path | None = None
        self.project = Project()
        """As who reads now has it: with stages, each reader has states of their own."""
        self._in_file = Project()
        self.seen_by_reader: Callable[[Project], Project] = lambda project: project
        """Gives the project as who reads now has it."""
        self.keep_states: Callable[[dict[str, SlideState]], object] = lambda _states: None
        """Keeps the reader's own states of slides, by their identities."""
        self.missing: frozenset[str] = frozenset()
        """Identities of slides that do not lie where they should."""
        self._replaced: frozenset[tuple[str, str]] = frozenset()
        """Identities of slides in whose place others lie, and that place as it is stored."""
        self.readers = ""
        """Who can read what is kept in the project's folder, a sentence."""
        self.is_searching = False
        self.hides_names: Callable[[], bool] = lambda: False
        """Tells whether the study hides the names of its slides from who reads now."""
        self._listed: _Listed | None = None
        self._places: _Places | None = None
        self._tally: ProjectTally | None = None
        self._seen_ns = 0
        self._unwritten = 0
        self._disk = BackgroundRunner("project", 1, self)
        self._search = BackgroundRunner("find slides", 1, self)
        self._look = QTimer(self, interval=_LOOK_MS)
        self._look.timeout.connect(self._look_at_file)
        self._looked_at.connect(self._say_looked_at, Qt.ConnectionType.QueuedConnection)

    @property
    def is_open(self) -> bool:
        return self.folder is not None

    def path_of(self, slide: ProjectSlide) -> Path:
        """Return where a slide of the open project should lie."""
        from viewer.studies.project import slide_path

        assert self.folder is not None
        return slide_path(slide, self.folder)

    def name_of(self, slide: ProjectSlide) -> str:
        """Return what a slide is called before who reads now; by its number where a study hides it.

        The number is that of the slide in the project.
        """
        if not self.hides_names():
            return slide.shown_name
        number = self.project.numbers.get(slide.identity)
        return "Slide" if number is None else f"Slide {number + 1}"

    def name_of_path(self, path: Path) -> str:
        """Return what a slide's file is called, as `name_of` does for slides of the project."""
        if self.folder is None or not self.hides_names():
            return path.name
        slide = self.slide_at(path)
        return path.name if slide is None else self.name_of(slide)

    def slide_at(self, path: Path) -> ProjectSlide | None:
        """Return the slide that should lie at a path; None where none should."""
        folder, project, known = self.folder, self.project, self._places
        if folder is None:
            return None
        if known is None:
            known = self._places = _Places.of(project, folder)
        elif known.project is not project:
            known = self._places = known.renewed(project, folder)
        number = known.numbers.get(path)
        return None if number is None else project.slides[number]

    @property
    def worklist(self) -> Worklist[ProjectSlide]:
        """Return the slides in the order of reading, those of a case together."""
        from viewer.studies.worklist import Worklist, project_entries, renewed_worklist

        project, missing, hides = self.project, self.missing, self.hides_names()
        known = self._listed
        if known is None or not known.is_of(project, missing, hides_names=hides):
            if known is None or known.hides_names != hides:
                entries = project_entries(project, missing, hides_names=hides)
                worklist = Worklist(entries)
            else:
                worklist = renewed_worklist(
                    known.worklist, known.project, project, known.missing, missing,
                    hides_names=hides,
                )  # fmt: skip
            known = self._listed = _Listed(project, missing, hides, worklist)
        return known.worklist

    @property
    def tally(self) -> ProjectTally:
        """Return how many slides are in which state, and whom they are assigned to."""
        from viewer.studies.project_tally import ProjectTally

        known = self._tally
        known = ProjectTally(self.project) if known is None else known.followed(self.project)
        self._tally = known
        return known

    def open(self, path: Path) -> None:
        """Open the project of a folder, or of its project.json."""
        from viewer.studies.project_file import modified_ns, project_folder, read_project
        from viewer.studies.project_tally import ProjectTally
        from viewer.studies.worklist import Worklist, project_entries

        folder = project_folder(path.absolute())

        def read() -> _Read:
            seen_ns, project = modified_ns(folder), read_project(folder)
            worklist = Worklist(project_entries(project))
            listed = _Listed(project, frozenset(), hides_names=False, worklist=worklist)
            places, tally = _Places.of(project, folder), ProjectTally(project)
            return _Read(folder, seen_ns, who_can_read(folder), listed, places, tally)

        self._disk.run(read, self._on_opened, self._on_failed)

    def create(self, folder: Path) -> None:
        """Make a project in a folder, named after it, and open it."""
        from viewer.studies.project import Project
        from viewer.studies.project_file import create_project

        self._disk.run(
            lambda: create_project(folder, Project(title=folder.name, keeps_sets=True)),
            lambda _: self.open(folder),
            self._on_failed,
            keeps="The new project",
        )

    def close(self) -> None:
        """What was changed is still written."""
        from viewer.studies.project import Project

        self._look.stop()
        self._search.cancel_waiting()
        self.folder = None
        self.project, self.missing = Project(), frozenset()
        self._replaced = frozenset()
        self._in_file = self.project
        self._places = None
        self.is_searching = False
        self.switched.emit()
        self.changed.emit()

    def change(self, change: Change) -> None:
        """Change the project: shown at once, then in the file over what others changed there.

        With stages, states of slides are the reader's own and do not go to the file.
        """
        from viewer.studies.progress import keeping_states
        from viewer.studies.project_file import change_project, modified_ns

        folder = self.folder
        if folder is None:
            return
        if self._in_file.stages:
            if moved := _moved_states(self.project, change(self.project)):
                self.keep_states(moved)
            change = keeping_states(change)
        self._show(change(self._in_file))
        shown = self._in_file
        self._unwritten += 1
        self._disk.run(
            lambda: (change_project(folder, change).like(shown), modified_ns(folder)),
            lambda written: self._on_written(folder, *written),
            lambda error: self._on_not_written(folder, error),
            keeps="A change of the project",
        )

    def add(self, paths: Sequence[Path]) -> None:
        """Add slides, and those in folders; each is opened once for its identity."""
        from viewer.studies.finding import project_slides

        folder = self.folder
        if folder is None:
            return
        refused: list[str] = []

        def looked_at() -> list[ProjectSlide]:
            slides: list[ProjectSlide] = []
            for slide in project_slides(paths, folder, refused):
                slides.append(slide)
                self._looked_at.emit(len(slides))
            return slides

        self.said.emit("Looking at the slides...")
        self._search.run(
            looked_at,
            lambda slides: self._on_looked_at(folder, slides, refused),
            self._on_failed,
        )

    def find_in(self, place: Path) -> None:
        """Look for all missing slides in a folder and the folders in it."""
        from viewer.studies.finding import MOST_OPENED

        if self.missing:
            self._find((place,), MOST_OPENED, is_asked=True)

    def look_for_missing(self) -> None:
        """See which slides are missing, and look for them near the project."""
        from viewer.studies.finding import missing_slides

        folder, project, replaced = self.folder, self.project, self._replaced
        if folder is not None:
            self._search.run(
                lambda: missing_slides(project, folder, replaced),
                lambda missing: self._on_missing(folder, missing),
                urgency=Urgency.REST,
            )

    def note_place(self, slide: ProjectSlide, *, is_replaced: bool) -> None:
        """Take note that another slide lies in the place of one, or that it lies there itself."""
        place = frozenset([(slide.identity, slide.path)])
        replaced = self._replaced | place if is_replaced else self._replaced - place
        if replaced != self._replaced:
            self._replaced = replaced
            self.look_for_missing()

    def look_again(self) -> None:
        """Read the file now: this window changed it, though not by `change`."""
        self._look_at_file()

    def shut_down(self) -> None:
        """Write what is left to write."""
        self._look.stop()
        self._search.close()
        self._disk.close(finish=True)

    # -----------------------------------------------------------------------------------------

    def show_states(self) -> None:
        """Show the states as they are now for who reads."""
        self._show(self._in_file)

    def _show(self, project: Project) -> None:
        self._in_file = project
        seen = self.seen_by_reader(project)
        if seen != self.project:
            self.project = seen
            self.changed.emit()

    def _on_opened(self, read: _Read) -> None:
        self.readers, self._seen_ns, listed = read.readers, read.seen_ns, read.listed
        self.folder, self._in_file = read.folder, listed.project
        self.project = self.seen_by_reader(listed.project)
        self.missing, self._unwritten = listed.missing, 0
        self._listed, self._places, self._tally = listed, read.places, read.tally
        self._look.start()
        self.switched.emit()
        self.changed.emit()
        self.look_for_missing()

    def _on_written(self, folder: Path, project: Project, seen_ns: int) -> None:
        if folder != self.folder:
            return
        self._unwritten = max(0, self._unwritten - 1)
        self._seen_ns = seen_ns
        if not self._unwritten:
            self._show(project)

    def _on_not_written(self, folder: Path, error: Exception) -> None:
        """What is shown is again what is in the file, if that can be read."""
        from viewer.studies.project_file import read_project

        self._on_failed(error)
        if folder == self.folder:
            self._unwritten = max(0, self._unwritten - 1)
            self._disk.run(
                lambda: read_project(folder),
                lambda project: self._show(project) if folder == self.folder else None,
                lambda error: _log.warning("%s", error),
            )

    def _look_at_file(self) -> None:
        from viewer.studies.project_file import modified_ns, read_project

        folder, seen_ns = self.folder, self._seen_ns
        if folder is None or self._unwritten:
            return

        known = self._in_file

        def look() -> tuple[int, Project] | None:
            now_ns = modified_ns(folder)
            if now_ns in (0, seen_ns):
                return None
            return now_ns, read_project(folder).like(known)

        self._disk.run(look, lambda read: self._on_read_again(folder, read), self._on_unreadable)

    def _on_read_again(self, folder: Path, read: tuple[int, Project] | None) -> None:
        if read is not None and folder == self.folder and not self._unwritten:
            self._seen_ns = read[0]
            self._show(read[1])

    def _on_unreadable(self, error: Exception) -> None:
        """Say it once, not every time the file is read."""
        self._look.stop()
        self._on_failed(error)

    def _say_looked_at(self, count: int) -> None:
        self.said.emit(f"Looking at the slides... {count:,} so far.")

    def _on_looked_at(self, folder: Path, slides: list[ProjectSlide], refused: list[str]) -> None:
        from viewer.studies.project import adding_slides

        if folder != self.folder:
            return
        before = len(self.project.slides)
        self.change(adding_slides(slides))
        count = len(self.project.slides) - before
        self.said.emit(f"{plural(count, 'slide was', 'slides were')} added to the project.")
        if refused:
            more = f" And {len(refused) - 1} more." if len(refused) > 1 else ""
            self.troubled.emit(refused[0] + more)

    def _on_missing(self, folder: Path, missing: list[ProjectSlide]) -> None:
        from viewer.studies.finding import MOST_OPENED_UNASKED, neighborhood

        if folder != self.folder:
            return
        found = frozenset(slide.identity for slide in missing)
        if found != self.missing:
            self._set_missing(found)
        if missing:
            self._find(neighborhood(folder), MOST_OPENED_UNASKED, is_asked=False)

    def _find(self, places: tuple[Path, ...], most: int, *, is_asked: bool) -> None:
        from viewer.studies.finding import find_slides

        folder = self.folder
        assert folder is not None
        wanted = [slide for slide in self.project.slides if slide.identity in self.missing]
        self.is_searching = True
        self.changed.emit()
        self._search.run(
            lambda: find_slides(
                wanted, places, most_opened=most, is_wanted=lambda: self.folder == folder
            ),
            lambda found: self._on_found(folder, found, is_asked=is_asked),
            self._on_failed,
            urgency=Urgency.ASKED if is_asked else Urgency.REST,
        )

    def _on_found(self, folder: Path, found: dict[str, Path], *, is_asked: bool) -> None:
        from viewer.studies.finding import taking_places

        if folder != self.folder:
            return
        self.is_searching = False
        if found:
            self.change(taking_places(found, folder))
        self._set_missing(self.missing - found.keys())
        if found:
            count = len(found)
            were = "was" if count == 1 else "were"
            self.said.emit(f"{plural(count, 'slide')} that had been moved {were} found.")
        elif is_asked:
            self.said.emit("None of the missing slides is there.")

    def _set_missing(self, missing: frozenset[str]) -> None:
        self.missing = missing
        self.changed.emit()

    def _on_failed(self, error: Exception) -> None:
        self.is_searching = False
        self.troubled.emit(sentence_of(error, _log, "the project cannot be used"))


def _moved_states(before: Project, after: Project) -> dict[str, SlideState]:
    """Return the states that are others, by the identity of their slides."""
    changed = after.changes_since(before)
    slides = after.slides if changed is None else [after.slides[number] for number in changed]
    return {
        slide.identity: slide.state
        for slide in slides
        if (known := before.slide(slide.identity)) is not None and known.state != slide.state
    }
