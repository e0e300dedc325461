"""How a model's grid lies over a slide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.geometry import Size
from viewer.inference.tasks.known import TASKS
from viewer.overlays.blocks import BlockGrid

if TYPE_CHECKING:
    from viewer.inference.models.description import ModelDescription
    from viewer.slides.source import SlideSource


def block_grid(source: SlideSource, model: ModelDescription, mpp_um: float) -> BlockGrid:
    """Return the blocks of a slide for a model, which is fed its own um/px whatever the scanner's.

    Parameters
    ----------
    mpp_um
        Micrometers per level-0 pixel.
    """
    base = source.levels[0]
    slide = Size(base.width_px, base.height_px)
    kind, downsample = TASKS[model.task], model.mpp_um / mpp_um
    core_px, margin_px = kind.block_px(model)
    cells = kind.cells(model, Size(slide.width / downsample, slide.height / downsample))
    return BlockGrid(slide, downsample, core_px, margin_px, cells=cells)
