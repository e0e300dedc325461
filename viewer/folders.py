"""Where Coverslip keeps what is not a slide: settings, remembered scales, caches, logs.

All of it may tell of patients, so these folders are their owner's alone.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_APP = "coverslip"
_OWNER_ONLY = 0o700


def config_folder() -> Path:
    """Return the folder of settings and window state; made when absent."""
    return _made(_place("config"))


def data_folder() -> Path:
    """Return where what the user entered and wants kept lies; made when absent."""
    return _made(_place("data"))


def cache_folder() -> Path:
    """Return where what can be made again lies; made when absent."""
    return _made(_place("cache"))


def log_folder() -> Path:
    """Return the folder of the rotating logs; made when absent."""
    return _made(_place("log"))


def own_folders() -> tuple[Path, ...]:
    """Return the four folders, whether they exist or not."""
    return tuple(_place(kind) for kind in ("config", "data", "cache", "log"))


def is_own(path: Path) -> bool:
    """Return whether a path lies in one of the four folders, links followed."""
    place = os.path.realpath(path)
    roots = (os.path.realpath(root) for root in own_folders())
    return any(place == root or place.startswith(root + os.sep) for root in roots)


def _place(kind: str) -> Path:
    """COVERSLIP_HOME moves all folders under one, for portable installs and tests."""
    home = os.environ.get("COVERSLIP_HOME")
    if home:
        return Path(home) / kind
    import platformdirs

    place = {
        "config": platformdirs.user_config_path,
        "data": platformdirs.user_data_path,
        "cache": platformdirs.user_cache_path,
        "log": platformdirs.user_log_path,
    }[kind]
    return place(_APP, appauthor=False)


def _made(folder: Path) -> Path:
    """Make a folder for its owner alone; close one that an earlier version left open."""
    try:
        mode = folder.stat().st_mode
    except FileNotFoundError:
        folder.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
        mode = 0o777  # `mkdir` heeds the umask, which may take rights of the owner too
    if mode & 0o777 != _OWNER_ONLY:
        with contextlib.suppress(OSError):  # another's folder, or a drive without permissions
            folder.chmod(_OWNER_ONLY)
    return folder
