"""Channels on the way to the screen: read once, rendered as often as they are adjusted."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from msgspec.structs import replace

from viewer.geometry import Optics
from viewer.slides.channels import Axes, Channel, ImagePlane
from viewer.slides.composites import first_displays
from viewer.slides.errors import TileError
from viewer.slides.source import Level, RgbImage, SlideInfo
from viewer.tiles.cache import TileCache, TileKey
from viewer.tiles.display import DisplaySettings
from viewer.tiles.loader import TileLoader
from viewer.tiles.plan import TilePlan
from viewer.tiles.rendering import Rendering, rendering_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

KEY = TileKey(0, 0, 0)
RED, GREEN = (255, 0, 0), (0, 255, 0)
AXES = Axes(
    (Channel("A", RED, "uint16", (0, 1000)), Channel("B", GREEN, "uint16", (0, 1000))), z_count=4
)


class StackSource:
    """A tile whose channel c at plane z is 100 (z + 1) (c + 1); counts reads."""

    path = Path("stack.tif")
    levels = (Level(512, 256, 1.0, 256, 256),)

    def __init__(self, axes: Axes = AXES) -> None:
        self.info = SlideInfo("test", "test", Optics(), axes=axes)
        self.reads: list[tuple[int, ...]] = []
        self.damaged: set[tuple[int, int]] = set()

    def read_tile(self, level: int, column: int, row: int) -> RgbImage:
        self.reads.append((level, column, row))
        return np.full((256, 256, 3), 7, np.uint8)

    def read_channels(
        self, level: int, column: int, row: int, channels: tuple[int, ...], z: int = 0, t: int = 0
    ) -> NDArray[Any]:
        assert t == 0
        self.reads += [(column, channel, z) for channel in channels]
        if any((channel, z) in self.damaged for channel in channels):
            raise TileError(level, column, row, "the test says so")
        dtype = np.uint8 if self.info.axes.is_rgb else np.uint16
        values = [100 * (z + 1) * (channel + 1) % 60_000 for channel in channels]
        return np.stack([np.full((256, 256), value % 256 if dtype is np.uint8 else value, dtype)
                         for value in values])  # fmt: skip

    def read_associated(self, name: str) -> RgbImage:
        raise NotImplementedError

    def close(self) -> None: ...


class Shown:
    """A loader with its cache, and the color of the first tile."""

    def __init__(self, source: StackSource, rendering: Rendering | None, limit: int = 1 << 24):
        self.cache = TileCache[tuple[int, ...]](limit)
        self.arrived = threading.Semaphore(0)
        self.loader = TileLoader(
            source, self._prepare, self.cache, lambda _: self.arrived.release(), 1, rendering
        )

    def show(self, rendering: Rendering | None) -> None:
        self.loader.set_prepare(self._prepare, rendering)

    def color(self) -> tuple[int, ...]:
        self.loader.request(TilePlan(0, (KEY,), (), ()))
        self.wait_for(lambda: self.loader.is_settled(KEY))
        tile = self.loader.tile(KEY)
        assert tile is not None, self.loader.failures
        return tile.picture

    def wait_for_reads(self, source: StackSource, count: int) -> None:
        self.wait_for(lambda: len(source.reads) >= count)

    @staticmethod
    def _prepare(rgb: RgbImage) -> tuple[tuple[int, ...], int]:
        return tuple(int(part) for part in rgb[0, 0]), rgb.nbytes

    @staticmethod
    def wait_for(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.002)


def rendering(plane: ImagePlane = ImagePlane(), **changes: Any) -> Rendering:  # noqa: B008
    displays = first_displays(AXES)
    return Rendering((replace(displays[0], **changes), *displays[1:]), plane)


def test_a_slider_decodes_nothing_again() -> None:
    source = StackSource(replace(AXES, z_count=1))
    shown = Shown(source, rendering())
    assert shown.color() == (26, 51, 0)
    read = list(source.reads)
    for high in (500, 200, 100):
        shown.show(rendering(high=high))
        assert shown.color()[0] == round(255 * 100 / high)
    shown.show(rendering(shown=False))
    assert shown.color() == (0, 51, 0)
    shown.show(Rendering(tuple(replace(each, shown=False) for each in first_displays(AXES))))
    assert shown.color() == (0, 0, 0)
    assert source.reads == read
    shown.loader.close()
    assert shown.cache.used_bytes == 0


def test_neighboring_planes_are_read_beforehand() -> None:
    source = StackSource()
    shown = Shown(source, rendering(ImagePlane(1)))
    assert shown.color() == (51, 102, 0)
    shown.wait_for_reads(source, 6)
    assert {z for _, _, z in source.reads} == {0, 1, 2}
    shown.show(rendering(ImagePlane(2)))
    assert shown.color() == (77, 153, 0)
    shown.wait_for_reads(source, 8)
    assert sorted(source.reads) == sorted({*source.reads})
    shown.loader.close()


def test_the_largest_value_of_all_planes() -> None:
    source = StackSource()
    shown = Shown(source, rendering(ImagePlane(0, 0, is_projection=True)))
    assert shown.color() == (102, 204, 0)
    shown.loader.close()


def test_values_stay_within_the_bound_of_the_cache() -> None:
    source = StackSource()
    bound = 3 * 256 * 256 * 2
    shown = Shown(source, rendering(), bound)
    for z in range(4):
        shown.show(rendering(ImagePlane(z)))
        shown.color()
        assert shown.cache.used_bytes <= bound + 256 * 256 * 3  # a coarsest tile is pinned
    shown.loader.close()


def test_a_damaged_plane_leaves_no_other_plane_on_screen() -> None:
    source = StackSource()
    source.damaged = {(1, 2)}
    shown = Shown(source, rendering(ImagePlane(0)))
    shown.color()
    shown.show(rendering(ImagePlane(2)))
    shown.loader.request(TilePlan(0, (KEY,), (), ()))
    shown.wait_for(lambda: KEY in shown.loader.failures)
    assert shown.loader.tile(KEY) is None
    shown.show(rendering(ImagePlane(3)))
    assert shown.color() == (102, 204, 0)
    assert not shown.loader.failures
    shown.loader.close()


def test_rgb_is_shown_as_it_is_read() -> None:
    source = StackSource(Axes(z_count=2))
    assert rendering_of(source.info, DisplaySettings(), ImagePlane()) is None
    shown = Shown(source, None)
    assert shown.color() == (7, 7, 7)
    assert source.reads == [tuple(KEY)]
    above = rendering_of(source.info, DisplaySettings(), ImagePlane(1))
    assert above is not None
    shown.show(above)
    assert shown.color() == (200, 400 % 256, 600 % 256)
    shown.loader.close()


@pytest.mark.parametrize("count", [1, 3])
def test_settings_of_another_number_of_channels_are_not_used(count: int) -> None:
    display = first_displays(AXES)[0]
    look = DisplaySettings(channels=(display,) * count)
    found = rendering_of(StackSource().info, look, ImagePlane())
    assert found is not None
    assert found.displays == first_displays(AXES)
