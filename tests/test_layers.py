"""The contracts of pyproject.toml on who may import whom."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
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


def test_each_part_of_viewer_has_a_layer() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    layers, *_ = settings["tool"]["importlinter"]["contracts"]
    placed = {name for row in layers["layers"] for name in row.replace("|", ":").split(" : ")}
    parts = {
        f"viewer.{path.stem}"
        for path in (REPOSITORY / "viewer").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert parts - {"viewer.__init__"} == {name for name in placed if name != "coverslip"}


def test_no_module_of_the_window_knows_one_that_knows_it() -> None:
    # Imports for types count too, which the contracts leave out: a part that names the type of what
    # puts it together cannot be had without it.
    modules = {
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__"): path
        for path in (REPOSITORY / "viewer" / "ui").rglob("*.py")
    }
    graph = {name: _imported(path, modules) - {name} for name, path in modules.items()}
    assert len(graph) > 100
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def _imported(path: Path, modules: dict[str, Path]) -> set[str]:
    found = {
        name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for each in node.names
        for name in (node.module, f"{node.module}.{each.name}")
    }
    return found & modules.keys()
