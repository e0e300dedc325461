"""Numbers that a TorchScript holds as attributes, read without running or unpickling it."""

from __future__ import annotations

import logging
import pickletools
import zipfile
from typing import TYPE_CHECKING

from viewer.limits import open_regular

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)

_MAX_BYTES = 16 << 20
_NUMBERS = ("BINFLOAT", "BININT", "BININT1", "BININT2")
_TRUTHS = {"NEWTRUE": True, "NEWFALSE": False}


def script_facts(path: Path) -> dict[str, float | bool]:
    """Return the numbers and truths of a TorchScript by their names, the outermost of each.

    Its state is a pickle, whose operations are listed and none of them carried out. Nothing is
    found in what is no TorchScript: loading it says so.
    """
    found: dict[str, float | bool] = {}
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            if not names or archive.getinfo(min(names, key=len)).file_size > _MAX_BYTES:
                return found
            state = archive.read(min(names, key=len))
        name, known = "", dict[object, str]()
        for operation, value, _ in pickletools.genops(state):
            match operation.name:
                case "BINUNICODE":
                    name = str(value)
                case "BINPUT" | "LONG_BINPUT":
                    known[value] = name  # a text that comes again is named by this number
                case "BINGET" | "LONG_BINGET":
                    name = known.get(value, "")
                case number if name and number in _NUMBERS:
                    assert isinstance(value, int | float)
                    found.setdefault(name, value)
                    name = ""
                case truth if name and truth in _TRUTHS:
                    found.setdefault(name, _TRUTHS[truth])
                    name = ""
                case _:
                    name = ""
    except Exception as error:  # a damaged pickle can make the parser fail in any way
        _log.info("%s has no facts", path, exc_info=error)
    return found
