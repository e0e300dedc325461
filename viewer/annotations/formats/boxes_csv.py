"""Tables of boxes and points with a class and a name, as detectors write and read them."""

from __future__ import annotations

import csv
import math
import re
from typing import TYPE_CHECKING

import msgspec
import shapely

from viewer.annotations.annotation import Annotation, AnnotationClass
from viewer.annotations.formats.export_warnings import each_alone
from viewer.annotations.formats.foreign_values import number_of, place_of
from viewer.annotations.formats.packed_files import packed, unpacked
from viewer.annotations.formats.problems import AnnotationFileError, Problem, Problems
from viewer.cell_text import bare_cell, text_cell
from viewer.colors import class_color
from viewer.files.atomic_write import as_text
from viewer.limits import LOG_LINE_BYTES
from viewer.plain_text import shown_line, shown_text
from viewer.table_lines import with_paired_quotes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.formats.packed_files import PieceReader

_HEADER = ("x", "y", "width", "height", "class", "name")
_SPELLINGS: dict[str, str] = {
    "x0": "x0", "xmin": "x0", "x_min": "x0", "minx": "x0", "left": "x0",
    "y0": "y0", "ymin": "y0", "y_min": "y0", "miny": "y0", "top": "y0",
    "x2": "x1", "xmax": "x1", "x_max": "x1", "maxx": "x1", "right": "x1",
    "y2": "y1", "ymax": "y1", "y_max": "y1", "maxy": "y1", "bottom": "y1",
    "x": "x", "y": "y", "x_px": "x", "y_px": "y", "centroid_x": "x", "centroid_y": "y",
    "centroid_x_px": "x", "centroid_y_px": "y",
    "width": "width", "w": "width", "height": "height", "h": "height",
    "class": "class", "label": "class", "category": "class", "classification": "class",
    "class_name": "class", "name": "name", "description": "name", "text": "name",
}  # fmt: skip
_CORNERS = ("x0", "y0", "x1", "y1")
_BARE: dict[bool, dict[str, int]] = {
    False: {"x": 0, "y": 1, "class": 2},
    True: {"x0": 0, "y0": 1, "x1": 2, "y1": 3, "class": 4, "name": 5},
}
"""Without a header: points of three columns, boxes of more."""
_PIECE_BYTES = 1 << 16
_MOST_ROWS_IN_VAIN = 100_000
_MOST_IN_VAIN_BETWEEN = 500_000
"""In a row, behind rows that can be used; about 3 s of reading."""
_NO_HEADER = re.compile(r"\s*(?:#|//|sep=.$)", re.IGNORECASE)
"""Comments before the table, and Excel's note of what divides its cells."""
_LINE_END = re.compile(rb"\r\n|\n|\r")


def read_csv(path: Path, problems: list[Problem]) -> Iterator[Annotation]:
    """Read a table row by row; columns are known by their header, or by their number.

    Further columns become measurements where they hold numbers, notes otherwise.

    Raises
    ------
    AnnotationFileError
        The file has no columns of places.
    """
    with unpacked(path, (".csv", ".tsv", ".txt")) as pieces:
        for piece in pieces:
            yield from _rows(path.name, piece, problems)


def write_csv(path: Path, annotations: Iterable[Annotation]) -> list[Problem]:
    """Write x, y, width, height, class, name; a point has neither width nor height.

    Of other shapes the box around them is written, and stated.

    Raises
    ------
    OSError
        It cannot be written; a file that was there is left as it was.
    """
    problems = Problems()
    with packed(path, ".csv") as file, as_text(file) as text:
        writer = csv.writer(text)
        writer.writerow(_HEADER)
        for number, annotation in each_alone(annotations, problems, ("name",)):
            for part in _points_apart(annotation.geometry, number, problems):
                if part.is_empty or not all(math.isfinite(value) for value in part.bounds):
                    problems.append(Problem(number, "it has no place"))
                    continue
                writer.writerow(
                    (*_place(part), text_cell(annotation.class_name), text_cell(annotation.name))
                )
    return problems


