"""What version 0.1 called slides, and what it kept under those names.

It named a slide by OpenSlide's quickhash, which covers the smallest level and a few tags, else by
the file's size and ends: slides that differ elsewhere shared a name, and all that was kept. Both
are computed only to find what it kept, which is copied to the slide's content key once.
"""

from __future__ import annotations

import logging
import os
import shutil
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING

import numpy as np

from viewer.access import close_tree, make_file, make_folder
from viewer.files.atomic_write import atomic_write
from viewer.files.replace_whole import replace_by
from viewer.files.unfinished import unfinished_folder
from viewer.folders import data_folder
from viewer.limits import open_regular
from viewer.slides.readers.tiff_directory import (
    TiffDirectoryError,
    read_directories,
    read_texts,
)
from viewer.slides.remote.address import is_address
from viewer.window_first import giving_way

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import BinaryIO

    from viewer.slides.readers.tiff_directory import Directory

_log = logging.getLogger(__name__)

_END_BYTES = 1 << 20
_MOST_LEVEL_BYTES = 5 << 20
"""OpenSlide gives no quickhash where the smallest level takes more."""
_MOST_VALUES, _MOST_TEXT_BYTES = 1 << 24, 16 << 20
"""Of a tag; the file is a foreign one and its slide's reader is elsewhere."""
_KINDS = (("annotations", 12, ".sqlite"), ("marks", 12, ".json"), ("pixel-sizes", 20, ".json"))
"""Folder, bytes of the hash in names, suffix."""
_HASHED_TAGS = (
    ("ImageDescription", 270), ("Make", 271), ("Model", 272), ("Software", 305), ("DateTime", 306),
    ("Artist", 315), ("HostComputer", 316), ("Copyright", 33432), ("DocumentName", 269),
)  # fmt: skip
"""Texts of the first directory that a quickhash covers, in OpenSlide's order."""
_REDUCED = 1
_NAME_LENGTHS = frozenset((24, 40))
"""Digits of the names of files; those of today are longer or shorter."""


def former_names(path: Path, properties: Mapping[str, str]) -> tuple[str, ...]:
    """Return what version 0.1 can have called a slide; for worker threads.

    Parameters
    ----------
    properties
        `SlideInfo.properties`; where OpenSlide read the slide they hold its quickhash.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    if is_address(path):
        return ()  # it knew none of these
    quickhash = properties.get("openslide.quickhash-1")
    if quickhash:
        return (quickhash,)
    return (*_quickhashes_of_tiff(path), _hash_of_ends(path))


def has_former_home() -> bool:
    """Return whether version 0.1 ran with this home. Raises OSError."""
    return any(_is_former(stem) for folder in _former_folders() for stem in _stems(folder))


def take_over(key: str, names: tuple[str, ...]) -> None:
    """Copy what version 0.1 kept of a slide to its content key, where nothing is there yet.

    A file that cannot be copied is logged and tried again the next time.
    """
    for name in names:
        for kind, digest_size, suffix in _KINDS:
            folder = data_folder() / kind
            _copy(folder / f"{_hashed(name, digest_size)}{suffix}", folder / f"{key}{suffix}")
        regions = data_folder() / "regions"
        _copy(regions / _hashed(name, 12), regions / key)
        for old in (data_folder() / "answers").glob(f"*/{_hashed(name, 16)}.jsonl"):
            _move(old, old.with_name(f"{key}.jsonl"))


def former_file_name(name: str, digest_size: int) -> str:
    """Return the stem of the files that version 0.1 kept for a slide of this name."""
    return _hashed(name, digest_size)


def _hashed(name: str, digest_size: int) -> str:
    return blake2b(name.encode(), digest_size=digest_size).hexdigest()


def _former_folders() -> list[Path]:
    return [data_folder() / kind for kind in ("known-slides", "regions", *(k[0] for k in _KINDS))]


def _stems(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name.partition(".")[0] for entry in giving_way(entries)]
    except FileNotFoundError:
        return []


def _is_former(stem: str) -> bool:
    return len(stem) in _NAME_LENGTHS and set(stem) <= set("0123456789abcdef")


def _copy(old: Path, new: Path) -> None:
    if new.exists() or not old.exists():
        return
    try:
        if old.is_dir():
            with unfinished_folder(make_folder(new.parent)) as folder:
                whole = folder / new.name
                shutil.copytree(old, whole)
                close_tree(whole)
                replace_by(whole, new)
            return
        log = old.with_name(f"{old.name}-wal")
        if log.exists():  # before the database itself, which is complete only with it
            copy = new.with_name(f"{new.name}-wal")
            make_file(copy)
            shutil.copyfile(log, copy)
        with atomic_write(new) as file, old.open("rb") as kept:
            shutil.copyfileobj(kept, file)
    except OSError as error:
        _log.warning("%s of an earlier version cannot be taken over (%s)", old, error)


def _move(old: Path, new: Path) -> None:
    """Answers are listed from their files, so a copy would list them twice."""
    try:
        if not new.exists():
            old.replace(new)
    except OSError as error:
        _log.warning("%s of an earlier version cannot be taken over (%s)", old, error)


def _hash_of_ends(path: Path) -> str:
    digest = blake2b(digest_size=32)
    with open_regular(path) as file:
        size = file.seek(0, 2)
        digest.update(size.to_bytes(8, "little"))
        file.seek(0)
        digest.update(file.read(_END_BYTES))
        if size > _END_BYTES:
            file.seek(max(_END_BYTES, size - _END_BYTES))
            digest.update(file.read(_END_BYTES))
    return digest.hexdigest()


def _quickhashes_of_tiff(path: Path) -> tuple[str, ...]:
    """Return OpenSlide's quickhash of a TIFF that is read without it; () for other files.

    Two where it hangs on the vendor which directories are levels. Raises OSError.
    """
    try:
        pages = read_directories(path, most_values=_MOST_VALUES)
        tiled = [page for page in pages if page.is_tiled]
        if not tiled:
            return ()
        plain = [page for page in tiled if page is pages[0] or page.subfiletype & _REDUCED]
        found = read_texts(path, [code for _, code in _HASHED_TAGS], _MOST_TEXT_BYTES)
        texts = b"".join(
            f"tiff.{name}\0".encode() + found.get(code, b"").partition(b"\0")[0] + b"\0"
            for name, code in _HASHED_TAGS
        )
        with open_regular(path) as file:
            hashes = [
                _hash_of_level(min(levels, key=lambda page: page.imagewidth), texts, file)
                for levels in (plain, tiled)
                if levels
            ]
    except TiffDirectoryError as error:
        _log.info("%s has no quickhash (%s)", path, error)
        return ()
    return tuple(dict.fromkeys(name for name in hashes if name))


def _hash_of_level(page: Directory, texts: bytes, file: BinaryIO) -> str:
    offsets, sizes = page.dataoffsets, page.databytecounts
    if len(offsets) != len(sizes) or offsets.min(initial=0) < 0 or sizes.min(initial=0) < 0:
        return ""
    if sizes.sum(dtype=np.float64) > _MOST_LEVEL_BYTES:  # integers would go round
        return ""
    digest = sha256()
    for offset, size in giving_way(zip(offsets.tolist(), sizes.tolist(), strict=True)):
        file.seek(offset)
        digest.update(file.read(size))
    digest.update(texts)
    return digest.hexdigest()
