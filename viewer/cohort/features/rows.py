"""The features of one slide, as arrays: a row a patch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.geometry import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.overlays.area import Area
    from viewer.overlays.patch_feature_map import PatchFeatureMap


class Encoder(msgspec.Struct, frozen=True):
    """What made features: they can be compared with those of the same encoder alone.

    Attributes
    ----------
    key
        `ModelBundle.key`, or the name of an encoder whose features came in a file.
    length
        Of a vector.
    patch_px, mpp_um
        Side of a patch as the encoder sees it, and its scale in µm per pixel.
    sha256
        Of the weights, by which slide models know their encoder; "" where it is unknown.
    """

    key: str
    name: str
    version: str = ""
    length: int = 0
    patch_px: int = 0
    mpp_um: float = 0.0
    sha256: str = ""


class SlideFeatures(msgspec.Struct, frozen=True):
    """The features of a slide's patches.

    Attributes
    ----------
    slide
        Content key of the slide.
    path, name
        Where the slide lay when it was embedded, and what it is called.
    mpp_um
        Of the slide, µm per level-0 pixel.
    side_px
        Of a patch, level-0 pixels.
    places
        (n, 2) upper left corners (x, y) of the patches, level-0 pixels, float64.
    vectors
        (n, d) float16.
    quality
        (n,) share of sound tissue in the patch, 0 to 1, float32; NaN where it was not looked at.
    attributes
        Of the slide, such as {"stain": "H&E"}.
    """

    slide: str
    path: str
    name: str
    mpp_um: float
    side_px: float
    places: NDArray[np.float64]
    vectors: NDArray[np.float16]
    quality: NDArray[np.float32]
    attributes: dict[str, str] = msgspec.field(default_factory=dict[str, str])

    def __len__(self) -> int:
        return len(self.vectors)

    def box(self, index: int) -> Box:
        """Return a patch, level-0 pixels."""
        x, y = self.places[index].tolist()
        return Box(x, y, x + self.side_px, y + self.side_px)


def features_of(
    found: PatchFeatureMap, slide: str, path: str, name: str,
    quality: PatchFeatureMap | None = None, area: Area | None = None,
) -> SlideFeatures:  # fmt: skip
    """Return what an encoder said of a slide's patches, row by row.

    Parameters
    ----------
    quality
        What *Tissue quality* said of the slide, where it was asked.
    area
        Only patches with their middle in it are taken.
    """
    known = found.known if area is None else found.cells_in(area)
    rows, columns = np.nonzero(known)
    side = found.cell
    places = np.stack([columns, rows], 1).astype(np.float64) * side + [
        found.origin.x,
        found.origin.y,
    ]
    vectors = found.values[known].astype(np.float16)
    sound = np.full(len(vectors), np.nan, np.float32)
    if quality is not None and len(vectors):
        sound = _sound_share(quality, places, side)
    return SlideFeatures(slide, path, name, found.mpp_um, side, places, vectors, sound)


def _sound_share(
    quality: PatchFeatureMap, places: NDArray[np.float64], side: float
) -> NDArray[np.float32]:
    """Return the share of sound tissue in squares, by sums over rectangles of the quality map."""
    from viewer.overlays.scoring import head_values

    values = head_values(quality.values, quality.head)
    if not values.shape[2]:
        return np.full(len(places), np.nan, np.float32)
    is_known = ~np.isnan(values[..., 0])
    is_sound = is_known & (np.nan_to_num(values, nan=-1.0).argmax(-1) == 0)
    sums = [np.pad(mask.cumsum(0).cumsum(1), ((1, 0), (1, 0))) for mask in (is_sound, is_known)]
    step = quality.raster_px
    low = np.floor((places - (quality.origin.x, quality.origin.y)) / step + 1e-6).astype(int)
    high = np.ceil((places + side - (quality.origin.x, quality.origin.y)) / step - 1e-6).astype(int)
    x0, x1 = (np.clip(each[:, 0], 0, quality.columns) for each in (low, high))
    y0, y1 = (np.clip(each[:, 1], 0, quality.rows) for each in (low, high))
    sound, known = (each[y1, x1] - each[y0, x1] - each[y1, x0] + each[y0, x0] for each in sums)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known > 0, sound / known, np.nan).astype(np.float32)
