"""What a command is, and when it can run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Bindings = Mapping[str, Sequence[str]]
"""Command id -> its shortcuts in portable text, e.g. {"view.fit": ["8"]}."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the window is in; decides which commands can run."""

    has_slide: bool = False
    can_go_back: bool = False
    can_go_forward: bool = False
    panes: int = 1
    slides_listed: int = 0
    has_project: bool = False
    has_icc_profile: bool = False
    has_stains: bool = False
    is_recording: bool = False
    is_reviewing: bool = False
    can_annotate: bool = False
    annotations_chosen: int = 0
    can_undo: bool = False
    can_redo: bool = False


Predicate = Callable[[Situation], bool]


def always(_: Situation) -> bool:
    return True


def with_slide(situation: Situation) -> bool:
    return situation.has_slide


def with_project(situation: Situation) -> bool:
    return situation.has_project


def with_list(situation: Situation) -> bool:
    return situation.slides_listed > 0


def while_recording(situation: Situation) -> bool:
    return situation.is_recording


def while_reviewing(situation: Situation) -> bool:
    return situation.is_reviewing


def annotating(situation: Situation) -> bool:
    return situation.can_annotate


def with_chosen(situation: Situation) -> bool:
    """Also where another window draws on the slide: the command says so, a dead key would not."""
    return situation.annotations_chosen > 0


def with_two_chosen(situation: Situation) -> bool:
    return situation.annotations_chosen > 1


@dataclass(frozen=True, slots=True)
class Command:
    """One thing the user can ask for.

    Attributes
    ----------
    id
        Stable name under which shortcuts are kept, e.g. "view.zoom_in".
    text
        As menus show it, with an ampersand before the mnemonic.
    icon
        A name that `viewer.ui.theme.icon` takes.
    menu
        Titles from the menu bar down, e.g. ("&View", "&Magnification").
    shortcuts
        Defaults in Qt's portable text; the first is the one shown.
    separated
        Whether menus draw a line above it.
    """

    id: str
    text: str
    icon: str
    tip: str
    menu: tuple[str, ...]
    shortcuts: tuple[str, ...] = ()
    enabled: Predicate = always
    checkable: bool = False
    separated: bool = False

    @property
    def plain_text(self) -> str:
        """Without the mnemonic mark and the dots."""
        return self.text.replace("&", "").removesuffix("...")
