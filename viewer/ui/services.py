"""What the parts of a window ask of it, a protocol for each service.

A part names the services that it uses, and adds the parts that it works with in a protocol of its
own. So it stands on any host that has them, and knows nothing of the window that puts all together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PySide6.QtWidgets import QWidget

    from viewer.overlays.shown_overlays import ShownOverlay
    from viewer.settings import Settings
    from viewer.ui.actions import ActionSet
    from viewer.ui.annotations.pane_annotations import PaneAnnotations
    from viewer.ui.current_reader import CurrentReader
    from viewer.ui.slides.slide_pane import SlidePane
    from viewer.ui.slides.split_view import SplitView


class MessageHost(Protocol):
    """Where sentences to the user go."""

    def say(self, sentence: str) -> None:
        """Show a sentence for a while."""

    def show_error(self, sentence: str) -> None:
        """Show a lasting trouble; "" takes it away."""


class DialogHost(Protocol):
    """What dialogs open over, and parts live as long as."""

    def window(self) -> QWidget:
        """Return the widget of the window, as every widget does."""
        ...


class PaneHost(Protocol):
    """Where slides are shown."""

    @property
    def panes(self) -> SplitView:
        """Return the panes, one of them active."""
        ...


class CommandHost(Protocol):
    """What the user can ask for by menu, key or button."""

    @property
    def commands(self) -> ActionSet:
        """Return the actions of all commands."""
        ...

    def update_situation(self) -> None:
        """Enable the commands that can run now."""


class SettingsHost(Protocol):
    """The settings in force."""

    @property
    def settings(self) -> Settings:
        """Return the settings in force at this moment."""
        ...

    def change_settings(self, **changes: object) -> None:
        """Take new values of settings into use and keep them."""


class ReaderHost(Protocol):
    """Who reads."""

    @property
    def reader(self) -> CurrentReader:
        """Return the one place that knows the reader's pseudonym."""
        ...


class Drawings(Protocol):
    """What is drawn on the slides that are shown."""

    @property
    def active(self) -> PaneAnnotations | None:
        """Return what is drawn on the active pane's slide; None where nothing can be."""
        ...

    def of(self, pane: SlidePane) -> PaneAnnotations | None:
        """Return what is drawn on a pane's slide; None where nothing can be."""
        ...


class DrawingHost(Protocol):
    """Where what is drawn is kept."""

    @property
    def annotations(self) -> Drawings:
        """Return what is drawn on the slides that are shown."""
        ...


class ShownOverlays(Protocol):
    """What models found on the slides that are shown."""

    def shown_in(self, pane: SlidePane) -> list[ShownOverlay]:
        """Return the overlays that are painted in a pane."""
        ...


class OverlayHost(Protocol):
    """Where what models found is shown."""

    @property
    def overlays(self) -> ShownOverlays:
        """Return what models found on the slides that are shown."""
        ...


class OpeningHost(Protocol):
    """What opens slides."""

    def open_paths(self, paths: Sequence[Path], pane: SlidePane | None = None) -> None:
        """Open slides, folders, projects and models, in the active pane where none is named."""

    def open_slide(self, path: Path, image: int | None = None) -> None:
        """Open one slide in the active pane, or one image of a file that holds several."""

    def open_as_channels(self, paths: Sequence[Path]) -> None:
        """Open slides of the same field in the active pane as channels of one slide."""
