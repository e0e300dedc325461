"""OME-Zarr on servers, as the confined reader opens it: by objects that it asks the window for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from viewer.slides.errors import SlideError
from viewer.slides.readers.ome_zarr.source import open_store
from viewer.slides.remote.objects import Objects, fetch_descriptions
from viewer.slides.remote.shared_fetch import RangesError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from viewer.slides.remote.asked import Asking
    from viewer.slides.remote.messages import Want
    from viewer.slides.source import SlideSource

_log = logging.getLogger(__name__)


def open_asked_zarr(path: Path, asking: Asking, image: int | None) -> SlideSource:
    """Open an OME-Zarr whose objects the window gives. Raises SlideError and OSError."""
    objects = objects_asked(asking)
    try:
        fetch_descriptions(objects)
        return open_store(path, objects, image, is_far=True)
    except RangesError as error:
        raise SlideError(path, str(error)) from error


def objects_asked(asking: Asking) -> Objects:
    """Return the slide's objects, as a reader has them."""

    def fetch(wanted: Sequence[Want], take: Callable[[int, bytes, int], None]) -> None:
        asking.objects(wanted, lambda given: take(given.number, given.data, given.total_bytes))

    return Objects(fetch)


def expect_here(source: SlideSource, tiles: Sequence[tuple[int, int, int]]) -> None:
    """Fetch what tiles are made of that will be asked for; whoever reads them hears of trouble."""
    expect = getattr(source, "expect", None)
    try:
        if expect is not None:
            expect(tiles)
    except Exception as error:
        _log.info("tiles cannot be expected (%s)", type(error).__name__)
