"""The tiles or strips of one page of a TIFF, from the file to arrays of samples."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import imagecodecs
import numpy as np
from tifffile import COMPRESSION, PHOTOMETRIC, PREDICTOR, TIFF, TiffPage

from viewer.slides.readers.coded_size import check_tiff_tile
from viewer.slides.readers.jpeg_2000.code import CodePlace
from viewer.slides.readers.jpeg_header import is_ycbcr, joined, read_jpeg_header
from viewer.slides.readers.jpeg_markers import is_cut_short
from viewer.slides.readers.jpeg_tiles import (
    DirectTiles,
    JpegDecoder,
    TilePlaces,
    as_bytes,
)
from viewer.slides.readers.tiff.coded_pictures import (
    CODED_PICTURES,
    as_told,
    decoded_picture,
    decoding_bytes,
)
from viewer.slides.readers.tiff.errors import ChunkError, read_exactly
from viewer.slides.readers.tiff.jpeg_stream import FRAME_WITHIN_BYTES
from viewer.slides.readers.tiff.lab import is_lab, lab_as_rgb
from viewer.slides.readers.tiff.page_repairs import repaired
from viewer.slides.readers.tiff.page_tags import bits_per_sample, numbers, rationals
from viewer.slides.readers.tiff.rows import JPEG, RowAccess, in_parts
from viewer.slides.readers.tiff.three_bytes import is_three_bytes, three_byte_samples
from viewer.slides.readers.tiff.tile_lists import as_int64
from viewer.slides.readers.tiff.ycbcr import YCbCr, subsampling, unpack_subsampled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from viewer.slides.readers.shared_file import AnyFile

_JPEG2000_YCBCR = 33003
_OWN_COLORS = frozenset((6, 50001, 50002, 34927))
"""Old JPEG, WebP, JPEG XL: their decoders give RGB whatever the tag says."""
_NO_MEMORY = "Insufficient memory"
"""As libjpeg says it."""
_NOT_FILLED = "cannot be reshaped"
"""As tifffile says of data that holds fewer samples than its chunk."""

_SMALL_SAMPLES = 1 << 22
"""Of tiles whose decoder takes no memory to speak of."""
_LOWEST_BIT_FIRST = 2
"""Of the tag FillOrder."""
_SUBSAMPLING = 530
_CHROMA_PLANES = (1, 2)


class PageChunks:
    """Reads the tiles or strips of a page, from any thread.

    Attributes
    ----------
    width_px, height_px
        Of the page as it is stored, before it is turned.
    chunk_width_px, chunk_height_px
        Of its tiles or strips.
    planes
        Of samples that are stored each for itself.
    parts_per_chunk
        In how many parts a tile or strip is read that is decoded as a whole.
    """

    def __init__(self, page: TiffPage, file: AnyFile) -> None:
        self._rows: RowAccess | None = None
        page = repaired(page)
        self._offsets = as_int64(page.dataoffsets)
        self._byte_counts = as_int64(page.databytecounts)
        parted = in_parts(page, file, has_gaps=self.has_gaps)
        if parted is not None:
            page, self._rows = parted
        self._page = page
        self._file = file
        self._jpegtables: bytes | None = page.jpegtables
        self._tables_header = read_jpeg_header(page.jpegtables or b"")
        self.width_px, self.height_px = page.imagewidth, page.imagelength
        if page.is_tiled:
            self.chunk_width_px, self.chunk_height_px = page.tilewidth, page.tilelength
        else:
            self.chunk_width_px = page.imagewidth
            self.chunk_height_px = min(page.rowsperstrip or page.imagelength, page.imagelength)
        self.columns = math.ceil(self.width_px / self.chunk_width_px)
        self.rows = math.ceil(self.height_px / self.chunk_height_px)
        self.parts_per_chunk = 1
        self._depth = max(1, math.ceil(page.imagedepth / max(page.tiledepth, 1)))
        self.planes = page.samplesperpixel if page.planarconfig == 2 else 1
        self._samples = page.samplesperpixel if self.planes == 1 else 1
        """Of a pixel in one chunk of one plane."""
        if self._rows is None and not len(self._byte_counts):
            raise ChunkError("the list of its tiles is empty")
        photometric = page.photometric
        self._is_ycbcr = photometric == PHOTOMETRIC.YCBCR or page.compression == _JPEG2000_YCBCR
        self._ycbcr = _ycbcr(page)
        self._is_lab = is_lab(page)
        self._is_jpeg_as_it_is = self._is_lab or photometric == PHOTOMETRIC.RGB
        if page.photometric == PHOTOMETRIC.YCBCR and not numbers(page, _SUBSAMPLING):
            # The default is 2 x 2, but who leaves the tag out of samples like these means 1 x 1.
            page = self._page = copy.copy(page)
            page.__dict__.pop("decode", None)
            page.subsampling = (1, 1)
        self._decode = self._decoder()

    @property
    def chunk_bytes(self) -> int:
        """Decoded bytes of one chunk with all samples, as RGB or as stored, whichever is more."""
        item = self._page.dtype.itemsize if self._page.dtype is not None else 1
        samples = max(self._page.samplesperpixel * item, 3)
        return self.chunk_width_px * self.chunk_height_px * samples

    @property
    def has_gaps(self) -> bool:
        """Return whether the file does not store all tiles or strips."""
        return not (self._offsets.all() and self._byte_counts.all())

    @property
    def stored(self) -> NDArray[np.bool_] | None:
        """Return which tiles or strips the file stores, (rows, columns); None if unknown."""
        count = self.columns * self.rows
        known = min(len(self._offsets), len(self._byte_counts))
        if self._rows is not None or self._depth != 1 or known < count:
            return None
        is_stored = (self._offsets[:count] != 0) & (self._byte_counts[:count] != 0)
        return is_stored.reshape(self.rows, self.columns)

    @property
    def compression(self) -> int:
        return int(self._page.compression)

    @property
    def decoding_bytes(self) -> int:
        """Return what one chunk takes while it is decoded, with all its samples."""
        place = self.largest_place()
        if self._rows is not None or place is None:
            return self.chunk_bytes
        samples = self.chunk_width_px * self.chunk_height_px * self._samples
        if samples <= _SMALL_SAMPLES:
            return self.chunk_bytes
        first = self._file.read(place.offset, min(place.size, FRAME_WITHIN_BYTES))
        code_bytes = min(place.size, max(self._file.size_bytes - place.offset, 0))
        return self.chunk_bytes + round(samples * decoding_bytes(self._page, first)) + code_bytes

    @property
    def part_bytes(self) -> int:
        """Bytes of what is read at once: of a whole chunk."""
        return self.chunk_bytes

    @property
    def plane_bytes(self) -> int:
        """Decoded bytes of one chunk of one plane, as it is stored."""
        item = self._page.dtype.itemsize if self._page.dtype is not None else 1
        return self.chunk_width_px * self.chunk_height_px * self._samples * item

    @property
    def direct_tiles(self) -> DirectTiles | None:
        """Return where the tiles lie, if they are JPEG of three components of 8 bits each."""
        page = self._page
        is_plain = (
            page.is_tiled
            and page.compression == COMPRESSION.JPEG
            and page.dtype == np.uint8
            and page.samplesperpixel == 3
            and self.planes == self._depth == 1
            and page.photometric in (PHOTOMETRIC.RGB, PHOTOMETRIC.YCBCR)
        )
        if not is_plain or len(self._offsets) != len(self._byte_counts):
            return None
        is_rgb = page.photometric == PHOTOMETRIC.RGB
        decoder = JpegDecoder(self._jpegtables, is_rgb, goes_by_markers=True)
        return DirectTiles(as_bytes(self._offsets), as_bytes(self._byte_counts), decoder)

    @property
    def places(self) -> list[TilePlaces]:
        """Return where the tiles or strips lie, a grid for each plane of samples."""
        count = self.columns * self.rows
        if self._rows is not None or self._depth != 1 or len(self._offsets) < count * self.planes:
            return []
        return [
            TilePlaces(
                self.chunk_width_px,
                self.chunk_height_px,
                self.columns,
                as_bytes(self._offsets[plane * count : (plane + 1) * count]),
                as_bytes(self._byte_counts[plane * count : (plane + 1) * count]),
            )
            for plane in range(self.planes)
        ]

    def ranges(self, chunks: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return the ranges of the file that hold chunks, column and row of each."""
        count = self.columns * self.rows
        if self._rows is not None or len(self._offsets) < count:
            return []
        indices = [
            plane * count + row * self.columns + column
            for column, row in chunks
            for plane in range(self.planes)
        ]
        known = min(len(self._offsets), len(self._byte_counts))
        return [
            (self._offsets.item(index), self._byte_counts.item(index))
            for index in indices
            if index < known
        ]

    def read(self, column: int, row: int) -> NDArray[Any] | None:
        """Return a tile or strip, (height, width, samples), cut at the image's edges.

        None means that the file stores nothing there.

        Raises
        ------
        ChunkError
            It cannot be read or decoded.
        """
        return self.joined([self.read_plane(plane, column, row) for plane in range(self.planes)])

    def joined(self, planes: Sequence[NDArray[Any] | None]) -> NDArray[Any] | None:
        """Return the samples of all planes of a chunk or of a part of it; None where all are."""
        known = next((part for part in planes if part is not None), None)
        if known is None:
            return None
        if len(planes) == 1:
            return self._without_lab(known)
        samples = all_colors(planes)
        if self._is_ycbcr and samples.shape[2] >= 3:
            return self._as_rgb(samples)
        return self._without_lab(samples)

    def _without_lab(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Return RGB where the samples are L*a*b*, else the samples."""
        is_lab_here = self._is_lab and samples.shape[2] >= 3
        return lab_as_rgb(samples, self._page.photometric) if is_lab_here else samples

    def read_plane(self, plane: int, column: int, row: int) -> NDArray[Any] | None:
        """Return one plane of a chunk, as `read`. Raises ChunkError."""
        width = min(self.chunk_width_px, self.width_px - column * self.chunk_width_px)
        height = min(self.chunk_height_px, self.height_px - row * self.chunk_height_px)
        index = self._index(plane, column, row)
        try:
            data = self._bytes(index)
            if data is None:
                return None
            if self._rows is None:
                page, size_px = self._page, (self.chunk_width_px, self.chunk_height_px)
                check_tiff_tile(page.compression, data, *size_px, len(page.extrasamples))
            image = self._decode(data, index)
        except ChunkError:
            raise
        except Exception as error:  # decoders of many libraries, fed with whatever the file holds
            reason = str(error) or type(error).__name__
            if isinstance(error, MemoryError) or _NO_MEMORY in reason:
                raise ChunkError("there is not enough memory to decode it") from error
            if _NOT_FILLED in reason:
                raise ChunkError("its data is cut short") from error
            raise ChunkError(f"its data is damaged ({reason})") from error
        if image.shape[0] < height or image.shape[1] < width:
            raise ChunkError(f"its data is of the wrong size {image.shape}")
        return image[:height, :width]

    def code_place(self, plane: int, column: int, row: int) -> CodePlace | None:
        """Return where one plane of a tile or strip lies; None where it is not stored.

        Raises
        ------
        ChunkError
            The file does not say so.
        """
        return self._place(self._index(plane, column, row))

    def largest_place(self) -> CodePlace | None:
        """Return where the longest tile or strip lies; None where none is stored."""
        known = min(len(self._offsets), len(self._byte_counts))
        return self._place(int(self._byte_counts[:known].argmax())) if known else None

    def of_picture(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return the samples of a part of a tile that is a picture, as `read_plane` does of all.

        Raises
        ------
        ChunkError
            It holds others than the tags tell of.
        """
        return self._in_rgb(as_told(image, self._page, self._samples))

    def _index(self, plane: int, column: int, row: int) -> int:
        return (plane * self.rows * self._depth + row) * self.columns + column

    def _bytes(self, index: int) -> bytes | None:
        if self._rows is not None:
            return self._rows.read(index)
        place = self._place(index)
        return None if place is None else read_exactly(*place)

    def _place(self, index: int) -> CodePlace | None:
        if index >= min(len(self._offsets), len(self._byte_counts)):
            raise ChunkError("the file's list of tiles ends before it")
        offset, size = self._offsets.item(index), self._byte_counts.item(index)
        return None if size == 0 or offset == 0 else CodePlace(self._file, offset, size)

    def _decoder(self) -> Callable[[bytes, int], NDArray[Any]]:
        page = self._page
        if page.compression in JPEG:
            return self._jpeg
        if is_three_bytes(page) and page.compression not in TIFF.IMAGE_COMPRESSIONS:
            return self._three_bytes
        is_left_to_us = (
            page.photometric == PHOTOMETRIC.YCBCR
            and page.compression not in TIFF.IMAGE_COMPRESSIONS
            and page.dtype == np.uint8
        )
        if is_left_to_us and self.planes == 1:
            return self._packed_ycbcr
        if is_left_to_us and self._depth == 1 and page.subsampling != (1, 1):
            return self._separate_ycbcr
        return self._other

    def _jpeg(self, data: bytes, _index: int) -> NDArray[Any]:
        if is_cut_short(data):
            raise ChunkError("its JPEG data is cut short")
        page, tables = self._page, self._jpegtables
        header = joined(self._tables_header, read_jpeg_header(data))
        components = len(header.component_ids)
        if header.is_lossless or header.precision_bits not in (0, 8, 12):
            image = imagecodecs.jpeg_decode(
                data, bitspersample=bits_per_sample(page), tables=tables
            )
        elif components == 3:
            space = "YCBCR" if is_ycbcr(header, self._is_jpeg_as_it_is) else "RGB"
            image = imagecodecs.jpeg8_decode(
                data, tables=tables, colorspace=space, outcolorspace="RGB"
            )
        elif components == 4:
            image = self._jpeg_of_four(data, header.adobe_transform)
        else:
            image = imagecodecs.jpeg8_decode(data, tables=tables)
        return as_told(image, page, self._samples)

    def _jpeg_of_four(self, data: bytes, adobe: int | None) -> NDArray[Any]:
        is_ycck = adobe == 2
        image = imagecodecs.jpeg8_decode(
            data,
            tables=self._jpegtables,
            colorspace="YCCK" if is_ycck else "CMYK",
            outcolorspace="CMYK",
        )
        return self._as_rgb(image) if self._is_ycbcr and not is_ycck else image

    def _packed_ycbcr(self, data: bytes, index: int) -> NDArray[Any]:
        """Decode YCbCr of a codec that knows no colors, subsampled or not."""
        data, height = self._unpacked(data), self._stored_rows(index)
        tag = numbers(self._page, _SUBSAMPLING)
        across, down = subsampling(tag, len(data), height, self.chunk_width_px)
        if (across, down) == (1, 1):
            pixels = self._unpredicted(
                data, height, self.chunk_width_px, self._page.samplesperpixel
            )
        else:
            pixels = unpack_subsampled(data, height, self.chunk_width_px, across, down)
        return self._as_rgb(pixels)

    def _separate_ycbcr(self, data: bytes, index: int) -> NDArray[Any]:
        """Decode one plane of subsampled YCbCr whose chroma lies in planes of its own."""
        plane = index // (self.columns * self.rows)
        across, down = self._page.subsampling or (1, 1)
        if plane not in _CHROMA_PLANES:
            across = down = 1
        rows = -(-self._stored_rows(index) // down)
        columns = -(-self.chunk_width_px // across)
        samples = self._unpredicted(self._unpacked(data), rows, columns, 1)
        return samples.repeat(down, axis=0).repeat(across, axis=1)

    def _three_bytes(self, data: bytes, index: int) -> NDArray[Any]:
        shape = self._stored_rows(index), self.chunk_width_px, self._samples
        data = self._unpacked(data, most=math.prod(shape) * 3)
        return three_byte_samples(self._page, data, shape)

    def _unpacked(self, data: bytes, most: int | None = None) -> bytes:
        page = self._page
        if page.fillorder == _LOWEST_BIT_FIRST:
            data = bytes(imagecodecs.bitorder_decode(data))
        if page.compression != COMPRESSION.NONE:
            data = TIFF.DECOMPRESSORS[page.compression](data, out=most)
        return data

    def _stored_rows(self, index: int) -> int:
        """Return the rows that a tile, strip or part of one stores; the last may have fewer."""
        if self._page.is_tiled and self._rows is None:
            return self.chunk_height_px
        row = index // self.columns % self.rows
        return min(self.chunk_height_px, self.height_px - row * self.chunk_height_px)

    def _unpredicted(self, data: bytes, rows: int, columns: int, samples: int) -> NDArray[np.uint8]:
        flat = np.frombuffer(data, np.uint8, rows * columns * samples)
        pixels = flat.reshape(rows, columns, samples)
        return np.cumsum(pixels, axis=1, dtype=np.uint8) if self._page.predictor == 2 else pixels

    def _other(self, data: bytes, index: int) -> NDArray[Any]:
        page = self._page
        if page.compression in CODED_PICTURES:
            image = decoded_picture(page, data, self._samples)
        else:
            decoded: NDArray[Any] | None = page.decode(data, index, jpegtables=self._jpegtables)[0]
            if decoded is None:
                raise ChunkError("there are no pixels")
            image = decoded[0]
        bits = bits_per_sample(page)
        if page.predictor == PREDICTOR.HORIZONTAL and bits < 8 * image.dtype.itemsize:
            # Differences of fewer bits than their type has wrap at these, not at those of the type.
            image = image & image.dtype.type((1 << bits) - 1)
        return self._in_rgb(image)

    def _in_rgb(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return samples with YCbCr as RGB, unless the decoder has seen to that."""
        wants_rgb = (
            self._is_ycbcr
            and image.shape[2] >= 3
            and image.dtype in (np.dtype(np.uint8), np.dtype(np.uint16))
            and self._page.compression not in _OWN_COLORS
        )
        return self._as_rgb(image) if wants_rgb else image

    def _as_rgb(self, ycbcr: NDArray[Any]) -> NDArray[Any]:
        rgb = self._ycbcr.rgb(ycbcr)
        extra = ycbcr[..., 3:]
        return np.concatenate([rgb, extra], axis=2) if extra.shape[2] else rgb


def all_colors(parts: Sequence[NDArray[Any] | None]) -> NDArray[Any]:
    """Return the samples of a chunk whose colors are stored each for itself.

    Raises
    ------
    ChunkError
        The file lacks some of them: without its red, tissue would have another color.
    """
    stored = [part for part in parts if part is not None]
    if len(stored) < len(parts):
        raise ChunkError(f"the file stores {len(stored)} of its {len(parts)} colors")
    return np.concatenate(stored, axis=2)


def _ycbcr(page: TiffPage) -> YCbCr:
    """Return how a page's YCbCr stands for RGB, as far as its tags are usable."""
    weights = rationals(page, 529, 3) or (0.299, 0.587, 0.114)
    reference = rationals(page, 532, 6)
    if reference is not None and any(reference[i] >= reference[i + 1] for i in (0, 2, 4)):
        reference = None
    return YCbCr(weights, reference, min(bits_per_sample(page), 16))
