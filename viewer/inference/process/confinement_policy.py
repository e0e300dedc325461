"""Which models may run where a process cannot be confined."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from viewer.folders import config_folder
from viewer.inference.models.bundle import BundleError
from viewer.processes.confinement.launching import confinement_gap
from viewer.settings import load_settings

if TYPE_CHECKING:
    from viewer.inference.models.bundle import ModelBundle

UNCONFINED_VARIABLE = "COVERSLIP_UNCONFINED_MODELS"


def allow_unconfined() -> None:
    """Allow models that are programs to run unconfined, in this process from now on."""
    os.environ[UNCONFINED_VARIABLE] = "allow"


def check_may_run(bundle: ModelBundle, *, is_confined: bool) -> None:
    """Refuse a model that is a program where its process is not confined and nobody allowed it.

    Raises
    ------
    BundleError
        One sentence says why it does not run, and how it can be allowed.
    """
    if is_confined or bundle.description.format != "torchscript" or _is_allowed():
        return
    raise BundleError(
        f"{bundle.name} is a TorchScript, a program that could read and write your files, and here "
        f"it cannot be confined: {confinement_gap() or 'the process is not confined.'} If you "
        "trust who made it, allow it in the settings, under AI (on the command line, --unconfined)."
    )


def _is_allowed() -> bool:
    word = os.environ.get(UNCONFINED_VARIABLE)
    return word == "allow" if word is not None else load_settings(config_folder()).unconfined_models
