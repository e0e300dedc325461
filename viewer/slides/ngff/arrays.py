"""What the description of one Zarr array says: its shape, chunks, type, and the names of chunks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol, cast

import msgspec

from viewer.errors import CoverslipError
from viewer.prepared_types import DECODE_ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator

_DTYPES = {
    "bool": "bool", "|b1": "bool", "int8": "int8", "uint8": "uint8", "int16": "int16",
    "uint16": "uint16", "int32": "int32", "uint32": "uint32", "int64": "int64", "uint64": "uint64",
    "float16": "float16", "float32": "float32", "float64": "float64",
}  # fmt: skip
_KINDS = {"u": "uint", "i": "int", "f": "float"}
_MOST_JSON_BYTES = 16 << 20
_MOST_DIMENSIONS = 8
_MOST_CODECS = 64
_MOST_SIZE = 1 << 63
_TYPES_OF_CODECS = ("astype", "decode_dtype", "dtype", "encode_dtype")
"""Settings of codecs that name a type: one of texts would make a gigabyte of each number."""
_SPECIAL_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class NgffError(CoverslipError):
    """A Zarr that cannot be shown; `str()` is a clause that follows the name of the file."""


class ReadKey(Protocol):
    """The store: a folder, an archive, or something far away."""

    def __call__(self, key: str, start: int = 0, end: int | None = None) -> bytes | None:
        """Return the bytes of a key from `start` to before `end`; None where there is no such key.

        A negative start counts from the end, and then there is no `end`.

        Raises
        ------
        OSError
            It is there but cannot be read.
        """
        ...


class ArrayInfo(msgspec.Struct, frozen=True):
    """One array, in elements.

    Attributes
    ----------
    zarr_format
        2 or 3.
    chunks
        Shape of what is stored under one key: a shard where the array is sharded.
    inner_chunks
        Shape of what is decoded at once; as `chunks` where there are no shards.
    codecs
        Names of the codecs, those within shards too.
    """

    path: str
    zarr_format: int
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    inner_chunks: tuple[int, ...]
    dtype: str
    fill_value: float
    codecs: tuple[str, ...]
    key_prefix: str
    separator: str
    dimension_names: tuple[str, ...] = ()

    def chunk_key(self, coordinates: tuple[int, ...]) -> str:
        """Return the key of a chunk, below the root of the store."""
        joined = self.separator.join(map(str, coordinates))
        name = joined if not self.key_prefix else self.separator.join((self.key_prefix, joined))
        return below(self.path, name)

    def spread_chunks(self, most: int) -> Iterator[tuple[int, ...]]:
        """Yield the places of all chunks, or of `most` that are spread over the array."""
        counts = [-(-a // b) for a, b in zip(self.shape, self.chunks, strict=True)]
        total = math.prod(counts)
        taken = min(total, most)
        for number in range(taken):
            rest, place = number * total // taken, list[int]()
            for count in reversed(counts):
                rest, at = divmod(rest, count)
                place.append(at)
            yield tuple(reversed(place))


def below(path: str, name: str) -> str:
    """Return the key of `name` in a group."""
    return f"{path}/{name}" if path else name


def as_object(value: object) -> dict[str, Any]:
    """Return a JSON object; an empty one for anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """Return a JSON list; an empty one for anything else."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def read_json(read: ReadKey, key: str) -> dict[str, Any] | None:
    """Return the object in a JSON file of the store; None where there is none.

    Raises
    ------
    NgffError
        It is no JSON object, or larger than any description is.
    OSError
        It cannot be read.
    """
    data = read(key, 0, _MOST_JSON_BYTES + 1)
    if data is None:
        return None
    if len(data) > _MOST_JSON_BYTES:
        raise NgffError(f"has a {key} of more than 16 MiB, too large to describe an image")
    try:
        # numpy's NaN stands in old descriptions as no JSON allows.
        return msgspec.json.decode(data.replace(b": NaN", b': "NaN"'), type=dict[str, Any])
    except DECODE_ERRORS as error:
        raise NgffError(
            f"has a damaged description ({key}: {error}); copy it again from where it came"
        ) from error


def read_array(read: ReadKey, path: str) -> ArrayInfo | None:
    """Return the description of the array at `path`; None where there is no array.

    Raises
    ------
    NgffError
        The description is damaged, or of a kind that is not read.
    OSError
        It cannot be read.
    """
    try:
        found = read_json(read, below(path, "zarr.json"))
        if found is not None:
            return _of_format_3(path, found) if found.get("node_type") == "array" else None
        found = read_json(read, below(path, ".zarray"))
        return None if found is None else _of_format_2(path, found)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise NgffError(
            f"has a damaged description of the array {path or '/'} ({error!r}); copy it again "
            "from where it came"
        ) from error


def _of_format_3(path: str, found: dict[str, Any]) -> ArrayInfo:
    shape = _sizes(found["shape"])
    grid = found["chunk_grid"]
    if grid["name"] != "regular":
        raise NgffError(f"is cut into chunks by the grid {grid['name']!r}, which cannot be read")
    chunks = _sizes(grid["configuration"]["chunk_shape"])
    encoding = found.get("chunk_key_encoding", {"name": "default"})
    settings = encoding.get("configuration", {})
    is_default = encoding["name"] == "default"
    inner, names = chunks, list[str]()
    waiting = [*as_list(found.get("codecs"))]
    while waiting:
        codec = waiting.pop(0)
        name = str(as_object(codec).get("name", codec))
        names.append(name)
        _check_count(len(names))
        _check_types(as_object(as_object(codec).get("configuration")))
        if name == "sharding_indexed":
            inner = _sizes(codec["configuration"]["chunk_shape"])
            waiting += codec["configuration"]["codecs"]
    return _checked(
        ArrayInfo(
            path,
            3,
            shape,
            chunks,
            inner,
            _dtype(found["data_type"]),
            _fill_value(found.get("fill_value")),
            tuple(names),
            "c" if is_default else "",
            str(settings.get("separator", "/" if is_default else ".")),
            tuple(str(name or "") for name in found.get("dimension_names") or ()),
        )
    )


def _of_format_2(path: str, found: dict[str, Any]) -> ArrayInfo:
    chunks = _sizes(found["chunks"])
    used = [found.get("compressor"), *(found.get("filters") or ())]
    _check_count(len(used))
    for codec in used:
        _check_types(as_object(codec))
    return _checked(
        ArrayInfo(
            path,
            2,
            _sizes(found["shape"]),
            chunks,
            chunks,
            _dtype(found["dtype"]),
            _fill_value(found.get("fill_value")),
            tuple(str(codec["id"]) for codec in used if codec is not None),
            "",
            str(found.get("dimension_separator", ".")),
        )
    )


def _checked(array: ArrayInfo) -> ArrayInfo:
    count = len(array.shape)
    if not 0 < count <= _MOST_DIMENSIONS or {len(array.chunks), len(array.inner_chunks)} != {count}:
        raise NgffError(
            f"has a damaged description of the array {array.path}: {count} dimensions in chunks of "
            f"{len(array.chunks)}"
        )
    return array


def _sizes(values: Any) -> tuple[int, ...]:
    sizes = tuple(int(value) for value in values)
    if any(not 0 < size < _MOST_SIZE for size in sizes):
        raise ValueError(f"sizes {sizes}")
    return sizes


def _dtype(name: Any) -> str:
    text = str(name)
    if text in _DTYPES:
        return _DTYPES[text]
    kind, size = text[1:2], text[2:]
    if text[:1] in "<>|=" and kind in _KINDS and size.isdecimal():
        plain = f"{_KINDS[kind]}{8 * int(size)}"
        if plain in _DTYPES:
            return plain
    raise NgffError(f"holds values of the type {text[:40]}, which cannot be shown")


def _check_count(codecs: int) -> None:
    if codecs > _MOST_CODECS:
        raise NgffError(f"has an array of more than {_MOST_CODECS} codecs, which cannot be")


def _check_types(settings: dict[str, Any]) -> None:
    """Raise NgffError for settings of a codec that name a type other than of numbers."""
    for key in _TYPES_OF_CODECS:
        if settings.get(key) is not None:
            name = str(settings[key])
            _dtype(name if name in _DTYPES or name[:1] not in _KINDS else f"|{name}")


def _fill_value(value: Any) -> float:
    if isinstance(value, str):
        return _SPECIAL_FLOATS.get(value, 0.0)
    return float(value) if isinstance(value, int | float) else 0.0
