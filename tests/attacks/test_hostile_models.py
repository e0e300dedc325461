"""Hostile models, tried through the command line: nothing of the user's is read or written.

Commands and their children are forked, except where something is looked for that a start might
import: the confinement is the same, which `test_confinement.py` tests in processes as they start.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import forked_programs
import hostile_models as hostile
import pytest
from attack_steps import can_confine, without_landlock

from viewer.inference.models.model_library import models_folder

REPOSITORY = Path(__file__).resolve().parents[2]
REGION = ("--region", "900,900,1200,1200")
SECRET = b"%A private file of the user's"

pytestmark = pytest.mark.skipif(not can_confine, reason="Landlock and seccomp are not here")


def coverslip(
    *arguments: str, folder: Path, scan: str = "off", **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, forked."""
    command = [sys.executable, "-P", REPOSITORY / "app.py", *arguments]
    return forked_programs.run(
        command, along=forked_programs.MODELS,
        cwd=folder, env=_variables(scan, more), capture_output=True, text=True, timeout=110,
    )  # fmt: skip


def started_coverslip(
    *arguments: str, folder: Path, scan: str = "off", prefix: tuple[str, ...] = (), **more: str
) -> subprocess.CompletedProcess[str]:
    """Start the installed command in a folder."""
    command = str(Path(sys.executable).with_name("coverslip"))
    return subprocess.run(
        [*prefix, command, *arguments],
        cwd=folder, env=_variables(scan, more), capture_output=True, text=True, timeout=110,
    )  # fmt: skip


def _variables(scan: str, more: dict[str, str]) -> dict[str, str]:
    return {**os.environ, "COVERSLIP_MODEL_SCAN": scan, **more}


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """The user's shell profile."""
    file = tmp_path / "user" / ".profile"
    file.parent.mkdir()
    file.write_bytes(SECRET)
    return file


def is_untouched(profile: Path) -> bool:
    return profile.read_bytes() == SECRET and list(profile.parent.iterdir()) == [profile]


WRITERS = [hostile.WritesThroughMap, hostile.Saves, hostile.SavesAtLoad]


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("command", [pytest.param("check", marks=pytest.mark.slow), "run"])
def test_a_model_writes_nothing(
    kind: type[hostile.Saves], command: str, profile: Path, sample_slide: Path, tmp_path: Path
) -> None:
    folder = hostile.make_model(tmp_path / "model", kind(str(profile)))
    arguments = {
        "check": ("models", "check", str(folder)),
        "run": ("run", str(folder), str(sample_slide), *REGION),
    }[command]
    done = coverslip(*arguments, folder=tmp_path)
    assert is_untouched(profile)
    assert "Traceback" not in done.stderr
    if kind is hostile.WritesThroughMap:  # torch.save does not tell that it failed
        assert done.returncode == 2
        assert "failed" in done.stderr


@pytest.mark.parametrize("kind", WRITERS)
def test_the_same_model_would_write_if_it_were_not_confined(
    kind: type[hostile.Saves], profile: Path, tmp_path: Path
) -> None:
    folder = hostile.make_model(tmp_path / "model", kind(str(profile)))
    arguments = ("models", "check", str(folder), "--unconfined")
    started_coverslip(*arguments, folder=tmp_path, prefix=without_landlock())
    assert not is_untouched(profile)


