"""Slides with the marks that were made on them."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from viewer.annotations.formats.slide_place import SlidePlace
from viewer.inference.teaching.errors import NoMarksError, TeachingError
from viewer.inference.teaching.marks import (
    Mark,
    Marks,
    check_classes,
    check_named,
    check_on_slide,
    class_colors,
    read_marks,
)
from viewer.slides import open_slide

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from viewer.annotations.formats.origins import Origin

_MARKS_SUFFIXES = (".geojson", ".json", ".xml", ".csv")
"""Of the files in a folder of marks."""


class MarkedSlide(msgspec.Struct, frozen=True):
    """A slide, and the marks on it."""

    path: Path
    place: SlidePlace
    marks: tuple[Mark, ...]


class MarkedSlides(msgspec.Struct, frozen=True):
    """What something is taught by: marks of two classes or more, all of them on their slides.

    Attributes
    ----------
    colors
        Of each class, in the order of the classes.
    notes
        Sentences on what was left out.
    """

    slides: tuple[MarkedSlide, ...]
    colors: dict[str, str]
    notes: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Return how many marks there are of each class, in the order of the classes."""
        found = Counter(mark.name for slide in self.slides for mark in slide.marks)
        return {name: found[name] for name in self.colors}


def marked_slides(
    slides: Sequence[Path], files: Sequence[Path], origin: Origin | None = None
) -> MarkedSlides:
    """Read the marks of slides.

    Parameters
    ----------
    files
        One for each slide in its order; or one folder with a file of the name of each slide; or one
        file for all, whose features say the name of their slide.

    Raises
    ------
    SlideError, AnnotationFileError
        A file cannot be read.
    TeachingError
        The marks teach nothing; one sentence says why.
    """
    places: list[SlidePlace] = []
    for path in slides:
        with closing(open_slide(path)) as source:
            places.append(SlidePlace.of(source))
    read = _read(slides, places, files, origin)
    found = tuple(
        MarkedSlide(path, place, marks.marks)
        for path, place, marks in zip(slides, places, read, strict=True)
        if marks.marks
    )
    for slide in found:
        check_on_slide([mark.geometry for mark in slide.marks], slide.place)
    marks = [mark for slide in found for mark in slide.marks]
    check_classes(Counter(mark.name for mark in marks))
    notes = dict.fromkeys(note for each in read for note in each.notes)
    return MarkedSlides(found, class_colors(marks), tuple(notes))


def _read(
    slides: Sequence[Path],
    places: Sequence[SlidePlace],
    files: Sequence[Path],
    origin: Origin | None,
) -> list[Marks]:
    files = files_of_slides(slides, files)
    read = [read_marks(*each, origin) for each in zip(files, places, strict=True)]
    if not is_shared(files):
        return [_own(*each) for each in zip(files, read, slides, strict=True)]
    if any(not mark.slide for mark in read[0].marks):
        raise unnamed_slides(files)
    found = [marks.of_slide(slide) for marks, slide in zip(read, slides, strict=True)]
    if not any(marks.marks for marks in found):
        raise NoMarksError(f"{files[0].name} holds no marks of these slides.")
    return found


def files_of_slides(slides: Sequence[Path], files: Sequence[Path]) -> list[Path]:
    """Return the file of marks of each slide; `marked_slides` says what `files` may be.

    Raises
    ------
    TeachingError
        They do not fit the slides.
    """
    if len(files) == 1 and files[0].is_dir():
        return [_in_folder(files[0], slide) for slide in slides]
    if len(files) == 1:
        return [files[0]] * len(slides)
    if len(files) != len(slides):
        raise TeachingError(
            f"There are {len(slides)} slides and {len(files)} files of marks: give a file for each "
            "slide, in the same order."
        )
    return list(files)


def is_shared(files: Sequence[Path]) -> bool:
    """Return whether one file holds the marks of several slides."""
    return len(files) > 1 and len(set(files)) == 1


def unnamed_slides(files: Sequence[Path]) -> TeachingError:
    """Return what is wrong with a file for several slides whose marks do not name theirs."""
    return TeachingError(
        f"{files[0].name} does not say on which of the {len(files)} slides each mark lies: "
        "give a file of marks for each slide, in the same order."
    )


def _own(file: Path, marks: Marks, slide: Path) -> Marks:
    """Return the marks of a file's own slide, and none that it says are of another."""
    check_named(file, [mark.slide for mark in marks.marks], slide)
    return marks.of_slide(slide)


def _in_folder(folder: Path, slide: Path) -> Path:
    for suffix in _MARKS_SUFFIXES:
        for name in (slide.stem, slide.name):
            if (path := folder / f"{name}{suffix}").is_file():
                return path
    raise NoMarksError(
        f"{folder.name} holds no marks of {slide.name}: name their file {slide.stem}.geojson."
    )
