"""A project as data: its slides, how far they are, its classes and forms."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import msgspec

from viewer.annotations.palette import PaletteClass  # noqa: TC001 - msgspec reads the types
from viewer.plain_text import shown_line
from viewer.slides.remote.address import is_address
from viewer.slides.remote.address import slide_path as address_path
from viewer.studies.changed_places import changed_places
from viewer.studies.forms import Form  # noqa: TC001
from viewer.studies.stages import Stage  # noqa: TC001
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

PROJECT_FILE = "project.json"
FORMAT = "coverslip project"
_TITLE_CHARACTERS = 200
VERSION = 2
"""Raised when the meaning of something written changes: a study with stages is of version 2, which
earlier ones must not open, as they would show what is to be hidden."""

SlideState = Literal["to do", "in work", "done"]
STATES: tuple[SlideState, ...] = get_args(SlideState)


class ProjectSlide(msgspec.Struct, frozen=True, kw_only=True):
    """One slide of a project.

    Attributes
    ----------
    identity
        The key that names the slide wherever it lies (`SlideInfo.identity`).
    path
        With slashes; from the project's folder where the slide lies in or beside it.
    case, block, stain
        As the project says; "" where the rule for names tells.
    """

    identity: str
    path: str
    name: str = ""
    state: SlideState = "to do"
    assignee: str = ""
    note: str = ""
    case: str = ""
    block: str = ""
    stain: str = ""

    @property
    def shown_name(self) -> str:
        return self.name or self.path.rstrip("/").rpartition("/")[2] or self.identity[:8]


class ReaderKey(msgspec.Struct, frozen=True, kw_only=True):
    """A public key (Ed25519, base64) with which a reader signs sessions of the project."""

    reader: str
    key: str
    since_utc: str = ""


class ClassRename(msgspec.Struct, frozen=True, kw_only=True):
    """A class that is called otherwise from some day on, in all that was drawn before too."""

    former: str
    name: str


class Project(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What project.json holds, but for members that other versions wrote.

    Attributes
    ----------
    id
        Names the project in sessions that are recorded for it; "" until the first one is.
    keys
        Against which the signatures of such sessions are held.
    stages
        What readers see, stage by stage; empty where nothing is hidden.
    is_by_slide
        Whether a stage is ended on each slide by itself, not for all slides at once.
    owner, owner_key
        Who owns the study, and the public key (X25519, base64) that annotations and answers are
        sealed to; "" where they are not sealed.
    unsealed_utc
        When the owner opened all of it to everybody; "" before.
    check_tissue_at
        Magnification at which a reader is to have seen all tissue before a slide is done; tissue
        that was not is shown first. 0.0 where the study does not ask for it.
    class_renames
        In the order in which they were made: what was drawn under a former name is read under the
        new one, by whomever and whenever it was drawn.
    case_rule
        How names tell case, block and stain; see `viewer.studies.cases`.
    keeps_sets
        Whether annotations were kept in the project from its first day; in a project of an
        earlier version they lie with the slides.
    """

    format: Literal["coverslip project"] = FORMAT
    version: int = 1
    title: str = ""
    slides: tuple[ProjectSlide, ...] = ()
    palette: tuple[PaletteClass, ...] = ()
    forms: tuple[Form, ...] = ()
    id: str = ""
    keys: tuple[ReaderKey, ...] = ()
    check_tissue_at: float = 0.0
    case_rule: str = ""
    class_renames: tuple[ClassRename, ...] = ()
    stages: tuple[Stage, ...] = ()
    is_by_slide: bool = False
    owner: str = ""
    owner_key: str = ""
    unsealed_utc: str = ""
    keeps_sets: bool = False

    @property
    def shown_title(self) -> str:
        """Return the title as one line of a length that a label lays out in a moment."""
        return shown_line(self.title[:_TITLE_CHARACTERS])

    @property
    def is_sealed(self) -> bool:
        """Return whether what is added to the project is sealed to its owner."""
        return bool(self.owner_key) and not self.unsealed_utc

    @property
    def study(self) -> str:
        """Return the name of the study in sessions; "" while the project has no id."""
        return f"project:{self.id}" if self.id else ""

    @property
    def renames(self) -> tuple[tuple[str, str], ...]:
        """Return former name and name of the classes that were renamed, in order."""
        return tuple((each.former, each.name) for each in self.class_renames)

    def keys_of(self, reader: str) -> frozenset[str]:
        """Return the public keys of a reader."""
        return frozenset(each.key for each in self.keys if each.reader == reader)

    def slide(self, identity: str) -> ProjectSlide | None:
        """Return the slide of this identity; the project may know it by one of version 0.1."""
        from viewer.slides.identity import other_names_of

        number = self.numbers.get(identity)
        if number is None:
            others = map(self.numbers.get, other_names_of(identity))
            number = next((each for each in others if each is not None), None)
        return None if number is None else self.slides[number]

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """Return where the slides are, by identity, of which the first counts.

        A project that was made of another by changing members of slides has the same object.
        """
        slides = self.slides
        return {slides[number].identity: number for number in range(len(slides) - 1, -1, -1)}

    def with_changed(self, changed: Mapping[int, ProjectSlide]) -> Project:
        """Return the project with other slides of the same identities at some places."""
        slides = list(self.slides)
        for number, slide in changed.items():
            slides[number] = slide
        return self.with_slides(tuple(slides))

    def with_slides(self, slides: tuple[ProjectSlide, ...]) -> Project:
        """Return the project with slides of the same identities, in the same order."""
        project = msgspec.structs.replace(self, slides=slides)
        vars(project)["numbers"] = self.numbers
        return project

    def changes_since(self, before: Project) -> Iterable[int] | None:
        """Return where slides are others than before; None where others are listed.

        What it costs does not grow as a walk through all slides would.
        """
        if self.slides is before.slides:
            return ()
        if self.numbers is not before.numbers:
            return None
        return changed_places(before.slides, self.slides)

    def like(self, known: Project) -> Project:
        """Return the same project out of slides of a known one, as far as those are the same."""
        if self == known:
            return known
        if len(self.slides) != len(known.slides):
            return self
        pairs = tuple(zip(known.slides, self.slides, strict=True))
        if any(one.identity != other.identity for one, other in pairs):
            return self
        vars(self)["numbers"] = known.numbers
        return self.with_slides(tuple(one if one == other else other for one, other in pairs))

    def count(self, state: SlideState) -> int:
        return sum(slide.state == state for slide in self.slides)

    def form(self, form_id: str) -> Form | None:
        return next((each for each in self.forms if each.id == form_id), None)