def test_a_model_reads_nothing_into_its_results(
    profile: Path, sample_slide: Path, tmp_path: Path
) -> None:
    folder = hostile.make_model(tmp_path / "model", hostile.Reads(str(profile)))
    out = tmp_path / "out.csv"
    arguments = ("run", str(folder), str(sample_slide), *REGION, "-o", str(out))
    done = coverslip(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert not out.exists()
    assert "failed" in done.stderr


@pytest.mark.parametrize(
    ("kind", "operator"), [(hostile.Saves, "save"), (hostile.WritesThroughMap, "from_file")]
)
def test_the_scan_names_the_operator(
    kind: type[hostile.Saves], operator: str, profile: Path, tmp_path: Path
) -> None:
    folder = hostile.make_model(tmp_path / "model", kind(str(profile)))
    done = coverslip("models", "check", str(folder), folder=tmp_path, scan="")
    assert done.returncode == 2
    assert f"the operator {operator}" in done.stderr
    assert is_untouched(profile)


@pytest.mark.parametrize(
    ("module", "scan", "sentence"),
    [
        (hostile.Saves, "", "the operator save"),
        (hostile.WritesThroughMap, "off", "failed"),
    ],
    ids=["seen", "tried"],
)
def test_a_hostile_model_is_tried_before_it_is_added(
    module: type[hostile.Saves], scan: str, sentence: str, profile: Path, tmp_path: Path
) -> None:
    folder = hostile.make_model(tmp_path / "model", module(str(profile)))
    done = coverslip("models", "add", str(folder), folder=tmp_path, scan=scan)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert is_untouched(profile)
    assert list(models_folder().iterdir()) == []


@pytest.mark.parametrize("scan", ["", "off"])
def test_a_harmless_script_of_a_laboratory_runs(
    scan: str, sample_slide: Path, tmp_path: Path
) -> None:
    folder = hostile.make_model(tmp_path / "model", hostile.Harmless())
    arguments = ("run", str(folder), str(sample_slide), *REGION, "--json")
    done = coverslip(*arguments, folder=tmp_path, scan=scan)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cells"] > 10


def test_modules_that_lie_about_are_not_imported(sample_slide: Path, tmp_path: Path) -> None:
    """In the current folder, beside the slide, and in PYTHONPATH of the model process."""
    trace = tmp_path / "was-run"
    for folder in (tmp_path / "downloads", tmp_path / "slides"):
        folder.mkdir()
        for name in ("viewer", "torch", "numpy", "msgspec", "os", "sitecustomize"):
            run = f"open({str(trace)!r}, 'a').write({name!r})\nraise SystemExit(3)\n"
            (folder / f"{name}.py").write_text(run)
    slide = tmp_path / "slides" / "slide.svs"
    slide.symlink_to(sample_slide)
    region = ("--region", "1100,1100,200,200", "--json")
    downloads = tmp_path / "downloads"
    done = started_coverslip("run", "tissue-quality", str(slide), *region, folder=downloads)
    assert not trace.exists(), trace.read_text()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["device"] == "cpu"


@pytest.mark.slow
def test_where_nothing_can_be_confined_a_script_runs_only_on_an_explicit_word(
    sample_slide: Path, tmp_path: Path
) -> None:
    """On a kernel without Landlock, which a filter makes of this one."""
    script = hostile.make_model(tmp_path / "model", hostile.Harmless())
    arguments = ("run", str(script), str(sample_slide), *REGION, "--json")
    old_kernel = without_landlock()
    refused = started_coverslip(*arguments, folder=tmp_path, prefix=old_kernel)
    assert refused.returncode == 2
    assert "--unconfined" in refused.stderr
    assert "Landlock" in refused.stderr
    allowed = started_coverslip(*arguments, "--unconfined", folder=tmp_path, prefix=old_kernel)
    assert json.loads(allowed.stdout)["cells"] > 10
    bundled = ("run", "tissue-quality", str(sample_slide), *REGION, "--json")
    assert started_coverslip(*bundled, folder=tmp_path, prefix=old_kernel).returncode == 0


def test_external_data_of_onnx_is_refused(profile: Path, tmp_path: Path) -> None:
    import onnx

    profile.write_bytes(b"\x00\x00\x80\x3f" * 6)
    for place in (str(profile), os.path.relpath(profile, tmp_path / "model")):
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        weight = onnx.TensorProto(name="w", dims=[3, 2], data_type=onnx.TensorProto.FLOAT)
        weight.data_location = onnx.TensorProto.EXTERNAL
        weight.external_data.add(key="location", value=place)
        nodes = [
            onnx.helper.make_node("GlobalAveragePool", ["x"], ["m"]),
            onnx.helper.make_node("Flatten", ["m"], ["f"]),
            onnx.helper.make_node("MatMul", ["f", "w"], ["y"]),
        ]
        value = onnx.helper.make_tensor_value_info
        graph = onnx.helper.make_graph(
            nodes, "g", [value("x", 1, ["n", 3, "h", "w"])], [value("y", 1, ["n", 2])], [weight]
        )
        opsets = [onnx.helper.make_opsetid("", 17)]
        model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=9)
        (folder / "m.onnx").write_bytes(model.SerializeToString())
        hostile.describe(folder, folder / "m.onnx", format="onnx")
        done = coverslip("models", "check", str(folder), folder=tmp_path)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


def test_a_model_that_takes_all_memory_is_stopped(tmp_path: Path) -> None:
    folder = hostile.make_model(tmp_path / "model", hostile.Hungry())
    done = coverslip(
        "models", "check", str(folder), folder=tmp_path, COVERSLIP_MODEL_MEMORY_GIB="1.5"
    )
    assert done.returncode == 2
    assert "more than 1.5 GiB of memory" in done.stderr
