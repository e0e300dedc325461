"""What the parts of the overlays ask of the one that puts them together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.inference.models.bundle import ModelBundle
    from viewer.overlays.files.result_file import ResultFile
    from viewer.ui.overlays.overlay import Overlay
    from viewer.ui.slides.slide_pane import SlidePane

NO_OBJECTS = "Turn on a model that finds objects, such as nuclei, on the page AI."


class OverlaysOn(Protocol):
    """The overlays that are on in the panes of a window."""

    @property
    def active(self) -> Overlay | None:
        """Return the overlay of the chosen model in the active pane."""
        ...

    @property
    def in_hand(self) -> Overlay | None:
        """Return the overlay that commands are for: the chosen one, else one that is on."""
        ...

    def all_of(self, pane: SlidePane) -> list[Overlay]:
        """Return the overlays that are on in a pane."""
        ...


class ListedResults(Protocol):
    """The list of models and of results from files."""

    def show_models(self, models: list[ModelBundle], added: ModelBundle | None = None) -> None:
        """List the models at hand; one that was added is turned on in the active pane."""

    def take_results(self, path: Path, pane: SlidePane) -> None:
        """List results made elsewhere for the slide of a pane, and show them."""

    def show_results(
        self, file: ResultFile, pane: SlidePane, *, turns_on: bool = True, said: str = ""
    ) -> None:
        """List results for the slide of a pane, and show them with `turns_on`; `said` tells it."""
