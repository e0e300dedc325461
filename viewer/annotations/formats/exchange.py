"""The formats that annotations are exchanged in, recognized by names and first bytes of files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec
import numpy as np

from viewer.annotations.formats.asap import read_asap, write_asap
from viewer.annotations.formats.boxes_csv import read_csv, write_csv
from viewer.annotations.formats.coco import CocoImage, read_coco, write_coco
from viewer.annotations.formats.collector_rest import collector_at_rest
from viewer.annotations.formats.confined_reading import read_confined
from viewer.annotations.formats.dicom.files import read_dicom, write_dicom
from viewer.annotations.formats.imagescope import read_imagescope, write_imagescope
from viewer.annotations.formats.origins import (
    Origin,
    moved,
    origin_member,
    origin_sentence,
    stated_origin,
)
from viewer.annotations.formats.packed_files import PACKINGS, inner_names, unpacked
from viewer.annotations.formats.problems import AnnotationFileError, Problem
from viewer.annotations.formats.qupath import read_qupath
from viewer.annotations.formats.qupath_writing import write_qupath
from viewer.annotations.formats.slide_place import SlidePlace
from viewer.annotations.masks.mask_legend import legend_path
from viewer.limits import MASK_BYTES
from viewer.memory.long_list import LongList
from viewer.memory.slow_release import let_go_if_stopped
from viewer.progress import while_wanted
from viewer.slides.dicom.kinds import dicom_kind, is_dicom

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from viewer.annotations.annotation import Annotation
    from viewer.slides.dicom.kinds import DicomKind

_HEAD_BYTES = 4096
_MASK_PROCESS = "viewer.annotations.masks.mask_process"
_TABLES = (".csv", ".tsv", ".txt")
_PACKED = (".geojson", ".json", ".xml", *_TABLES)


class ReadFormat(msgspec.Struct, frozen=True):
    """How a format is read; the first of `suffixes` is the usual one."""

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path, list[Problem]], Iterator[Annotation]]


class Format(ReadFormat, frozen=True):
    """How a format is read and written.

    Attributes
    ----------
    needs_slide
        Whether `write` alone cannot do: what is written tells of the slide.
    """

    write: Callable[[Path, Iterable[Annotation]], list[Problem]]
    needs_slide: bool = False


def _read_mask(path: Path, problems: list[Problem]) -> Iterator[Annotation]:
    """Read a mask, and the legend beside it, elsewhere: it takes decoders of pictures."""
    place = path.absolute()
    readable = [str(each) for each in (place, legend_path(place)) if each.exists()]
    return read_confined(_MASK_PROCESS, path, problems, MASK_BYTES, [str(place)], readable)


def _dicom_format(kind: DicomKind, name: str) -> Format:
    def write(path: Path, annotations: Iterable[Annotation]) -> list[Problem]:
        return write_dicom(path, kind, annotations, SlidePlace())

    return Format(name, (".dcm",), read_dicom, write, needs_slide=True)


FORMATS = {
    "qupath": Format("QuPath GeoJSON", (".geojson", ".json", *PACKINGS), read_qupath, write_qupath),
    "asap": Format("ASAP XML", (".xml",), read_asap, write_asap),
    "imagescope": Format("ImageScope XML", (".xml",), read_imagescope, write_imagescope),
    "csv": Format("CSV of boxes", (".csv", ".tsv", ".txt"), read_csv, write_csv),
    "coco": Format("COCO JSON", (".coco.json", ".json"), read_coco, write_coco),
    "dicom-ann": _dicom_format("ann", "DICOM annotations"),
    "dicom-seg": _dicom_format("seg", "DICOM segmentation"),
}
MASK = ReadFormat("label mask", (".png", ".tif", ".tiff"), _read_mask)
"""To write one takes more than annotations: see `label_masks`."""


def format_of(path: Path) -> ReadFormat:
    """Return the format of a file by its content and, where that is not enough, its name.

    Raises
    ------
    AnnotationFileError
        It cannot be read, or is of none of the formats.
    """
    from viewer.annotations.formats.coco import is_coco

    suffix = _suffix(path)
    if suffix in MASK.suffixes:
        return MASK
    head = _head(path)
    if is_dicom(head):
        kind = dicom_kind(head)
        if kind is None:
            raise AnnotationFileError(
                f"{path.name} is a DICOM image, not a file of annotations: open it as a slide."
            )
        return FORMATS[f"dicom-{kind}"]
    head = head.lstrip()
    if head.startswith(b"<"):
        return FORMATS["asap" if b"<ASAP_Annotations" in head else "imagescope"]
    if suffix in _TABLES:
        return FORMATS["csv"]
    if suffix == ".xml":
        return FORMATS["asap" if b"<ASAP_Annotations" in head else "imagescope"]
    if head.startswith((b"{", b"[")) or suffix in FORMATS["qupath"].suffixes:
        return FORMATS["coco" if is_coco(head) else "qupath"]
    raise AnnotationFileError(
        f"{path.name} is of no known format: known are "
        f"{', '.join(each.name for each in (*FORMATS.values(), MASK))}."
    )


def format_for(path: Path) -> Format | None:
    """Return what a file of this name is to be written as; None where the name does not tell.

    ".xml" is of two formats; ".json" is QuPath's unless it ends in ".coco.json".
    """
    name = path.name.lower()
    for packing in PACKINGS:
        name = name.removesuffix(packing)
    if name.endswith((".coco.json", ".coco")):
        return FORMATS["coco"]
    if name.endswith((".geojson", ".json")):
        return FORMATS["qupath"]
    return FORMATS["csv"] if name.endswith(".csv") else None


def read_annotations(
    path: Path,
    problems: list[Problem],
    image: str | None = None,
    *,
    takes_namesakes: bool = False,
    slide: SlidePlace | None = None,
    origin: Origin | None = None,
) -> Iterator[Annotation]:
    """Read a file of any known format, thing by thing; what is wrong goes to `problems`.

    Parameters
    ----------
    image
        Of a COCO file of several pictures, the one that is meant.
    takes_namesakes
        Whether the objects of all pictures of that name are taken, where nobody can be asked.
    slide
        The slide that they lie on, which tells where DICOM's places in mm are, and from where
        QuPath counts.
    origin
        From where the file counts, instead of what it says or its format does: QuPath's GeoJSON
        from the bounds of the slide, the others from its corner.

    Raises
    ------
    AnnotationFileError
        The file cannot be used at all.
    """
    read = _read(path, problems, image, takes_namesakes, slide, origin)
    return _with_own_ids(read, problems)


def _read(
    path: Path,
    problems: list[Problem],
    image: str | None,
    takes_namesakes: bool,
    slide: SlidePlace | None,
    origin: Origin | None,
) -> Iterator[Annotation]:
    """Read as `read_annotations`, where some may have the id of another."""
    which = format_of(path)
    if which is FORMATS["coco"]:
        read = read_coco(path, problems, image, takes_namesakes=takes_namesakes)
    elif which.read is read_dicom:
        read = read_dicom(path, problems, slide)
    else:
        read = which.read(path, problems)
    if slide is not None and any(slide.bounds_px) and which.read is not read_dicom:
        read = _from_origin(read, path, which, problems, slide.bounds_px, origin)
    return read


def read_all(
    path: Path,
    problems: list[Problem],
    image: str | None = None,
    *,
    takes_namesakes: bool = False,
    slide: SlidePlace | None = None,
    origin: Origin | None = None,
) -> Sequence[Annotation]:
    """Return what `read_annotations` gives together; of a million, in two thirds of the time."""
    found: LongList[Annotation] = LongList()
    with collector_at_rest(), let_go_if_stopped(found):
        # How far it is the reader of the file tells.
        found.extend(while_wanted(_read(path, problems, image, takes_namesakes, slide, origin)))
        # Sorted numbers take a third of a set of a million ids, and are gone again.
        hashes = np.fromiter((hash(each.id.int) for each in found), np.int64, len(found))
        if len(np.unique(hashes)) < len(found):
            return list(_with_own_ids(found, problems))
        return found


def unstated_origin(path: Path) -> bool:
    """Return whether a file is GeoJSON that does not say from where it counts.

    Raises AnnotationFileError as `format_of`.
    """
    return format_of(path) is FORMATS["qupath"] and stated_origin(_head(path)) is None


def _from_origin(
    read: Iterator[Annotation],
    path: Path,
    which: ReadFormat,
    problems: list[Problem],
    bounds_px: tuple[float, float],
    origin: Origin | None,
) -> Iterator[Annotation]:
    """Yield annotations where they lie at level 0, and say from where the file counts."""
    if which is FORMATS["qupath"]:
        used, sentence = geojson_origin(path, bounds_px, origin)
    else:
        used = origin or "slide"
        sentence = origin_sentence(used, bounds_px, is_stated=True) if origin else ""
    if sentence:
        problems.append(Problem(0, sentence, is_repaired=True))
    return (moved(each, *bounds_px) for each in read) if used == "bounds" else read


def geojson_origin(
    path: Path, bounds_px: tuple[float, float], origin: Origin | None
) -> tuple[Origin, str]:
    """Return from where a GeoJSON file counts on a slide with bounds, and a sentence on it.

    Raises AnnotationFileError where it cannot be read.
    """
    stated = origin or stated_origin(_head(path))
    used = stated or "bounds"
    return used, origin_sentence(used, bounds_px, is_stated=stated is not None)


def _with_own_ids(read: Iterable[Annotation], problems: list[Problem]) -> Iterator[Annotation]:
    """Give a new id to what has that of another: one of the two would be lost later."""
    seen: set[int] = set()
    for number, annotation in enumerate(read, 1):
        if annotation.id.int in seen:
            reason = "it has the id of another and got a new one"
            problems.append(Problem(number, reason, is_repaired=True))
            annotation = replace(annotation, id=uuid4())
        seen.add(annotation.id.int)
        yield annotation


def write_as(
    path: Path,
    which: Format,
    annotations: Iterable[Annotation],
    slide: SlidePlace,
    mpp_um: float | None = None,
) -> list[Problem]:
    """Write annotations of a slide, of which COCO tells name and size, and DICOM all it can.

    Parameters
    ----------
    mpp_um
        um per pixel of a segmentation; that of the slide by default.

    Raises
    ------
    AnnotationFileError
        The format cannot hold any of them, or a package that it needs is missing.
    OSError
        It cannot be written; a file that was there is left as it was.
    """
    if which is FORMATS["coco"]:
        return write_coco(path, annotations, CocoImage(slide.name, *slide.size_px))
    if which.needs_slide:
        kind = "ann" if which is FORMATS["dicom-ann"] else "seg"
        return write_dicom(path, kind, annotations, slide, mpp_um)
    if which is FORMATS["qupath"] and any(slide.bounds_px):
        x, y = slide.bounds_px
        counted = (moved(each, -x, -y) for each in annotations)
        lost = write_qupath(path, counted, head={"coverslip": origin_member(slide.bounds_px)})
        sentence = origin_sentence("bounds", slide.bounds_px, is_stated=True)
        return [*lost, Problem(0, sentence, is_repaired=True)]
    return which.write(path, annotations)


def _suffix(path: Path) -> str:
    """Of what is packed, where it tells; ".zip" and ".gz" alone are GeoJSON."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKINGS:
        inner = suffixes[-2] if len(suffixes) > 1 else ""
        if inner in _PACKED:
            return inner
        names = [name.lower() for name in inner_names(path)]
        packed = [end for end in _PACKED if any(name.endswith(end) for name in names)]
        return packed[0] if packed else suffixes[-1]
    return suffixes[-1] if suffixes else ""


def _head(path: Path) -> bytes:
    with unpacked(path, _PACKED) as pieces:
        head = b""
        while len(head) < _HEAD_BYTES and (more := pieces[0](_HEAD_BYTES)):
            head += more
        return head
