"""What a reader marks: points, strokes and areas with classes, out of any file of annotations."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import shapely

from viewer.annotations.annotation import NO_COLOR
from viewer.annotations.formats.problems import Problems, left_out
from viewer.colors import class_color
from viewer.inference.teaching.errors import (
    NoMarksError,
    OffSlideError,
    OneClassError,
    OtherSlideError,
    TeachingError,
)
from viewer.limits import open_regular
from viewer.plurals import plural
from viewer.untyped import mapping_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from shapely.geometry.base import BaseGeometry

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.formats.origins import Origin
    from viewer.annotations.formats.slide_place import SlidePlace

MOST_CLASSES = 32
_HEAD_BYTES = 4096
_STATED_SLIDE = re.compile(rb'"coverslip"\s*:\s*\{[^{}]*?"slide"\s*:\s*"([^"\\]{1,200})"')
_SLIDE_NAMES = ("slide", "Slide", "image", "Image")
"""Under which of these a feature of a file for several slides says the name of its own."""


class Mark(msgspec.Struct, frozen=True):
    """A place of a class.

    Attributes
    ----------
    geometry
        A point, a stroke or an area; level-0 pixels.
    name, color
        Of the class; the color is "#rrggbb".
    slide
        The name of its slide, where a file says it; "" elsewhere.
    """

    geometry: BaseGeometry
    name: str
    color: str
    slide: str = ""

    @property
    def place(self) -> tuple[float, float]:
        """Return a point of it, level-0 pixels."""
        point = shapely.point_on_surface(self.geometry)
        return point.x, point.y


class Marks(msgspec.Struct, frozen=True):
    """The marks of one slide.

    Attributes
    ----------
    notes
        Sentences on what was left out of the file.
    """

    marks: tuple[Mark, ...]
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Return how many marks there are of each class, in the order of the marks."""
        return dict(Counter(mark.name for mark in self.marks))

    def of_slide(self, path: Path) -> Marks:
        """Return those that say they are of this slide, and those that say nothing."""
        here = [mark for mark in self.marks if names_slide(mark.slide, path)]
        return Marks(tuple(here), self.notes)


def read_marks(path: Path, slide: SlidePlace, origin: Origin | None = None) -> Marks:
    """Read the marks of a slide from a file of annotations of any known format.

    Raises
    ------
    AnnotationFileError
        The file cannot be used at all.
    NoMarksError
        It holds no annotation with a class.
    OtherSlideError
        The file says that it is of another slide.
    """
    annotations, lost = annotations_for(path, slide, origin)
    marks = tuple(mark for each in annotations for mark in marks_of(each))
    if not marks:
        what = "holds no annotation" if not annotations else "holds no annotation with a class"
        raise NoMarksError(
            f"{path.name} {what}{f', {lost}' if lost else ''}: mark some objects or areas of two "
            "classes or more."
        )
    notes = [f"{path.name}: {lost}."] if lost else []
    if without := sum(not each.class_name for each in annotations):
        are = plural(without, "annotation has", "annotations have")
        notes.append(f"{path.name}: {are} no class and teach nothing.")
    return Marks(marks, tuple(notes))


def annotations_for(
    path: Path, slide: SlidePlace, origin: Origin | None = None
) -> tuple[list[Annotation], str]:
    """Read the annotations of a slide, and what was left out of the file (`left_out`).

    Raises
    ------
    AnnotationFileError
        The file cannot be used at all.
    OtherSlideError
        The file says that it is of another slide.
    """
    from viewer.annotations.formats.exchange import read_all  # only for files: it takes lxml

    problems = Problems()
    annotations = list(_flat(read_all(path, problems, slide=slide, origin=origin)))
    if (stated := _stated_slide(path)) and slide.identity and stated != slide.identity:
        raise OtherSlideError(
            f"The marks of {path.name} were made on another slide, or {slide.name} was changed "
            "since: give the slide that they were made on."
        )
    return annotations, left_out(problems)