Change = Callable[[Project], Project]
"""What one act makes of a project; applied to what is in the file at that moment."""


def adding_slides(slides: Iterable[ProjectSlide]) -> Change:
    """Add slides at the end; those that are there already stay as they are."""
    from viewer.slides.identity import former_names_of

    new = tuple(slides)

    def change(project: Project) -> Project:
        held = {slide.identity: slide for slide in project.slides}
        for slide in new:
            if not any(name in held for name in former_names_of(slide.identity)):
                held.setdefault(slide.identity, slide)
        return msgspec.structs.replace(project, slides=tuple(held.values()))

    return change


def removing_slides(identities: Iterable[str]) -> Change:
    """Take slides off the list; their files are left alone."""
    gone = frozenset(identities)

    def change(project: Project) -> Project:
        kept = tuple(slide for slide in project.slides if slide.identity not in gone)
        return msgspec.structs.replace(project, slides=kept)

    return change


def changing_slide(identity: str, **changes: str) -> Change:
    """Change members of one slide; of one that was taken off meanwhile, nothing."""
    return changing_slides((identity,), **changes)


def changing_slides(identities: Collection[str], **changes: str) -> Change:
    """Change the same members of slides; of those that were taken off meanwhile, nothing."""
    wanted = frozenset(identities)

    def change(project: Project) -> Project:
        slides = project.slides
        numbers = [n for each in wanted if (n := project.numbers.get(each)) is not None]
        if len(project.numbers) < len(slides):  # somebody listed a slide twice
            numbers = [n for n, slide in enumerate(slides) if slide.identity in wanted]
        return project.with_changed(
            {number: msgspec.structs.replace(slides[number], **changes) for number in numbers}
        )

    return change


