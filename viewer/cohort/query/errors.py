"""Why a query has no answer."""

from __future__ import annotations

from viewer.errors import CoverslipError


class QueryError(CoverslipError):
    """A query that is refused, fails or takes too much; `str()` is one sentence."""
