"""What a command is, and when it can run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

PANELS = ("&View", "Pane&ls")
"""The menu of panels, in which commands of several subjects stand."""
Bindings = Mapping[str, Sequence[str]]
"""Command id -> its shortcuts in portable text, e.g. {"view.fit": ["8"]}."""


class Situation(msgspec.Struct, frozen=True):
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
    is_agent_reading: bool = False
    has_model_on: bool = False
    has_brush: bool = False
    can_annotate: bool = False
    annotations_chosen: int = 0
    can_undo: bool = False
    can_redo: bool = False
    channels: int = 0
    planes: int = 1
    times: int = 1


class Condition(msgspec.Struct, frozen=True):
    """Decides whether a command can run.

    Attributes
    ----------
    reason
        One sentence where it cannot: what is missing, or what to do first.
    """

    holds: Callable[[Situation], bool]
    reason: str

    def __call__(self, situation: Situation) -> bool:
        return self.holds(situation)


always = Condition(lambda _: True, "Not possible now.")
with_slide = Condition(lambda s: s.has_slide, "Open a slide first.")
with_project = Condition(lambda s: s.has_project, "Open a project first.")
with_list = Condition(lambda s: s.slides_listed > 0, "Open a folder or a project first.")
while_recording = Condition(lambda s: s.is_recording, "No reading is being recorded.")
while_reviewing = Condition(lambda s: s.is_reviewing, "No review is open.")
while_agent_reads = Condition(lambda s: s.is_agent_reading, "No agent is reading the slide.")
with_model = Condition(lambda s: s.has_model_on, "Turn on a model first, on the page AI.")
with_brush = Condition(lambda s: s.has_brush, "Take up the brush or the eraser first.")
annotating = Condition(lambda s: s.can_annotate, "Open a slide that can be annotated first.")
with_chosen = Condition(lambda s: s.annotations_chosen > 0, "Select an annotation first.")
"""Also where another window draws on the slide: the command says so, a dead key would not."""
with_two_chosen = Condition(lambda s: s.annotations_chosen > 1, "Select two annotations first.")
with_panes = Condition(lambda s: s.panes > 1, "Split the view first.")


class Command(msgspec.Struct, frozen=True):
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
    synonyms
        What other programs and people call it; the search for commands finds it by them.
    key_of
        A command that can never run when this one can, whose keys are this one's too.
    """

    id: str
    text: str
    icon: str
    tip: str
    menu: tuple[str, ...]
    shortcuts: tuple[str, ...] = ()
    enabled: Condition = always
    checkable: bool = False
    separated: bool = False
    synonyms: tuple[str, ...] = ()
    key_of: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.enabled, Condition):
            raise TypeError(f"{self.id}: say in a Condition why it cannot run, too")

    @property
    def plain_text(self) -> str:
        """Without the mnemonic mark and the dots."""
        return self.text.replace("&", "").removesuffix("...")
