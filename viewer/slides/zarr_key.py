"""What tells one Zarr folder from another: its descriptions, and the names and sizes of chunks.

A slide can have millions of chunks, so all of them are looked at in small arrays only; in large
ones places spread over the array. Of some chunks bytes of the middle are read too.
"""

from __future__ import annotations

import math
from hashlib import blake2b
from typing import TYPE_CHECKING

from viewer.limits import NoRegularFileError, open_regular
from viewer.slides.ngff.arrays import NgffError, below, read_array
from viewer.slides.ngff.images import read_images
from viewer.slides.remote.objects import ROOT_KEYS, fetch_descriptions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from viewer.slides.ngff.arrays import ArrayInfo
    from viewer.slides.remote.objects import Objects

_DESCRIPTION_BYTES = 1 << 20
"""What is read of all descriptions at most."""
_MOST_CHUNKS = 4096
"""Of which the sizes are looked at, in all arrays together."""
_SPREAD_CHUNKS = 256
"""Of an array that has more."""
_PIECES, _PIECE_BYTES = 64, 1 << 12


def zarr_manifest(folder: Path, descriptions: tuple[Path, ...]) -> Iterator[bytes]:
    """Yield what tells a Zarr from others, in a fixed order.

    Parameters
    ----------
    descriptions
        The files of the folder that describe its groups and arrays.

    Raises
    ------
    OSError
        A file of it cannot be read.
    """
    left = _DESCRIPTION_BYTES
    arrays: dict[str, ArrayInfo] = {}

    def read(key: str, start: int = 0, end: int | None = None) -> bytes | None:
        try:
            with open_regular(folder / key) as file:
                return file.read(_DESCRIPTION_BYTES if end is None else end)[start:end]
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    for path in descriptions:
        name = path.relative_to(folder).as_posix()
        with open_regular(path) as file:
            data = file.read(left)
        left -= len(data)
        yield f"{name}\0{path.stat().st_size}\0".encode("utf-8", "surrogateescape")
        yield blake2b(data, digest_size=20).digest()
        where = name.rpartition("/")[0]
        try:
            array = read_array(read, where)
        except NgffError:
            continue
        if array is not None:
            arrays[where] = array
    smallest_first = sorted(arrays.items(), key=lambda each: (math.prod(each[1].shape), each[0]))
    chunks = [key for _, array in smallest_first for key in _keys(array)][:_MOST_CHUNKS]
    step = max(1, len(chunks) // _PIECES)
    for index, key in enumerate(chunks):
        yield _chunk(folder / key, key, takes_piece=index % step == 0)


def far_zarr_outline(objects: Objects) -> Iterator[bytes]:
    """Yield what tells a Zarr on a server from others: its descriptions and its coarsest levels.

    Another key than that of a copy on the disk: of that all files are listed and the sizes of
    thousands of chunks looked at, each of which would be a request here.

    Raises
    ------
    OSError
        An object cannot be fetched.
    """
    yield b"far zarr"
    fetch_descriptions(objects)
    try:
        images, _ = read_images(objects)
    except NgffError:
        images = []
    levels = [level.array for image in images for level in image.levels]
    names = [*ROOT_KEYS]
    for array in levels:
        names += [below(array.path, name) for name in ("zarr.json", ".zarray")]
    coarsest = [image.levels[-1].array for image in images]
    chunks = [key for array in coarsest for key in _keys(array)]
    step = max(1, -(-len(chunks) // _PIECES))
    names += chunks[::step]
    objects.expect(names)
    for name in names:
        data = objects(name)
        yield f"{name}\0{-1 if data is None else len(data)}\0".encode()
        yield blake2b(data or b"", digest_size=20).digest()


def _keys(array: ArrayInfo) -> Iterator[str]:
    counts = [math.ceil(a / b) for a, b in zip(array.shape, array.chunks, strict=True)]
    is_small = math.prod(counts) <= _MOST_CHUNKS // 4
    for place in array.spread_chunks(_MOST_CHUNKS if is_small else _SPREAD_CHUNKS):
        yield array.chunk_key(place)


def _chunk(path: Path, key: str, *, takes_piece: bool) -> bytes:
    try:
        size = path.stat().st_size
        if not takes_piece:
            return f"{key}\0{size}\0".encode()
        with open_regular(path) as file:
            file.seek(max(0, size - _PIECE_BYTES) // 2)
            return f"{key}\0{size}\0".encode() + file.read(_PIECE_BYTES)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, NoRegularFileError):
        return f"{key}\0-\0".encode()
