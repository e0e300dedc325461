"""OME-Zarr on web servers: its pixels, and how few requests wait for each other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from cli_steps import coverslip
from range_server import RangeServer
from served_slides import write_zarr

from viewer.slides import open_slide
from viewer.slides.errors import SlideAccessError, SlideChangedError, SlideNotFoundError
from viewer.slides.remote import client
from viewer.slides.remote.address import slide_path
from viewer.slides.remote.objects import Objects
from viewer.slides.remote.shared_fetch import RangesError
from viewer.slides.source import expect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from viewer.slides.remote.messages import Want


@pytest.mark.parametrize(("version", "channels"), [("0.4", 3), ("0.5", 4)])
def test_a_zarr_on_a_server_shows_the_pixels_of_the_folder(
    tmp_path: Path, version: str, channels: int
) -> None:
    write_zarr(tmp_path / "slide.ome.zarr", version, channels)
    server = RangeServer(tmp_path).start()
    server.faults.rest_s = 0.1
    far = open_slide(slide_path(f"{server.address('slide.ome.zarr')}/?sig=S3CR3T"))
    assert server.longest_chain() <= 6
    near = open_slide(tmp_path / "slide.ome.zarr")
    assert far.levels == near.levels
    assert far.info.axes == near.info.axes
    server.log.clear()
    server.faults.rest_s = 0.4  # longer than a busy machine lets threads wait for their turn
    tiles = [(0, column, row) for column in range(3) for row in range(3)]
    expect(far, tiles)
    for tile in tiles:
        assert np.array_equal(far.read_tile(*tile), near.read_tile(*tile)), tile
    assert server.longest_chain() <= 4
    assert server.most_at_once() <= 16
    assert all("S3CR3T" in asked.query for asked in server.log)
    assert far.info.identity.startswith("s1-")
    far.close()
    near.close()
    server.stop()


def test_info_tells_of_a_zarr_on_a_server_or_that_there_is_none(tmp_path: Path) -> None:
    write_zarr(tmp_path / "slide.zarr", "0.5", 3, 300)
    server = RangeServer(tmp_path).start()
    done = coverslip("info", "--json", server.address("slide.zarr"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["width_px"] == 300
    with pytest.raises(SlideNotFoundError, match="no OME-Zarr"):
        open_slide(slide_path(server.address("none.zarr")))
    server.faults.refuse = 403
    with pytest.raises(SlideAccessError, match="does not let you"):
        open_slide(slide_path(server.address("slide.zarr")))
    server.stop()


def test_a_zarr_that_changes_on_the_server_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_LOOK_AGAIN_S", 0.0)
    write_zarr(tmp_path / "slide.zarr", "0.5", 3)
    server = RangeServer(tmp_path).start()
    source = open_slide(slide_path(server.address("slide.zarr")))
    write_zarr(tmp_path / "slide.zarr", "0.5", 3)

    def browse() -> None:
        for number in range(1000):
            source.read_tile(0, number % 3, number // 3 % 3)

    with pytest.raises(SlideChangedError):
        browse()
    source.close()
    server.stop()


@pytest.mark.parametrize("key", ["../secret", "/secret", "a/../../secret", "", "a//b", "..\\b"])
def test_a_reader_reaches_nothing_beside_its_slide(tmp_path: Path, key: str) -> None:
    (tmp_path / "secret").write_text("of another")
    write_zarr(tmp_path / "slide.zarr", "0.5", 3, 64)
    server = RangeServer(tmp_path).start()
    folder = client.open_folder(slide_path(server.address("slide.zarr")))
    server.log.clear()
    with pytest.raises(RangesError, match="outside of itself"):
        folder.objects(key)
    assert not server.log
    server.stop()


def test_long_objects_are_read_in_parts() -> None:
    stored = {"long": bytes(range(256)) * 8192}
    asked: list[Want] = []

    def fetch(wanted: Sequence[Want], take: Callable[[int, bytes, int], None]) -> None:
        for number, (key, start, end) in enumerate(wanted):
            asked.append((key, start, end))
            data = stored.get(key)
            take(number, (data or b"")[start:end], -1 if data is None else len(data))

    objects = Objects(fetch)
    whole = stored["long"]
    assert objects("none") is None
    assert objects("long", 10, 20) == whole[10:20]
    assert objects("long", -7) == whole[-7:]
    assert len(asked) == 3, "the end alone is asked for once more"
    assert objects("long") == whole
