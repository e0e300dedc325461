"""What a reader chooses of a figure, and the view and size that it has then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from viewer.geometry import Size

if TYPE_CHECKING:
    from viewer.geometry import Box, View

CM_PER_INCH = 2.54


class FigureChoice(msgspec.Struct, frozen=True):
    """How a view, or the selected region, becomes a figure."""

    is_region: bool = False
    dpi: float = 300.0
    width_cm: float = 17.0
    has_scale_bar: bool = True
    has_legend: bool = True
    has_overlays: bool = True


def figure_size_px(size: Size, choice: FigureChoice) -> tuple[int, int]:
    """Return width and height of a figure with the proportions of `size`."""
    width_px = max(1, round(choice.width_cm / CM_PER_INCH * choice.dpi))
    return width_px, max(1, round(width_px * size.height / size.width))


def figure_view(view: View, choice: FigureChoice) -> View:
    """Return the same field as `view`, in logical pixels of the figure."""
    from viewer.ui.figures.strips import SCREEN_DPI

    size_px = figure_size_px(view.size, choice)
    ratio = choice.dpi / SCREEN_DPI
    size = Size(size_px[0] / ratio, size_px[1] / ratio)
    downsample = view.downsample * view.size.width / size.width
    return replace(view, size=size, downsample=downsample)


def region_view(view: View, region: Box) -> View:
    """Return a view of a level-0 box alone, turned and mirrored as `view`, as large as there."""
    upright = replace(view, size=Size(1, 1)).showing(region)
    a, b, _, _, _, _ = view.transform
    c, d = view.transform[2], view.transform[3]
    width = abs(a) * region.width + abs(c) * region.height
    height = abs(b) * region.width + abs(d) * region.height
    return replace(upright, size=Size(width, height), downsample=view.downsample)
