"""Models are fetched from zoos on the user's order, shown, and work offline afterwards."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import forked_programs
import pytest
import torch
from cli_steps import coverslip
from layout_steps import make_instanseg, make_wsinfer
from PIL import Image
from safetensors.torch import load
from word_steps import make_towers, stained_squares

from viewer.inference.layouts.known import described
from viewer.inference.models.bundle import BundleError
from viewer.processes.helper import Helper

Files = dict[str, bytes]
PLACE = "/lab/tumor/resolve/v1.0/"
_GATED = b"gated"
_LARGE = (".pt", ".zip", ".safetensors", ".bin")


def app_py(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run app.py as a process of its own, with a helper of its own."""
    command = [sys.executable, forked_programs.REPOSITORY / "app.py", *arguments]
    return forked_programs.run(
        command, cwd=folder, capture_output=True, text=True, timeout=100,
        along=forked_programs.MODELS,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERSLIP_HOME", str(tmp_path / "home"))


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Files], str]]:
    """Give files as the zoo's hub does: large ones elsewhere, with their checksum."""
    files: Files = {}
    asked: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            content = files.get(self.path.removeprefix("/cdn"))
            if content is None:
                self.send_error(404)
                return
            if content == _GATED:
                self.send_error(401)
                return
            is_large = self.path.endswith(_LARGE) and not self.path.startswith("/cdn")
            self.send_response(302 if is_large else 200)
            if is_large:
                digest = files.get(
                    f"{self.path}.sha256", hashlib.sha256(content).hexdigest().encode()
                )
                self.send_header("X-Linked-ETag", f'"{digest.decode()}"')
                self.send_header("Location", f"/cdn{self.path}")
            self.send_header("Content-Length", "0" if is_large else str(len(content)))
            self.end_headers()
            if not is_large:
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_ENDPOINT", url)
    # A helper reads that once: the one of this process may have done so.
    helper = Helper()
    monkeypatch.setattr("viewer.processes.helper._helper", helper)

    def begin(given: Files) -> str:
        files.update(given)
        return url

    yield begin
    helper.close()
    server.shutdown()
    server.server_close()


def zoo_files(folder: Path) -> Files:
    registry = {"tumor": {"description": "T", "hf_repo_id": "lab/tumor", "hf_revision": "v1.0"}}
    held = {"/registry.json": json.dumps({"models": registry}).encode()}
    return held | {f"{PLACE}{file.name}": file.read_bytes() for file in folder.iterdir()}


