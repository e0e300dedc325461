"""PNG of every kind, put together byte by byte from a seed, with the pixels that it must show.

The suite draws a few; `-m slow` draws hundreds. A failure names its seed.
"""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from random_pngs import random_png
from tiff_steps import whole

from viewer.slides.opening_here import open_here

if TYPE_CHECKING:
    from pathlib import Path

open_slide = partial(open_here, first=())

_FEW, _MANY = range(24), range(1000, 1500)


def _check(path: Path, seed: int) -> None:
    png = random_png(seed)
    path.write_bytes(png.data)
    color = png.color
    with closing(open_slide(path)) as source:
        stretched = source.info.display_range
        if stretched is not None:
            black, white = (value / png.full for value in stretched)
            color = np.clip((color - black) / (white - black), 0, 1)
        shown = whole(source)
        expected = np.broadcast_to((color * png.alpha + 1 - png.alpha) * 255, shown.shape)
        # Colors and opacity are rounded each for itself.
        assert np.abs(shown - expected).max() <= 2, png.words


@pytest.mark.parametrize("seed", _FEW)
def test_a_few_pngs(tmp_path: Path, seed: int) -> None:
    _check(tmp_path / "a.png", seed)


@pytest.mark.slow
def test_many_pngs(tmp_path: Path) -> None:
    for seed in _MANY:
        _check(tmp_path / f"{seed}.png", seed)
