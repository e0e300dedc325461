"""How overlapping windows of a dense network lie over a block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from viewer.inference.models.description import ModelDescription

_SHARE = 0.75
"""Of the part of a window that counts, from one window to the next."""
_EVEN_PX = 16
"""Steps are multiples of it, so that they can be cut into cells."""
_BLOCK_PX = 768
"""About the side of a block: larger ones show their first result late."""


class Windows(msgspec.Struct, frozen=True):
    """Windows on one lattice over the whole slide, so that blocks agree at their border.

    Attributes
    ----------
    patch_px
        Side of a window.
    inner_px
        Side of the part in its middle that counts: what is answered for without the margin.
    step_px
        From one window to the next.
    count
        Steps along a side of a block; one window more answers for some of it.
    """

    patch_px: int
    inner_px: int
    step_px: int
    count: int

    @classmethod
    def of(cls, about: ModelDescription) -> Windows:
        """Return the windows of a model, three quarters apart where it does not say how far."""
        inner_px = (about.answer_px or about.patch_px) - 2 * about.margin_px
        usual_px = int(_SHARE * inner_px)
        even_px = max(_EVEN_PX, about.answer_downsample)
        step_px = about.stride_px or max(usual_px // even_px * even_px, min(even_px, inner_px))
        return cls(about.patch_px, inner_px, step_px, max(1, _BLOCK_PX // max(1, step_px)))

    @property
    def context_px(self) -> int:
        """Width of the border of a window that does not count."""
        return (self.patch_px - self.inner_px) // 2

    @property
    def core_px(self) -> int:
        return self.count * self.step_px

    @property
    def before_px(self) -> int:
        """Return how far before a block its first window counts: 0 where windows do not overlap."""
        return self.step_px if self.inner_px > self.step_px else 0

    @property
    def margin_px(self) -> int:
        """Round a block: how far windows reach beyond it, and the border of a window."""
        return self.before_px + self.context_px

    @property
    def places(self) -> list[tuple[int, int]]:
        """Return where each window begins in the block with its margin, rows before columns."""
        steps = range(0, self.before_px + self.core_px, self.step_px)
        return [(row, column) for row in steps for column in steps]
