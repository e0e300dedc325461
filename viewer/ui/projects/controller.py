"""All of projects in one window: commands, panels, and the slides that are opened put together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
from PySide6.QtCore import QObject, Qt

from viewer.plurals import plural
from viewer.slides.remote.address import folder_beside
from viewer.suffixes import QUPATH_PROJECT
from viewer.ui.background_runner import BackgroundRunner
from viewer.ui.file_dialogs import ask_file, ask_files, ask_folder
from viewer.ui.opened_dialog import open_dialog
from viewer.ui.projects.comparison_controller import ComparisonController, ComparisonHost
from viewer.ui.projects.finishing import Finishing, FinishingHost
from viewer.ui.projects.open_project import OpenProject
from viewer.ui.projects.project_slides import ProjectSlides
from viewer.ui.projects.project_welcome import ProjectWelcome
from viewer.ui.projects.questions_controller import QuestionsController, QuestionsHost
from viewer.ui.projects.recent_projects import RecentProjects, RecentProjectsHost
from viewer.ui.projects.set_review_controller import SetReviewController, SetReviewHost
from viewer.ui.projects.study_controller import StudyController, StudyHost
from viewer.ui.recording.control import own_study
from viewer.ui.services import OpeningHost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.annotations.palette import Palette
    from viewer.studies.project import ProjectSlide, SlideState
    from viewer.ui.slides.folder_slides import FolderSlides
    from viewer.ui.slides.slide_pane import SlidePane
    from viewer.ui.slides.slides_panel import SlidesPanel


def _is_any_project(path: Path) -> bool:
    from viewer.studies.project_file import is_project

    return path.suffix.lower() == QUPATH_PROJECT or is_project(path)


class ProjectsHost(
    ComparisonHost,
    FinishingHost,
    QuestionsHost,
    RecentProjectsHost,
    SetReviewHost,
    StudyHost,
    OpeningHost,
    Protocol,
):
    """What projects ask of the window."""

    folder: FolderSlides
    slides: SlidesPanel


class ProjectsController(QObject):
    """Owned by the window; `shut_down` writes what is left."""

    def __init__(self, window: ProjectsHost) -> None:
        super().__init__(window.window())
        self._window = window
        self._sorter = BackgroundRunner("look at paths", 1, self)
        self._moved: dict[SlidePane, str] = {}
        """Identities of slides that are looked for, by the panes where they did not open."""
        self.opened = OpenProject(self)
        self.study = StudyController(window, self.opened)
        self.slides = ProjectSlides(self.opened, window.window())
        window.slides.add_list("Project", self.slides)
        self.questions = QuestionsController(window, self.opened, self.study)
        self.comparison = ComparisonController(window)
        self.set_review = SetReviewController(window, self.opened, self.study)
        self.finishing = Finishing(window, self.opened, self.questions)
        self.recent = RecentProjects(window, self.open, self)
        self._welcome = ProjectWelcome(self.opened, window.panes, self)
        self._connect()
        self.study.changed.connect(lambda: self.slides.header.show_stage(self.study.stage_text))
        self.study.changed.connect(self.slides.refresh)

    @property
    def slide_count(self) -> int:
        return len(self.opened.project.slides)

    def open(self, path: Path) -> None:
        """Open a project by its folder or its project.json, and show its panel.

        Of a project of QuPath one of ours is made beside it, which is opened from then on.
        """
        if path.suffix.lower() != QUPATH_PROJECT:
            self.opened.open(path)
            return
        self._window.say(f"Reading {path.name}...")

        def read() -> tuple[Path | None, list[str]]:
            from viewer.studies.qupath_takeover import project_beside

            return project_beside(path)

        self._sorter.run(
            read,
            lambda made: self._open_taken_over(path, *made),
            lambda error: self._window.show_error(str(error)),
        )

    def _open_taken_over(self, path: Path, folder: Path | None, left_out: list[str]) -> None:
        from viewer.ui.annotations.simple_dialogs import ProblemsDialog

        if folder is not None:
            self.opened.open(folder)
        if left_out:
            sentence = "What could not be taken over of the project of QuPath:"
            title = f"Open {path.name}"
            open_dialog(ProblemsDialog(title, sentence, left_out, self._window.window()))

    def study_of(self, pane: SlidePane) -> str:
        """Return the study for which the slide of a pane is read: the project's, else one's own."""
        from viewer.studies.project import naming

        source = pane.source
        if source is None or self.opened.project.slide(source.info.identity) is None:
            return own_study(self._window.settings.study)
        if not self.opened.project.id:
            from secrets import token_hex  # brings OpenSSL

            self.opened.change(naming(token_hex(8)))
        return self.opened.project.study

    def _list_key(self, study: str, reader: str, key: str) -> None:
        """The project lists the keys of those who record for it."""
        from viewer.studies.project import listing_key

        project = self.opened.project
        if study == project.study and key not in project.keys_of(reader):
            self.opened.change(listing_key(reader, key))

    def shut_down(self) -> None:
        """Write what is left and end the threads."""
        self._sorter.close()
        self.finishing.shut_down()
        self.set_review.shut_down()
        self.questions.shut_down()
        self.study.shut_down()
        self.comparison.shut_down()
        self.opened.shut_down()

    # What the user asks for ------------------------------------------------------------------

    def _open_slide(self, slide: ProjectSlide) -> None:
        if slide.identity in self.opened.missing:
            name = self.opened.name_of(slide)
            self._window.say(f"{name} is missing: press Find... to look for it.")
        else:
            self._window.open_slide(self.opened.path_of(slide))

    def _edit(self, identity: str, changes: dict[str, str]) -> None:
        from viewer.studies.project import changing_slide

        slide = self.opened.project.slide(identity)
        if changes.get("state") == "done" and slide is not None:
            self.finishing.finish(slide, lambda: self._change_state(slide, "done"))
            self.slides.refresh()  # the state that was chosen holds only once nothing keeps it
            changes = {name: value for name, value in changes.items() if name != "state"}
        if changes:
            self.opened.change(changing_slide(identity, **changes))

    def _take_paths(self, paths: Sequence[Path]) -> None:
        """Add slides that were dropped on the project's list; anything else is opened."""
        if not self.opened.is_open or self._window.slides.shown is not self.slides:
            self._window.open_paths(paths)
            return
        self._sorter.run(
            lambda: next((path for path in paths if _is_any_project(path)), None),
            lambda project: self.open(project) if project else self.opened.add(paths),
        )

    def _keep_classes(self, palette: Palette) -> None:
        self.opened.change(lambda project: msgspec.structs.replace(project, palette=palette))

    def _rename_class(self, former: str, name: str) -> None:
        """A class of the project is called otherwise in the sets of all who work on it."""
        from viewer.studies.project import renaming_class

        if self.opened.project.palette:
            self.opened.change(renaming_class(former, name))
            self._window.say(f"{former} is called {name} in the whole project from now on.")

    def _make_consensus(self) -> None:
        """The set of what most readers drew on the slide in the active pane."""
        from viewer.studies.consensus_set import SlideConsensus, make_consensus
        from viewer.studies.study_reader import study_reader

        source = self._window.panes.active.source
        folder, project = self.opened.folder, self.opened.project
        slide = project.slide(source.info.identity) if source is not None else None
        if folder is None or slide is None:
            self._window.say("This slide is not in the project.")
            return
        reader, identity = self._window.reader.name, slide.identity

        def made(found: SlideConsensus | None) -> None:
            if found is None:
                self._window.say("Fewer than two readers annotated this slide, as far as you see.")
                return
            if (sets := self._window.annotations.active_sets) is not None:
                sets.refresh()
            objects, readers = plural(len(found.annotations), "object"), len(found.readers)
            self._window.say(
                f'The set "{found.which.key.name}" holds {objects} that most of '
                f"{plural(readers, 'reader')} drew."
            )

        self._sorter.run(
            lambda: make_consensus(study_reader(folder, project, reader), identity),
            made,
            lambda error: self._window.show_error(f"The consensus cannot be made: {error}"),
        )

    def _take_classes(self) -> None:
        """The classes in use become those of the project."""
        classes = self._window.annotations.classes.palette.classes
        self._keep_classes(classes)
        self._window.say(
            f"The project has {plural(len(classes), 'class', 'classes')} of its own now."
        )

    def _targets(self) -> list[ProjectSlide]:
        """Return the slide in the active pane, else those that are chosen in the list."""
        source = self._window.panes.active.source
        slide = self.opened.project.slide(source.info.identity) if source is not None else None
        return [slide] if slide is not None else self.slides.chosen()

    def _change_state(self, slide: ProjectSlide, state: SlideState) -> None:
        from viewer.studies.project import changing_slide

        self.opened.change(changing_slide(slide.identity, state=state))
        self._window.say(f"{self.opened.name_of(slide)}: {state}.")

    def _cycle_state(self) -> None:
        """To do, in work, done, and round again, of the first of the targets; the others follow."""
        from viewer.studies.project import STATES

        targets = self._targets()
        if not targets:
            return
        following = STATES[(STATES.index(targets[0].state) + 1) % len(STATES)]
        for slide in targets:
            if following == "done" and slide.state != "done":
                self.finishing.finish(slide, lambda slide=slide: self._change_state(slide, "done"))
            else:
                self._change_state(slide, following)

    def _finish(self) -> None:
        """The slide is done, if nothing keeps it from it; the next one that is to do comes."""
        targets = self._targets()
        if not targets:
            self._window.say("This slide is not in the project.")
        for slide in targets:
            self.finishing.finish(slide, lambda slide=slide: self._mark_done(slide))

    def _mark_done(self, slide: ProjectSlide) -> None:
        self._change_state(slide, "done")
        following = self.next_to_do()
        if following is not None:
            self._open_slide(following)
        else:
            self._window.say("No slide is left to do.")

    def next_to_do(self) -> ProjectSlide | None:
        """Return the slide that comes once this one is done."""
        source = self._window.panes.active.source
        here = self.opened.project.slide(source.info.identity) if source is not None else None
        key = here.identity if here is not None else ""
        following = self.opened.worklist.next_unread(
            key, 1, lambda each: each.slide.state != "to do"
        )
        return following.slide if following is not None else None

    def _start_folder(self) -> Path:
        if self.opened.folder is not None:
            return self.opened.folder
        path = self._window.panes.active.path
        return folder_beside(path) if path is not None else Path.home()

    def _ask_create(self) -> None:
        from viewer.ui.projects.new_folder_dialog import NewFolderDialog

        dialog = NewFolderDialog(
            self._window.window(), "Folder for the new project", str(self._start_folder())
        )
        dialog.fileSelected.connect(lambda name: self.opened.create(Path(name)))
        open_dialog(dialog)

    def _ask_open(self) -> None:
        from viewer.studies.project import PROJECT_FILE

        ask_file(
            self._window.window(),
            "Open project",
            self.open,
            start=self._start_folder(),
            filters=[f"Projects ({PROJECT_FILE} *{QUPATH_PROJECT})"],
        )

    def _ask_settings(self) -> None:
        from viewer.ui.projects.settings_dialog import ProjectSettingsDialog

        opened = self.opened
        names = [] if opened.hides_names() else [s.shown_name for s in opened.project.slides]
        dialog = ProjectSettingsDialog(opened.project, names, self._window.window())

        def take() -> None:
            rule, magnification = dialog.case_rule, dialog.check_tissue_at
            opened.change(
                lambda project: msgspec.structs.replace(
                    project, case_rule=rule, check_tissue_at=magnification
                )
            )

        dialog.accepted.connect(take)
        open_dialog(dialog)

    def _ask_slides(self) -> None:
        ask_files(
            self._window.window(),
            "Add slides to the project",
            self.opened.add,
            start=self._start_folder(),
        )

    def _ask_where(self) -> None:
        ask_folder(
            self._window.window(),
            "Where the missing slides may be",
            self.opened.find_in,
            start=self._start_folder(),
        )

    # What happens round it -------------------------------------------------------------------

    def _on_switched(self) -> None:
        if self.opened.folder is not None:
            self.recent.note(self.opened.folder)
            self._window.slides.show_list(self.slides)
            self._window.slides.show()
            title = self.opened.project.shown_title or "The project"
            count = plural(self.slide_count, "slide")
            how = "no slides yet. Press Add..., or drop them on the list."
            self._window.say(f"{title}: {f'{count}.' if self.slide_count else how}")
            for pane in self._window.panes.panes:
                self._on_slide(pane)

    def _on_changed(self) -> None:
        classes = self._window.annotations.classes.palette
        if self.opened.project.palette:
            classes.lend(self.opened.project.palette, self._keep_classes)
        else:
            classes.take_back()
        self._window.update_situation()

    def _on_slide(self, pane: SlidePane) -> None:
        """A slide of the project that is opened is in work; one that was missing is found."""
        from viewer.studies.finding import taking_places
        from viewer.studies.project import beginning_slide

        if pane.source is not None and pane.path is not None and self.opened.folder is not None:
            slide = self.opened.project.slide(pane.source.info.identity)
            if slide is None:
                self._note_other(pane, pane.path)
            else:
                identity = slide.identity
                if slide == self.opened.slide_at(pane.path):
                    self.opened.note_place(slide, is_replaced=False)
                self.opened.change(beginning_slide(identity))
                if identity in self.opened.missing:
                    self.opened.change(taking_places({identity: pane.path}, self.opened.folder))
                    self.opened.look_for_missing()

    def _note_other(self, pane: SlidePane, path: Path) -> None:
        """Say of a slide that is not in the project where it lies in the place of one that is."""
        slide = self.opened.slide_at(path)
        source = pane.source
        if slide is None or source is None or source.info.images or pane.combined_with:
            return
        name = self.opened.name_of(slide)
        pane.bars.notice.tell(
            f"This is not the slide that the project lists as {name}: another lies in its place. "
            "It is not in the project.",
            "warning",
        )
        self.opened.note_place(slide, is_replaced=True)

    def _begin_read(self) -> None:
        """Slides that were opened before it was known in which stage the reader is are in work."""
        from viewer.studies.project import beginning_slide

        project = self.opened.project
        for pane in self._window.panes.panes if project.stages else ():
            slide = project.slide(self.study.identity_of(pane))
            if slide is not None and slide.state == "to do":
                self.opened.change(beginning_slide(slide.identity))

    def _show_list(self, shown: bool) -> None:
        """Show the slides of the project in the drawer, or fold them away."""
        window = self._window
        if not shown:
            window.slides.hide()
            return
        window.slides.show_list(self.slides)
        window.slides.show()
        window.slides.setFocus(Qt.FocusReason.ShortcutFocusReason)
        if not self.opened.is_open:
            window.say("No project is open: create or open one in File > Project.")
        self._show_checked()

    def _show_checked(self) -> None:
        slides = self._window.slides
        is_shown = slides.isVisible() and slides.shown is self.slides
        self._window.commands["panels.project"].setChecked(is_shown)

    def _on_not_opened(self, pane: SlidePane, path: Path) -> None:
        """A slide of the project that does not open may have been moved."""
        slide = self.opened.slide_at(path)
        if slide is not None:
            self._moved[pane] = slide.identity
            self.opened.look_for_missing()

    def _open_found(self) -> None:
        """Open slides that had been moved where they were asked for, in place of the error."""
        for pane, identity in list(self._moved.items()):
            entry = self.opened.worklist.entry(identity) if self.opened.is_open else None
            if entry is None or pane not in self._window.panes.panes or not pane.failed_path:
                del self._moved[pane]
            elif (path := self.opened.path_of(entry.slide)) != pane.failed_path:
                del self._moved[pane]
                pane.open(path)

    def _open_paths(self) -> list[Path]:
        """Return the slides of the folder that is listed, and of the panes."""
        shown = [pane.path for pane in self._window.panes.panes if pane.path is not None]
        return list(dict.fromkeys((*self._window.folder.paths, *shown)))

    def _show_offer(self) -> None:
        """Offer the slides that are open to a project that has none."""
        paths = self._open_paths()
        is_wanted = self.opened.is_open and not self.opened.project.slides and paths
        what = "the open slide" if len(paths) == 1 else f"the {len(paths):,} open slides"
        self.slides.header.show_offer(f"Add {what}" if is_wanted else "")

    def _watch(self, pane: SlidePane) -> None:
        pane.slide_changed.connect(self._on_slide)
        pane.slide_changed.connect(lambda _: self._show_offer())
        pane.failed.connect(lambda path, _: self._on_not_opened(pane, path))

    def _connect(self) -> None:
        from viewer.studies.project import removing_slides

        window, slides, commands = self._window, self.slides, self._window.commands
        commands.on("project.create", self._ask_create)
        commands.on("project.open", self._ask_open)
        commands.on("project.close", self.opened.close)
        commands.on("project.add", self._ask_slides)
        commands.on("project.find", self._ask_where)
        commands.on("project.take_classes", self._take_classes)
        commands.on("project.settings", self._ask_settings)
        commands.on("project.consensus", self._make_consensus)
        window.annotations.classes.palette.renamed.connect(self._rename_class)
        commands.on("project.next_state", self._cycle_state)
        commands.on("project.finish", self._finish)
        window.recording.control.study_of = self.study_of
        window.recording.control.signed.connect(self._list_key)
        commands.on_toggle("panels.project", self._show_list)
        window.slides.visibilityChanged.connect(lambda _: self._show_checked())
        window.slides.listed.connect(self._show_checked)
        window.slides.create_requested.connect(self._ask_create)
        window.slides.project_requested.connect(self._ask_open)
        window.slides.paths_dropped.connect(self._take_paths)
        slides.details.add.clicked.connect(self._ask_slides)
        slides.details.find_missing.clicked.connect(self._ask_where)
        slides.edited.connect(self._edit)
        slides.remove_requested.connect(
            lambda identities: self.opened.change(removing_slides(identities))
        )
        self.opened.said.connect(window.say)
        self.opened.troubled.connect(window.show_error)
        self.opened.switched.connect(self._on_switched)
        self.study.changed.connect(self._begin_read)
        self.opened.changed.connect(self._on_changed)
        self.opened.changed.connect(self._open_found)
        self.opened.changed.connect(self._show_offer)
        window.folder.changed.connect(self._show_offer)
        slides.header.offer_accepted.connect(lambda: self.opened.add(self._open_paths()))
        window.panes.watch(self._watch)
        self._welcome.add_requested.connect(commands["project.add"].trigger)
        self._welcome.slide_requested.connect(lambda pane, path: pane.open(path))
        self.study.changed.connect(self._welcome.show)
