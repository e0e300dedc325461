"""Pixels that a decoder writes where they are to be handed over."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from viewer.processes.shared_pixels import SharedPixels, hand_over, take_over
from viewer.slides.opening_here import open_here
from viewer.slides.pixel_memory import is_in_offered, new_pixels, offer
from viewer.slides.source import screen_tile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_what_was_offered_is_taken_once() -> None:
    memory = bytearray(100)
    offer(memoryview(memory))
    first, second = new_pixels((5, 5, 4)), new_pixels((5, 5, 4))
    first[...], second[...] = 7, 8
    assert bytes(memory) == bytes([7]) * 100
    assert is_in_offered(first)
    assert not is_in_offered(second)
    offer(memoryview(memory))
    assert not is_in_offered(first)
    assert not is_in_offered(new_pixels((6, 5, 4)))  # does not fit
    offer(None)
    new_pixels((5, 5, 4))[...] = 9
    assert bytes(memory) == bytes([7]) * 100


def test_tiles_lie_in_the_slot_and_are_those_of_the_slide(
    shared_slide: Callable[[str], Path],
) -> None:
    shared = SharedPixels.create(1 << 20, 2)
    assert shared is not None
    with closing(open_here(shared_slide("slides/test3-DAPI-2-387.ndpi"))) as source:
        for read in (source.read_tile, lambda *place: screen_tile(source, *place)):
            expected = read(0, 2, 1)
            offer(shared.memory(1))
            pixels = read(0, 2, 1)
            assert is_in_offered(pixels)
            tile = hand_over(pixels, shared, 1, is_there=True)
            assert np.array_equal(take_over(tile, shared, 1), expected)
    offer(None)
    shared.close()
