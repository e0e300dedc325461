"""Where readers are expected to look: a heatmap by magnification, and boxes to go to."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from msgspec.structs import asdict

from viewer.attention.proposing import Proposal, proposals
from viewer.colors import BAND_COLORS, UNKNOWN_COLOR
from viewer.overlays.heatmap import Heatmap, HeatmapStyle, expected_heatmap
from viewer.overlays.legend import LegendRow
from viewer.plurals import percent
from viewer.ui.overlays.presenters.heatmap import HeatmapPresenter

if TYPE_CHECKING:
    from collections.abc import Callable

    from viewer.geometry import Box
    from viewer.inference.models.bundle import ModelBundle
    from viewer.overlays.patch_feature_map import PatchFeatureMap
    from viewer.ui.overlays.presenters.presenter import Presented

_log = logging.getLogger(__name__)

_BOXES = 8
_LEAST_SHARE = 0.005


class ExpectedPicture(Heatmap, frozen=True):
    """A heatmap with what follows from the values under it.

    Attributes
    ----------
    proposals
        The best fields of what is known so far.
    band_shares
        Name of each magnification and its share of the expected time.
    """

    proposals: tuple[Proposal, ...] = ()
    band_shares: tuple[tuple[str, float], ...] = ()


class ExpectedPresenter(HeatmapPresenter):
    """The heatmap by rank, since a few places get most of the time."""

    def __init__(self, given: Presented) -> None:
        from viewer.canvas.expected_layer import ExpectedLayer

        super().__init__(given)
        self.layer = self._expected_layer = ExpectedLayer()
        self.style = HeatmapStyle(as_percentiles=True)

    @property
    def whole(self) -> str:
        """Return the name of the sum of several magnifications."""
        return "All magnifications"

    def lines(self) -> list[str]:
        lines = super().lines()
        heatmap = self.heatmap
        if isinstance(heatmap, ExpectedPicture):
            lines.append(f"Boxes: the {len(heatmap.proposals)} fields to go to first")
        return lines

    def legend_rows(self) -> list[LegendRow]:
        """Return the expected share of time at each magnification, in the colors of the boxes."""
        heatmap = self.heatmap
        if not isinstance(heatmap, ExpectedPicture):
            return []
        colors = dict(self._origin.colors)
        return [
            LegendRow(
                index,
                name,
                colors.get(name, UNKNOWN_COLOR),
                (percent(share),),
                f"{percent(share)} of the expected time at {name}",
                can_hide=False,
            )
            for index, (name, share) in enumerate(heatmap.band_shares)
        ]

    def _work(self) -> Callable[[], Heatmap | None]:
        from viewer.inference.models.bundle import ModelBundle

        found, style, bundle = self.found, self.style, self._origin
        assert isinstance(bundle, ModelBundle)
        return lambda: expected_picture(found, style, bundle)

    def _show(self, heatmap: Heatmap | None) -> None:
        if isinstance(heatmap, ExpectedPicture):
            self._expected_layer.show_boxes(boxes_of(heatmap))
        super()._show(heatmap)


def expected_picture(
    found: PatchFeatureMap, style: HeatmapStyle, bundle: ModelBundle
) -> ExpectedPicture | None:
    """Return the heatmap of a predictor with its boxes; None before anything is known."""
    from viewer.attention.predictor import box_sizes_um, expected_of
    from viewer.inference.models.bundle import BundleError

    heatmap = expected_heatmap(found, style)
    if heatmap is None:
        return None
    try:
        expected = expected_of(found, bundle, box_sizes_um(bundle))
    except BundleError as error:
        _log.warning("no boxes are shown (%s)", error)
        best, shares = [], []
    else:
        best = proposals(expected, _BOXES)
        shares = expected.band_shares().tolist()
    names = [name for name, _ in bundle.colors]
    shown = [(name, share) for name, share in zip(names, shares, strict=False)]
    return ExpectedPicture(
        **asdict(heatmap),
        proposals=tuple(best),
        band_shares=tuple((name, share) for name, share in shown if share >= _LEAST_SHARE),
    )


def boxes_of(picture: ExpectedPicture) -> list[tuple[Box, str]]:
    """Return the boxes with the colors of their magnifications."""
    return [
        (each.box, BAND_COLORS.get(each.magnification or 0.0, UNKNOWN_COLOR))
        for each in picture.proposals
    ]
