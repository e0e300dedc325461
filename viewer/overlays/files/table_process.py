# pyright: basic
# (pyarrow and h5py bring no types)
"""Reads one foreign table in a confined process; it has the open file and nothing else."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from viewer.limits import TABLE_BYTES, LimitError, unreadable
from viewer.overlays.files.foreign_table import ForeignTable, Refused
from viewer.overlays.files.tile_scores import MOST_CELLS, MOST_SIDE_PX
from viewer.prepared_types import prepared
from viewer.processes.channel import inherited_channel

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SCORE_SETS = ("attention_scores", "attention", "scores", "probabilities", "probs")
_BATCH_ROWS = 65_536
_VECTOR_BYTES, _MOST_VECTOR_BYTES = 2, 900 << 20
_LARGEST = 65_000.0
"""Of a 16-bit float; infinity stands for no answer."""


def main(arguments: list[str]) -> None:
    """Read the file: its name, its descriptor, and that of the channel."""
    name, file, channel = arguments[0], int(arguments[1]), int(arguments[2])
    inherited_channel(channel, msgspec.msgpack.Decoder(prepared(Refused))).send(_answer(name, file))


def _answer(name: str, descriptor: int) -> ForeignTable | Refused:
    read = _hdf if name.lower().endswith((".h5", ".hdf5")) else _parquet
    try:
        with os.fdopen(descriptor, "rb") as file:
            return read(name, file)
    except MemoryError:
        return Refused(TABLE_BYTES.sentence(name))
    except LimitError as error:
        return Refused(str(error))
    except Exception:  # of whatever the libraries make of a foreign file
        return Refused(unreadable(name))


def _parquet(name: str, file) -> ForeignTable:
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = pq.ParquetFile(pa.PythonFile(file, "r"))
    about = source.metadata
    # What the file says of itself is checked first, and what it gives as it comes.
    TABLE_BYTES.check(
        sum(about.row_group(index).total_byte_size for index in range(about.num_row_groups)), name
    )
    fields = list(source.schema_arrow)
    kept = [field for field in fields if _kind(field) or field.name == "geometry"]
    TABLE_BYTES.check(8 * about.num_rows * len(kept), name)
    # A text that many rows share stays one: laid out for each row it may take gigabytes.
    shared = [field.name for field in kept if _kind(field) == "text"]
    source = pq.ParquetFile(pa.PythonFile(file, "r"), read_dictionary=shared)
    numbers: dict[str, list[np.ndarray]] = {}
    texts: dict[str, list] = {}
    total_bytes = 0
    for batch in source.iter_batches(_BATCH_ROWS, columns=[field.name for field in kept]):
        total_bytes += batch.nbytes
        TABLE_BYTES.check(total_bytes, name)
        for field in kept:
            column = batch.column(field.name)
            if _kind(field) == "number":
                values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
                numbers.setdefault(field.name, []).append(values.astype(np.float64))
            elif pa.types.is_dictionary(column.type):
                words = [*column.dictionary.to_pylist(), None]
                places = column.indices.cast(pa.int64()).fill_null(-1).to_numpy()
                total_bytes += int(np.array([len(word or "") for word in words])[places].sum())
                TABLE_BYTES.check(total_bytes, name)
                texts.setdefault(field.name, []).extend(words[place] for place in places)
            else:
                texts.setdefault(field.name, []).extend(column.to_pylist())
    names = [field.name for field in fields]
    return ForeignTable(
        about.num_rows,
        names,
        {
            field.name: np.concatenate(numbers.get(field.name) or [np.zeros(0)]).tobytes()
            for field in kept
            if _kind(field) == "number"
        },
        [field.name for field in kept if pa.types.is_floating(field.type)],
        {key: values for key, values in texts.items() if key != "geometry"},
        [_as_wkb(each) for each in texts.get("geometry", [])] if "geometry" in names else None,
    )


def _as_wkb(shape: object) -> bytes | None:
    """Well-known bytes as they are, from well-known text; None for what is neither."""
    if isinstance(shape, str):
        import shapely

        shape = shapely.to_wkb(shapely.from_wkt(shape, on_invalid="ignore"))
    return shape if isinstance(shape, bytes) else None


def _kind(field) -> str:
    import pyarrow as pa

    if field.name == "geometry":
        return ""
    if pa.types.is_floating(field.type) or pa.types.is_integer(field.type):
        return "number"
    is_text = pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    is_text = is_text or pa.types.is_dictionary(field.type)
    return "text" if is_text else ""


def _hdf(name: str, file) -> ForeignTable:
    import h5py

    with h5py.File(file) as tables:
        coords = tables.get("coords")
        scores = next((tables[name] for name in _SCORE_SETS if name in tables), None)
        if not isinstance(coords, h5py.Dataset):
            raise LimitError(f"{name} holds no coords of tiles, as CLAM and TRIDENT write them.")
        TABLE_BYTES.check(8 * int(coords.size or 0), name)
        if int(coords.size or 0) > MOST_CELLS or coords.shape[-1:] != (2,):
            raise LimitError(f"{name} holds coords that are no pairs of x and y.")
        places = np.asarray(coords[:], np.float64).reshape(-1, 2)
        side = _side_of(coords)
        heads = np.ones((1, len(places)))
        has_scores = isinstance(scores, h5py.Dataset)
        features = tables.get("features")
        if isinstance(features, h5py.Dataset) and not has_scores:
            return _features(name, places, side, features)
        if has_scores:
            TABLE_BYTES.check(8 * int(scores.size or 0), name)
            if int(scores.size or 0) > MOST_CELLS:
                raise LimitError(f"{name} holds more scores than can be shown.")
            heads = _heads(name, np.asarray(scores[...], np.float64), len(places))
    columns = {"x": places[:, 0], "y": places[:, 1]}
    if side is not None:
        columns["side px"] = np.full(len(places), side)
    title = "Attention" if has_scores else "Tiles"
    titles = [f"{title} {i + 1}" for i in range(len(heads))] if len(heads) > 1 else [title]
    columns |= dict(zip(titles, heads, strict=True))
    numbers = {key: np.ascontiguousarray(each).tobytes() for key, each in columns.items()}
    return ForeignTable(len(places), list(columns), numbers, titles)


def _features(
    name: str, places: NDArray[np.float64], side: float | None, features: Any
) -> ForeignTable:
    """Return tiles with the vectors of an encoder, as TRIDENT and CLAM write them."""
    shape = tuple(length for length in features.shape[:-1] if length != 1)
    if shape not in ((len(places),), ()) or (shape == () and len(places) != 1):
        text = " x ".join(map(str, features.shape))
        raise LimitError(f"{name} holds features of {text} for {len(places)} tiles.")
    length = int(features.shape[-1])
    if _VECTOR_BYTES * length * len(places) > _MOST_VECTOR_BYTES:
        raise LimitError(f"{name} holds more features than can be shown: {len(places):,} tiles.")
    vectors = np.full((len(places), length), np.nan, np.float16)
    flat = features.ndim > 2
    for start in range(0, len(places), _BATCH_ROWS):
        rows = slice(start, start + _BATCH_ROWS)
        part = np.asarray(features[0, rows] if flat else features[rows], np.float32)
        part = part.reshape(-1, length)
        part[~np.isfinite(part).all(1)] = np.nan
        vectors[rows] = np.clip(part, -_LARGEST, _LARGEST)
    columns = {"x": places[:, 0], "y": places[:, 1]}
    if side is not None:
        columns["side px"] = np.full(len(places), side)
    numbers = {key: np.ascontiguousarray(each).tobytes() for key, each in columns.items()}
    return ForeignTable(
        len(places), list(columns), numbers, [], vectors=vectors.tobytes(), vector_length=length,
        encoder=_encoder_of(features),
    )  # fmt: skip


def _encoder_of(features: Any) -> str:
    """Return what made features, by an attribute of theirs or by the folder they were saved to."""
    for name in ("encoder", "encoder_name", "patch_encoder", "model"):
        if isinstance(value := features.attrs.get(name), str) and value:
            return value[:80]
    folder = features.attrs.get("savetodir")
    if isinstance(folder, str) and (found := re.search(r"features_([\w-]+)[/\\]*$", folder)):
        return found[1][:80]
    return ""


def _side_of(coords: Any) -> float | None:
    """Side of a tile in level-0 pixels, where the attributes of the coordinates tell it."""

    def attribute(name: str) -> float | None:
        try:
            value = float(np.ravel(coords.attrs[name])[0])
        except (KeyError, ValueError, TypeError, IndexError):
            return None
        return value if 0 < value < MOST_SIDE_PX else None

    side = attribute("patch_size_level0")
    if side is None and (patch := attribute("patch_size")) is not None:
        downsample = attribute("downsample")
        side = patch * downsample if downsample is not None else None
    return side


def _heads(name: str, scores: NDArray[np.float64], tiles: int) -> NDArray[np.float64]:
    """Return (heads, tiles) from either order of the two, with any axes of length 1."""
    heads = scores.reshape([length for length in scores.shape if length != 1] or [1])
    if tiles == 1:
        return heads.reshape(-1, 1)
    if heads.ndim == 1:
        heads = heads[None]
    if heads.ndim == 2 and heads.shape[1] == tiles:
        return heads
    if heads.ndim == 2 and heads.shape[0] == tiles:
        return heads.T
    shape = " x ".join(map(str, scores.shape))
    raise LimitError(f"{name} holds scores of {shape} for {tiles} tiles.")
