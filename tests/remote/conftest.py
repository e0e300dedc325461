"""Servers and slides of the tests of slides that lie elsewhere."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from range_server import Faults, RangeServer
from served_slides import BIG_BYTES, write_pyramid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def served_folder(tmp_path_factory: pytest.TempPathFactory, sample_slide: Path) -> Path:
    """The sample slide, a plain pyramid, and one of 500 MB, most of which is a hole."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copy(sample_slide, folder / "sample.svs")
    write_pyramid(folder / "pyramid.tif", compression="jpeg")
    write_pyramid(folder / "deflated.tif", compression="zlib")
    big = write_pyramid(folder / "big.tif", compression="jpeg")
    with big.open("r+b") as file:
        file.truncate(BIG_BYTES)
    return folder


@pytest.fixture
def server(served_folder: Path) -> Iterator[RangeServer]:
    """A web server of the folder, without faults yet."""
    started = RangeServer(served_folder, Faults()).start()
    yield started
    started.stop()
