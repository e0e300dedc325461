"""Areas of a JPEG 2000 of any size, each decoded for itself by OpenJPEG, and its reduced sizes.

imagecodecs and Pillow decode a whole image, 32 bits a sample. The library behind them decodes those
code-blocks of a tile alone that an area needs; of the tile it holds the code and a list of blocks.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from viewer.slides.readers.tiff.errors import ChunkError
from viewer.slides.readers.tiff.native_codecs import native_library

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from viewer.slides.readers.jpeg_2000.code import CodePlace

_RAW_CODE = 0
"""The format without boxes."""
_PARAMETER_BYTES = 1 << 14
"""More than the parameters of a decoder take; reduction stands first."""
_STREAM_BYTES, _PIECE_BYTES = 1 << 14, 4 << 20
"""Of what is read ahead, anew behind each tile that is left out, and at once of what is long."""
_END = ctypes.c_size_t(-1).value


def sample_type(bits: int, *, is_signed: bool) -> np.dtype[Any]:
    """Return the type of samples of up to 16 bits."""
    return np.dtype(f"{'i' if is_signed else 'u'}{1 if bits <= 8 else 2}")


class _Component(ctypes.Structure):
    """What OpenJPEG calls opj_image_comp_t."""

    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("dx", "dy", "w", "h", "x0", "y0", "prec", "bpp")),
        *((name, ctypes.c_uint32) for name in ("sgnd", "resno_decoded", "factor")),
        ("data", ctypes.POINTER(ctypes.c_int32)),
        ("alpha", ctypes.c_uint16),
    )


class _Image(ctypes.Structure):
    """What OpenJPEG calls opj_image_t."""

    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("x0", "y0", "x1", "y1", "numcomps")),
        ("color_space", ctypes.c_int),
        ("comps", ctypes.POINTER(_Component)),
        ("icc_profile_buf", ctypes.c_void_p),
        ("icc_profile_len", ctypes.c_uint32),
    )


def can_decode_areas() -> bool:
    """Return whether areas of JPEG 2000 can be decoded here."""
    return _openjpeg() is not None


class AreaDecoder:
    """Decodes areas of one code, one at a time; not for several threads at once.

    Of a code in several tiles it decodes one area alone.

    Parameters
    ----------
    reduction
        How many times the sides are halved.

    Raises
    ------
    ChunkError
        It cannot be decoded.
    """

    def __init__(self, place: CodePlace, reduction: int = 0) -> None:
        library = _openjpeg()
        assert library is not None
        self._library = library
        self._input = given = _Input(place)
        self._image = ctypes.POINTER(_Image)()
        read, skip, seek, say = (
            _Read(given.read), _Move(given.skip), _Move(given.seek), _Say(given.say)
        )  # fmt: skip
        self._functions = read, skip, seek, say
        self._stream: int | None = library.opj_stream_create(_STREAM_BYTES, 1)
        library.opj_stream_set_user_data(self._stream, None, None)
        library.opj_stream_set_user_data_length(self._stream, place.size)
        library.opj_stream_set_read_function(self._stream, read)
        library.opj_stream_set_skip_function(self._stream, skip)
        library.opj_stream_set_seek_function(self._stream, seek)
        self._codec: int | None = library.opj_create_decompress(_RAW_CODE)
        library.opj_set_error_handler(self._codec, say, None)
        parameters = ctypes.create_string_buffer(_PARAMETER_BYTES)
        library.opj_set_default_decoder_parameters(parameters)
        ctypes.c_uint32.from_buffer(parameters).value = reduction
        self._do(library.opj_setup_decoder(self._codec, parameters))
        self._do(library.opj_read_header(self._stream, self._codec, ctypes.byref(self._image)))
        about = self._image.contents
        self._corner = about.x0, about.y0

    def read(self, left: int, top: int, width: int, height: int) -> NDArray[Any]:
        """Return an area within the image, (height, width, samples).

        Parameters
        ----------
        left, top, width, height
            In pixels of the image as it is without reduction.

        Raises
        ------
        ChunkError
            It cannot be decoded.
        """
        x, y = self._corner[0] + left, self._corner[1] + top
        library, image = self._library, self._image
        self._do(library.opj_set_decode_area(self._codec, image, x, y, x + width, y + height))
        self._do(library.opj_decode(self._codec, self._stream, image))
        found: list[NDArray[Any]] = []
        for each in image.contents.comps[: image.contents.numcomps]:
            if not each.data:
                raise ChunkError("its data is damaged")
            values = np.ctypeslib.as_array(each.data, (each.h, each.w))
            found.append(values.astype(sample_type(each.prec, is_signed=bool(each.sgnd))))
        for index in range(image.contents.numcomps):
            component = image.contents.comps[index]
            library.opj_image_data_free(component.data)
            component.data = None
        return np.stack(found, axis=2)

    def _do(self, is_done: int) -> None:
        if self._input.error is not None:
            raise self._input.error
        if not is_done:
            raise ChunkError(f"its data is damaged ({self._input.said or 'JPEG 2000'})")

    def __del__(self) -> None:
        if getattr(self, "_codec", None):
            self._library.opj_destroy_codec(self._codec)
            self._library.opj_stream_destroy(self._stream)
            self._library.opj_image_destroy(self._image)


class _Input:
    """Code as OpenJPEG asks for it, and what it says; it knows no decoder, which ends with its use.

    Attributes
    ----------
    error, said
        Why the file could not be read, and what OpenJPEG said first.
    """

    def __init__(self, place: CodePlace) -> None:
        self._place = place
        self._at = 0
        self.said = ""
        self.error: ChunkError | None = None

    def read(self, target: int, size: int, _: int | None) -> int:
        place = self._place
        size = min(size, place.size - self._at)
        if size <= 0:
            return _END
        done = 0
        try:
            while done < size:
                wanted = min(size - done, _PIECE_BYTES)
                data = place.read(self._at + done, wanted)
                ctypes.memmove(target + done, data, wanted)
                done += wanted
        except ChunkError as error:
            self.error = error
            return _END
        self._at += size
        return size

    def skip(self, size: int, _: int | None) -> int:
        self._at = min(self._at + size, self._place.size)
        return size

    def seek(self, at: int, _: int | None) -> int:
        self._at = at
        return 1

    def say(self, text: bytes, _: int | None) -> None:
        self.said = self.said or text.decode(errors="replace").strip()


_Read = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
_Move = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
_Say = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_void_p)


@cache
def _openjpeg() -> ctypes.CDLL | None:
    library = native_library("jpeg2k")
    if library is None or not hasattr(library, "opj_set_decode_area"):
        return None
    pointer, number = ctypes.c_void_p, ctypes.c_int32
    image = ctypes.POINTER(_Image)
    for name, result, arguments in (
        ("opj_stream_create", pointer, [ctypes.c_size_t, number]),
        ("opj_stream_set_user_data", None, [pointer, pointer, pointer]),
        ("opj_stream_set_user_data_length", None, [pointer, ctypes.c_uint64]),
        ("opj_stream_set_read_function", None, [pointer, _Read]),
        ("opj_stream_set_skip_function", None, [pointer, _Move]),
        ("opj_stream_set_seek_function", None, [pointer, _Move]),
        ("opj_stream_destroy", None, [pointer]),
        ("opj_create_decompress", pointer, [number]),
        ("opj_destroy_codec", None, [pointer]),
        ("opj_set_error_handler", number, [pointer, _Say, pointer]),
        ("opj_set_default_decoder_parameters", None, [pointer]),
        ("opj_setup_decoder", number, [pointer, pointer]),
        ("opj_read_header", number, [pointer, pointer, ctypes.POINTER(image)]),
        ("opj_set_decode_area", number, [pointer, image, *[number] * 4]),
        ("opj_decode", number, [pointer, pointer, image]),
        ("opj_image_data_free", None, [pointer]),
        ("opj_image_destroy", None, [image]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
