"""Where Coverslip keeps what is not a slide: settings, remembered scales, caches, logs."""

from __future__ import annotations

import os
from pathlib import Path

_APP = "coverslip"


def config_folder() -> Path:
    """Settings and window state; made when absent."""
    import platformdirs

    return _made(_own("config") or platformdirs.user_config_path(_APP, appauthor=False))


def data_folder() -> Path:
    """What the user entered and wants kept, such as pixel sizes; made when absent."""
    import platformdirs

    return _made(_own("data") or platformdirs.user_data_path(_APP, appauthor=False))


def cache_folder() -> Path:
    """What can be made again; made when absent."""
    import platformdirs

    return _made(_own("cache") or platformdirs.user_cache_path(_APP, appauthor=False))


def log_folder() -> Path:
    """Rotating logs; made when absent."""
    import platformdirs

    return _made(_own("log") or platformdirs.user_log_path(_APP, appauthor=False))


def _own(kind: str) -> Path | None:
    """COVERSLIP_HOME moves all folders under one, for portable installs and tests."""
    home = os.environ.get("COVERSLIP_HOME")
    return Path(home) / kind if home else None


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
