"""What the administrator of the machine allows, for every account and every start.

It stands in `/etc/coverslip/policy.json`, which root alone can write; no setting and no environment
variable replaces it. docs/policy.md has the schema.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Literal

import msgspec

from viewer.errors import reason_of
from viewer.limits import JSON_BYTES, read_regular
from viewer.prepared_types import DECODE_ERRORS, prepared

POLICY_PATH = Path("/etc/coverslip/policy.json")


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The members of policy.json; what is left out allows everything.

    Attributes
    ----------
    network
        Whether anything may leave the machine; servers on the machine itself may be used anyway.
    allowed_hosts
        The only other machines that anything is sent to or fetched from; null: all that the user
        allows.
    allowed_folders
        Slides are opened and files are written for the user only below these; null: everywhere.
    foreign_models
        Whether models may run that did not come with Coverslip.
    plugins
        Whether plug-ins may be loaded.
    agent_clients
        Whether agents of other programs may read slides (`coverslip mcp`).
    recording
        "consent" asks before each recording; "off" allows none.
    """

    network: bool = True
    allowed_hosts: tuple[str, ...] | None = None
    allowed_folders: tuple[str, ...] | None = None
    foreign_models: bool = True
    plugins: bool = True
    agent_clients: bool = True
    recording: Literal["free", "consent", "off"] = "free"

    def allows_host(self, host: str) -> bool:
        """Return whether another machine may be reached."""
        hosts = self.allowed_hosts
        wanted = host.casefold().rstrip(".")
        return self.network and (hosts is None or wanted in {each.casefold() for each in hosts})

    @property
    def only_in(self) -> str:
        """Where files are allowed, as the end of a sentence that refuses one: ", only in ..."."""
        return f", only in {_listed(self.allowed_folders)}" if self.allowed_folders else ""

    def allows_path(self, path: Path) -> bool:
        """Return whether a slide may be opened or a file written there; links are followed."""
        if self.allowed_folders is None:
            return True
        place = Path(os.path.realpath(path))
        return any(
            place.is_relative_to(os.path.realpath(folder))
            for folder in self.allowed_folders
            if os.path.isabs(folder)
        )


STRICTEST = Policy(
    network=False,
    allowed_hosts=(),
    allowed_folders=(),
    foreign_models=False,
    plugins=False,
    agent_clients=False,
    recording="off",
)
"""What holds where the file cannot be trusted or understood."""


class ReadPolicy(msgspec.Struct, frozen=True):
    """A policy, and what is wrong with its file: one sentence, "" where all is well."""

    policy: Policy
    problem: str = ""
    is_set: bool = True


_kept: tuple[object, ReadPolicy] | None = None


def read_policy() -> ReadPolicy:
    """Return the policy in force; the file is read again when it changed."""
    global _kept
    try:
        file, *folders = (path.lstat() for path in (POLICY_PATH, *POLICY_PATH.parents))
        owners = [(each.st_uid, each.st_mode) for each in folders]
        state: object = (POLICY_PATH, _state(file), owners)
    except (FileNotFoundError, NotADirectoryError):
        if not os.path.lexists(POLICY_PATH):
            return ReadPolicy(Policy(), is_set=False)
        state = None
    except OSError:
        state = None
    if _kept is None or state is None or _kept[0] != state:
        _kept = state, _read()
    return _kept[1]


def policy() -> Policy:
    """Return what is allowed now."""
    return read_policy().policy


def policy_sentences(found: Policy) -> list[str]:
    """Return what a policy forbids, a sentence a line."""
    lines: list[str] = []
    if not found.network:
        lines.append("Nothing may leave this machine or be fetched.")
    elif found.allowed_hosts is not None:
        lines.append(f"Only these hosts may be reached: {_listed(found.allowed_hosts)}.")
    if found.allowed_folders is not None:
        lines.append(
            "Slides may be opened and files written only in these folders: "
            f"{_listed(found.allowed_folders)}."
        )
    if not found.foreign_models:
        lines.append("Only models that came with Coverslip may run.")
    if not found.plugins:
        lines.append("Plug-ins may not be loaded.")
    if not found.agent_clients:
        lines.append("Agents of other programs may not read slides.")
    if found.recording == "off":
        lines.append("Readings may not be recorded.")
    elif found.recording == "consent":
        lines.append("Before each recording the reader is asked.")
    return lines


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"


def _state(status: os.stat_result) -> tuple[int, ...]:
    return (
        status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size, status.st_uid,
        status.st_mode,
    )  # fmt: skip


def _read() -> ReadPolicy:
    problem = _distrust()
    if problem:
        return _strictest(problem)
    try:
        data = read_regular(POLICY_PATH, JSON_BYTES)
        return ReadPolicy(msgspec.json.decode(data, type=prepared(Policy)))
    except OSError as error:
        return _strictest(f"cannot be read ({reason_of(error)})")
    except DECODE_ERRORS as error:
        return _strictest(f"is invalid ({str(error).replace('`', '')})")


def _distrust() -> str:
    """Why the file may be somebody else's than root's; "" where it is root's alone."""
    for path in (POLICY_PATH, *POLICY_PATH.parents):
        try:
            status = path.lstat()
        except OSError as error:
            return f"cannot be read ({reason_of(error)})"
        if stat.S_ISLNK(status.st_mode) and path in (POLICY_PATH, POLICY_PATH.parent):
            return "is a link"
        if status.st_uid != 0:
            return "is not owned by root" if path == POLICY_PATH else f"lies in {path}, not root's"
        is_open = status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX
        if is_open and not stat.S_ISLNK(status.st_mode):
            return (
                "can be written by others than root"
                if path == POLICY_PATH
                else f"lies in {path}, which others than root can write to"
            )
    return ""


def _strictest(problem: str) -> ReadPolicy:
    return ReadPolicy(
        STRICTEST,
        f"The administrator's policy {POLICY_PATH} {problem}: until it is mended no slide opens, "
        "nothing leaves this machine and nothing is recorded.",
    )
