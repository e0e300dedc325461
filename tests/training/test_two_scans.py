"""One section in two scans, counted by the product with the same settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import shared_data

from training.two_scans import SCANS, counted, fields


@pytest.mark.slow
def test_two_scans_of_a_field_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = shared_data()
    if not all((data / "not-openslide" / name).exists() for name in SCANS):
        pytest.skip("the two scans of OS-2 are not here")
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path))
    one, other = (counted(path, field).cells for path, field in fields(data))
    assert one.positive_percent is not None
    assert other.positive_percent is not None
    assert abs(one.positive_percent - other.positive_percent) <= 5
    assert abs(one.total - other.total) <= 0.15 * min(one.total, other.total)
