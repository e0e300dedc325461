"""The start of the program: loads the command line, which Ctrl+C may end already."""

from __future__ import annotations

import sys

_INTERRUPTED = 130


def main() -> None:
    """Run a command line: the entry point of `coverslip` and of app.py."""
    try:
        from viewer.cli import main as run
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    run()
