"""How a model's grid lies over a slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.geometry import Size
from viewer.overlays.blocks import BlockGrid

if TYPE_CHECKING:
    from viewer.inference.bundle import ModelDescription
    from viewer.slides.source import SlideSource


def block_grid(source: SlideSource, model: ModelDescription, mpp_um: float) -> BlockGrid:
    """The blocks of a slide for a model, which is fed its own um/px whatever the scanner's.

    Parameters
    ----------
    mpp_um
        Micrometres per level-0 pixel.
    """
    base = source.levels[0]
    core_px = model.patch_px - 2 * model.margin_px
    slide = Size(base.width_px, base.height_px)
    return BlockGrid(slide, model.mpp_um / mpp_um, core_px, model.margin_px)