def naming(project_id: str) -> Change:
    """Give a project an id where it has none."""

    def change(project: Project) -> Project:
        return project if project.id else msgspec.structs.replace(project, id=project_id)

    return change


def renaming_class(former: str, name: str) -> Change:
    """Call a class otherwise, in the palette and in all that was or will be drawn."""

    def change(project: Project) -> Project:
        palette = {
            (name if each.name == former else each.name): each for each in reversed(project.palette)
        }
        renamed = tuple(
            msgspec.structs.replace(each, name=new) for new, each in reversed(palette.items())
        )
        rename = ClassRename(former=former, name=name)
        return msgspec.structs.replace(
            project, palette=renamed, class_renames=(*project.class_renames, rename)
        )

    return change


def listing_key(reader: str, key: str) -> Change:
    """List the public key of a reader; keys that were listed stay."""

    def change(project: Project) -> Project:
        if key in project.keys_of(reader):
            return project
        now = utc_stamp()
        own = ReaderKey(reader=reader, key=key, since_utc=now)
        return msgspec.structs.replace(project, keys=(*project.keys, own))

    return change


def blinding(
    stages: Iterable[Stage], owner: str, owner_key: str, *, is_by_slide: bool = False
) -> Change:
    """Give a project stages and the key that all is sealed to from now on."""
    given = tuple(stages)

    def change(project: Project) -> Project:
        return msgspec.structs.replace(
            project, version=VERSION, stages=given, is_by_slide=is_by_slide,
            owner=owner, owner_key=owner_key, unsealed_utc="",
        )  # fmt: skip

    return change


def unsealing() -> Change:
    """Mark a project as open to everybody from now on."""

    def change(project: Project) -> Project:
        return msgspec.structs.replace(project, unsealed_utc=utc_stamp())

    return change


def beginning_slide(identity: str) -> Change:
    """Return a slide to do is in work from now on; one that is done stays done."""

    def change(project: Project) -> Project:
        slide = project.slide(identity)
        if slide is None or slide.state != "to do":
            return project
        return changing_slide(identity, state="in work")(project)

    return change


def adding_forms(forms: Iterable[Form]) -> Change:
    """Add forms; one whose id is there already takes its place."""
    new = tuple(forms)

    def change(project: Project) -> Project:
        held = {form.id: form for form in (*project.forms, *new)}
        return msgspec.structs.replace(project, forms=tuple(held.values()))

    return change


def stored_path(slide: Path, folder: Path) -> str:
    """Return a slide's path as the project keeps it.

    From the project's folder where the slide lies in it or beside it, so that both can be moved
    together; whole otherwise.
    """
    if is_address(slide):
        return str(slide)
    slide, folder = Path(os.path.abspath(slide)), Path(os.path.abspath(folder))
    if slide.is_relative_to(folder):
        return slide.relative_to(folder).as_posix()
    if folder.parent != folder and slide.is_relative_to(folder.parent):
        return f"../{slide.relative_to(folder.parent).as_posix()}"
    return slide.as_posix()


def slide_path(slide: ProjectSlide, folder: Path) -> Path:
    """Return where a slide of the project in `folder` should lie."""
    if is_address(slide.path):
        return address_path(slide.path)
    return Path(os.path.normpath(folder.absolute() / slide.path))
