"""Policies of other packages, which the user names in the settings.

A package offers one by an entry point of the group `coverslip.policies`: a class that is made
without arguments and has `walk(scene, first)`. Nothing of a package is imported here.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import msgspec

from viewer.agents.errors import AgentError
from viewer.folders import config_folder
from viewer.policy import policy
from viewer.processes.confinement.launching import confinement_gap
from viewer.settings import load_settings

GROUP = "coverslip.policies"
_MOST_NAMED = 20


class PolicyPlugin(msgspec.Struct, frozen=True):
    """A policy that may run.

    Attributes
    ----------
    value
        Where it is, as "module:class".
    folder
        Of installed packages, from which it is imported; it may be read.
    """

    name: str
    value: str
    folder: str


def named_plugins() -> list[str]:
    """Return the policies that the settings name, where the administrator allows plug-ins."""
    if not policy().plugins:
        return []
    names = load_settings(config_folder()).agent_policies[:_MOST_NAMED]
    return [name.strip() for name in names if name.strip()]


def is_offered(name: str) -> bool:
    """Return whether an installed package offers a policy of this name."""
    return bool(list(entry_points(group=GROUP, name=name)))


def find_plugin(name: str) -> PolicyPlugin:
    """Return a policy by its name.

    Raises
    ------
    AgentError
        It is not installed, not named, forbidden, or nothing would confine it; one sentence.
    """
    if not policy().plugins:
        raise AgentError(f'"{name}" is not run: the administrator\'s policy allows no plug-ins.')
    offered = list(entry_points(group=GROUP, name=name))
    if not offered:
        raise AgentError(f'There is no policy "{name}": no installed package offers it.')
    if name not in named_plugins():
        raise AgentError(
            f'The policy "{name}" of another package is off: name it in Settings > Agents > '
            "Policies of other packages."
        )
    if (gap := confinement_gap()) is not None:
        raise AgentError(f'"{name}" is not run, as nothing confines it here. {gap}')
    return _plugin(offered[0])


def _plugin(entry: EntryPoint) -> PolicyPlugin:
    package, module = entry.dist, entry.module.split(".")[0]
    # Only what pip has installed as files: of a checkout all that lies about would be readable.
    if package is not None and package.read_text("METADATA") is not None:
        folder = Path(str(package.locate_file(""))).resolve()
        if (folder / module).is_dir() or (folder / f"{module}.py").is_file():
            return PolicyPlugin(entry.name, entry.value, str(folder))
    raise AgentError(
        f'The policy "{entry.name}" cannot be run: its package is not installed as files. Install '
        "it without --editable."
    )
