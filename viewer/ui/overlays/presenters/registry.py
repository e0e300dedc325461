"""Which presenter shows which results; another one is registered here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.inference.tasks.known import kind_of

if TYPE_CHECKING:
    from viewer.ui.overlays.presenters.presenter import Presented, Presenter


PRESENTERS: dict[str, type[Presenter]] = {}
"""By `TaskKind.shows`, besides those that come with Coverslip."""


def presenter_of(given: Presented) -> Presenter:
    """Return what shows results on a canvas, by the task that they are of."""
    from viewer.ui.overlays.presenters.attention import AttentionPresenter
    from viewer.ui.overlays.presenters.expected import ExpectedPresenter
    from viewer.ui.overlays.presenters.heatmap import HeatmapPresenter
    from viewer.ui.overlays.presenters.objects import ObjectsPresenter

    known: dict[str, type[Presenter]] = {
        "objects": ObjectsPresenter,
        "judgment": AttentionPresenter,
        "expected attention": ExpectedPresenter,
        **PRESENTERS,
    }
    presenter = known.get(kind_of(given.origin.task).shows, HeatmapPresenter)
    return presenter(given)
