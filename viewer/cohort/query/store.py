"""Which folders a query reads: the user's own, those of another home, or of one project."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from viewer.cohort.query.errors import QueryError
from viewer.folders import cache_folder, config_folder, data_folder
from viewer.overlays.segments.errors import StorePlaceError
from viewer.overlays.segments.places import PatientPlace, place_of
from viewer.plurals import plural
from viewer.settings import load_settings
from viewer.slides.remote.address import is_address
from viewer.studies.project_file import ProjectError, is_project, project_folder, read_project
from viewer.studies.study_reader import study_reader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from viewer.overlays.segments.places import StorePlace
    from viewer.studies.project import Project

SHARED_COLUMNS = "cohort-columns"
"""In the folder of caches: columns made of the stores of cohorts, for later queries."""
_PATIENCE_S = 12.0


class Store(msgspec.Struct, frozen=True):
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
    blind
        The slides on which a study hides models and agents from who asks, with what they made.
    shared
        The store of a cohort, whose results are read instead; `results` holds what is made of them.
    """

    data: Path
    results: Path
    reader: str
    projects: tuple[tuple[Path, Project], ...] = ()
    slides: frozenset[str] | None = None
    blind: frozenset[str] = frozenset()
    shared: StorePlace | None = None

    @property
    def note(self) -> str:
        """Return what a study keeps from who asks, a sentence; "" where none does."""
        if not self.blind:
            return ""
        on = plural(len(self.blind), "slide")
        return f"A study hides models, agents and what they made on {on} from you: left out."

    def shows_ai(self, slide: str) -> bool:
        """Return whether what models and agents made on a slide is read."""
        return self.holds(slide) and slide not in self.blind

    def holds(self, slide: str) -> bool:
        """Return whether a slide is among those that are read."""
        return self.slides is None or slide in self.slides


def open_store(place: Path | str | None = None) -> Store:
    """Return the user's own store, or the one at a place.

    Parameters
    ----------
    place
        A home (as COVERSLIP_HOME names one); a project: its own annotations and answers, with
        the user's results and sessions of its slides; or the folder or bucket that the results of
        a cohort are kept in, with the user's own annotations and sessions.

    Raises
    ------
    QueryError
        There is no store there.
    """
    if place is None:
        return _of_home(config_folder(), data_folder(), cache_folder())
    if is_address(place) or "://" in str(place):
        return _of_cohort(str(place))
    place = Path(place)
    if is_project(place):
        folder = project_folder(place).absolute()
        try:
            project = read_project(folder)
        except ProjectError as error:
            raise QueryError(str(error)) from error
        own = _of_home(config_folder(), data_folder(), cache_folder())
        slides = frozenset(slide.identity for slide in project.slides)
        projects = ((folder, project),)
        blind = own.blind | _blind(projects, own.reader)
        return Store(own.data, own.results, own.reader, projects, slides, blind & slides)
    home = place.absolute()
    if home.name in ("config", "data", "cache") and (home.parent / "data").is_dir():
        home = home.parent
    if (home / "data").is_dir() or (home / "cache").is_dir():
        return _of_home(home / "config", home / "data", home / "cache")
    if next(place.glob("*/*/about.json"), None) is not None:
        return _of_cohort(str(place.absolute()))
    if (place / "features").is_dir():
        raise QueryError(
            f"{place} holds the features of slides, not results: `coverslip features list` tells "
            "of them, `coverslip similar` searches them; `coverslip run` with --store adds results."
        )
    raise QueryError(
        f"There is no store in {place}: give a folder or bucket that results of a cohort are kept "
        "in, a folder as COVERSLIP_HOME names one, or a project."
    )


def _of_cohort(place: str) -> Store:
    """Return the store of a cohort, with the user's own annotations and sessions."""
    try:
        shared = PatientPlace(place_of(place), _PATIENCE_S)
    except StorePlaceError as error:
        raise QueryError(str(error)) from error
    own = _of_home(config_folder(), data_folder(), cache_folder())
    name = hashlib.blake2b(place.rstrip("/").encode(), digest_size=8).hexdigest()
    return replace(own, results=cache_folder() / SHARED_COLUMNS / name, shared=shared)


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
    blind = _blind(projects, settings.reader)
    return Store(data, cache / "overlays", settings.reader, tuple(projects), None, blind)


def _blind(projects: Iterable[tuple[Path, Project]], reader: str) -> frozenset[str]:
    """Return the slides on which a study hides models from a reader."""
    found: set[str] = set()
    for folder, project in projects:
        if not project.stages:
            continue
        try:
            asks = study_reader(folder, project, reader)
            views = {each.identity: asks.view(each.identity).hides for each in project.slides}
        except OSError:  # what cannot be known is taken for hidden
            hidden = any("ai" in stage.hides for stage in project.stages)
            views = {each.identity: {"ai"} if hidden else () for each in project.slides}
        found |= {identity for identity, hides in views.items() if "ai" in hides}
    return frozenset(found)