def check_on_slide(shapes: Sequence[BaseGeometry], slide: SlidePlace, what: str = "marks") -> None:
    """Raise OffSlideError where some of the shapes lie beside the slide."""
    frame = shapely.box(0, 0, *slide.size_px)
    shapely.prepare(frame)
    off = [shape for shape in shapes if not frame.intersects(shape)]
    if off:
        point = shapely.point_on_surface(off[0])
        lie = "lies" if len(off) == 1 else "lie"
        raise OffSlideError(
            f"{len(off):,} of {len(shapes):,} {what} {lie} outside {slide.name}, which is "
            f"{slide.size_px[0]:,} x {slide.size_px[1]:,} px; the first at {point.x:,.0f}, "
            f"{point.y:,.0f} px: give the slide that they were made on."
        )


def check_classes(counts: Mapping[str, int], what: str = "marks") -> None:
    """See whether there are two classes to tell apart, and not too many.

    Parameters
    ----------
    counts
        Of marks, or of what they marked, by class.
    what
        What is counted, such as "marked cells".

    Raises
    ------
    NoMarksError, OneClassError
        There are none, or they are of one class.
    TeachingError
        There are more classes than can be taught, or two are one but for how they are written.
    """
    known = [name for name, count in counts.items() if count]
    if not known:
        raise NoMarksError(f"There are no {what}: mark some of two classes or more.")
    written: dict[str, str] = {}
    for name in known:
        if (first := written.setdefault(" ".join(name.casefold().split()), name)) != name:
            raise TeachingError(
                f'The classes "{first}" and "{name}" differ by how they are written alone: give '
                "them one name."
            )
    if len(known) == 1:
        raise OneClassError(
            f'All {what} are of the class "{known[0]}": mark some of a second class, or everything '
            "would be called that."
        )
    if len(known) > MOST_CLASSES:
        raise TeachingError(
            f"{len(known):,} classes are marked, and {MOST_CLASSES} can be taught: join some."
        )


def class_colors(marks: Iterable[Mark]) -> dict[str, str]:
    """Return the color of each class, in the order in which the classes first come.

    A color that another class has already, or that stands for none, becomes one of ours.
    """
    stated: dict[str, str] = {}
    for mark in marks:
        stated.setdefault(mark.name, mark.color)
    colors: dict[str, str] = {}
    for name, color in stated.items():
        if color in colors.values() or color == NO_COLOR:
            ours = map(class_color, itertools.count())
            color = next(each for each in ours if each not in {*stated.values(), *colors.values()})
        colors[name] = color
    return colors


def marks_of(annotation: Annotation) -> Iterator[Mark]:
    """Yield what an annotation marks: each point, stroke or area of it; nothing without a class."""
    shown_as = annotation.shown_as
    if shown_as is None or not shown_as.name:
        return
    slide = slide_of(annotation)
    for part in shapely.get_parts(annotation.geometry).tolist():
        if not part.is_empty:
            yield Mark(part, shown_as.name, shown_as.color, slide)


def names_slide(name: str, path: Path) -> bool:
    """Return whether what a file says of the slide of a mark means this one, or says nothing.

    As QuPath names images: "a.svs", or "a.svs - Series 1".
    """
    named, own = name.casefold(), path.name.casefold()
    return not name or named in {own, path.stem.casefold()} or named.startswith(f"{own} - ")


def check_named(file: Path, names: Iterable[str], slide: Path) -> None:
    """Raise OtherSlideError where a file says of each of its marks that it is of another slide.

    Parameters
    ----------
    names
        What it says of the slide of each mark; "" where it says nothing.
    """
    named = list(names)
    if named and not any(names_slide(name, slide) for name in named):
        raise OtherSlideError(
            f'{file.name} says that its marks lie on "{named[0]}", and not on {slide.name}: give '
            "the slide that they were made on, or correct the name in the file."
        )


def slide_of(annotation: Annotation) -> str:
    """Return the name of the slide of an annotation, where its file says it; "" elsewhere."""
    told = {**mapping_of(annotation.unknown.get("properties")), **annotation.metadata}
    return next((str(told[name]) for name in _SLIDE_NAMES if isinstance(told.get(name), str)), "")


def _flat(annotations: Iterable[Annotation]) -> Iterator[Annotation]:
    for annotation in annotations:
        yield annotation
        yield from _flat(annotation.children)


def _stated_slide(path: Path) -> str:
    """Return the content key of the slide that a file of ours says it is of; "" of others."""
    try:
        with open_regular(path) as file:
            found = _STATED_SLIDE.search(file.read(_HEAD_BYTES))
    except OSError:
        return ""
    return "" if found is None else found[1].decode(errors="replace")
