"""The formats that annotations are exchanged in, told by the names and first bytes of files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from viewer.annotations.asap import read_asap, write_asap
from viewer.annotations.imagescope import read_imagescope, write_imagescope
from viewer.annotations.qupath import read_qupath
from viewer.annotations.qupath_writing import write_qupath
from viewer.annotations.reading import AnnotationFileError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from viewer.annotations.annotation import Annotation

_HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Format:
    """How a format is read and written; the first of `suffixes` is the usual one."""

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path, list[Problem]], Iterator[Annotation]]
    write: Callable[[Path, Iterable[Annotation]], list[Problem]]


FORMATS = {
    "qupath": Format(
        "QuPath GeoJSON", (".geojson", ".json", ".gz", ".zip"), read_qupath, write_qupath
    ),
    "asap": Format("ASAP XML", (".xml",), read_asap, write_asap),
    "imagescope": Format("ImageScope XML", (".xml",), read_imagescope, write_imagescope),
}


def format_of(path: Path) -> Format:
    """The format of a file that is there.

    Raises
    ------
    AnnotationFileError
        It cannot be read, or is of none of the formats.
    """
    suffix = path.suffix.lower()
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise AnnotationFileError(f"{path} cannot be read ({error.strerror or error}).") from error
    if suffix == ".xml":
        return FORMATS["asap" if b"<ASAP_Annotations" in head else "imagescope"]
    if suffix in FORMATS["qupath"].suffixes:
        return FORMATS["qupath"]
    raise AnnotationFileError(
        f"{path.name} is of no known format: known are "
        f"{', '.join(each.name for each in FORMATS.values())}."
    )


def read_annotations(path: Path, problems: list[Problem]) -> Iterator[Annotation]:
    """Reads a file of any known format, thing by thing; what is wrong goes to `problems`.

    Raises
    ------
    AnnotationFileError
        The file cannot be used at all.
    """
    return format_of(path).read(path, problems)
