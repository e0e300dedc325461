"""The one way to open a slide: in a process of its own, but for folders that are trusted."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from viewer.limits import open_regular
from viewer.plain_text import is_text, shown_text
from viewer.policy import policy, read_policy
from viewer.redaction import leave_out_path
from viewer.slides.access_errors import access_error
from viewer.slides.derived.levels import with_fine_steps
from viewer.slides.dicom.folder import chosen_series, series_of
from viewer.slides.errors import (
    DamagedSlideError,
    IncompleteSlideError,
    SlideAccessError,
    SlideChangedError,
    SlideError,
    SlideIsFolderError,
    UnsupportedSlideError,
)
from viewer.slides.file_version import FileVersion
from viewer.slides.files.data_folders import check_links
from viewer.slides.files.mirax import check_mirax, is_mirax
from viewer.slides.files.slide_files import home_of, slide_files
from viewer.slides.files.slide_folders import folder_kind
from viewer.slides.files.vsi_folders import check_vsi, is_vsi
from viewer.slides.guarded_source import GuardedSource
from viewer.slides.reader_process.plugins import named_readers
from viewer.slides.reader_process.trust import reads_in_this_process
from viewer.slides.remote.address import RemotePath, slide_path
from viewer.slides.source import renamed, with_note

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides.source import SlideSource


def open_slide(path: Path, image: int | None = None) -> SlideSource:
    """Open a slide or image of any known kind, in a process of its own.

    Slides in folders that the settings name as trusted are read in this process.

    Parameters
    ----------
    image
        Which image of a file that holds several, counted from 0; None for the largest.

    Raises
    ------
    SlideError
        It cannot be opened; `str()` of the error is one sentence for the user.
    """
    path = slide_path(path)
    leave_out_path(path)
    check_name(path)
    if isinstance(path, RemotePath):
        return _open_remote(path, image)
    if not policy().allows_path(path):
        found = read_policy()
        refusal = "the administrator's policy allows no slides there"
        why = found.problem or f"{refusal}{found.policy.only_in}."
        raise SlideAccessError(path, f"{path.name} is not opened: {why}")
    try:
        if folder_kind(path) == "dicom":
            return _open_dicom_folder(path, image)
        real = home_of(path)
        check_name(real)
        return _open_file(path, real, image)
    except OSError as error:
        raise access_error(path, error) from error


def _open_file(path: Path, real: Path, image: int | None) -> SlideSource:
    """Open a file, or a folder of Zarr; a link by what it leads to. Raises SlideError, OSError."""
    check_file(real)
    version = FileVersion(path)
    # Not in the process that this starts, which opens slides by itself.
    from viewer.slides.reader_process.source import open_isolated

    others, why_not = named_readers()
    opened = None if others else _opened_here_if_trusted(real, image)
    try:
        opened = opened or open_isolated(real, image, version=version)
    except SlideError as error:
        _explain(error, path, real, version)
        raise
    if why_not:
        opened = with_note(opened, why_not)
    if real != path:
        opened = renamed(opened, path, opened.info.images, opened.info.image)
    stored = GuardedSource(opened, version)
    version.check()
    return _with_fine_steps(stored)


def _explain(error: SlideError, path: Path, real: Path, version: FileVersion) -> None:
    """Raise an error that says more than one of the reader, where more is known of the files."""
    try:
        version.check()
    except SlideChangedError:
        raise IncompleteSlideError(
            path, f"{path.name} is still being written: open it again once it is complete."
        ) from error
    if isinstance(error, (SlideAccessError, IncompleteSlideError)):
        check_links(path, slide_files(real), error)


def _open_remote(path: RemotePath, image: int | None) -> SlideSource:
    """Open a slide on a server. The address is the order to contact it; the policy may refuse."""
    from viewer.slides.remote.opening import open_remote

    return _with_fine_steps(open_remote(path, image))


def _with_fine_steps(stored: GuardedSource) -> SlideSource:
    source = with_fine_steps(stored)
    if source is stored:
        return stored
    # Tiles that are made here are kept in memory and on the disk: they too are of this file.
    return GuardedSource(source, stored.version, is_over_guarded=True)


def _open_dicom_folder(path: Path, image: int | None) -> SlideSource:
    """Open one series of a folder of DICOM files, under the folder's name. Raises as `open_slide`.

    It is the slide that any of its files opens, and is called the same.
    """
    series, index, entries = chosen_series(path, image)
    source = _open_file(series.main_file, series.main_file, None)  # no link leads out of a folder
    return renamed(source, path, entries if len(entries) > 1 else (), index)


def _opened_here_if_trusted(path: Path, image: int | None) -> SlideSource | None:
    """Return the slide, read in this process; None where it needs one of its own."""
    if path.is_dir() or not reads_in_this_process(path):
        return None
    series = series_of(path)
    if series is not None and series.needs_more:
        return None  # OpenSlide would show one of its planes or channels
    from viewer.slides.opening_here import open_here
    from viewer.slides.readers.czi import is_czi
    from viewer.slides.readers.vendor import is_vendor_kind

    if is_czi(path) or is_vendor_kind(path):
        return None  # and of these not all, or a photograph of the glass
    try:
        return open_here(path, image)
    except UnsupportedSlideError:
        return None  # more kinds are known in a process of its own


def check_name(path: Path) -> None:
    """Refuse a path that is no text, which no list, table or file of ours could hold."""
    if not is_text(str(path)):
        name = shown_text(str(path))
        raise UnsupportedSlideError(
            path, f"The name {name} is not written in UTF-8: rename the file, or its folder."
        )


def check_file(path: Path) -> None:
    """Refuse what no reader needs to look at. Raises SlideError and OSError."""
    if path.is_dir():
        if folder_kind(path) is None:
            raise SlideIsFolderError(
                path, f"{path.name or path} is a folder and no slide; open a slide in it."
            )
        return
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise UnsupportedSlideError(
            path, f"{path.name} is a device or a pipe, no file; choose a slide."
        )
    if status.st_size == 0:
        raise DamagedSlideError(path, f"{path.name} is empty; copy it again from where it came.")
    with open_regular(path):
        pass  # tells at once whether we may read it; OpenSlide would not say why it fails
    if is_vsi(path):
        check_vsi(path)
    if is_mirax(path):
        check_mirax(path)
