# pyright: basic
# (zarr and numcodecs bring types that are not complete)
"""Unpacks chunks of Zarr to no more bytes than their shape and type have.

A kilobyte can say that it unpacks to gigabytes. Headers that state a size are looked at before the
codec takes memory for it; streams that state none are unpacked here, up to the size.
"""

from __future__ import annotations

import asyncio
import base64
import bz2
import lzma
import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import imagecodecs
import numpy as np
from numcodecs.compat import ensure_bytes, ensure_contiguous_ndarray
from zarr.abc.codec import BytesBytesCodec
from zarr.abc.store import Store
from zarr.codecs._v2 import V2Codec
from zarr.core.codec_pipeline import BatchedCodecPipeline, fill_value_or_default
from zarr.core.config import config
from zarr.registry import register_pipeline
from zarr.storage import StorePath

from viewer.slides.readers.coded_size import SIZED, coded_pixels
from viewer.slides.readers.jpeg_2000.code import check_divisions
from viewer.slides.readers.jpeg_2000.colors import MOST_BITS, SIZE_MARKER, depths_of_code
from viewer.slides.readers.jpeg_markers import check_scans
from viewer.slides.readers.large_chunks import LARGE_BYTES, large_chunks
from viewer.slides.readers.tiff.errors import ChunkError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zarr.abc.codec import Codec
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer

_BLOSC_HEADER = 16
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_EXTRA_BYTES = 1 << 16
"""For the headers, checksums and indexes of codecs within others."""
_IMAGECODECS, _NUMCODECS = "imagecodecs_", "numcodecs."
_OF_NUMCODECS = ("lz4", "packbits")
"""Names by which numcodecs and imagecodecs call different things."""
GENERAL = frozenset({"blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd"})
"""What most slides are packed with."""
STREAMS: dict[str, tuple[str, ...]] = {
    "blosc2": (), "brotli": (), "deflate": ("raw",), "imagecodecs_lz4": ("header",),
    "imagecodecs_packbits": (), "lz4f": (), "lz4h5": (), "lzf": ("header",), "lzfse": (),
    "lzham": (), "lzo": ("header",), "lzw": (), "snappy": (), "zlibng": (), "zopfli": (),
}  # fmt: skip
"""Of imagecodecs, which unpacks them into as much memory as it is given, and the settings that it
needs for it."""
_OF_FRAMES = ("avif", "jpegxl", "webp")
"""Images of imagecodecs that hold several frames, all of which it decodes unless one is named."""
KEEPING = frozenset(
    {
        "adler32", "astype", "base64", "bfloat16", "bitorder", "bitround", "bitshuffle",
        "byteshuffle", "checksum", "crc32", "crc32c", "delta", "fixedscaleoffset", "fletcher32",
        "float24", "floatpred", "jenkins_lookup3", "packbits", "quantize", "shuffle", "xor",
    }
)  # fmt: skip
"""Filters, which unpack nothing: they give a number for each that they get."""
_MOST_FILTER_GROWTH = 8
"""Filters can keep a byte as a float of 64 bits."""
_OF_FORMAT_3 = frozenset({"bytes", "endian", "sharding_indexed", "transpose"})
"""What Zarr 3 calls codecs, too: the order of bytes and axes, and shards."""


def is_bounded(name: str, zarr_format: int) -> bool:
    """Return whether no more of a codec is unpacked than a chunk holds.

    Parameters
    ----------
    name
        As the description of an array has it.
    """
    if zarr_format != 2 and name in _OF_FORMAT_3:
        return True
    known = _known_name(name)
    return known in GENERAL or known in STREAMS or known in SIZED or known in KEEPING


def _known_name(name: str) -> str:
    """Return the name by which a codec of numcodecs or imagecodecs is known here."""
    short = name.removeprefix(_NUMCODECS).removeprefix(_IMAGECODECS)
    return name if short in _OF_NUMCODECS and name.startswith(_IMAGECODECS) else short


def use_bounded_unpacking() -> None:
    """Let zarr unpack every chunk that this process reads within bounds."""
    register_pipeline(BoundedPipeline)
    name = f"{BoundedPipeline.__module__}.{BoundedPipeline.__qualname__}"
    config.set({"codec_pipeline.path": name})


class SlideStore(Store):
    """A store of a slide that is shown, whose chunks do not change."""

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


