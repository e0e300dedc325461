"""Which folders a query reads: the user's own, those of another home, or of one project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from viewer.cohort.query.errors import QueryError
from viewer.folders import cache_folder, config_folder, data_folder
from viewer.settings import load_settings
from viewer.studies.project_file import ProjectError, is_project, project_folder, read_project

if TYPE_CHECKING:
    from viewer.studies.project import Project


@dataclass(frozen=True, slots=True)
class Store:
    """What is read.

    Attributes
    ----------
    data, results
        The data folder, and the folder of all results.
    reader
        Who asks, by pseudonym: of blinded studies only what they may see is read.
    projects
        Folder and content of each project.
    slides
        The slides that are read; None for all.
    """

    data: Path
    results: Path
    reader: str
    projects: tuple[tuple[Path, Project], ...] = ()
    slides: frozenset[str] | None = None

    def holds(self, slide: str) -> bool:
        """Return whether a slide is among those that are read."""
        return self.slides is None or slide in self.slides


def open_store(place: Path | None = None) -> Store:
    """Return the user's own store, or the one at a place.

    Parameters
    ----------
    place
        A home (as COVERSLIP_HOME names one), or a project: its own annotations and answers, with
        the user's results and sessions of its slides.

    Raises
    ------
    QueryError
        There is no store there.
    """
    if place is None:
        return _of_home(config_folder(), data_folder(), cache_folder())
    if is_project(place):
        folder = project_folder(place).absolute()
        try:
            project = read_project(folder)
        except ProjectError as error:
            raise QueryError(str(error)) from error
        own = _of_home(config_folder(), data_folder(), cache_folder())
        slides = frozenset(slide.identity for slide in project.slides)
        return Store(own.data, own.results, own.reader, ((folder, project),), slides)
    home = place.absolute()
    if home.name in ("config", "data", "cache") and (home.parent / "data").is_dir():
        home = home.parent
    if not (home / "data").is_dir() and not (home / "cache").is_dir():
        raise QueryError(
            f"There is no store in {place}: give a folder as COVERSLIP_HOME names one, or a "
            "project."
        )
    return _of_home(home / "config", home / "data", home / "cache")


def _of_home(config: Path, data: Path, cache: Path) -> Store:
    settings = load_settings(config)
    projects: list[tuple[Path, Project]] = []
    for name in settings.recent_projects:
        folder = Path(name)
        try:
            if is_project(folder):
                projects.append((folder, read_project(folder)))
        except (ProjectError, OSError):
            continue  # a project that is damaged or gone costs no other
    return Store(data, cache / "overlays", settings.reader, tuple(projects))
