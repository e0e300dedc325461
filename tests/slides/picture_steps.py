"""Pictures that are read in parts, beside the same read as a whole."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
from tiff_steps import whole

from viewer.slides.opener import open_here

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from viewer.slides import RgbImage

READERS = "viewer.slides.readers"


def assert_as_in_memory(path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> RgbImage:
    """Check that a picture shows the same in parts as in memory, to the last bit; return that."""
    with monkeypatch.context() as patched:
        patched.setattr(f"{READERS}.image_size.MOST_BYTES", 1 << 30)
        with closing(open_here(path)) as source:
            assert "in memory" in source.info.reader
            expected, info = whole(source), source.info
    with closing(open_here(path)) as source:
        assert way in source.info.reader
        np.testing.assert_array_equal(whole(source), expected)
        assert source.info.display_range == info.display_range
        assert source.info.notes == info.notes
    return expected