class BoundedPipeline(BatchedCodecPipeline):
    """Zarr's own pipeline, whose codecs for bytes are bounded, within shards too.

    Large chunks of a `SlideStore` are decoded one at a time and held, as windows of them are asked
    for.
    """

    @classmethod
    def from_codecs(cls, codecs: Iterable[Codec], *, batch_size: int | None = None) -> Self:
        return super().from_codecs([_bounded(codec) for codec in codecs], batch_size=batch_size)

    async def read_batch(
        self, batch_info: Iterable[Any], out: NDBuffer, drop_axes: tuple[int, ...] = ()
    ) -> None:
        others: list[Any] = []
        for each in batch_info:
            getter, spec, selection, place, _ = each
            is_of_slide = isinstance(getter, StorePath) and isinstance(getter.store, SlideStore)
            # A shard is never decoded as a whole: it may hold a whole level.
            is_held = is_of_slide and not self.supports_partial_decode
            if not is_held or _decoded_bytes(spec) <= LARGE_BYTES:
                others.append(each)
                continue
            async with _turn:
                chunk = await self._large(getter, spec)
                part: Any = fill_value_or_default(spec) if chunk is None else chunk[selection]
                if chunk is not None and drop_axes:
                    part = part.squeeze(axis=drop_axes)
                out[place] = part
        if others:
            await super().read_batch(others, out, drop_axes)

    async def _large(self, getter: StorePath, spec: ArraySpec) -> Any:
        """Return a large chunk; None where there is none."""
        held, size_bytes = large_chunks().held, _decoded_bytes(spec)
        key = (getter.store, getter.path)
        chunk = held.get(key)
        if chunk is None:
            held.make_room(size_bytes)
            data = await getter.get(spec.prototype)
            if data is None:
                return None
            (decoded,) = await self.decode([(data, spec)])
            assert decoded is not None  # as there is data
            chunk = decoded.as_numpy_array()
            held.put(key, chunk, size_bytes)
        return chunk


_turn = asyncio.Lock()
"""Of the one loop that reads: it must not wait for a lock of threads, which would hold up all."""


def unpacked(name: str, settings: dict[str, Any], data: bytes, most_bytes: int) -> bytes | None:
    """Return what data unpacks to; None where its header shows that the codec may do it.

    Parameters
    ----------
    name
        Of a codec that `is_bounded`, as Zarr has it.
    settings
        Its configuration.

    Raises
    ------
    ChunkError
        It unpacks to more than `most_bytes`, or is cut short.
    """
    name = _known_name(name)
    if name == "blosc":
        # Blosc would read on beyond the end of data that is shorter than its header says.
        if len(data) < _BLOSC_HEADER or len(data) < int.from_bytes(data[12:16], "little"):
            raise ChunkError("its data is damaged (it is cut short)")
        _check(int.from_bytes(data[4:8], "little"), most_bytes)
    elif name == "zstd":
        size = _zstd_size(data)
        if size is None:
            return bytes(imagecodecs.zstd_decode(data, out=most_bytes))
        _check(size, most_bytes)
    elif name == "lz4":
        _check(int.from_bytes(data[:4], "little"), most_bytes)
    elif name in ("gzip", "zlib"):
        # 15 is the largest window, 16 more stand for the header of gzip.
        window = 31 if name == "gzip" else 15
        return _of_streams(lambda: zlib.decompressobj(window), data, most_bytes)
    elif name == "bz2":
        return _of_streams(bz2.BZ2Decompressor, data, most_bytes)
    elif name == "lzma":
        form = settings.get("format") or lzma.FORMAT_XZ
        filters = settings.get("filters") if form == lzma.FORMAT_RAW else None
        return _of_streams(
            lambda: lzma.LZMADecompressor(format=form, filters=filters), data, most_bytes
        )
    elif name in STREAMS:
        decode = getattr(imagecodecs, f"{name.removeprefix(_IMAGECODECS)}_decode")
        more = {key: settings[key] for key in STREAMS[name] if settings.get(key)}
        found = bytes(decode(data, out=most_bytes + 1, **more))  # some cut off what is longer
        _check(len(found), most_bytes)
        return found
    elif name == "jpeg2k":
        _check_jpeg_2000(data)
    elif name == "jpeg":
        check_scans(data)
    if name in SIZED:
        # Zarr 2 can keep the head of a JPEG beside its chunks.
        head = base64.b64decode(settings.get("header") or b"")
        _check_image(name, settings, head + data, most_bytes)
    if name == "jpeg2k":
        check_divisions(data)
    return None