def _points_apart(
    geometry: BaseGeometry, number: int, problems: list[Problem]
) -> Sequence[BaseGeometry]:
    if isinstance(geometry, shapely.MultiPoint):
        problems.append(Problem(number, "that its points belong together"))
        return shapely.get_parts(geometry).tolist()
    if not isinstance(geometry, shapely.Point) and not geometry.equals(geometry.envelope):
        problems.append(Problem(number, "its outline, of which only the box around it is kept"))
    return [geometry]


def _place(geometry: BaseGeometry) -> tuple[object, ...]:
    if isinstance(geometry, shapely.Point):
        return _plain(geometry.x), _plain(geometry.y), "", ""
    x0, y0, x1, y1 = geometry.bounds
    return _plain(x0), _plain(y0), _plain(x1 - x0), _plain(y1 - y0)


def _plain(value: float) -> float | int:
    rounded = round(value, 2)
    return int(rounded) if rounded == int(rounded) else rounded


class _Columns(msgspec.Struct, frozen=True):
    """Where the columns are: those of the format by its words, others by theirs."""

    known: Mapping[str, int]
    others: Mapping[str, int]


def _rows(name: str, piece: PieceReader, problems: list[Problem]) -> Iterator[Annotation]:
    lines = _lines(name, piece)
    first = next(lines, "")
    while _NO_HEADER.match(first):
        first = next(lines, "")
    mark = _delimiter(first)
    rows = csv.reader(with_paired_quotes(_with_first(first, lines), mark), delimiter=mark)
    columns: _Columns | None = None
    classes: dict[str, AnnotationClass] = {}
    number = in_vain = 0
    has_any = False
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            number += 1
            problems.append(Problem(number, str(error)))
            continue
        if row is None:
            break
        if not any(cell.strip() for cell in row):
            continue
        if columns is None:
            columns, is_header = _columns(name, row)
            if is_header:
                continue
        number += 1
        try:
            annotation = _annotation(row, columns, classes, number, problems)
        except (ValueError, IndexError) as error:
            problems.append(Problem(number, str(error)))
            in_vain += 1
            if not has_any and number >= _MOST_ROWS_IN_VAIN:
                none = f"none of its first {number:,} rows can be used; of the last, {error}"
                raise AnnotationFileError(f"{name} is no table of boxes: {none}.") from None
            if in_vain >= _MOST_IN_VAIN_BETWEEN:
                sentence = (
                    f"reading stopped at row {number:,}, and what comes behind it is left out, as"
                    f" none of {in_vain:,} rows in a row can be used"
                )
                problems.insert(0, Problem(number, sentence, stops_reading=True))
                return
            continue
        has_any, in_vain = True, 0
        yield annotation
    if columns is None:
        raise AnnotationFileError(f"{name} is no table: {piece.trouble or 'it has no rows'}.")
    if piece.trouble:
        sentence = f"what comes behind row {number:,} cannot be read ({piece.trouble})"
        problems.insert(0, Problem(number, sentence, stops_reading=True))


def _with_first(first: str, others: Iterator[str]) -> Iterator[str]:
    yield first
    yield from others


def _lines(name: str, piece: PieceReader) -> Iterator[str]:
    rest: list[bytes] = []
    size_bytes = 0
    while more := piece(_PIECE_BYTES):
        rest.append(more)
        size_bytes += len(more)
        if size_bytes > LOG_LINE_BYTES.most:
            raise AnnotationFileError(f"{name} is no table: {LOG_LINE_BYTES.sentence('it')}.")
        if not _LINE_END.search(more) and not rest[0].endswith(b"\r"):
            continue
        # A piece may end between the two characters that end a line.
        whole = _LINE_END.split(b"".join(rest))
        last = whole.pop()
        if not last and more.endswith(b"\r") and whole:
            last = whole.pop() + b"\r"
        for line in whole:
            yield _decoded(line)
        rest, size_bytes = [last], len(last)
    if last := b"".join(rest).removesuffix(b"\r"):
        for line in _LINE_END.split(last):
            yield _decoded(line)


