"""Which slides an agent of another program may open: those below the folders that were allowed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from viewer.agents.errors import AgentError

REFUSED = "There is no such slide below a folder that was allowed with --allow."
"""The same sentence for what lies elsewhere and what does not exist: it tells nothing of files."""


class AllowedFolders:
    """The folders that the user named, as they are on the disk when they are asked for.

    Raises
    ------
    AgentError
        One of them is no folder; one sentence.
    """

    def __init__(self, folders: list[Path]) -> None:
        self._folders = [os.path.realpath(folder) for folder in folders]
        for folder, real in zip(folders, self._folders, strict=True):
            if not os.path.isdir(real):
                raise AgentError(f"{folder} is no folder: --allow takes a folder of slides.")

    def slide(self, path: str) -> Path:
        """Return where a slide really lies.

        A path may be relative to an allowed folder. Links and ".." are followed, and what they lead
        to has to lie below the same folder, on the same file system.

        Raises
        ------
        AgentError
            It does not.
        """
        if not path or "\0" in path or "://" in path:
            raise AgentError(REFUSED)
        for folder in self._folders:
            real = os.path.realpath(os.path.join(folder, path))
            is_below = os.path.commonpath((folder, real)) == folder and real != folder
            if is_below and _is_on_same_system(folder, real):
                return Path(real)
        raise AgentError(REFUSED)


def _is_on_same_system(folder: str, real: str) -> bool:
    try:
        status = os.stat(real, follow_symlinks=False)
        return status.st_dev == os.stat(folder).st_dev and (
            stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
        )
    except (OSError, ValueError):
        return False
