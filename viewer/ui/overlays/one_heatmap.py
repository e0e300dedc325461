"""One heatmap at a time: two in the same colors would blend into values that neither has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.canvas.layer import LayerOrder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.ui.overlays.overlay import Overlay


def paint_one_heatmap(
    runs: Sequence[Overlay], chosen: Overlay | None, *, even_if_hidden: bool = False
) -> str:
    """Paint the chosen heatmap of a pane, else the one that is painted, and hide the others.

    Parameters
    ----------
    runs
        All overlays of the pane; outlines are left as they are.
    even_if_hidden
        Whether one is painted where all were hidden.

    Returns
    -------
    A sentence that says what was hidden, "" where nothing was.
    """
    maps = [run for run in runs if run.shown.stratum is LayerOrder.HEATMAPS]
    visible = [run for run in maps if run.is_visible]
    if not maps or not (visible or even_if_hidden):
        return ""
    kept = chosen if chosen in maps else (visible or maps)[0]
    assert kept is not None
    hidden = [run for run in visible if run is not kept]
    for run in hidden:
        run.set_visible(visible=False)
        run.look_changed.emit()
    if not kept.is_visible:
        kept.set_visible(visible=True)
        kept.look_changed.emit()
    if not hidden:
        return ""
    names = " and ".join(run.origin.name for run in hidden)
    return f"One heatmap is painted at a time: {kept.origin.name}. Choose {names} to see it again."
