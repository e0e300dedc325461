"""A private file of the user's, which nothing that comes from outside may show."""

from __future__ import annotations

from pathlib import Path

import pytest

PRIVATE = "the-private-words-of-the-user"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "user" / "secret.txt"
    path.parent.mkdir()
    path.write_text(PRIVATE)
    return path
