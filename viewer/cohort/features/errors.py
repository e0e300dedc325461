"""What can go wrong with a store of features."""

from __future__ import annotations

from viewer.errors import CoverslipError


class FeatureStoreError(CoverslipError):
    """A store that cannot be read, written or searched; `str()` is one sentence."""
