"""What to install where a format needs a library that is not here."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from viewer.slides.errors import UnsupportedSlideError

if TYPE_CHECKING:
    from pathlib import Path


def need(library: str, extra: str, path: Path, kind: str) -> None:
    """Go on where a library can be imported.

    Parameters
    ----------
    extra
        Of Coverslip, which brings the library.
    kind
        What the file is, such as "a DICOM slide in JPEG-LS".

    Raises
    ------
    UnsupportedSlideError
        The library is not installed; the sentence says how to install it.
    """
    if importlib.util.find_spec(library) is None:
        raise UnsupportedSlideError(
            path,
            f"{path.name} is {kind}, which needs {library}: run "
            f"`pip install 'coverslip[{extra}]'` and open it again.",
        )
