"""Records are decoded in several threads, also as they are first decoded."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
DECODERS = {
    # The place of the type among the arguments.
    "msgspec.json.decode": None,
    "msgspec.msgpack.decode": None,
    "msgspec.convert": 1,
    "msgspec.json.Decoder": 0,
    "msgspec.msgpack.Decoder": 0,
}
PLAIN = {
    "Any",
    "bool",
    "bytes",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "object",
    "set",
    "str",
}
PLAIN |= {"tuple", "msgspec", "Raw"}

FIRST_IN_THREADS = """
import sys, threading
from typing import Literal, Optional
import msgspec
from viewer.prepared_types import prepared

sys.setswitchinterval(1e-6)
for number in range(40):
    of = Optional[dict[str, list[tuple[Optional[int], Literal["x", str(number)]]]]]
    kind = msgspec.defstruct("Kind", [(f"field_{n}", of, None) for n in range(60)])
    begin = threading.Barrier(3)

    def decode() -> None:
        begin.wait()
        kept = {f"field_{n}": {"a": [[1, "x"]]} for n in range(60)}
        assert msgspec.convert(kept, prepared(kind)).field_59 == {"a": [(1, "x")]}

    threads = [threading.Thread(target=decode) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print("decoded")
"""


def test_threads_that_first_decode_a_record_at_once_do_so() -> None:
    # In a process of its own: without `prepared` it ends by a segmentation fault.
    run = subprocess.run([sys.executable, "-c", FIRST_IN_THREADS], cwd=REPOSITORY, text=True,
                         capture_output=True)  # fmt: skip
    assert (run.returncode, run.stdout, run.stderr) == (0, "decoded\n", "")


def test_each_type_that_is_decoded_is_prepared() -> None:
    unprepared = [
        f"{path.relative_to(REPOSITORY)}:{call.lineno}"
        for path in sorted((REPOSITORY / "viewer").rglob("*.py"))
        if path.name != "prepared_types.py"
        if "msgspec" in (text := path.read_text())
        for call in ast.walk(ast.parse(text))
        if isinstance(call, ast.Call) and not _is_prepared(call)
    ]
    assert unprepared == []


def _is_prepared(call: ast.Call) -> bool:
    function = ast.unparse(call.func)
    if function not in DECODERS:
        return True
    place = DECODERS[function]
    types = [each.value for each in call.keywords if each.arg == "type"]
    types += [] if place is None else call.args[place : place + 1]
    return all(
        ast.unparse(kind).startswith("prepared(")
        or {node.id for node in ast.walk(kind) if isinstance(node, ast.Name)} <= PLAIN
        for kind in types
    )