def _decoded(line: bytes) -> str:
    """As UTF-8, else as Windows writes in the West."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("cp1252", "replace")


def _delimiter(line: str) -> str:
    """Semicolons and tabs divide cells where there are any: commas may then be in numbers."""
    return next((mark for mark in ";\t" if mark in line), ",")


def _columns(name: str, row: list[str]) -> tuple[_Columns, bool]:
    """Where the columns are, and whether this row is the header. Raises AnnotationFileError."""
    words = [cell.strip().strip('"').lower().replace(" ", "_") for cell in row]
    if "x2" in words:
        words = [{"x1": "x0", "y1": "y0"}.get(word, word) for word in words]
    known: dict[str, int] = {}
    others: dict[str, int] = {}
    for index, word in enumerate(words):
        spelt = _SPELLINGS.get(word, word if word in _CORNERS else "")
        if spelt and spelt not in known:
            known[spelt] = index
        elif word:
            others[row[index].strip()] = index
    if all(word in known for word in _CORNERS) or ("x" in known and "y" in known):
        return _Columns(known, others), True
    try:
        [number_of(cell) for cell in row[:2]]
    except ValueError:
        advice = "let its header name x0,y0,x1,y1 or x,y,width,height or x,y"
        raise AnnotationFileError(f"{name} has no columns of places: {advice}.") from None
    is_box = len(row) > 3
    return _Columns(_BARE[is_box], {}), False


def _annotation(
    row: list[str],
    columns: _Columns,
    classes: dict[str, AnnotationClass],
    number: int,
    problems: list[Problem],
) -> Annotation:
    def cell(word: str) -> str:
        index = columns.known.get(word, len(row))
        return row[index].strip() if index < len(row) else ""

    class_name = shown_line(bare_cell(cell("class")))
    if class_name and class_name not in classes:
        classes[class_name] = AnnotationClass(class_name, class_color(len(classes)))
    numbers, notes = _others(row, columns.others)
    geometry, repair = _shape(cell)
    if repair:
        problems.append(Problem(number, repair, is_repaired=True))
    return Annotation(
        geometry,
        shown_as=classes.get(class_name),
        name=shown_line(bare_cell(cell("name"))),
        measurements=numbers,
        metadata=notes,
    )


def _shape(cell: Callable[[str], str]) -> tuple[BaseGeometry, str]:
    if cell("x0"):
        x0, y0, x1, y1 = (_number(cell(word), word) for word in _CORNERS)
    else:
        x0, y0 = _number(cell("x"), "x"), _number(cell("y"), "y")
        if not cell("width") and not cell("height"):
            return shapely.Point(x0, y0), ""
        x1, y1 = x0 + _number(cell("width"), "width"), y0 + _number(cell("height"), "height")
    if x0 == x1 or y0 == y1:
        raise ValueError("it has no area")
    box = shapely.box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    return box, "" if x0 < x1 and y0 < y1 else "its corners were the wrong way round"


def _number(text: str, what: str) -> float:
    try:
        return place_of(text)
    except ValueError as error:
        raise ValueError(f"its {what}: {error}") from None


def _others(row: list[str], others: Mapping[str, int]) -> tuple[dict[str, float], dict[str, str]]:
    numbers: dict[str, float] = {}
    notes: dict[str, str] = {}
    for name, index in others.items():
        text = row[index].strip() if index < len(row) else ""
        if not text:
            continue
        try:
            numbers[name] = number_of(text)
        except ValueError:
            notes[name] = shown_text(bare_cell(text))
    return numbers, notes
