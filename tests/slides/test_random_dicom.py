"""DICOM of random kinds, drawn from a seed, shows what was written.

The suite draws a few; `-m slow` draws hundreds. A failure names its seed.
"""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from channel_steps import whole
from random_dicom import write_random_dicom

from viewer.slides.opening_here import open_here
from viewer.slides.reader_process.more_readers import FIRST
from viewer.slides.region import read_level

if TYPE_CHECKING:
    from pathlib import Path

open_slide = partial(open_here, first=FIRST)
"""As the process of a slide opens it, in this one."""

_FEW, _MANY = range(24), range(1000, 1400)


def _check(path: Path, template: Path, seed: int) -> None:
    path.parent.mkdir()
    written = write_random_dicom(path, template, seed)
    with closing(open_slide(path)) as source:
        is_rgb = written.shown.ndim == 3
        found = read_level(source, 0) if is_rgb else whole(source, 0, (0,))[0]
    assert found.shape == written.shown.shape, written.words
    difference = np.abs(found.astype(int) - written.shown)
    assert difference.max() <= written.tolerance, written.words


@pytest.mark.parametrize("seed", _FEW)
def test_a_few_slides(tmp_path: Path, template: Path, seed: int) -> None:
    _check(tmp_path / "one" / "a.dcm", template, seed)


@pytest.mark.slow
def test_many_slides(tmp_path: Path, template: Path) -> None:
    for seed in _MANY:
        _check(tmp_path / str(seed) / "a.dcm", template, seed)
