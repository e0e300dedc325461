"""The stains of a slide: two vectors and a white value, given, by default, or from a region.

Optical density is the decadic logarithm, and vectors are of length 1 with hematoxylin first, as in
QuPath, so that thresholds mean the same. Deconvolution after Ruifrok and Johnston 2001; estimates
after M. Macenko et al., "A method for normalizing histology slides for quantitative analysis",
ISBI 2009.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from viewer.errors import CoverslipError
from viewer.tiles.stains import DAB, EOSIN, HEMATOXYLIN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.slides.source import RgbImage

    FloatImage = NDArray[np.float32]

StainSet = Literal["H-DAB", "H&E"]
Vector = tuple[float, float, float]
White = Annotated[float, Meta(gt=0, le=255)]

_SECOND: dict[StainSet, tuple[str, Vector]] = {"H-DAB": ("DAB", DAB), "H&E": ("Eosin", EOSIN)}
_LEAST_DENSITY, _MOST_DENSITY = 0.15, 1.5
"""Sum of the densities below which a pixel is glass, and density of a channel above which it says
nothing of its hue."""
_LEAST_PIXELS, _FEW_PIXELS = 500, 20
"""Of tissue that both stains are estimated from, and one."""
_ENDS = (1.0, 99.0)
"""Percentiles of the angle in the plane of the two stains that stand for pure stains."""
_LEAST_ANGLE = math.radians(20)
"""Between two stains: hematoxylin and eosin are 30 degrees apart, shades of one stain 10 to 20."""
_LIKE, _NEARER = math.radians(25), math.radians(5)
"""So near to eosin or DAB is a stain taken for it, and by so much nearer than to the other: eight
slides of H&E are 5 to 21 degrees from eosin and 18 to 39 from DAB, two of H-DAB 17 and 2 to 6."""
_WHITE_PERCENTILE = 99.5
_LEAST_WHITE = 180.0


class StainError(CoverslipError):
    """Stains that cannot be; `str()` is one sentence."""


class StainVectors(msgspec.Struct, frozen=True):
    """Two stains and the white value of a slide.

    Attributes
    ----------
    hematoxylin, second
        Optical density in red, green and blue; any length.
    white
        Value of clear glass in red, green and blue.
    origin
        Where they come from, for people.
    """

    kind: StainSet = "H-DAB"
    hematoxylin: Vector = HEMATOXYLIN
    second: Vector = DAB
    white: tuple[White, White, White] = (255.0, 255.0, 255.0)
    origin: str = "QuPath's default"

    def __post_init__(self) -> None:
        vectors = np.array([self.hematoxylin, self.second])
        lengths = np.linalg.norm(vectors, axis=1)
        if not np.isfinite(vectors).all() or (lengths <= 0).any():
            raise StainError("A stain vector has no direction: give three numbers that are not 0.")
        first, second = vectors / lengths[:, np.newaxis]
        if abs(float(first @ second)) > math.cos(math.radians(1)):
            raise StainError(
                "The two stain vectors are the same: choose a region with both stains."
            )

    @classmethod
    def default(cls, kind: StainSet) -> StainVectors:
        """Return QuPath's default of a set of stains."""
        return cls(kind, HEMATOXYLIN, _SECOND[kind][1])

    @property
    def names(self) -> tuple[str, str]:
        """Return the names of both stains as measurements say them."""
        return "Hematoxylin", _SECOND[self.kind][0]

    @property
    def text(self) -> str:
        """Return base, vectors and white value, for people."""
        rows = [
            f"{name} {' '.join(f'{each:.3f}' for each in _unit(vector))}"
            for name, vector in zip(self.names, (self.hematoxylin, self.second), strict=True)
        ]
        white = " ".join(f"{each:.0f}" for each in self.white)
        return f"{self.kind}: {'; '.join(rows)}; white {white}; log10; {self.origin}"

    def weights(self) -> NDArray[np.float32]:
        """Return (3, 3): density in red, green, blue times this is hematoxylin, second, rest."""
        first, second = _unit(self.hematoxylin), _unit(self.second)
        rest = np.cross(first, second)
        matrix = np.stack([first, second, rest / np.linalg.norm(rest)])
        return np.linalg.inv(matrix).astype(np.float32)


def optical_density(rgb: RgbImage, white: Vector) -> FloatImage:
    """Return the optical density (height, width, 3) of pixels, 0 where brighter than white."""
    levels = np.maximum(np.arange(256, dtype=np.float64), 1.0)
    tables = [np.maximum(-np.log10(levels / each), 0).astype(np.float32) for each in white]
    return np.stack([np.take(tables[c], rgb[..., c]) for c in range(3)], axis=-1)


