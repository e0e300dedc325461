"""Keeps Python's garbage collector from holding up a frame."""

from __future__ import annotations

import gc


def spare_standing_objects() -> None:
    """Leaves all that is there now out of every later collection.

    A full collection looks at every object, and modules alone are hundreds of thousands: 40 ms in
    the middle of a movement. Called once the window stands, since most of that stays to the end.
    """
    gc.collect()
    gc.freeze()
