"""Slide readers of other packages, which the user names in the settings.

A package offers one by an entry point of the group `coverslip.readers`: a function like those of
`opening_here.READERS`. It is loaded in the process of a slide alone, which has given up its
rights by then, and only where the system confines that process.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from viewer.policy import policy
from viewer.processes.confinement.inside import is_confined
from viewer.processes.confinement.launching import confinement_gap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viewer.slides.opening_here import Reader

_log = logging.getLogger(__name__)

GROUP = "coverslip.readers"
_MOST_NAMED = 20


def named_readers() -> tuple[list[str], str]:
    """Return the readers to load, and in one sentence why those that are named are not.

    The sentence is empty where none is named, or all may be loaded.
    """
    names = _named()
    if not names:
        return [], ""
    if not policy().plugins:
        return [], (
            f"The slide readers {', '.join(names)} are not used: the administrator's policy allows "
            "no plug-ins."
        )
    gap = confinement_gap()
    if gap is not None:
        return [], f"The slide readers {', '.join(names)} are not used, as nothing confines them."
    return names, ""


def loaded_readers(names: Sequence[str]) -> tuple[tuple[Reader, ...], list[str]]:
    """Return the readers of these names, and a sentence for each that cannot be loaded.

    For the process of a slide, once it is confined.
    """
    if not names or not is_confined():
        return (), []
    from importlib.metadata import entry_points  # costs each process of a slide what few need

    offered = {each.name: each for each in entry_points(group=GROUP)}
    readers: list[Reader] = []
    problems: list[str] = []
    for name in names:
        try:
            readers.append(cast("Reader", offered[name].load()))
        except Exception as error:  # another's code may fail in any way
            _log.warning("The slide reader %s cannot be loaded (%r)", name, error)
            reason = str(error) if name in offered else "it is not installed"
            problems.append(
                f"The slide reader {name} of the settings cannot be loaded ({reason[:200]}): "
                "install it again or take its name out of the settings."
            )
    return tuple(readers), problems


def _named() -> list[str]:
    from viewer.folders import config_folder
    from viewer.settings import load_settings

    return [name.strip() for name in load_settings(config_folder()).slide_readers][:_MOST_NAMED]
