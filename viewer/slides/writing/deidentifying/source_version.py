"""Whether the slide that is copied without its texts is the same to the end."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from viewer.slides.errors import SlideChangedError
from viewer.slides.file_version import FileVersion
from viewer.slides.slide_key import slide_key
from viewer.slides.writing.errors import WritingError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path


@contextmanager
def unchanged(slide: Path, files: Sequence[Path]) -> Generator[FileVersion]:
    """Give the version of a slide to look at before its copy gets a name.

    What to leave out is decided by what the files held at first: of files that are written
    meanwhile a label could be taken for tissue.

    Raises
    ------
    WritingError
        A file was changed since.
    OSError
        A file cannot be read.
    """
    version = FileVersion(slide, files)
    key = slide_key(files[0])
    version.vouch(lambda: slide_key(files[0]) == key)
    try:
        yield version
    except SlideChangedError as error:
        raise WritingError(
            f"{slide.name} was changed on the disk while it was copied: nothing was written, so "
            "try again once it is complete."
        ) from error
