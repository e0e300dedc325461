"""What can go wrong with a store of results in a folder or bucket."""

from __future__ import annotations

from viewer.overlays.result_store import ResultStoreError


class StorePlaceError(ResultStoreError):
    """A folder or bucket that cannot keep or give results; `str()` is one sentence."""


class PassingStoreError(StorePlaceError):
    """It may answer if it is asked again."""


class SegmentError(ResultStoreError):
    """A segment or an entry of a manifest that is not whole."""
