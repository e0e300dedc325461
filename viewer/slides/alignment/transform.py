"""How level-0 places of one slide map to those of another."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from viewer.errors import CoverslipError
from viewer.geometry import Point

Method = Literal["landmarks", "automatic"]
Matrix2 = tuple[float, float, float, float]
"""(a, b, c, d) of [[a, b], [c, d]]."""
_LEAST_DETERMINANT = 1e-9


class AlignmentError(CoverslipError):
    """Two slides that cannot be aligned; `str()` is one sentence."""


class Landmark(NamedTuple):
    """The same place on two slides, level-0 pixels of each."""

    source: Point
    target: Point


class AlignedSlide(msgspec.Struct, frozen=True):
    """What an alignment knows of a slide.

    Attributes
    ----------
    key
        The content key.
    mpp_um
        Micrometers per level-0 pixel in x and y; None where unknown.
    """

    key: str
    width_px: int
    height_px: int
    mpp_um: tuple[float, float] | None = None


class Affine(msgspec.Struct, frozen=True):
    """x' = a x + b y + tx, y' = c x + d y + ty."""

    a: float = 1.0
    b: float = 0.0
    tx: float = 0.0
    c: float = 0.0
    d: float = 1.0
    ty: float = 0.0

    @property
    def determinant(self) -> float:
        return self.a * self.d - self.b * self.c

    @property
    def inverse(self) -> Affine:
        """Return the way back. Raises ZeroDivisionError where there is none."""
        k = 1.0 / self.determinant
        a, b, c, d = self.d * k, -self.b * k, -self.c * k, self.a * k
        return Affine(a, b, -(a * self.tx + b * self.ty), c, d, -(c * self.tx + d * self.ty))

    def map(self, point: Point) -> Point:
        """Return where a point lands."""
        return Point(
            self.a * point.x + self.b * point.y + self.tx,
            self.c * point.x + self.d * point.y + self.ty,
        )

    def after(self, first: Affine) -> Affine:
        """Return `first`, and then this."""
        return Affine(
            self.a * first.a + self.b * first.c,
            self.a * first.b + self.b * first.d,
            self.a * first.tx + self.b * first.ty + self.tx,
            self.c * first.a + self.d * first.c,
            self.c * first.b + self.d * first.d,
            self.c * first.tx + self.d * first.ty + self.ty,
        )

    @classmethod
    def scaling(cls, x: float, y: float) -> Affine:
        """Return the map that makes things so many times as large along each axis."""
        return cls(a=x, d=y)

    @property
    def turn_and_mirror(self) -> Matrix2:
        """Return the orthogonal matrix that is nearest to the linear part."""
        # Of the rotations and of the mirrorings, the one that keeps more of the matrix.
        rotation = (self.a + self.d, self.c - self.b)
        mirroring = (self.a - self.d, self.b + self.c)
        if self.determinant >= 0:
            length = math.hypot(*rotation)
            cos, sin = rotation[0] / length, rotation[1] / length
            return cos, -sin, sin, cos
        length = math.hypot(*mirroring)
        cos, sin = mirroring[0] / length, mirroring[1] / length
        return cos, sin, sin, -cos


class SlideAlignment(msgspec.Struct, frozen=True):
    """Where places of `source` lie on `target`, both level-0 pixels.

    Attributes
    ----------
    residual
        By how much places that were matched miss each other on `target`: of landmarks the root of
        the mean square, of an automatic alignment the median; in `unit`.
    matched, tried
        Places that agree with the alignment, of those that were compared.
    landmarks
        That it was made of.
    """

    source: AlignedSlide
    target: AlignedSlide
    affine: Affine
    method: Method
    residual: float
    matched: int
    tried: int
    landmarks: tuple[Landmark, ...] = ()

    @property
    def unit(self) -> Literal["um", "px"]:
        """Return what the residual is in: pixels of `target` where its scale is unknown."""
        return "px" if self.target.mpp_um is None else "um"

    @property
    def residual_text(self) -> str:
        """Return the residual as people read it."""
        return f"{self.residual:.1f} {'µm' if self.unit == 'um' else 'px'}"

    @property
    def text(self) -> str:
        """Return how it was made and how well it fits, a sentence."""
        if self.method == "landmarks":
            pairs = f"{len(self.landmarks)} pairs of landmarks"
            return f"Aligned by {pairs}, residual {self.residual_text}."
        return (
            f"Aligned automatically, residual {self.residual_text} "
            f"({self.matched:,} of {self.tried:,} places agree)."
        )

    def map(self, point: Point) -> Point:
        """Return where a place of `source` lies on `target`."""
        return self.affine.map(point)

    @property
    def reversed(self) -> SlideAlignment:
        """Return the same alignment from `target` to `source`."""
        back = self.affine.inverse
        per_px = _mean(self.source.mpp_um) / _mean(self.target.mpp_um)
        scale = math.sqrt(abs(back.determinant))
        return replace(
            self,
            source=self.target,
            target=self.source,
            affine=back,
            residual=self.residual * scale * per_px,
            landmarks=tuple(Landmark(each.target, each.source) for each in self.landmarks),
        )

    def between(self, source_key: str, target_key: str) -> SlideAlignment | None:
        """Return it from one slide to another; None where it is of other slides."""
        if (self.source.key, self.target.key) == (source_key, target_key):
            return self
        if (self.target.key, self.source.key) == (source_key, target_key):
            return self.reversed
        return None


def checked(affine: Affine, source: AlignedSlide, target: AlignedSlide) -> Affine:
    """Return a map that can be used. Raises AlignmentError."""
    numbers = (affine.a, affine.b, affine.tx, affine.c, affine.d, affine.ty)
    if not all(map(math.isfinite, numbers)) or abs(affine.determinant) < _LEAST_DETERMINANT:
        raise AlignmentError("The alignment maps all places to one: align the slides anew.")
    largest = 1e6 * max(source.width_px, source.height_px, target.width_px, target.height_px)
    if max(map(abs, numbers)) > largest:
        raise AlignmentError("The alignment maps the slides far apart: align them anew.")
    return affine


def _mean(mpp_um: tuple[float, float] | None) -> float:
    """Return the side of a square pixel as large; 1 where lengths are in pixels."""
    return 1.0 if mpp_um is None else math.sqrt(mpp_um[0] * mpp_um[1])
