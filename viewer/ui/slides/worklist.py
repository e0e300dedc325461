"""What is read next in a window: unread slides, cases, the other stain, and slides opened ahead."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from PySide6.QtCore import QObject, QTimer

from viewer.slides.remote.address import slide_path
from viewer.ui.services import (
    CommandHost,
    DialogHost,
    MessageHost,
    OpeningHost,
    PaneHost,
    ReaderHost,
    SettingsHost,
)
from viewer.ui.slides.slides_ahead import SlidesAhead

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.canvas.tile_picture import TilePicture
    from viewer.studies.cases import CasePlace
    from viewer.studies.project import ProjectSlide
    from viewer.studies.worklist import Worklist, WorklistEntry
    from viewer.tiles.cache import TileCache
    from viewer.ui.projects.controller import ProjectsController
    from viewer.ui.slides.folder_slides import FolderSlides
    from viewer.ui.slides.slide_pane import SlidePane
    from viewer.ui.slides.slides_panel import SlidesPanel

_REST_MS = 250
"""After the slide on screen is sharp, before others are opened."""
_MOST_AHEAD = 3


class WorklistHost(
    MessageHost, DialogHost, PaneHost, CommandHost, SettingsHost, ReaderHost, OpeningHost, Protocol
):
    """What the worklist asks of the window."""

    folder: FolderSlides
    projects: ProjectsController
    slides: SlidesPanel


class _Called(NamedTuple):
    """What a slide is called, and where it lies; `letters` are those of its name and its case."""

    name_letters: str
    letters: str
    name: str
    case: str
    path: Path


class _CalledOf(NamedTuple):
    """What slides are called, and of which slides, project and recent ones it was made."""

    worklist: object
    project: object
    recent: tuple[str, ...]
    slides: list[_Called]


class _Made(NamedTuple):
    """The slides of a project that are listed, and of which of its slides they were made."""

    every: Worklist[ProjectSlide]
    keys: Sequence[str]
    listed: Worklist[ProjectSlide]


class WorklistController(QObject):
    """The list that the drawer shows, a project's or a folder's; owned by the window."""

    def __init__(self, window: WorklistHost, cache: TileCache[TilePicture]) -> None:
        super().__init__(window.window())
        self._window = window
        self.ahead = SlidesAhead(cache, self)
        self._made: _Made | None = None
        self._called: _CalledOf | None = None
        self._read: set[Path] = set()
        """Slides of no project that were on screen in this window."""
        self._direction, self._last_key = 1, ""
        """In which direction the list is gone through, and the slide that was on screen last."""
        self._rest = QTimer(self, interval=_REST_MS, singleShot=True)
        self._rest.timeout.connect(self._look_ahead)
        commands = window.commands
        commands.on("file.next_unread", lambda: self._go_unread(1))
        commands.on("file.previous_unread", lambda: self._go_unread(-1))
        commands.on("file.next_case", lambda: self._go_case(1))
        commands.on("file.previous_case", lambda: self._go_case(-1))
        commands.on("panes.partner", self._show_partner)
        window.panes.watch(self._watch)
        window.panes.active_changed.connect(lambda _: self._rest.start())
        window.reader.changed.connect(self._rest.start)
        window.projects.opened.changed.connect(self._rest.start)
        window.slides.listed.connect(self._rest.start)

    def worklist(self) -> Worklist[Path] | Worklist[ProjectSlide]:
        """Return the slides as they are read: those that the drawer lists."""
        from viewer.studies.worklist import Worklist

        if not self._reads_project:
            return self._window.folder.worklist
        every, keys = self._window.projects.opened.worklist, self._window.slides.model.keys
        if keys is every.keys:
            return every
        made = self._made
        changed = made and made.keys is keys and every.changes_since(made.every)
        if made is None or not isinstance(changed, list):
            shown = set(keys)
            listed = Worklist(e for e in every.entries if e.key in shown)
        elif changed:
            listed = made.listed.with_changed(
                each for each in changed if made.listed.entry(each.key) is not None
            )
        else:
            return made.listed
        self._made = _Made(every, keys, listed)
        return listed

    @property
    def paths(self) -> list[Path]:
        """Return where the slides lie, as they are read."""
        return [self.path_of(each.slide) for each in self.worklist().entries]

    def path_of(self, slide: Path | ProjectSlide) -> Path:
        """Return where a slide of the worklist lies."""
        return slide if isinstance(slide, Path) else self._window.projects.opened.path_of(slide)

    def place_of(self, pane: SlidePane) -> CasePlace:
        """Return case, block and stain of the slide in a pane, as far as they may be told."""
        from viewer.studies.cases import NOWHERE
        from viewer.studies.worklist import file_entries

        opened = self._window.projects.opened
        if opened.is_open:
            slide = opened.project.slide(pane.source.info.identity) if pane.source else None
            entry = opened.worklist.entry(slide.identity) if slide is not None else None
            if entry is not None or self.hides_names:
                return entry.place if entry is not None else NOWHERE
        return file_entries([pane.named_path])[0].place if pane.named_path is not None else NOWHERE

    def label_of(self, pane: SlidePane) -> str:
        """Return what a pane's slide is called and of which case it is, a line each.

        "" without a slide, and where a study hides the names.
        """
        if pane.named_path is None or self.hides_names:
            return ""
        place = self.place_of(pane)
        parts = (
            f"Case {place.case}" if place.case else "",
            f"block {place.block}" if place.block else "",
            place.stain,
        )
        return "\n".join(filter(None, (pane.named_path.name, ", ".join(filter(None, parts)))))

    def title_of(self, pane: SlidePane, name: str) -> str:
        """Return "Case 12 / HE 3": the case, else the folder that is listed, and the slide.

        Parameters
        ----------
        name
            What the slide is called before who reads now.
        """
        if pane.named_path is None or self.hides_names:
            return name
        place = self.place_of(pane)
        if place.case:
            case = f"Case {place.case}" if place.case.isdecimal() else place.case
            return f"{case} / {place.short_name(name)}"
        folder = self._window.folder
        is_listed = folder.folder and folder.key_of(pane.named_path, "")
        return f"{pane.named_path.parent.name} / {name}" if is_listed else name

    @property
    def hides_names(self) -> bool:
        """Return whether the study hides the names of slides from who reads now."""
        opened = self._window.projects.opened
        return opened.is_open and opened.hides_names()

    def slides_named(self, typed: str) -> list[tuple[str, str, Path]]:
        """Return name, case and path of the slides that are so called; nothing where it is hidden.

        Letters and digits count alone: "s23 1234" finds "S23-1234 A1 HE.svs".
        """
        from viewer.studies.worklist import letters

        wanted = letters(typed)
        if not wanted or self.hides_names:
            return []
        found = [each for each in self._slides_called() if wanted in each.letters]
        found.sort(key=lambda each: not each.name_letters.startswith(wanted))
        return [(each.name, each.case, each.path) for each in found]

    def shut_down(self) -> None:
        """Free the slides that were opened ahead."""
        self._rest.stop()
        self.ahead.shut_down()

    # -----------------------------------------------------------------------------------------

    @property
    def _reads_project(self) -> bool:
        """Return whether the slides that are listed are those of a project."""
        projects = self._window.projects
        return projects.opened.is_open and self._window.slides.shown is projects.slides

    def _slides_called(self) -> list[_Called]:
        """Return what the slides of the list and recent ones are called, looked at once a list."""
        from viewer.studies.worklist import file_entries, letters

        worklist, project = self.worklist(), self._window.projects.opened.project
        recent, known = tuple(self._window.settings.recent_slides), self._called
        if (
            known is not None
            and known.worklist is worklist
            and known.project is project
            and known.recent == recent
        ):
            return known.slides
        names = self._names()
        found: dict[Path, _Called] = {}
        for each in (*worklist.entries, *file_entries(map(slide_path, recent))):
            path = self.path_of(each.slide)
            name, case = names.get(each.key) or path.name, each.place.text
            called = _Called(letters(name), letters(f"{name} {case}"), name, case, path)
            found.setdefault(path, called)
        self._called = _CalledOf(worklist, project, recent, list(found.values()))
        return self._called.slides

    def _is_read(self, entry: WorklistEntry[Path] | WorklistEntry[ProjectSlide]) -> bool:
        """Return whether a slide is done, or, of no project, was on screen in this window."""
        return entry.slide in self._read if isinstance(entry.slide, Path) else entry.is_read

    def _names(self) -> dict[str, str]:
        """Return the project's own names of its slides, by identity."""
        return {
            slide.identity: slide.shown_name
            for slide in self._window.projects.opened.project.slides
        }

    def _watch(self, pane: SlidePane) -> None:
        pane.take_ahead = self.ahead.take
        pane.opened.connect(self._read.add)
        pane.slide_changed.connect(lambda _: self._rest.start())
        pane.canvas.sharp_changed.connect(lambda sharp: self._on_sharp(pane, sharp=sharp))

    def _on_sharp(self, pane: SlidePane, *, sharp: bool) -> None:
        if pane is not self._window.panes.active:
            return
        if sharp:
            self._rest.start()
        else:
            self._rest.stop()
            self.ahead.pause()

    def _look_ahead(self) -> None:
        """Open what a key may bring next, once all that is on screen is sharp."""
        pane = self._window.panes.active
        if pane.source is None or not pane.canvas.is_sharp:
            return
        self.ahead.prepare(self._likely(pane), pane.showing)
        self.ahead.resume()

    def _likely(self, pane: SlidePane) -> list[Path]:
        """What the keys bring: on in the direction of travel, the next that is open, and back."""
        worklist, key = self.worklist(), self._key_of(pane)
        at, last = worklist.number(key), worklist.number(self._last_key)
        if at >= 0 and last >= 0 and at != last:
            self._direction = 1 if at > last else -1
        self._last_key = key
        step = self._direction
        entries = (
            worklist.next(key, step), worklist.next_unread(key, 1, self._is_read),
            worklist.next(key, -step),
        )  # fmt: skip
        paths = [self.path_of(each.slide) for each in entries if each is not None]
        projects = self._window.projects
        if self._reads_project and (to_do := projects.next_to_do()) is not None:
            paths.insert(1, projects.opened.path_of(to_do))
        shown = {each.path for each in self._window.panes.panes}
        return [path for path in dict.fromkeys(paths) if path not in shown][:_MOST_AHEAD]

    def _key_of(self, pane: SlidePane) -> str:
        if pane.source is None or pane.path is None:
            return ""
        opened = self._window.projects.opened
        if not self._reads_project:
            return str(pane.path)
        slide = opened.project.slide(pane.source.info.identity)
        return slide.identity if slide is not None else ""

    def _go_unread(self, step: int) -> None:
        key = self._key_of(self._window.panes.active)
        following = self.worklist().next_unread(key, step, self._is_read)
        self._go_to(following, "No other slide of the list is unread.")

    def _go_case(self, step: int) -> None:
        following = self.worklist().next_case(self._key_of(self._window.panes.active), step)
        self._go_to(following, f"This is the {'last' if step > 0 else 'first'} case of the list.")

    def _go_to(
        self, entry: WorklistEntry[Path] | WorklistEntry[ProjectSlide] | None, otherwise: str
    ) -> None:
        if entry is None:
            self._window.say(otherwise)
        else:
            self._window.open_slide(self.path_of(entry.slide))

    def _show_partner(self) -> None:
        """Open another stain of the case beside the slide; asked again, the next one there."""
        panes = self._window.panes
        here = panes.active
        others = [pane for pane in panes.panes if pane is not here]
        shown = [self._key_of(pane) for pane in others]
        partner = self.worklist().partner(self._key_of(here), shown)
        if partner is None:
            self._window.say("The list holds no other slide of this case.")
            return
        target = others[0] if others else panes.add_pane()
        target.open(self.path_of(partner.slide).absolute())
        panes.activate(here)
        self._window.say(f"Beside: {partner.place.text}")
