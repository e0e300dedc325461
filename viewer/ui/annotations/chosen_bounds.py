"""The part of a slide that the selected annotations take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.geometry import Box
from viewer.ui.annotations.bulk_edits import MANY

if TYPE_CHECKING:
    from viewer.ui.annotations.pane_annotations import PaneAnnotations


def chosen_bounds(active: PaneAnnotations | None) -> Box | None:
    """Return the bounds of the selected annotations with an area, level-0 pixels; None for none.

    Of very many also of those without: to look at each shape takes long.
    """
    if active is not None and len(active.selection) > MANY:
        return active.document.state.box_of(active.selection.ids)
    chosen = [each for each in active.chosen if each.geometry.area] if active else []
    if not chosen:
        return None
    bounds = [each.geometry.bounds for each in chosen]
    x0, y0, x1, y1 = (list(each) for each in zip(*bounds, strict=True))
    return Box(min(x0), min(y0), max(x1), max(y1))
