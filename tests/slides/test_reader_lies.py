"""What the process of a slide says that was taken over is held against what can be."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from viewer.processes.confinement.launching import launch
from viewer.slides import SlideError
from viewer.slides.channels import Axes
from viewer.slides.reader_process import process
from viewer.slides.reader_process.pool import ReaderPool
from viewer.slides.reader_process.source import open_isolated

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIAR = """
from math import inf, nan
from msgspec.structs import replace
from viewer.geometry import Optics
from viewer.slides.channels import Axes, Channel
from viewer.slides.reader_process import host
from viewer.slides.source import Level
truth = host._opened
def told(source):
    true = truth(source)
    level = true.levels[0]
    return {lie}
host._opened = told
host.main(arguments)
"""


@pytest.fixture
def take_over(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let each process that reads a slide say something else of it."""

    def begin(lie: str) -> None:
        program = LIAR.replace("{lie}", lie)

        def launched(_: str, arguments: list[str], **options: Any) -> object:
            call = f"exec({program!r}, {{'__name__': 'liar', 'arguments': {arguments!r}}})"
            return launch("timeit", ["-n1", "-r1", call], **options)

        monkeypatch.setattr(process, "launch", launched)

    return begin


@pytest.mark.parametrize(
    "lie",
    [
        "replace(true, levels=())",
        "replace(true, levels=(replace(level, width_px=1 << 31),))",
        "replace(true, levels=(replace(level, width_px=1 << 30, height_px=1 << 30),))",
        "replace(true, levels=(replace(level, tile_width_px=0),))",
        "replace(true, levels=(Level(9**5, 9**5, 1.0, 9**5, 9**5),))",
        "replace(true, levels=(replace(level, downsample=nan),))",
        "replace(true, axes=Axes(z_count=0))",
        "replace(true, axes=Axes(t_count=1 << 20))",
        "replace(true, axes=Axes((Channel('a', (0, 300, 0), 'uint8'),)))",
        "replace(true, axes=Axes((Channel('a', (0, 0, 0), 'object'),)))",
        "true.levels",
    ],
)
def test_a_slide_that_cannot_be_is_refused(
    lie: str, take_over: Callable[[str], None], sample_slide: Path
) -> None:
    take_over(lie)
    with closing(ReaderPool(lanes=1, patience_s=20)) as pool:
        with pytest.raises(SlideError) as told:
            open_isolated(sample_slide, pool=pool)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize("wrong", ["0.0", "-1.0", "nan", "1e-300"])
def test_a_scale_that_cannot_be_is_none(
    wrong: str, take_over: Callable[[str], None], sample_slide: Path
) -> None:
    """The window divides by it."""
    take_over(
        f"replace(true, optics=Optics(({wrong}, 0.5), {wrong}), display_range=(0.0, nan), "
        f"axes=Axes(z_spacing_um={wrong}, t_interval_s={wrong}))"
    )
    with (
        closing(ReaderPool(lanes=1, patience_s=20)) as pool,
        closing(open_isolated(sample_slide, pool=pool)) as source,
    ):
        assert source.info.optics.mpp_um is None
        assert source.info.optics.objective_power is None
        assert source.info.display_range is None
        assert source.info.axes == Axes()


@pytest.mark.parametrize(
    "lie",
    [
        "offsets=direct.offsets[:8]",
        "byte_counts=direct.byte_counts[:-8]",
        "offsets=bytes(len(direct.offsets))",
        "byte_counts=b'\\xff' * len(direct.byte_counts)",
        "decoder=replace(direct.decoder, tables=bytes(1 << 17))",
    ],
)
def test_tiles_that_do_not_lie_where_it_says_come_from_the_process(
    lie: str, take_over: Callable[[str], None], sample_slide: Path
) -> None:
    with (
        closing(ReaderPool(lanes=1)) as pool,
        closing(open_isolated(sample_slide, pool=pool)) as own,
    ):
        expected = own.read_tile(0, 1, 1)
    take_over(f"replace(true, direct=tuple(replace(direct, {lie}) for direct in true.direct))")
    with (
        closing(ReaderPool(lanes=1, patience_s=20)) as pool,
        closing(open_isolated(sample_slide, pool=pool)) as source,
    ):
        assert (source.read_tile(0, 1, 1) == expected).all()
