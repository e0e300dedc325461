"""The list of public files, and the script that fetches them."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts import public_files


@pytest.mark.parametrize("file", public_files.public_files(), ids=lambda file: file.name)
def test_a_file_of_the_list_is_the_one_that_tests_read(
    file: public_files.PublicFile, shared_slide: Callable[[str], Path]
) -> None:
    assert hashlib.sha256(shared_slide(file.name).read_bytes()).hexdigest() == file.sha256
    assert file.address.startswith("https://")


@pytest.fixture
def published(tmp_path: Path) -> Iterator[str]:
    """A server with one file; its address."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a.svs").write_bytes(b"slide")
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "there")
    )
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_what_is_missing_is_fetched_and_checked(
    published: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    right, wrong = hashlib.sha256(b"slide").hexdigest(), hashlib.sha256(b"other").hexdigest()
    lines = [
        f"slides/a.svs {right} {published}/a.svs",
        f"slides/b.svs {wrong} {published}/a.svs",
        f"slides/c.svs {right} {published}/c.svs",
    ]
    monkeypatch.setattr(public_files, "_LIST", tmp_path / "list.txt")
    (tmp_path / "list.txt").write_text("\n".join(lines))
    folder = tmp_path / "data"
    assert public_files.main(folder) == 1
    assert [path.name for path in (folder / "slides").iterdir()] == ["a.svs"]
    said = capsys.readouterr().out
    assert "b.svs is another file" in said
    assert "c.svs cannot be fetched" in said
    (tmp_path / "list.txt").write_text(lines[0])
    assert public_files.main(folder) == 0
