"""Opens a slide in the process that calls: asks each reader in turn.

With it come the readers and their decoders, which the window holds of trusted folders alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from viewer.slides.access_errors import access_error
from viewer.slides.dicom.folder import checked_series
from viewer.slides.errors import (
    DamagedSlideError,
    NoSuchImageError,
    SlideError,
    UnsupportedSlideError,
    check_image,
)
from viewer.slides.files.mirax import is_mirax
from viewer.slides.files.vsi_folders import is_vsi
from viewer.slides.readers.image.source import open_image
from viewer.slides.readers.openslide.verification import open_verified
from viewer.slides.readers.other_kinds import what_else_it_is
from viewer.slides.readers.tiff.source import open_tiff
from viewer.slides.remote.ranged import ranges_of
from viewer.slides.remote.vendor import open_remote_tiff
from viewer.slides.source import SlideSource, with_note

_log = logging.getLogger(__name__)

Reader = Callable[[Path, int | None], SlideSource | None]
"""Opens a file, or gives None where it is not of the reader's kind.

The number is that of an image of the file, None for the one that matters most. Raises SlideError
where the file is of the kind but cannot be opened, OSError where it cannot be read.
"""


def _open_vendor_slide(path: Path, image: int | None) -> SlideSource | None:
    checked_series(path)
    source = open_verified(path)
    if source is not None:
        try:
            check_image(path, image)
        except NoSuchImageError:
            source.close()
            raise
    return source


READERS: tuple[Reader, ...] = (
    _open_vendor_slide,
    open_tiff,
    open_image,
)
"""Asked in this order; the first that gives a source wins."""

REMOTE_READERS: tuple[Reader, ...] = (open_remote_tiff,)
"""The same for files of which ranges are fetched from a server."""


def open_here(path: Path, image: int | None = None, first: tuple[Reader, ...] = ()) -> SlideSource:
    """Open a slide in this process, with the levels that the file stores and no others.

    Parameters
    ----------
    first
        Asked before the `READERS`; those that need what the window never holds.

    Raises
    ------
    SlideError
        It cannot be opened; `str()` of the error is one sentence for the user.
    """
    try:
        readers = REMOTE_READERS if ranges_of(path) else (*first, *READERS)
        return _first_source(path, image, readers)
    except OSError as error:
        raise access_error(path, error) from error


def _first_source(path: Path, image: int | None, readers: tuple[Reader, ...]) -> SlideSource:
    """Open the file by the first reader that can, else raise the first reader's complaint."""
    complaint: SlideError | None = None
    is_for_others = path.is_dir() or is_vsi(path)
    for reader in readers:
        if is_for_others and reader in READERS:
            continue  # they read single files, and of a .vsi the photograph of its glass
        if is_mirax(path) and reader in READERS and reader is not _open_vendor_slide:
            continue  # of a .mrxs it is a small picture of the slide
        try:
            source = reader(path, image)
        except NoSuchImageError:
            raise
        except SlideError as error:
            complaint = complaint or error
        except OSError:
            raise
        except Exception as error:  # a damaged file can make a parser fail in any way
            _log.exception("%s cannot be opened", path)
            # A parser that runs out of data often says no more than a number.
            reason = f" ({error})" if any(map(str.isalpha, str(error))) else ""
            complaint = complaint or DamagedSlideError(
                path,
                f"{path.name} cannot be opened{reason}; it may be damaged or cut short, so "
                "copy it again from where it came.",
            )
            complaint.__cause__ = error
        else:
            if source is None:
                continue
            if complaint is None:
                return source
            kind = source.info.vendor.upper()
            return with_note(source, f"Read as a plain {kind} file: {complaint}")
    if complaint is not None:
        raise complaint
    raise UnsupportedSlideError(
        path,
        (None if path.is_dir() else what_else_it_is(path))
        or f"{path.name}: unrecognized file format. The file may be damaged or incompletely "
        "copied.",
    )
