"""Folders whose slides the user reads without a process of their own."""

from __future__ import annotations

import sys
from pathlib import Path


def reads_in_this_process(path: Path) -> bool:
    """Return whether the settings name a folder that holds the slide, links resolved.

    On Windows, where no process can be confined, all slides are read in this one.
    """
    if sys.platform == "win32":
        return True
    # Not in processes of slides, which import this with the opener.
    from viewer.folders import config_folder
    from viewer.settings import load_settings

    try:
        folders = load_settings(config_folder()).trusted_folders
        real = path.resolve()
        return any(real.is_relative_to(Path(folder).resolve()) for folder in folders)
    except (OSError, ValueError, RuntimeError):
        return False
