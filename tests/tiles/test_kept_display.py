"""Adjustments of a slide come back; what is damaged is kept aside and harms nothing."""

from __future__ import annotations

import pytest

from viewer.folders import data_folder
from viewer.tiles.display import DisplaySettings
from viewer.tiles.kept_display import load_display, save_display
from viewer.tiles.stains import Stain

KEY = f"s1-{'b' * 40}"


def test_adjustments_come_back_and_the_default_leaves_nothing() -> None:
    adjusted = DisplaySettings(0.25, 1.5, 0.75, Stain.EOSIN, icc=True)
    save_display(KEY, adjusted, DisplaySettings())
    assert load_display(KEY) == adjusted
    assert load_display("another slide") is None
    save_display(KEY, DisplaySettings(), DisplaySettings())
    assert load_display(KEY) is None
    assert not list((data_folder() / "display").iterdir())


@pytest.mark.parametrize(
    "text", ["", "[]", '{"gamma": 1e9}', '{"stain": "PURPLE"}', '{"gamma": null}', "\x00\xff"]
)
def test_a_damaged_file_is_kept_aside(text: str) -> None:
    save_display(KEY, DisplaySettings(gamma=2.0), DisplaySettings())
    (path,) = (data_folder() / "display").iterdir()
    path.write_text(text)
    assert load_display(KEY) is None
    assert [each.suffix for each in (data_folder() / "display").iterdir()] == [".bad"]
