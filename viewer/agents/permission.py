"""Nothing leaves the machine before the user has said so, once a study and host."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from viewer.agents.errors import NotPermittedError
from viewer.egress import EgressError, check_egress
from viewer.files.atomic_write import atomic_write_bytes
from viewer.folders import data_folder
from viewer.limits import read_kept
from viewer.prepared_types import DECODE_ERRORS, prepared
from viewer.utc import utc_stamp

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.agents.endpoint import Endpoint

_log = logging.getLogger(__name__)


class Permission(msgspec.Struct, frozen=True):
    """The user allowed pictures of a study's slides to go to a host.

    Attributes
    ----------
    given_utc
        ISO 8601.
    """

    study: str
    host: str
    given_utc: str

    @classmethod
    def now(cls, study: str, host: str) -> Permission:
        """Return a permission given at this moment; only where a user just said so."""
        return cls(study, host, utc_stamp())


class PermissionBook:
    """The permissions given on this machine, in one file."""

    def __init__(self) -> None:
        self._path = data_folder() / "permissions.json"

    def all(self) -> list[Permission]:
        """Return all; none where the file cannot be read: the user is then asked again."""
        try:
            return msgspec.json.decode(read_kept(self._path), type=prepared(list[Permission]))
        except FileNotFoundError:
            return []
        except (OSError, *DECODE_ERRORS) as error:
            _log.warning("permissions cannot be read (%s): they are asked for again", error)
            return []

    def find(self, study: str, host: str) -> Permission | None:
        """Return the permission of a study and host, None where it was not given or is taken back.

        A program that is killed while it takes one back, or gives it anew, leaves it in both files.
        """
        if self.is_withdrawn(study, host):
            return None
        wanted = (study, host.casefold())
        return next((each for each in self.all() if (each.study, each.host) == wanted), None)

    def give(self, study: str, host: str) -> Permission:
        """Keep what the user said. Raises OSError where it cannot be kept."""
        given = Permission.now(study, host.casefold())
        self._save([*self._others(given), given])
        self._save_withdrawn([each for each in self._withdrawn() if each != [study, given.host]])
        return given

    def withdraw(self, study: str, host: str) -> None:
        """Take a permission back, also from those who are sending now.

        Raises
        ------
        OSError
            It cannot be written.
        """
        gone = Permission.now(study, host.casefold())
        self._save_withdrawn([*self._withdrawn(), [study, gone.host]])
        self._save(self._others(gone))

    def is_withdrawn(self, study: str, host: str) -> bool:
        """Return whether a permission was taken back and not given anew."""
        return [study, host.casefold()] in self._withdrawn()

    def _withdrawn(self) -> list[list[str]]:
        try:
            return msgspec.json.decode(read_kept(self._gone_path), type=list[list[str]])
        except (OSError, *DECODE_ERRORS):
            return []

    def _save_withdrawn(self, gone: list[list[str]]) -> None:
        if gone != self._withdrawn():
            atomic_write_bytes(self._gone_path, msgspec.json.encode(gone))

    @property
    def _gone_path(self) -> Path:
        return self._path.with_name("permissions-withdrawn.json")

    def _others(self, than: Permission) -> list[Permission]:
        return [each for each in self.all() if (each.study, each.host) != (than.study, than.host)]

    def _save(self, permissions: list[Permission]) -> None:
        atomic_write_bytes(self._path, msgspec.json.encode(permissions))


def check_permitted(
    endpoint: Endpoint, study: str, permission: Permission | None, *, carries_key: bool = False
) -> None:
    """Raise NotPermittedError unless the host is allowed and the user agreed for this study."""
    host = endpoint.host
    try:
        check_egress(
            endpoint.base_url, allowed_hosts=endpoint.allowed_hosts, carries_key=carries_key
        )
    except EgressError as error:
        raise NotPermittedError(str(error)) from None
    if permission is None or (permission.study, permission.host) != (study, host):
        raise NotPermittedError(
            f'Nothing was sent: nobody has allowed pictures of the study "{study}" to go to {host}.'
        )
    if PermissionBook().is_withdrawn(study, host):
        raise NotPermittedError(
            f'Nothing was sent: it was taken back that pictures of the study "{study}" may go to '
            f"{host}."
        )


def what_will_be_sent(endpoint: Endpoint, study: str) -> list[str]:
    """Return what a user reads before allowing it, a sentence a line."""
    where = "on this machine" if endpoint.is_local else "on another machine"
    lines = [
        f'For the study "{study}", to the model {endpoint.model} at {endpoint.host}, {where}:',
        f"An image of the whole slide, max. {endpoint.picture_side_px:,} pixels a side.",
        "Images of the fields that the agent looks at, of the same size, max. "
        f"{endpoint.most_pictures} in one request.",
        "Your question and remarks, the answers so far, and what the bundled models measured.",
        "Names and descriptions of annotations on the slide, where the agent asks for them.",
        "Not sent: the file's name, the label, the macro image, the metadata, your pseudonym.",
    ]
    if not endpoint.is_local and not endpoint.is_encrypted:
        lines.append("The connection is not encrypted: others on the network can read along.")
    return lines
