"""What can go wrong with a store of features."""

from __future__ import annotations

import re

from viewer.errors import CoverslipError

_KNOWN = (
    (r"Failed to get AWS credentials|CredentialsNotLoaded", "no credentials were found for it"),
    (r"Failed to resolve region", "its bucket cannot be found"),
    (r"NoSuchBucket", "there is no such bucket"),
    (r"AccessDenied|InvalidAccessKey|SignatureDoesNotMatch|status: 403", "access is denied"),
    (r"No space left|StorageFull", "the disk is full"),
    (r"Permission denied", "permission denied"),
    (r"Connection refused|error sending request|timed out|dns error", "no answer from the server"),
    (r"Status \{ status: 5\d\d|SlowDown", "the server refuses for now"),
    (
        r"[Cc]orrupt|[Mm]agic number|Not found: .*_versions|LanceError\(IO\)",
        "a file of it is damaged",
    ),
)
"""What the Rust core of Lance says, and the same for people."""


class FeatureStoreError(CoverslipError):
    """A store that cannot be read, written or searched; `str()` is one sentence."""


class NoFeaturesError(FeatureStoreError):
    """There is no store, or it holds no features."""


def lance_reason(error: Exception) -> str:
    """Return in some words why Lance failed; its own errors are pages long."""
    text = str(error)
    known = (words for pattern, words in _KNOWN if re.search(pattern, text))
    return next(known, text.partition("\n")[0][:120].rstrip(".,: "))
