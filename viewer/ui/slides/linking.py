"""Two views that move together: the geometry of linked navigation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from viewer.geometry import Optics, Point, View

if TYPE_CHECKING:
    from viewer.slides.alignment.transform import Affine

_Matrix = tuple[float, float, float, float]
"""(a, b, c, d) of [[a, b], [c, d]]; orthogonal throughout this file."""


class Link(msgspec.Struct, frozen=True):
    """How one pane's view follows from another's, fixed at the moment of linking.

    Lengths are micrometers where both slides tell their pixel size, else level-0 pixels.

    Attributes
    ----------
    turn
        Takes movements on the leader's slide to movements on the follower's.
    leader_center, follower_center
        What the two showed in their middles when they were linked.
    leader_unit, follower_unit
        The length of a level-0 pixel.
    """

    turn: _Matrix
    leader_center: Point
    follower_center: Point
    leader_unit: float
    follower_unit: float

    @classmethod
    def between(
        cls, leader: View, leader_optics: Optics, follower: View, follower_optics: Optics
    ) -> Link:
        """Return the link that keeps the offset and the relative turn of what both show now."""
        leader_unit = leader_optics.mean_mpp_um
        follower_unit = follower_optics.mean_mpp_um
        if leader_unit is None or follower_unit is None:
            leader_unit = follower_unit = 1.0
        return cls(
            _times(_transposed(_axes(follower)), _axes(leader)),
            leader.center,
            follower.center,
            leader_unit,
            follower_unit,
        )

    def follow(self, leader: View, follower: View) -> View:
        """Return what the follower shows when the leader shows `leader`.

        Its own screen size is kept.
        """
        a, b, c, d = self.turn
        unit = self.leader_unit / self.follower_unit
        dx = (leader.center.x - self.leader_center.x) * unit
        dy = (leader.center.y - self.leader_center.y) * unit
        rotation_deg, mirrored = _turn_and_flip(_times(_axes(leader), _transposed(self.turn)))
        return replace(
            follower,
            center=Point(
                self.follower_center.x + a * dx + b * dy, self.follower_center.y + c * dx + d * dy
            ),
            downsample=leader.downsample * unit,
            rotation_deg=rotation_deg,
            mirrored=mirrored,
        )


class AlignedLink(msgspec.Struct, frozen=True):
    """How one pane's view follows from another's by an alignment of their slides.

    Attributes
    ----------
    affine
        Takes level-0 places of the leader's slide to those of the follower's.
    """

    affine: Affine

    def follow(self, leader: View, follower: View) -> View:
        """Return what the follower shows when the leader shows `leader`.

        Its own screen size is kept.
        """
        turn = self.affine.turn_and_mirror
        rotation_deg, mirrored = _turn_and_flip(_times(_axes(leader), _transposed(turn)))
        return replace(
            follower,
            center=self.affine.map(leader.center),
            downsample=leader.downsample * math.sqrt(abs(self.affine.determinant)),
            rotation_deg=rotation_deg,
            mirrored=mirrored,
        )


def _axes(view: View) -> _Matrix:
    """Return the turn and flip of a view, without its scale."""
    m11, m12, m21, m22, _, _ = view.transform
    k = view.downsample
    return m11 * k, m21 * k, m12 * k, m22 * k


def _turn_and_flip(axes: _Matrix) -> tuple[float, bool]:
    """Return the inverse of `_axes`: rotation in degrees and whether it is mirrored."""
    a, b, c, d = axes
    mirrored = a * d - b * c < 0
    rotation_deg = math.degrees(math.atan2(c, d)) % 360.0
    nearest = round(rotation_deg, 9)
    return nearest % 360.0, mirrored


def _times(left: _Matrix, right: _Matrix) -> _Matrix:
    a, b, c, d = left
    e, f, g, h = right
    return a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h


def _transposed(matrix: _Matrix) -> _Matrix:
    a, b, c, d = matrix
    return a, c, b, d
