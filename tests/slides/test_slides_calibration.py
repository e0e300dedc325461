"""Pixel sizes that the user told are kept, whatever happens to their files."""

from __future__ import annotations

import multiprocessing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from viewer.folders import data_folder
from viewer.slides.calibration import remember_mpp_um, remembered_mpp_um

SIZES = st.floats(1e-3, 1e3)


def test_nothing_is_remembered_at_first() -> None:
    assert remembered_mpp_um("slide") is None


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(min_size=1).filter(lambda text: text.isprintable()), SIZES, SIZES)
def test_what_was_told_comes_back(identity: str, x_um: float, y_um: float) -> None:
    remember_mpp_um(identity, (x_um, y_um))
    assert remembered_mpp_um(identity) == (x_um, y_um)
    remember_mpp_um(identity, (y_um, x_um))
    assert remembered_mpp_um(identity) == (y_um, x_um)


@pytest.mark.parametrize("size", [0.0, -0.5, float("nan"), float("inf")])
def test_what_is_no_size_is_refused(size: float) -> None:
    with pytest.raises(ValueError, match="no pixel size"):
        remember_mpp_um("slide", (0.25, size))
    assert remembered_mpp_um("slide") is None


@pytest.mark.parametrize("torn", [b"", b'{"identity":"sl', b"\xff\xfe", b'{"x_um": 1}', b"[]"])
def test_torn_files_are_kept_aside(torn: bytes) -> None:
    remember_mpp_um("slide", (0.25, 0.25))
    remember_mpp_um("other", (0.5, 0.5))
    (file,) = (
        path
        for path in (data_folder() / "pixel-sizes").iterdir()
        if b'"slide"' in path.read_bytes()
    )
    file.write_bytes(torn)
    assert remembered_mpp_um("slide") is None
    assert file.with_suffix(".bad").read_bytes() == torn
    assert remembered_mpp_um("other") == (0.5, 0.5)
    remember_mpp_um("slide", (0.3, 0.3))
    assert remembered_mpp_um("slide") == (0.3, 0.3)


def _remember_many(start: int) -> None:
    for index in range(start, start + 50):
        remember_mpp_um(f"slide {index}", (index + 1.0, index + 1.0))


def test_two_processes_lose_nothing_of_each_other() -> None:
    # COVERSLIP_HOME of this test reaches them through the environment.
    workers = [
        multiprocessing.get_context("spawn").Process(target=_remember_many, args=(start,))
        for start in (0, 50)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for index in range(100):
        assert remembered_mpp_um(f"slide {index}") == (index + 1.0, index + 1.0)
