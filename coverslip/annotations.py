"""Files of annotations for scripts."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from viewer.annotations.formats import exchange
from viewer.errors import CoverslipError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike

    from viewer.annotations.annotation import Annotation


def read_annotations(path: str | PathLike[str], image: str | None = None) -> list[Annotation]:
    """Read a file of any known format; places are level-0 pixels.

    What cannot be read of an object is left out and said in a `UserWarning`.

    Parameters
    ----------
    image
        The file name of the image that is meant, for a COCO file of several images.

    Raises
    ------
    CoverslipError
        The file cannot be used at all.
    """
    problems: list[exchange.Problem] = []
    annotations = list(exchange.read_annotations(Path(path), problems, image))
    for problem in problems:
        warnings.warn(str(problem), stacklevel=2)
    return annotations


def write_annotations(
    path: str | PathLike[str], annotations: Iterable[Annotation], file_format: str | None = None
) -> None:
    """Write annotations to a file, in the format that its name asks for.

    What the format cannot hold is said in a `UserWarning`.

    Parameters
    ----------
    file_format
        One of "qupath", "asap", "imagescope", "csv", "coco", where the name does not decide.

    Raises
    ------
    CoverslipError
        The name does not decide the format, or it cannot be written.
    """
    target = Path(path)
    wanted = exchange.FORMATS.get(file_format) if file_format else exchange.format_for(target)
    if wanted is None:
        known = ", ".join(exchange.FORMATS)
        raise CoverslipError(f"Say which format {target.name} is to have: one of {known}.")
    try:
        lost = wanted.write(target, annotations)
    except OSError as error:
        reason = error.strerror or error
        raise CoverslipError(f"{target} cannot be written ({reason}).") from error
    for problem in lost:
        warnings.warn(f"not written: {problem}", stacklevel=2)
