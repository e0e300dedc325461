"""The one way to open a slide: asks each reader in turn."""

from __future__ import annotations

from pathlib import Path

from viewer.slides.errors import SlideError, UnsupportedSlideError
from viewer.slides.openslide_source import open_with_openslide
from viewer.slides.source import SlideSource

READERS = (open_with_openslide,)


def open_slide(path: Path) -> SlideSource:
    first_error: SlideError | None = None
    for reader in READERS:
        try:
            source = reader(path)
        except SlideError as error:
            first_error = first_error or error
            continue
        if source is not None:
            return source
    raise first_error or UnsupportedSlideError(path, f"{path.name} is no slide.")
