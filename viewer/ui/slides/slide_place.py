"""What files of annotations tell of the slide in a pane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.annotations.formats.slide_place import SlidePlace
from viewer.slides.bounds import bounds_px

if TYPE_CHECKING:
    from viewer.ui.slides.slide_pane import SlidePane


def place_of(pane: SlidePane) -> SlidePlace:
    """Return the place that the slide of a pane gives to what lies on it."""
    box, path, source = pane.canvas.slide_box, pane.path, pane.source
    return SlidePlace(
        "" if path is None else str(path.absolute()),
        "" if path is None else path.name,
        "" if source is None else source.info.identity,
        (round(box.width), round(box.height)),
        pane.canvas.optics.mpp_um,
        (0.0, 0.0) if source is None else bounds_px(source.info),
    )
