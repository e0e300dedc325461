"""Arrow files with numbers that point past what they hold: refused, and nothing beyond is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from cli_steps import coverslip

from viewer.folders import cache_folder
from viewer.overlays.former_objects import objects_of_arrow
from viewer.overlays.objects import ObjectsError
from viewer.overlays.result_store import COLUMNS_SUFFIX

COUNT = 12_345


@pytest.fixture(scope="module", autouse=True)
def as_started() -> None:
    """What is attacked are processes at work, however they were started: they are forked."""


def stream(last_offset: int) -> bytes:
    """Objects as version 0.1 kept them; the last outline ends at `last_offset` of 8 numbers."""
    offsets = np.zeros(COUNT + 1, np.int32)
    offsets[-1] = last_offset
    numbers = pa.array(np.zeros(8, np.float32))
    kind = pa.list_(pa.float32())
    outlines: Any = pa.ListArray.from_buffers(
        kind, COUNT, [None, pa.py_buffer(offsets.tobytes())], children=[numbers]
    )
    ones = pa.array(np.ones(COUNT, np.float32))
    table = pa.table(
        {"outline": outlines, "x": ones, "y": ones, "class": pa.array(np.zeros(COUNT, np.uint8))}
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def with_last_offset(value: int) -> bytes:
    sound = stream(8)
    data, at = bytearray(sound), sound.index(np.int32(8).tobytes() * 1, sound.index(bytes(4000)))
    data[at : at + 4] = np.int32(value).tobytes()
    return bytes(data)


def with_middle_offset(value: int) -> bytes:
    """The last offset is right, so that only a look at each shows it."""
    data = bytearray(stream(8))
    at = data.index(np.int32(8).tobytes(), data.index(bytes(4000)))
    data[at - 400 : at - 396] = np.int32(value).tobytes()
    return bytes(data)


def with_count(value: int) -> bytes:
    return stream(8).replace(np.int64(COUNT).tobytes(), np.int64(value).tobytes())


def test_sound_objects_are_read() -> None:
    assert len(objects_of_arrow(stream(8))) == COUNT


@pytest.mark.parametrize(
    "data",
    [
        *(with_last_offset(value) for value in (10, 80_000, 2**31 - 2, -6)),
        *(with_middle_offset(value) for value in (9, 80_000, -6)),
        *(with_count(value) for value in (COUNT + 1, 50_000_000, 2**62, -1)),
        b"\xff" * 64,
        b"",
    ],
    ids=[
        "near",
        "far",
        "farthest",
        "negative",
        "mid near",
        "mid far",
        "mid negative",
        "longer",
        "long",
        "longest",
        "less",
        "no",
        "empty",
    ],
)
def test_offsets_past_the_end_read_nothing_beyond(data: bytes) -> None:
    with pytest.raises(ObjectsError, match="damaged") as told:
        objects_of_arrow(data)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "index", [7, *(pytest.param(each, marks=pytest.mark.slow) for each in (2**31 - 1, -3))]
)
def test_a_planted_file_of_columns_ends_a_query_with_a_sentence(
    index: int, sample_slide: Path
) -> None:
    done = coverslip("run", "cells", sample_slide, "--region", "900,900,400,400")
    assert done.returncode == 0, done.stderr
    query = ("query", "select class_counts from results", "--json")
    assert coverslip(*query).returncode == 0
    (path,) = (cache_folder() / "overlays").rglob(f"*{COLUMNS_SUFFIX}")
    table = pa.ipc.open_file(pa.py_buffer(path.read_bytes())).read_all()
    at = table.schema.get_field_index("class")
    indices = pa.array(np.full(len(table), index, np.int32))
    planted = pa.DictionaryArray.from_arrays(indices, pa.array(["T"]), safe=False)
    kind = table.schema.field(at).type
    if planted.type != kind:
        planted = pa.DictionaryArray.from_arrays(
            indices.cast(kind.index_type, safe=False), pa.array(["T"]), safe=False
        )
    columns = [planted if place == at else each for place, each in enumerate(table.columns)]
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(pa.table(columns, schema=table.schema))
    counts, objects = (
        coverslip("query", sql, "--json")
        for sql in (
            "select class_counts from results",
            "select class, count(*) from objects group by 1",
        )
    )
    assert counts.returncode == 2
    assert "is damaged" in counts.stderr
    assert objects.returncode in (0, 2)
    for done in (counts, objects):
        assert "Traceback" not in done.stderr
        assert len(done.stderr.strip().splitlines()) == (1 if done.returncode else 0), done.stderr
    if objects.returncode == 0:
        json.loads(objects.stdout)
