# pyright: basic
# (zarr and numcodecs bring types that are not complete)
"""Arrays of Zarr, read through zarr from bytes of keys."""

from __future__ import annotations

import math
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr.abc.store as stores
from zarr.core.array import AsyncArray
from zarr.registry import get_codec_class
from zarr.storage import StorePath

from viewer.errors import reason_of
from viewer.slides.ngff.arrays import NgffError
from viewer.slides.readers.large_chunks import LARGE_BYTES
from viewer.slides.readers.ome_zarr.stored_rows import StoredRows
from viewer.slides.readers.ome_zarr.unpacking import SlideStore, is_bounded, use_bounded_unpacking
from viewer.slides.readers.pipe_event_loop import LoopThread
from viewer.slides.readers.tiff.errors import ChunkError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from numpy.typing import NDArray
    from zarr.core.buffer import Buffer, BufferPrototype

    from viewer.slides.ngff.arrays import ArrayInfo, ReadKey

_lock = threading.Lock()
_OF_OBJECTS = ("categorize", "json", "msgpack", "pickle", "vlen-")
"""Codecs of numcodecs that make Python objects, not numbers."""
use_bounded_unpacking()


class ZarrArray:
    """One array; may be read by many threads.

    Raises
    ------
    NgffError
        A codec is unknown here or may unpack without bounds, or the description is damaged.
    """

    def __init__(self, read: ReadKey, info: ArrayInfo) -> None:
        self.info = info
        self._check_codecs()
        place = StorePath(_KeyStore(read), info.path)
        try:
            opening = AsyncArray.open(place, zarr_format=2 if info.zarr_format == 2 else 3)
            self._array: Any = _loop().run(opening)
        except Exception as error:  # zarr's own classes and those of its codecs
            raise NgffError(f"has an array that cannot be read ({error})") from error
        dtype = self._stored_dtype()
        is_large = dtype is not None and math.prod(info.chunks) * dtype.itemsize > LARGE_BYTES
        self._rows = StoredRows(read, info, dtype) if dtype is not None and is_large else None

    def read(self, selection: tuple[slice | int, ...]) -> NDArray[Any]:
        """Return values in the machine's byte order, bits as uint8. Raises ChunkError."""
        try:
            values: Any = (
                np.asarray(_loop().run(self._array.getitem(selection)))
                if self._rows is None
                else self._rows.read(selection)
            )
        except ChunkError:
            raise
        except Exception as error:  # decoders of many libraries, fed with what the file holds
            reason = str(error) or type(error).__name__
            raise ChunkError(f"its data is damaged ({reason[:300]})") from error
        if values.dtype.kind == "b":
            return values.view(np.uint8)
        return values.astype(values.dtype.newbyteorder("="), copy=False)

    def _stored_dtype(self) -> np.dtype[Any] | None:
        """Return the type of values where chunks hold nothing else, in C order; else None."""
        about = self._array.metadata
        if self.info.zarr_format == 2:
            is_plain = not self.info.codecs and about.order == "C"
            return self._array.dtype if is_plain else None
        if self.info.codecs != ("bytes",):
            return None
        endian: Any = about.codecs[0].endian  # None of bytes
        is_big = endian is not None and endian.value == "big"
        return self._array.dtype.newbyteorder(">" if is_big else "<")

    def _check_codecs(self) -> None:
        for name in self.info.codecs:
            if name.startswith(_OF_OBJECTS):
                raise NgffError(f"holds objects ({name[:60]!r}), not the numbers of an image")
            try:
                if self.info.zarr_format == 2:
                    _know_more_codecs()
                    _find_codec(name)
                else:
                    get_codec_class(name)
            except Exception as error:
                raise NgffError(
                    f"is compressed with {name[:60]!r}, a codec that is unknown here; write it "
                    "with zstd, blosc or gzip"
                ) from error
            if not is_bounded(name, self.info.zarr_format):
                raise NgffError(
                    f"is compressed with {name[:60]!r}, which is not read in a slide; write it "
                    "with zstd, blosc or gzip"
                )


def _find_codec(name: str) -> object:
    from numcodecs.registry import codec_registry, entries

    if name in codec_registry:
        return codec_registry[name]
    return entries[name]


@cache
def _know_more_codecs() -> None:
    """Let Zarr of version 2 know JPEG, JPEG 2000 and others, in which tifffile writes it."""
    from imagecodecs import numcodecs

    numcodecs.register_codecs(verbose=False)


def _loop() -> LoopThread:
    with _lock:
        return _one_loop()


@cache
def _one_loop() -> LoopThread:
    return LoopThread()


class _KeyStore(SlideStore):
    """The store as zarr wants it; nothing is ever written."""

    supports_writes = supports_deletes = supports_listing = False  # pyright: ignore

    def __init__(self, read: ReadKey) -> None:
        super().__init__(read_only=True)
        self._read = read
        self._is_open = True

    async def get(
        self,
        key: str,
        prototype: BufferPrototype,
        byte_range: stores.ByteRequest | None = None,
    ) -> Buffer | None:
        start, end = 0, None
        match byte_range:
            case stores.RangeByteRequest(first, last):
                start, end = first, last
            case stores.OffsetByteRequest(offset):
                start = offset
            case stores.SuffixByteRequest(suffix):
                start = -suffix
            case _:
                pass
        try:
            data = self._read(key, start, end)
        except OSError as error:
            raise ChunkError(f"the file cannot be read ({reason_of(error)})") from error
        if data is None:
            return None
        if (
            isinstance(byte_range, stores.RangeByteRequest)
            and len(data) < byte_range.end - byte_range.start
        ):
            raise ChunkError("the file ends before the chunk does")
        return prototype.buffer.from_bytes(data)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, stores.ByteRequest | None]],
    ) -> list[Buffer | None]:
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        return self._read(key, 0, 1) is not None

    async def set(self, key: str, value: Buffer) -> None:
        raise NotImplementedError

    async def delete(self, key: str) -> None:
        raise NotImplementedError

    def list(self) -> AsyncIterator[str]:
        raise NotImplementedError

    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        raise NotImplementedError

    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        raise NotImplementedError
