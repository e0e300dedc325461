"""Tables of other programs: CSV here, Parquet and HDF5 in a confined process of their own."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from viewer.annotations.formats.packed_files import unpacked_bytes
from viewer.cell_text import bare_cell
from viewer.limits import TABLE_BYTES, open_regular
from viewer.overlays.files.result_file import ResultFileError
from viewer.prepared_types import prepared
from viewer.processes.file_process import file_process

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_PROCESS = "viewer.overlays.files.table_process"


class ForeignTable(msgspec.Struct, frozen=True, tag=True):
    """The columns that results are made of.

    Attributes
    ----------
    names
        Of all columns, as they stand in the file.
    numbers
        Name -> float64 of each row, NaN where there is none; columns of numbers alone.
    fractions
        Names of those that hold floating-point numbers.
    texts
        The columns of texts.
    geometry
        Of GeoParquet: a shape as WKB each row.
    vectors, vector_length
        Of features: float16 (rows, length), NaN where a row has none.
    encoder
        What made them, where the file says it.
    """

    rows: int
    names: list[str]
    numbers: dict[str, bytes]
    fractions: list[str]
    texts: dict[str, list[str | None]] = {}
    geometry: list[bytes | None] | None = None
    vectors: bytes = b""
    vector_length: int = 0
    encoder: str = ""

    def column(self, name: str) -> NDArray[np.float64]:
        """Return a column of numbers."""
        return np.frombuffer(self.numbers[name], np.float64)


class Refused(msgspec.Struct, frozen=True, tag=True):
    """Says in one sentence why there is no table."""

    sentence: str


def read_csv(path: Path) -> ForeignTable:
    """Return a table in UTF-8 or UTF-16, packed or not, with decimal points or commas.

    Raises
    ------
    ResultFileError
        It is too large, or its rows are not of one length.
    AnnotationFileError, OSError
        It cannot be read.
    """
    data = unpacked_bytes(path, (".csv", ".tsv", ".txt"), TABLE_BYTES)
    text = data.decode("utf-8-sig", errors="replace")
    header = text.partition("\n")[0]
    mark = next((mark for mark in ";\t" if mark in header), ",")
    has_commas = mark == ";" and "," in text
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
        names = [bare_cell(name) for name in next(reader, list[str]())]
        rows = [row for row in reader if row]
    except csv.Error as error:
        raise ResultFileError(f"{path.name} cannot be read: {error}.") from error
    for line, row in enumerate(rows, 2):
        if len(row) != len(names):
            raise ResultFileError(
                f"{path.name} cannot be read: line {line} has {len(row)} values and the head "
                f"{len(names)}."
            )
    numbers: dict[str, bytes] = {}
    texts: dict[str, list[str | None]] = {}
    for index, name in enumerate(names):
        cells = [row[index].strip() for row in rows]
        plain = [cell.replace(",", ".") for cell in cells] if has_commas else cells
        try:
            values = np.array([float(cell) if cell else np.nan for cell in plain], np.float64)
        except ValueError:
            texts[name] = [bare_cell(cell) for cell in cells]
        else:
            numbers[name] = values.tobytes()
    return ForeignTable(len(rows), names, numbers, list(numbers), texts)


def read_binary_table(path: Path) -> ForeignTable:
    """Read Parquet or HDF5 in a confined process that is given the open file and no more.

    Raises
    ------
    ResultFileError
        The file is damaged, too large, or is not what its name says.
    OSError
        It cannot be opened.
    """
    decoder = msgspec.msgpack.Decoder(prepared(ForeignTable | Refused))
    with (
        open_regular(path) as file,
        file_process(
            _PROCESS, file, path.name, decoder, ResultFileError, TABLE_BYTES
        ) as next_answer,
    ):
        answer = next_answer()
    if isinstance(answer, Refused):
        raise ResultFileError(answer.sentence)
    return answer
