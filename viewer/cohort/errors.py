"""What can go wrong with many slides at once."""

from __future__ import annotations

from viewer.errors import CoverslipError


class BatchError(CoverslipError):
    """A batch that cannot begin or go on; `str()` is one sentence."""


class PlaceLostError(BatchError):
    """What runs the slides is gone while they run; what was computed is kept."""
