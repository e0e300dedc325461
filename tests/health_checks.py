"""What Hypothesis checks of a test's own speed and data; tests on fixtures leave it out."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck

ALL_CHECKS: list[Any] = list(HealthCheck)
"""Its metaclass, which says that it yields itself, leaves out those that are gone."""
