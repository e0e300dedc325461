"""Each kind of task says all of itself: nothing else asks which kind it has in hand."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from viewer.inference.tasks.known import TASKS

REPOSITORY = Path(__file__).resolve().parent.parent
_ROOTS = {"ResultMap", "Presenter", "TaskKind", "Heatmap"}
_OF_A_BLOCK = {"Objects": "object_map", "PatchFeatures": "patch_feature_map"}
"""What is found in a block, and the module of the map that takes it."""


def test_no_module_asks_for_the_class_of_a_result_but_its_own() -> None:
    trees = dict(_trees())
    kinds = _below(_ROOTS, trees.values()) | _OF_A_BLOCK.keys()
    assert {"ObjectMap", "TileScoreMap", "AttentionPresenter", "ExpectedPicture"} <= kinds
    asked = [
        f"{path.relative_to(REPOSITORY)}:{node.lineno}: {name}"
        for path, tree in trees.items()
        for node, name in _asked(tree)
        if name in kinds and name not in _classes(tree) and _OF_A_BLOCK.get(name) != path.stem
    ]
    assert not asked


def test_no_module_tells_tasks_by_their_names() -> None:
    named = [
        f"{path.relative_to(REPOSITORY)}:{line}"
        for path, tree in _trees()
        for line in _tasks_told(tree)
    ]
    assert not named


def test_what_would_ask_is_seen() -> None:
    lines = "isinstance(a, x.ObjectMap | None)\nmatch b:\n    case Objects(): pass\n"
    assert [name for _, name in _asked(ast.parse(lines))] == ["ObjectMap", "x", "Objects"]
    lines = "a.task == 'slide'\ntask in ('prompt',)\nmatch b.task:\n    case 'slide' | 'x': pass\n"
    assert sorted(_tasks_told(ast.parse(lines))) == [1, 2, 3]


def _trees() -> Iterator[tuple[Path, ast.Module]]:
    for room in ("viewer", "coverslip"):
        for path in (REPOSITORY / room).rglob("*.py"):
            yield path, ast.parse(path.read_text())


def _classes(tree: ast.Module) -> dict[str, set[str]]:
    """Return the classes of a module with the names of their bases."""
    return {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }


def _below(roots: set[str], trees: Iterable[ast.Module]) -> set[str]:
    """Return the classes whose bases lead to one of some, and these."""
    bases = {name: of for tree in trees for name, of in _classes(tree).items()}
    found = set(roots)
    while more := {name for name, of in bases.items() if of & found} - found:
        found |= more
    return found


def _asked(tree: ast.Module) -> Iterator[tuple[ast.expr | ast.MatchClass, str]]:
    """Yield each class that an object is asked for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.MatchClass):
            yield from ((node, name) for name in _names(node.cls))
        elif isinstance(node, ast.Call) and "isinstance" in _names(node.func):
            yield from ((node, name) for each in node.args[1:] for name in _names(each))


def _names(node: ast.expr) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            yield each.id
        elif isinstance(each, ast.Attribute):
            yield each.attr


def _tasks_told(tree: ast.Module) -> Iterator[int]:
    """Yield the lines in which a task is compared with one by its name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            subject, others = node.left, node.comparators
        elif isinstance(node, ast.Match):
            subject = node.subject
            patterns = (each for case in node.cases for each in ast.walk(case.pattern))
            others = [each.value for each in patterns if isinstance(each, ast.MatchValue)]
        else:
            continue
        if "task" in _last_name(subject) and any(map(_has_task, others)):
            yield node.lineno


def _last_name(node: ast.expr) -> str:
    return getattr(node, "attr", getattr(node, "id", ""))


def _has_task(node: ast.expr) -> bool:
    return any(isinstance(each, ast.Constant) and each.value in TASKS for each in ast.walk(node))
