"""The contracts of pyproject.toml on who may import whom."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
LINT_IMPORTS = (
    "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
)


def test_imports_keep_to_the_layers() -> None:
    # In a process of its own, because import-linter changes sys.path and prints.
    run = subprocess.run(
        [sys.executable, "-c", LINT_IMPORTS], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "0 broken" in run.stdout
