"""A look through the program of a TorchScript for operators that touch files or the network.

It is the second wall: what it overlooks is still confined. COVERSLIP_MODEL_SCAN=off turns it off.
"""

from __future__ import annotations

import os
import re
import zipfile
from typing import TYPE_CHECKING

from viewer.inference.models.bundle import BundleError

if TYPE_CHECKING:
    from viewer.inference.models.bundle import ModelBundle

SCAN_VARIABLE = "COVERSLIP_MODEL_SCAN"
_MAX_PROGRAM_BYTES = 64 << 20
_FORBIDDEN = re.compile(
    rb"\b(?:torch|ops\.aten|ops\.prim)\s*\.\s*(from_file|save|rpc_sync|rpc_async|rpc_remote)\b"
    rb"|\bops\.(c10d|_c10d_functional|symm_mem|debugprims|inductor)\s*\."
)


def check_script(bundle: ModelBundle) -> None:
    """Refuse a TorchScript whose program names an operator for files or the network.

    Raises
    ------
    BundleError
        It names one, or its program is too long to look through.
    """
    about = bundle.description
    if about.format != "torchscript" or os.environ.get(SCAN_VARIABLE) == "off":
        return
    left = _MAX_PROGRAM_BYTES
    try:
        with zipfile.ZipFile(bundle.weights_path) as archive:
            for name in archive.namelist():
                if not name.endswith(".py"):
                    continue
                with archive.open(name) as file:
                    program = file.read(left + 1)
                left -= len(program)
                if left < 0:
                    raise BundleError(
                        f"The program in {about.weights} of {about.name} is too long."
                    )
                if found := _FORBIDDEN.search(program):
                    operator = (found[1] or found[2]).decode()
                    raise BundleError(
                        f"{about.name} uses the operator {operator}, which reaches beyond the "
                        "pixels that it is given: it is not run."
                    )
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError):
        return  # no archive: loading it says so
