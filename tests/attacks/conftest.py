"""What is attacked is what the program starts."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module", autouse=True)
def as_started(real_children: None) -> None:
    """Children are started as the program starts them."""