def estimated_white(rgb: RgbImage) -> tuple[float, float, float]:
    """Return the white value of a slide from a picture that shows some of its glass.

    It is a high percentile of each channel; where nothing is as bright as glass, it is 255.
    """
    found = np.percentile(rgb.reshape(-1, 3), _WHITE_PERCENTILE, axis=0)
    if (found < _LEAST_WHITE).any():
        return 255.0, 255.0, 255.0
    red, green, blue = (float(each) for each in found)
    return red, green, blue


def macenko(rgb: RgbImage, kind: StainSet, white: Vector = (255.0, 255.0, 255.0)) -> StainVectors:
    """Estimate both stains from the pixels (height, width, 3) of a region.

    The stain whose hue is nearer that of hematoxylin comes first.

    Raises
    ------
    StainError
        The region has too little tissue, or one stain only.
    """
    density = optical_density(rgb, white).reshape(-1, 3).astype(np.float64)
    is_stained = (density.sum(1) > _LEAST_DENSITY) & (density.max(1) < _MOST_DENSITY)
    stained = density[is_stained]
    if len(stained) < _LEAST_PIXELS:
        raise StainError("The region has too little stained tissue: choose one with both stains.")
    _, axes = np.linalg.eigh(np.cov(stained.T))
    plane = axes[:, [2, 1]] * np.where(axes[:, [2, 1]].sum(0) < 0, -1, 1)
    along = stained @ plane
    low, high = np.percentile(np.arctan2(along[:, 1], along[:, 0]), _ENDS)
    if high - low < _LEAST_ANGLE:
        raise StainError("The region shows one stain only: choose one with both stains.")
    ends = [plane @ (math.cos(angle), math.sin(angle)) for angle in (low, high)]
    one, other = (_unit(np.maximum(each, 0)) for each in ends)
    default = _unit(HEMATOXYLIN) - _unit(_SECOND[kind][1])
    first, second = (one, other) if one @ default >= other @ default else (other, one)
    red, green, blue = white
    return StainVectors(
        kind, _triple(first), _triple(second), (red, green, blue), "estimated (Macenko)"
    )


def likely_stains(
    rgb: RgbImage, white: tuple[float, float, float] = (255.0, 255.0, 255.0)
) -> StainSet | None:
    """Return with what tissue (height, width, 3) seems stained; None where it cannot be told.

    It is told by the stain that is not hematoxylin: nearer to eosin or to DAB.
    """
    try:
        found = macenko(rgb, "H-DAB", white)
    except StainError:
        return None
    second = max(found.hematoxylin, found.second, key=lambda each: _angle(each, HEMATOXYLIN))
    angles: dict[StainSet, float] = {
        kind: _angle(second, vector) for kind, (_, vector) in _SECOND.items()
    }
    kind, other = sorted(angles, key=lambda each: angles[each])
    is_clear = angles[kind] <= _LIKE and angles[other] - angles[kind] >= _NEARER
    return kind if is_clear else None


def stain_doubt(stains: StainVectors, likely: StainSet | None) -> str:
    """Return in a sentence why vectors are none of a slide with `likely_stains`, or nothing."""
    if likely is None or likely == stains.kind:
        return ""
    if likely == "H&E":
        return (
            "The second stain of this slide is nearer eosin than DAB: grades mean nothing here. "
            "Choose H&E under Stains."
        )
    return (
        "The second stain of this slide is nearer DAB than eosin: its cells are not graded. "
        "Choose H-DAB under Stains."
    )


def single_stain(rgb: RgbImage, white: Vector = (255.0, 255.0, 255.0)) -> Vector:
    """Return the vector of a region (height, width, 3) that shows one stain alone.

    Raises
    ------
    StainError
        The region has too little stained tissue.
    """
    density = optical_density(rgb, white).reshape(-1, 3).astype(np.float64)
    stained = density[(density.sum(1) > _LEAST_DENSITY) & (density.max(1) < _MOST_DENSITY)]
    if len(stained) < _FEW_PIXELS:
        raise StainError("The region has too little stained tissue: choose one of that stain.")
    return _triple(_unit(np.median(stained, axis=0)))


def _angle(one: Vector, other: Vector) -> float:
    """Return the angle between two vectors, radians."""
    return math.acos(min(1.0, float(_unit(one) @ _unit(other))))


def _unit(vector: Vector | NDArray[np.float64]) -> NDArray[np.float64]:
    given = np.asarray(vector, np.float64)
    return given / np.linalg.norm(given)


def _triple(vector: NDArray[np.float64]) -> Vector:
    x, y, z = (round(float(each), 5) for each in vector)
    return x, y, z
