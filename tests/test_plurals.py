"""Numbers and shares in sentences."""

from __future__ import annotations

from viewer.plurals import percent, plural


def test_one_thing_is_no_plural() -> None:
    assert plural(1, "slide") == "1 slide"
    assert plural(2_000, "slide") == "2,000 slides"
    assert plural(0, "patch", "patches") == "0 patches"


def test_a_share_has_a_space_before_its_sign() -> None:
    assert percent(0.42) == "42 %"
    assert percent(0.4216, 1) == "42.2 %"
    assert percent(1) == "100 %"
