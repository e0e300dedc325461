"""One section in two scans, counted by the product with the same settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from training.two_scans import SCANS, counted, fields


@pytest.mark.slow
def test_two_scans_of_a_field_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_slide: Callable[[str], Path]
) -> None:
    first, _ = (shared_slide(f"not-openslide/{name}") for name in SCANS)
    data = first.parents[1]
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path))
    one, other = (counted(path, field).cells for path, field in fields(data))
    assert one.positive_percent is not None
    assert other.positive_percent is not None
    assert abs(one.positive_percent - other.positive_percent) <= 5
    assert abs(one.total - other.total) <= 0.15 * min(one.total, other.total)
