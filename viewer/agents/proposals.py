"""Which boxes of a slide are worth a look, before anything was looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec
import numpy as np
from PIL import Image

from viewer.agents.errors import MicroscopeError
from viewer.agents.microscope import slide_box, stored_picture_of
from viewer.annotations.tissue_correction import corrected_tissue
from viewer.geometry import Box
from viewer.overlays.scoring import best_cells
from viewer.slides.errors import TileError, part_unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.geometry import Optics
    from viewer.slides.source import RgbImage, SlideSource
    from viewer.slides.tissue import TissueMask

FIELD_UM = 500.0
"""Side of a proposed box; a high-power field is about as wide."""
_LEAST_SIDE_PX = 256.0
"""Of a box on a slide that was scanned so coarsely that `FIELD_UM` would show nothing."""
_OF_SLIDE = 0.35
"""A box is at most this share of the slide's shorter side."""
_SIDE_WITHOUT_SCALE = 8
"""Boxes along the slide's shorter side, where it tells no scale."""
_PICTURE_PX = 2048
_LEAST_TISSUE = 0.2
_MOST_COMMON = 0.15
"""Share of a box that may lie in a better one."""


class Proposed(Protocol):
    """A box and how much it promises; the higher the score, the more.

    Attributes
    ----------
    box
        Level-0 pixels.
    magnification
        To look at it with; None where the box tells it.
    """

    @property
    def box(self) -> Box: ...
    @property
    def magnification(self) -> float | None: ...
    @property
    def score(self) -> float: ...


class Proposer(Protocol):
    """Something that proposes boxes, such as a predictor trained on readers."""

    @property
    def name(self) -> str: ...

    def propose(self, source: SlideSource, optics: Optics, count: int) -> Sequence[Proposed]:
        """Return the best boxes, the best first; fewer where there is less.

        Raises
        ------
        AgentError
            The slide cannot be read, or there is nothing to propose by.
        """
        ...


class TissueProposal(msgspec.Struct, frozen=True):
    """A box by tissue and nuclei alone."""

    box: Box
    magnification: float | None
    score: float


class TissueProposer:
    """Boxes with the most of what is blue in the tissue: nuclei, without any learning.

    The blue ratio stands for the density of nuclei (Chang et al. 2012); boxes overlap little.
    """

    name = "tissue and nuclei"

    def propose(self, source: SlideSource, optics: Optics, count: int) -> list[TissueProposal]:
        slide = slide_box(source)
        shorter = min(slide.width, slide.height)
        mpp_um = optics.mean_mpp_um
        side = shorter / _SIDE_WITHOUT_SCALE if mpp_um is None else FIELD_UM / mpp_um
        side = min(max(side, _LEAST_SIDE_PX), shorter * _OF_SLIDE)
        picture = stored_picture_of(source, slide, _PICTURE_PX)
        tissue = _tissue(source, picture)
        scale = picture.shape[1] / slide.width
        window = max(1, round(side * scale))
        held = _means(tissue, window)
        means = _means(_blue_ratio(picture) * tissue, window)
        # Boxes lie within the slide, so that none has to be moved onto another.
        edge = window // 2
        inside = np.zeros(means.shape, bool)
        inside[edge : means.shape[0] - edge, edge : means.shape[1] - edge] = True
        held[~inside] = 0
        means[held < _LEAST_TISSUE] = -np.inf
        apart = max(1, round(window * (1 - _MOST_COMMON)))
        return [
            TissueProposal(_box_at(*place, scale, side, slide), None, float(means[place]))
            for place in best_cells(means, count, apart)
        ]


def _blue_ratio(picture: RgbImage) -> NDArray[np.float32]:
    """Return (height, width); 100 B / (1 + R + G) * 256 / (1 + R + G + B), Chang et al. 2012."""
    wide = picture.astype(np.float32)
    red_green = wide[..., 0] + wide[..., 1]
    blue = wide[..., 2]
    ratio = 100 * blue / (1 + red_green) * 256 / (1 + red_green + blue)
    return ratio.astype(np.float32)


def tissue_of(source: SlideSource) -> TissueMask:
    """Return the tissue of a slide as people corrected it. Raises MicroscopeError."""
    try:
        return corrected_tissue(source)
    except TileError as error:
        raise MicroscopeError(part_unreadable(error)) from error


def _tissue(source: SlideSource, picture: RgbImage) -> NDArray[np.float32]:
    """Return (height, width) 1 where there is tissue."""
    cells = tissue_of(source).cells
    size = (picture.shape[1], picture.shape[0])
    image = Image.fromarray(cells.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
    return np.asarray(image, np.float32)


def _means(values: NDArray[np.float32], window: int) -> NDArray[np.float32]:
    """Return (height, width) of the values in the window about each pixel."""
    from viewer.typed.scipy import uniform_filter  # a third of a second that no start needs

    return np.asarray(uniform_filter(values, window, mode="constant"), np.float32)


def _box_at(row: int, column: int, scale: float, side: float, slide: Box) -> Box:
    """About a place of the picture, moved into the slide."""
    x = min(max((column + 0.5) / scale - side / 2, 0.0), slide.width - side)
    y = min(max((row + 0.5) / scale - side / 2, 0.0), slide.height - side)
    return Box(x, y, x + side, y + side)
