"""How a pixel classifier looks at a slide: its resolution and features, and the blocks it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from viewer.inference.cells.stain_vectors import StainSet  # noqa: TC001 - read by msgspec
from viewer.overlays.blocks import BlockGrid

if TYPE_CHECKING:
    from viewer.geometry import Size

ARCHITECTURE = "pixel-classifier"
"""Of the bundles that it makes."""
FEATURES_VERSION = 1
"""Of `PixelFeatures`: raised with every change of it that changes numbers."""
CORE_PX, MARGIN_PX = 384, 64
"""Side of a block and width of its margin, which is wider than any feature reaches."""
PATCH_PX = CORE_PX + 2 * MARGIN_PX
LEAST_MPP_UM, MOST_MPP_UM = 0.1, 64.0
DEFAULT_MPP_UM = 1.0
MOST_SCALES = 4
COLORS, WITH_TEXTURE = 3, 11
"""How many features a pixel has at a scale."""


class PixelSettings(msgspec.Struct, frozen=True):
    """What is chosen before anything is taught.

    Attributes
    ----------
    mpp_um
        Micrometers per pixel that is told apart, whatever the scanner's.
    scales
        How many scales features have: smoothed by about 1, 2, 4 and 8 pixels.
    texture
        Whether there are features of texture beside those of color and stain.
    stains
        By which the colors are separated; QuPath's default vectors.
    """

    mpp_um: Annotated[float, Meta(ge=LEAST_MPP_UM, le=MOST_MPP_UM)] = DEFAULT_MPP_UM
    scales: Annotated[int, Meta(ge=1, le=MOST_SCALES)] = MOST_SCALES
    texture: bool = True
    stains: StainSet = "H&E"

    @property
    def length(self) -> int:
        """Return how many features a pixel has."""
        return self.scales * (WITH_TEXTURE if self.texture else COLORS)


def lesson_grid(slide: Size, mpp_um: float, settings: PixelSettings) -> BlockGrid:
    """Return the blocks by which a slide is read while it is taught, as the taught model reads it.

    Parameters
    ----------
    slide, mpp_um
        Its size, and micrometers per level-0 pixel.
    """
    return BlockGrid(slide, settings.mpp_um / mpp_um, CORE_PX, MARGIN_PX)