def _check_image(name: str, settings: dict[str, Any], data: bytes, most_bytes: int) -> None:
    """Refuse an image whose pixels, of all frames that would be decoded, are too many."""
    pixels = coded_pixels(name, data)
    if not pixels:
        raise ChunkError("its data is damaged (its header tells no size)")
    _check(pixels, most_bytes)
    if name in _OF_FRAMES and settings.get("index") is None:
        decode = getattr(imagecodecs, f"{name}_decode")
        if _has_frame(decode, data, most_bytes // pixels):
            _check(most_bytes + 1, most_bytes)


def _has_frame(decode: Callable[..., Any], data: bytes, index: int) -> bool:
    try:
        image = decode(data, index=index)
    except Exception:  # each decoder has its own for a frame that is not there
        return False
    # That of JPEG XL leaves the array as it is.
    zeros, ones = (decode(data, index=index, out=np.full_like(image, n)) for n in (0, 1))
    return np.array_equal(zeros, ones)


def _check_jpeg_2000(data: bytes) -> None:
    """Refuse what OpenJPEG would turn into other values without a word."""
    bits = depths_of_code(data[max(data.find(SIZE_MARKER), 0) :]).most
    if bits > MOST_BITS:
        raise ChunkError(
            f"it is JPEG 2000 of {bits} bits per sample, which cannot be read (up to {MOST_BITS} "
            "can); write it with zstd, blosc or gzip"
        )


def _check(size_bytes: int, most_bytes: int) -> None:
    if size_bytes > most_bytes:
        raise ChunkError("its data is damaged (it unpacks to more than the chunk holds)")


def _zstd_size(data: bytes) -> int | None:
    """Return the size that the header of a frame states; None where it states none."""
    if data[:4] != _ZSTD_MAGIC or len(data) < 5:
        raise ChunkError("its data is damaged (it is no frame of zstd)")
    described = data[4]
    is_single = bool(described & 0x20)
    length = (1 if is_single else 0, 2, 4, 8)[described >> 6]
    if not length:
        return None
    at = 5 + (0 if is_single else 1) + (0, 1, 2, 4)[described & 3]
    size = int.from_bytes(data[at : at + length], "little")
    return size + 256 if length == 2 else size


def _of_streams(start: Callable[[], Any], data: bytes, most_bytes: int) -> bytes:
    parts: list[bytes] = []
    left = most_bytes
    while data:
        stream = start()
        parts.append(stream.decompress(data, left + 1))
        left -= len(parts[-1])
        _check(-left, 0)
        if not stream.eof:
            raise ChunkError("its data is damaged (it is cut short)")
        data = stream.unused_data.lstrip(b"\0")  # some writers fill up with zeros
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _decoded_bytes(spec: ArraySpec) -> int:
    return math.prod(spec.shape) * spec.dtype.to_native_dtype().itemsize


def _size_bytes(spec: ArraySpec) -> int:
    size = _decoded_bytes(spec)
    return size + size // 8 + _EXTRA_BYTES


def _bounded(codec: Codec) -> Codec:
    if isinstance(codec, V2Codec):
        return _BoundedV2Codec(codec.filters, codec.compressor)
    if isinstance(codec, BytesBytesCodec) and not isinstance(codec, _BoundedCodec):
        return _BoundedCodec(codec)
    return codec


@dataclass(frozen=True)
class _BoundedCodec(BytesBytesCodec):
    """A codec of Zarr 3; what it does to write is its own."""

    codec: BytesBytesCodec

    @property
    def is_fixed_size(self) -> bool:  # pyright: ignore
        return self.codec.is_fixed_size

    def to_dict(self) -> dict[str, Any]:
        return self.codec.to_dict()

    def evolve_from_array_spec(self, array_spec: ArraySpec) -> Self:
        return type(self)(self.codec.evolve_from_array_spec(array_spec))

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        return self.codec.compute_encoded_size(input_byte_length, chunk_spec)

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer:
        described = self.codec.to_dict()
        name = str(described["name"])
        settings: Any = described.get("configuration") or {}
        data, most_bytes = chunk_data.to_bytes(), _size_bytes(chunk_spec)
        found = await asyncio.to_thread(unpacked, name, settings, data, most_bytes)
        if found is not None:
            return chunk_spec.prototype.buffer.from_bytes(found)
        return await self.codec._decode_single(chunk_data, chunk_spec)

    async def _encode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> Buffer | None:
        return await self.codec._encode_single(chunk_data, chunk_spec)


class _BoundedV2Codec(V2Codec):
    """The compressor and filters of Zarr 2, of which any may unpack."""

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        stages = [*reversed(self.filters or ())]
        stages[:0] = [] if self.compressor is None else [self.compressor]
        if not stages:
            return await super()._decode_single(chunk_bytes, chunk_spec)
        most_bytes = _size_bytes(chunk_spec) * (_MOST_FILTER_GROWTH if self.filters else 1)
        data: Any = chunk_bytes.as_array_like()
        for stage in stages:
            data = await asyncio.to_thread(_decoded, stage, data, most_bytes)
        flat: Any = ensure_contiguous_ndarray(data).view(np.uint8)
        values = chunk_spec.prototype.buffer.from_array_like(flat)
        return await V2Codec(None, None)._decode_single(values, chunk_spec)


def _decoded(codec: Any, data: Any, most_bytes: int) -> Any:
    settings = codec.get_config()
    found = unpacked(str(settings["id"]), settings, ensure_bytes(data), most_bytes)
    if found is None:
        found = codec.decode(data)
        _check(ensure_contiguous_ndarray(found).nbytes, most_bytes)
    return found