def test_a_model_of_the_wsinfer_zoo_is_shown_added_and_runs_offline(
    serve: Callable[[Files], str],
    sample_slide: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = make_wsinfer(tmp_path / "made")
    digest = hashlib.sha256((folder / "torchscript_model.pt").read_bytes()).hexdigest()
    url = serve(zoo_files(folder))
    done = app_py(
        "models", "fetch", "wsinfer:tumor", "--registry", f"{url}/registry.json", folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    for shown in (digest, "bsd-3-clause", "# Tumor", f"{url}/lab/tumor/resolve/v1.0/"):
        assert shown in done.stdout.replace("\n", "") or shown in done.stdout
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    run = app_py(
        "run", "tumor", str(sample_slide), "--region", "900,900,100,100", "--json", folder=tmp_path
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["cells"] > 0


@pytest.mark.slow
def test_a_repository_is_fetched_by_its_own_name(
    serve: Callable[[Files], str], tmp_path: Path
) -> None:
    files = zoo_files(make_wsinfer(tmp_path / "m"))
    serve({path.replace("v1.0", "main"): content for path, content in files.items()})
    done = app_py("models", "fetch", "wsinfer:lab/tumor", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["classes"] == ["Other", "Tumor"]


@pytest.mark.slow
def test_an_instanseg_network_is_fetched_from_its_index(
    serve: Callable[[Files], str], tmp_path: Path
) -> None:
    made = make_instanseg(tmp_path / "in" / "brightfield")
    (made / "brightfield_README.md").write_text("# This is an InstanSeg model.")
    (made / "test-output.npy").write_bytes(bytes(1 << 20))
    packed = Path(shutil.make_archive(str(tmp_path / "b"), "zip", tmp_path / "in"))
    index = [
        {"name": "brightfield", "url": "old.zip", "version": "0.0.9", "license": "Apache-2.0"},
        {"name": "brightfield", "url": "new.zip", "version": "0.0.10", "license": "Apache-2.0"},
    ]
    url = serve({"/index.json": json.dumps(index).encode(), "/new.zip": packed.read_bytes()})
    done = app_py(
        "models", "fetch", "instanseg:brightfield", "--registry", f"{url}/index.json", "--json",
        folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["name"], told["license"]) == ("brightfield_discs", "Apache-2.0")
    assert told["source"] == f"{url}/new.zip"
    assert told["card"] == "# This is an InstanSeg model."
    assert Path(told["folder"], "brightfield_README.md").is_file()


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("wsinfer:lung", {}, 'has no model "lung"; it has tumor'),
        pytest.param(
            "wsinfer:tumor",
            {"/registry.json": b"<html>"},
            "127.0.0.1 is no list of models",
            marks=pytest.mark.slow,
        ),
        ("wsinfer:tumor", {"/registry.json": None}, "registry.json of 127.0.0.1 is not there"),
        pytest.param(
            "wsinfer:tumor",
            {f"{PLACE}config.json": None},
            "config.json of 127.0.0.1 is not there",
            marks=pytest.mark.slow,
        ),
        ("wsinfer:tumor", {f"{PLACE}torchscript_model.pt.sha256": b"0" * 64}, "checksum differs"),
        pytest.param(
            "wsinfer:tumor", {f"{PLACE}config.json": b"{}"}, "num_classes", marks=pytest.mark.slow
        ),
        pytest.param(
            "instanseg:tumor", {"/registry.json": b"[]"}, "it has none", marks=pytest.mark.slow
        ),
    ],
)
def test_what_cannot_be_fetched_is_one_sentence(
    serve: Callable[[Files], str],
    tmp_path: Path,
    name: str,
    change: dict[str, bytes | None],
    told: str,
) -> None:
    files = zoo_files(make_wsinfer(tmp_path / "made")) | change
    url = serve({path: content for path, content in files.items() if content is not None})
    done = coverslip("models", "fetch", name, "--registry", f"{url}/registry.json", folder=tmp_path)
    assert done.returncode == 2, done.stdout
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    models = tmp_path / "home" / "data" / "models"
    assert not models.is_dir() or not list(models.iterdir())


def test_where_no_network_answers_it_is_said(tmp_path: Path) -> None:
    done = coverslip(
        "models", "fetch", "wsinfer:x", "--registry", "http://127.0.0.1:9/r.json", folder=tmp_path
    )
    assert done.returncode == 2
    assert "r.json of 127.0.0.1 does not answer" in done.stderr


@pytest.fixture(scope="module")
def clip_files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A small CLIP as transformers writes it."""
    folder = make_towers(tmp_path_factory.mktemp("clip")).folder
    (folder / "model.json").unlink()
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Towers\nFor research.")
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def on_hub(repository: str, files: Files) -> Files:
    return {f"/{repository}/resolve/main/{name}": each for name, each in files.items()}


def test_a_known_clip_is_fetched_without_unpickling_and_takes_words_offline(
    serve: Callable[[Files], str],
    clip_files: Files,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sink = io.BytesIO()
    torch.save(load(clip_files["model.safetensors"]), sink)
    files = {name: each for name, each in clip_files.items() if name != "model.safetensors"}
    url = serve(on_hub("vinid/plip", files | {"pytorch_model.bin": sink.getvalue()}))
    listed = coverslip("models", "fetch", "--list", folder=tmp_path)
    assert "vinid/plip" in listed.stdout
    done = app_py("models", "fetch", "plip", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    for shown in ("PLIP", "not stated by its makers", f"{url}/vinid/plip/", "For research."):
        assert shown in done.stdout.replace("\n", " "), done.stdout
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    slide = tmp_path / "squares.png"
    Image.fromarray(stained_squares()).save(slide)
    run = app_py(
        "run", "PLIP", str(slide), "--mpp", "0.5", "--words", "tumor", "--json", folder=tmp_path
    )
    assert run.returncode == 0, run.stderr
    assert "tumor" in json.loads(run.stdout)["means"]
    (folder,) = list((tmp_path / "home" / "data" / "models").iterdir())
    about = json.loads((folder / "model.json").read_text())
    assert about["words"]["template"] == "an H&E image of {}"
    assert {each.suffix for each in folder.iterdir()} <= {".json", ".safetensors", ".md"}


def test_any_repository_of_a_clip_is_fetched_with_its_license(
    serve: Callable[[Files], str], clip_files: Files, tmp_path: Path
) -> None:
    serve(on_hub("lab/towers", clip_files))
    done = app_py("models", "fetch", "clip:lab/towers", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert (record["name"], record["license"]) == ("towers", "mit")
    assert record["sha256"] == hashlib.sha256(clip_files["model.safetensors"]).hexdigest()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"tokenizer.json": None}, "tokenizer.json of 127.0.0.1 is not there"),
        ({"config.json": _GATED}, "not given to everybody (401)"),
        ({"model.safetensors": None}, "pytorch_model.bin of 127.0.0.1 is not there"),
        ({"model.safetensors.sha256": b"0" * 64}, "checksum differs"),
        ({"config.json": b'{"model_type": "siglip"}'}, "is no model"),
        ({"config.json": b'{"model_type": "clip", "vision_config": {"hidden_size": -3}}'}, "-3"),
    ],
)
def test_a_clip_that_cannot_be_fetched_is_one_sentence(
    serve: Callable[[Files], str], clip_files: Files, tmp_path: Path,
    change: dict[str, bytes | None], told: str,
) -> None:  # fmt: skip
    files = {name: each for name, each in (clip_files | change).items() if each is not None}
    serve(on_hub("lab/towers", files))
    done = coverslip("models", "fetch", "clip:lab/towers", folder=tmp_path)
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    models = tmp_path / "home" / "data" / "models"
    assert not models.is_dir() or not list(models.iterdir())


def test_what_is_no_place_of_a_clip_is_said(tmp_path: Path) -> None:
    for name, more, told in (
        ("clip:towers", (), "clip:OWNER/NAME"),
        ("plip", ("--registry", "http://127.0.0.1:9/"), "leave --registry out"),
        ("plip", ("--merge", "8"), "--merge is for encoders"),
    ):
        done = coverslip("models", "fetch", name, *more, folder=tmp_path)
        assert (done.returncode, told in done.stderr) == (2, True), done.stderr


def test_a_folder_of_a_clip_whose_weights_are_pickled_is_refused(
    clip_files: Files, tmp_path: Path
) -> None:
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes(clip_files[name])
    with pytest.raises(BundleError, match=r"lacks model\.safetensors: copy the whole folder"):
        described(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(BundleError, match="would have to be unpickled"):
        described(tmp_path)
