"""The overlays that are on in each pane, and how they are painted over each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.canvas.layer import LayerOrder
from viewer.ui.overlays.one_heatmap import paint_one_heatmap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from viewer.ui.overlays.overlay import Overlay
    from viewer.ui.overlays.overlay_source import OverlaySource
    from viewer.ui.slides.slide_pane import SlidePane


class OverlayStacks:
    """Owns the overlays: what ends here is shut down.

    Parameters
    ----------
    say
        Takes the sentence that says which heatmaps gave way to another.
    """

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._overlays: dict[SlidePane, dict[str, Overlay]] = {}
        """By the key of where they come from."""

    @property
    def panes(self) -> list[SlidePane]:
        """Return the panes that had an overlay on since their slide came."""
        return list(self._overlays)

    def by_key(self, pane: SlidePane) -> dict[str, Overlay]:
        """Return the overlays that are on in a pane, by the key of where they come from."""
        return dict(self._overlays.get(pane, {}))

    def all_of(self, pane: SlidePane) -> list[Overlay]:
        """Return the overlays that are on in a pane."""
        return list(self._overlays.get(pane, {}).values())

    def find(self, pane: SlidePane, key: str) -> Overlay | None:
        """Return the overlay of a source that is on in a pane, None where it is off."""
        return self._overlays.get(pane, {}).get(key)

    def add(self, key: str, overlay: Overlay) -> None:
        """Have an overlay on in its pane; none of the same key is."""
        self._overlays.setdefault(overlay.pane, {})[key] = overlay

    def end(self, pane: SlidePane, key: str) -> None:
        """End the overlay of a source in a pane, if it is on."""
        overlay = self._overlays.get(pane, {}).pop(key, None)
        if overlay is not None:
            overlay.shut_down()
            overlay.look_changed.emit()
            overlay.deleteLater()

    def end_all(self, pane: SlidePane) -> None:
        """End all overlays of a pane."""
        for key in self.by_key(pane):
            self.end(pane, key)
        self._overlays.pop(pane, None)

    # Painting --------------------------------------------------------------------------------

    def restack(
        self, pane: SlidePane, order: Sequence[OverlaySource], chosen: Overlay | None
    ) -> None:
        """Paint the overlays of a pane in an order, the first on top."""
        overlays = self._overlays.get(pane, {})
        for source in reversed(order):
            overlay = overlays.get(source.key)
            if overlay is not None and overlay.is_visible:
                overlay.set_visible(visible=False)
                overlay.set_visible(visible=True)
        self.paint_one_heatmap(pane, chosen)

    def paint_one_heatmap(
        self, pane: SlidePane, chosen: Overlay | None, *, even_if_hidden: bool = False
    ) -> None:
        """Paint one heatmap of a pane, as `paint_one_heatmap`, and say what gave way."""
        overlays = self.all_of(pane)
        if sentence := paint_one_heatmap(overlays, chosen, even_if_hidden=even_if_hidden):
            self._say(sentence)

    def show_overlay(self, overlay: Overlay, shown: bool) -> None:
        """Show or hide one overlay of a pane; the model goes on."""
        overlay.set_visible(visible=shown)
        overlay.look_changed.emit()
        if shown and overlay.shown.stratum is LayerOrder.HEATMAPS:
            others = [each for each in self.all_of(overlay.pane) if each is not overlay]
            if sentence := paint_one_heatmap([overlay, *others], overlay):
                self._say(sentence)

    def is_covered(self, overlay: Overlay) -> bool:
        """Return whether a heatmap is hidden because another one is painted."""
        if overlay.is_visible or overlay.shown.stratum is not LayerOrder.HEATMAPS:
            return False
        return any(
            other.is_visible and other.shown.stratum is LayerOrder.HEATMAPS
            for other in self.all_of(overlay.pane)
        )

    def blink(
        self, pane: SlidePane, order: Sequence[OverlaySource], chosen: Overlay | None
    ) -> None:
        """Hide all overlays of a pane, or show them again, to see what is under them."""
        overlays = self.all_of(pane)
        is_any = any(each.is_visible for each in overlays)
        for each in overlays:
            each.set_visible(visible=not is_any)
        if not is_any:
            self.restack(pane, order, chosen)
        for each in overlays:
            each.look_changed.emit()
