"""How a model's grid lies over a slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.geometry import Size
from viewer.overlays.blocks import BlockGrid
from viewer.overlays.patch_features import CELLS

if TYPE_CHECKING:
    from viewer.inference.bundle import ModelDescription
    from viewer.slides.source import SlideSource


def block_grid(source: SlideSource, model: ModelDescription, mpp_um: float) -> BlockGrid:
    """The blocks of a slide for a model, which is fed its own um/px whatever the scanner's.

    Parameters
    ----------
    mpp_um
        Micrometers per level-0 pixel.
    """
    base = source.levels[0]
    slide = Size(base.width_px, base.height_px)
    if model.task == "instances":
        core_px, margin_px = model.patch_px - 2 * model.margin_px, model.margin_px
    else:
        core_px, margin_px = CELLS * model.stride, (model.patch_px - model.stride) // 2
    return BlockGrid(slide, model.mpp_um / mpp_um, core_px, margin_px)
