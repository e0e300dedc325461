"""The formats that annotations are exchanged in, told by the names and first bytes of files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from viewer.annotations.formats.asap import read_asap, write_asap
from viewer.annotations.formats.boxes_csv import read_csv, write_csv
from viewer.annotations.formats.coco import CocoImage, is_coco, read_coco, write_coco
from viewer.annotations.formats.imagescope import read_imagescope, write_imagescope
from viewer.annotations.formats.packed_files import unpacked
from viewer.annotations.formats.problems import AnnotationFileError, Problem
from viewer.annotations.formats.qupath import read_qupath
from viewer.annotations.formats.qupath_writing import write_qupath

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from viewer.annotations.annotation import Annotation

_HEAD_BYTES = 4096
_PACKINGS = (".gz", ".zip")


@dataclass(frozen=True, slots=True)
class ReadFormat:
    """How a format is read; the first of `suffixes` is the usual one."""

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path, list[Problem]], Iterator[Annotation]]


@dataclass(frozen=True, slots=True)
class Format(ReadFormat):
    """How a format is read and written."""

    write: Callable[[Path, Iterable[Annotation]], list[Problem]]


def _read_mask(path: Path, problems: list[Problem]) -> Iterator[Annotation]:
    # With it comes tifffile, which other formats do without.
    from viewer.annotations.masks.mask_reading import read_mask

    return read_mask(path, problems)


FORMATS = {
    "qupath": Format(
        "QuPath GeoJSON", (".geojson", ".json", ".gz", ".zip"), read_qupath, write_qupath
    ),
    "asap": Format("ASAP XML", (".xml",), read_asap, write_asap),
    "imagescope": Format("ImageScope XML", (".xml",), read_imagescope, write_imagescope),
    "csv": Format("CSV of boxes", (".csv", ".tsv"), read_csv, write_csv),
    "coco": Format("COCO JSON", (".coco.json", ".json"), read_coco, write_coco),
}
MASK = ReadFormat("label mask", (".png", ".tif", ".tiff"), _read_mask)
"""To write one takes more than annotations: see `label_masks`."""


def format_of(path: Path) -> ReadFormat:
    """The format of a file that is there.

    Raises
    ------
    AnnotationFileError
        It cannot be read, or is of none of the formats.
    """
    suffix = _suffix(path)
    if suffix in (".csv", ".tsv"):
        return FORMATS["csv"]
    if suffix in MASK.suffixes:
        return MASK
    if suffix == ".xml":
        return FORMATS["asap" if b"<ASAP_Annotations" in _head(path) else "imagescope"]
    if suffix in FORMATS["qupath"].suffixes:
        return FORMATS["coco" if is_coco(_head(path)) else "qupath"]
    raise AnnotationFileError(
        f"{path.name} is of no known format: known are "
        f"{', '.join(each.name for each in (*FORMATS.values(), MASK))}."
    )


def format_for(path: Path) -> Format | None:
    """What a file of this name is to be written as; None where the name does not tell.

    ".xml" is of two formats; ".json" is QuPath's unless it ends in ".coco.json".
    """
    name = path.name.lower()
    for packing in _PACKINGS:
        name = name.removesuffix(packing)
    if name.endswith((".coco.json", ".coco")):
        return FORMATS["coco"]
    if name.endswith((".geojson", ".json")):
        return FORMATS["qupath"]
    return FORMATS["csv"] if name.endswith(".csv") else None


def read_annotations(
    path: Path, problems: list[Problem], image: str | None = None
) -> Iterator[Annotation]:
    """Reads a file of any known format, thing by thing; what is wrong goes to `problems`.

    Parameters
    ----------
    image
        Of a COCO file of several pictures, the one that is meant.

    Raises
    ------
    AnnotationFileError
        The file cannot be used at all.
    """
    which = format_of(path)
    if which is FORMATS["coco"]:
        return read_coco(path, problems, image)
    return which.read(path, problems)


def write_as(
    path: Path, which: Format, annotations: Iterable[Annotation], image: CocoImage
) -> list[Problem]:
    """Write annotations of a slide; COCO is told the slide's name and size.

    Raises
    ------
    OSError
        It cannot be written; a file that was there is left as it was.
    """
    if which is FORMATS["coco"]:
        return write_coco(path, annotations, image)
    return which.write(path, annotations)


def _suffix(path: Path) -> str:
    """Of what is packed, where it tells; ".zip" and ".gz" alone are GeoJSON."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _PACKINGS:
        inner = suffixes[-2] if len(suffixes) > 1 else ""
        return inner if inner in (".csv", ".tsv", ".json", ".geojson") else suffixes[-1]
    return suffixes[-1] if suffixes else ""


def _head(path: Path) -> bytes:
    with unpacked(path, "json") as pieces:
        return pieces[0](_HEAD_BYTES)
