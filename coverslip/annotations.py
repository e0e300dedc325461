"""Files of annotations for scripts."""

from __future__ import annotations

import warnings
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING

from viewer.annotations.formats import exchange
from viewer.errors import CoverslipError, reason_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike

    from viewer.annotations.annotation import Annotation
    from viewer.annotations.formats.slide_place import SlidePlace


def read_annotations(
    path: str | PathLike[str],
    image: str | None = None,
    slide: str | PathLike[str] | None = None,
) -> list[Annotation]:
    """Read a file of any known format; places are level-0 pixels.

    What cannot be read of an object is left out and said in a `UserWarning`.

    Parameters
    ----------
    image
        The file name of the image that is meant, for a COCO file of several images.
    slide
        The slide that they lie on, for DICOM files whose places are in mm on the glass.

    Raises
    ------
    CoverslipError
        The file cannot be used at all, or the slide cannot be opened.
    """
    problems: list[exchange.Problem] = []
    place = None if slide is None else _place(slide)
    annotations = exchange.read_all(Path(path), problems, image, slide=place)
    for problem in problems:
        warnings.warn(str(problem), stacklevel=2)
    return list(annotations)


def write_annotations(
    path: str | PathLike[str],
    annotations: Iterable[Annotation],
    file_format: str | None = None,
    slide: str | PathLike[str] | None = None,
) -> None:
    """Write annotations to a file, in the format that its name asks for.

    What the format cannot hold is said in a `UserWarning`.

    Parameters
    ----------
    file_format
        One of "qupath", "asap", "imagescope", "csv", "coco", "dicom-ann", "dicom-seg", where the
        name does not decide.
    slide
        The slide that they lie on, which DICOM files tell of.

    Raises
    ------
    CoverslipError
        The name does not decide the format, it cannot be written, or the slide is missing.
    """
    target = Path(path)
    wanted = exchange.FORMATS.get(file_format) if file_format else exchange.format_for(target)
    if wanted is None:
        known = ", ".join(exchange.FORMATS)
        raise CoverslipError(f"Say which format {target.name} is to have: one of {known}.")
    try:
        if slide is None:
            lost = wanted.write(target, annotations)
        else:
            lost = exchange.write_as(target, wanted, annotations, _place(slide))
    except OSError as error:
        reason = reason_of(error)
        raise CoverslipError(f"{target} cannot be written ({reason}).") from error
    for problem in lost:
        warnings.warn(f"not written: {problem}", stacklevel=2)


def _place(slide: str | PathLike[str]) -> SlidePlace:
    from viewer.annotations.formats.slide_place import SlidePlace
    from viewer.slides import open_slide
    from viewer.slides.remote.address import slide_path

    source = open_slide(slide_path(fspath(slide)))
    try:
        return SlidePlace.of(source)
    finally:
        source.close()
