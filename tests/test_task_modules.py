"""Each kind of task says all of itself: nothing else asks which kind it has in hand."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from viewer.inference.tasks.known import TASKS

REPOSITORY = Path(__file__).resolve().parent.parent
_ROOTS = {"ResultMap", "Presenter", "TaskKind", "Heatmap"}
_OF_A_BLOCK = {"Objects": "object_map", "PatchFeatures": "patch_feature_map"}
"""What is found in a block, and the module of the map that takes it."""


def test_no_module_asks_for_the_class_of_a_result_but_its_own() -> None:
    classes = {path: _classes(nodes) for path, nodes in _modules().items()}
    kinds = _below(_ROOTS, classes.values()) | _OF_A_BLOCK.keys()
    assert {"ObjectMap", "TileScoreMap", "AttentionPresenter", "ExpectedPicture"} <= kinds
    asked = [
        f"{path.relative_to(REPOSITORY)}:{node.lineno}: {name}"
        for path, nodes in _modules().items()
        for node, name in _asked(nodes)
        if name in kinds and name not in classes[path] and _OF_A_BLOCK.get(name) != path.stem
    ]
    assert not asked


def test_no_module_tells_tasks_by_their_names() -> None:
    named = [
        f"{path.relative_to(REPOSITORY)}:{line}"
        for path, nodes in _modules().items()
        for line in _tasks_told(nodes)
    ]
    assert not named


def test_what_would_ask_is_seen() -> None:
    lines = "isinstance(a, x.ObjectMap | None)\nmatch b:\n    case Objects(): pass\n"
    assert [name for _, name in _asked(_nodes(lines))] == ["ObjectMap", "x", "Objects"]
    lines = "a.task == 'slide'\ntask in ('prompt',)\nmatch b.task:\n    case 'slide' | 'x': pass\n"
    assert sorted(_tasks_told(_nodes(lines))) == [1, 2, 3]


@cache
def _modules() -> dict[Path, list[ast.AST]]:
    """Return the nodes of each module that matter here; to walk through all takes seconds."""
    return {
        path: _nodes(path.read_text())
        for room in ("viewer", "coverslip")
        for path in (REPOSITORY / room).rglob("*.py")
    }


def _nodes(lines: str) -> list[ast.AST]:
    kinds = (ast.ClassDef, ast.MatchClass, ast.Call, ast.Compare, ast.Match)
    return [node for node in ast.walk(ast.parse(lines)) if isinstance(node, kinds)]


def _classes(nodes: Iterable[ast.AST]) -> dict[str, set[str]]:
    """Return the classes of a module with the names of their bases."""
    return {
        node.name: {base.id for base in node.bases if isinstance(base, ast.Name)}
        for node in nodes
        if isinstance(node, ast.ClassDef)
    }


def _below(roots: set[str], classes: Iterable[dict[str, set[str]]]) -> set[str]:
    """Return the classes whose bases lead to one of some, and these."""
    bases = {name: of for each in classes for name, of in each.items()}
    found = set(roots)
    while more := {name for name, of in bases.items() if of & found} - found:
        found |= more
    return found


def _asked(nodes: Iterable[ast.AST]) -> Iterator[tuple[ast.expr | ast.MatchClass, str]]:
    """Yield each class that an object is asked for."""
    for node in nodes:
        if isinstance(node, ast.MatchClass):
            yield from ((node, name) for name in _names(node.cls))
        elif isinstance(node, ast.Call) and node.args[1:] and "isinstance" in _names(node.func):
            yield from ((node, name) for each in node.args[1:] for name in _names(each))


def _names(node: ast.expr) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            yield each.id
        elif isinstance(each, ast.Attribute):
            yield each.attr


def _tasks_told(nodes: Iterable[ast.AST]) -> Iterator[int]:
    """Yield the lines in which a task is compared with one by its name."""
    for node in nodes:
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
