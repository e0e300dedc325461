"""A hostile TorchScript through each way in which a model of others is run: it reaches no file.

It writes a file when it is loaded and again when it is asked, and then reads a private one.
`torch.save` does not say that it failed; reading does, and its sentence shows that the program was
run and that it was denied. The search for operators, a wall before this one, is turned off.
"""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import hostile_models as hostile
import numpy as np
import pytest
import torch
from attack_steps import can_confine
from cli_steps import coverslip
from mcp_steps import HELLO, RogueClient
from tma_slides import ArrayPlan, write_array

import viewer
from viewer.agents.canceling import Cancel
from viewer.agents.slide_models import SlideModels
from viewer.errors import CoverslipError
from viewer.geometry import Box, Point, Size
from viewer.inference.cells.settings import CellSettings
from viewer.inference.models.bundle import load_bundle
from viewer.inference.models.model_library import models_folder
from viewer.inference.runs.block_computing import compute_blocks
from viewer.inference.runs.block_reading import BlockReader
from viewer.inference.runs.cell_previewer import CellPreviewer
from viewer.inference.runs.explaining_slides import explain_slide
from viewer.inference.runs.plan import block_grid
from viewer.inference.runs.prompter import Prompter
from viewer.inference.runs.slide_inference import predict_slide
from viewer.inference.runs.word_classes import word_vectors
from viewer.inference.teaching.nuclei_tuning import learns_from_outlines
from viewer.overlays.blocks import BlockGrid, BlockKey
from viewer.overlays.patch_feature_map import PatchFeatureMap
from viewer.overlays.patch_features import PatchFeatures
from viewer.overlays.prompt import Prompt
from viewer.slides import open_slide

if TYPE_CHECKING:
    from viewer.inference.models.bundle import ModelBundle

SECRET = b"%A private file of the user's"
BOX = Box(1000, 1000, 1256, 1256)
REGION = ("--region", "1000,1000,256,256")
FIELD = ("--center", "1100,1100", "--mag", "20", "--size", "200x200")
DENIED = "Permission denied"
LENGTH = 6
OBJECTS = {"task": "instances", "mpp_um": 0.5, "patch_px": 256, "margin_px": 32}
EMBEDS = {"task": "embedding", "classes": [], "mpp_um": 0.5}
POINTS = {"task": "prompt", "classes": [], "patch_px": 200, "margin_px": 0}
OF_SLIDES = {
    "task": "slide", "margin_px": 0,
    "encoder": {"name": "Any", "sha256": "0" * 64, "length": LENGTH},
}  # fmt: skip

pytestmark = pytest.mark.skipif(not can_confine, reason="Landlock and seccomp are not here")
slow = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def as_started() -> None:
    """Children are forks that give up their rights as all do: their start is tried elsewhere."""


@pytest.fixture(autouse=True)
def without_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVERSLIP_MODEL_SCAN", "off")


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A folder of the user's with one private file."""
    folder = tmp_path / "user"
    folder.mkdir()
    (folder / "private").write_bytes(SECRET)
    return folder


def check_untouched(private: Path) -> None:
    assert [each.name for each in private.iterdir()] == ["private"]
    assert (private / "private").read_bytes() == SECRET


def attacker(
    folder: Path, private: Path, kind: type[hostile.WritesThenReads], **card: object
) -> Path:
    module = kind(str(private / "written"), str(private / "private"))
    return hostile.make_model(folder, module, "Foreign", **card)


def command(*words: object) -> str:
    """What a command says that must fail, in one sentence."""
    done = coverslip(*words)
    assert done.returncode in (1, 2), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def sentence_of(work: Callable[[], object]) -> str:
    """What a call says that must fail."""
    with pytest.raises(CoverslipError) as failed:
        work()
    return str(failed.value)


def embedded() -> PatchFeatureMap:
    """Vectors of one block of patches."""
    found = PatchFeatureMap(BlockGrid(Size(800, 800), 1.0, 100, 0), 0.5)
    values = np.random.default_rng(0).random((4, 4, LENGTH)).astype(np.float16)
    found.add(BlockKey(1, 1), PatchFeatures(values))
    return found


def by_blocks(bundle: ModelBundle, slide: Path) -> object:
    with closing(open_slide(slide)) as source:
        grid = block_grid(source, bundle.description, 0.5)
        reader = BlockReader(source, grid, bundle.description)
        return list(compute_blocks(bundle, grid, 0.5, reader, grid.covering(BOX)))


def by_points(bundle: ModelBundle) -> object:
    picture = np.full((200, 200, 3), 200, np.uint8)
    with closing(Prompter()) as prompter:
        field, prompt = Box(1000, 1000, 1400, 1400), Prompt(inside=(Point(1200, 1100),))
        return prompter.outline(picture, field, prompt, bundle)


def by_preview(bundle: ModelBundle) -> object:
    picture = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
    with closing(CellPreviewer()) as previewer:
        previewer.use(bundle)
        settings = CellSettings(threshold=0.5, requested_pixel_size_um=0.5)
        return previewer.cells(picture, Box(0, 0, 300, 300), settings)


def by_agent(model: Path, slide: Path) -> object:
    """As the tools of agents and of `coverslip mcp` do."""
    with closing(open_slide(slide)) as source, closing(SlideModels(slide, source, 0.5)) as models:
        return models.cells_of(str(model), BOX, Cancel())


def by_mcp(model: Path, slide: Path) -> str:
    client = RogueClient("--allow", slide.parent, "--tissue", model)
    client.ask(1, "initialize", **HELLO)
    client.answer()
    client.call(2, "open_slide", path=str(slide))
    client.answer()
    client.call(3, "classes", box=[BOX.x0, BOX.y0, BOX.x1, BOX.y1])
    result = client.answer()["result"]
    assert client.leave() == 0
    assert result["isError"] is True
    return json.dumps(result)


def by_words(model: Path) -> object:
    """Words go to a tower of tensors, beside the program, which is loaded with it."""
    about = json.loads((model / "model.json").read_bytes())
    for name in ("tokenizer.json", "tower.safetensors"):
        (model / name).write_bytes(b"{}")
    digest = hashlib.sha256(b"{}").hexdigest()
    about |= {
        "words": {"tokenizer": "tokenizer.json", "weights": "tower.safetensors", "scale": 14.0},
        "data": dict.fromkeys(("tokenizer.json", "tower.safetensors"), digest),
    }
    (model / "model.json").write_text(json.dumps(about))
    return word_vectors(load_bundle(model), ["tumor"])


def package(model: Path) -> Path:
    """The weights as a package of bioimage.io, whose makers give a test."""
    for name, channels in (("input", 3), ("output", 1)):
        np.save(model / f"{name}.npy", np.zeros((1, channels, 128, 128), np.float32))
    (model / "rdf.yaml").write_text(json.dumps({
        "type": "model", "format_version": "0.4.10", "name": "Foreign", "license": "MIT",
        "inputs": [{
            "name": "raw", "axes": "bcyx", "data_type": "float32",
            "shape": {"min": [1, 3, 64, 64], "step": [0, 0, 16, 16]},
        }],
        "outputs": [{
            "name": "out", "axes": "bcyx", "data_type": "float32", "halo": [0, 0, 16, 16],
            "shape": {"reference_tensor": "raw", "scale": [1, 0, 1, 1], "offset": [0, 0.5, 0, 0]},
            "postprocessing": [{"name": "sigmoid"}],
        }],
        "test_inputs": ["input.npy"], "test_outputs": ["output.npy"],
        "weights": {"torchscript": {"source": "weights.pt"}},
        "config": {"coverslip": {"mpp_um": 0.5}},
    }))  # fmt: skip
    (model / "model.json").unlink()
    return model


Ask = Callable[[Path, Path], str]


ENTRIES: dict[str, tuple[type[hostile.WritesThenReads], dict[str, object], Ask]] = {
    # where models are added and checked
    "models/model_check": (
        hostile.OfBlocks, OBJECTS, lambda model, _: command("models", "check", model),
    ),
    "layouts/bioimage_io": (
        hostile.OfBlocks, {}, lambda model, _: command("models", "check", package(model)),
    ),
    # the engine, which the window, agents and all commands that run models over slides use
    "runs/process_feed": (
        hostile.WritesThenReads, {},
        lambda model, slide: sentence_of(lambda: by_agent(model, slide)),
    ),
    # classifiers explained
    "runs/explaining": (
        hostile.WritesThenReads, {},
        lambda model, slide: command("explain", model, slide, "--at", "1100,1100"),
    ),
    "runs/explaining_slides": (
        hostile.OfSlides, OF_SLIDES,
        lambda model, _: sentence_of(lambda: explain_slide(load_bundle(model), embedded())),
    ),
    # slides judged by the vectors of their patches
    "runs/slide_inference": (
        hostile.OfSlides, OF_SLIDES,
        lambda model, _: sentence_of(lambda: predict_slide(load_bundle(model), embedded())),
    ),
    # phrases encoded
    "runs/word_classes": (
        hostile.AtLoad, EMBEDS, lambda model, _: sentence_of(lambda: by_words(model)),
    ),
    # what is pointed at outlined
    "runs/prompter": (
        hostile.OfPoints, POINTS,
        lambda model, _: sentence_of(lambda: by_points(load_bundle(model))),
    ),
    # blocks of a slide for predictors
    "runs/block_computing": (
        hostile.WritesThenReads, {},
        lambda model, slide: sentence_of(lambda: by_blocks(load_bundle(model), slide)),
    ),
    # cells by settings over the maps of a network
    "runs/cell_previewer": (
        hostile.OfBlocks, OBJECTS,
        lambda model, _: sentence_of(lambda: by_preview(load_bundle(model))),
    ),
}  # fmt: skip
"""By the module of `viewer/inference` that starts the process."""


LOADING = (
    b"torch.load(", b"jit.load(", b"load_script(", b"InferenceSession(", b"typed_onnxruntime",
    b"ModelProcess(", b"model_process(", b"one_answer(",
)  # fmt: skip
CALLS = ("torch.jit.load", "torch.load", "load_script", "onnxruntime.InferenceSession")
WITHOUT_WEIGHTS = {
    "process/spare_process": "gives the engine and the teacher of pixels their process",
    "teaching/pixel_teacher": "learns from the pixels' own features",
    "teaching/object_teacher": "learns from measurements, without torch",
    "teaching/nuclei_tuning": "takes tensors of one network alone",
}
"""Modules that start the process too, and why no program of others gets there."""

OVER_SLIDES: dict[str, tuple[type[hostile.WritesThenReads], dict[str, object], Ask]] = {
    "run": (hostile.WritesThenReads, {}, lambda m, s: command("run", m, s, *REGION)),
    "run a slide model": (
        hostile.WritesThenReads, EMBEDS, lambda m, s: command("run", judge_of(m), s, *REGION),
    ),
    "batch": (
        hostile.WritesThenReads, {},
        lambda m, s: command("run", m, s, another(s, m), *REGION, "-o", m.parent / "out"),
    ),
    "embed": (
        hostile.WritesThenReads, EMBEDS,
        lambda m, s: command("embed", m, s, "--store", m.parent / "store", "--no-quality"),
    ),
    "density": (hostile.OfBlocks, OBJECTS, lambda m, s: command("density", s, "--model", m)),
    "tma": (hostile.OfBlocks, OBJECTS, lambda m, _: command("tma", cores(m), "--model", m)),
    "shot": (
        hostile.WritesThenReads, {},
        lambda m, s: command("shot", s, *FIELD, "--overlay", m, "-o", m.parent / "a.png"),
    ),
    "train objects": (
        hostile.OfBlocks, OBJECTS,
        lambda m, s: command(
            "train", "objects", s, "--marks", marks(m), "-o", m.parent / "taught", "--model", m
        ),
    ),
    "mcp": (hostile.WritesThenReads, {}, by_mcp),
}  # fmt: skip


def cores(model: Path) -> Path:
    """A microarray, of whose cores a model is asked."""
    path = model.parent / "array.tif"
    write_array(path, ArrayPlan())
    return path


def another(slide: Path, model: Path) -> Path:
    """A second slide, so that they are run as a batch."""
    path = model.parent / "another.svs"
    path.symlink_to(slide)
    return path


def judge_of(encoder: Path) -> Path:
    """A slide model by the vectors of an encoder, which is the attacker."""
    about = json.loads((encoder / "model.json").read_bytes())
    needed = {"name": about["name"], "sha256": about["sha256"], "length": 2}
    card = OF_SLIDES | {"encoder": needed, "mpp_um": 0.5}
    shutil.copytree(encoder, models_folder() / encoder.name)  # as `models add` does
    return hostile.make_model(encoder.parent / "judge", hostile.Harmless(), "Judge", **card)


def marks(model: Path) -> Path:
    path = model.parent / "marks.csv"
    path.write_text("x,y,class\n1100,1100,A\n1120,1120,B\n")
    return path


@pytest.mark.parametrize("entry", ENTRIES)
def test_no_way_in_gives_a_model_a_file(
    entry: str, private: Path, sample_slide: Path, tmp_path: Path
) -> None:
    kind, card, ask = ENTRIES[entry]
    said = ask(attacker(tmp_path / "model", private, kind, **card), sample_slide)
    assert DENIED in said
    check_untouched(private)


@slow
@pytest.mark.parametrize("entry", OVER_SLIDES)
def test_no_command_gives_a_model_a_file(
    entry: str, private: Path, sample_slide: Path, tmp_path: Path
) -> None:
    kind, card, ask = OVER_SLIDES[entry]
    said = ask(attacker(tmp_path / "model", private, kind, **card), sample_slide)
    assert DENIED in said
    check_untouched(private)


@pytest.mark.parametrize(
    ("kind", "fed"),
    [
        (hostile.WritesThenReads, [torch.ones(1, 3, 8, 8)]),
        (hostile.OfBlocks, [torch.ones(1, 3, 8, 8)]),
        (hostile.OfSlides, [torch.ones(5, LENGTH)]),
        (hostile.AtLoad, []),
        (hostile.OfPoints, [torch.ones(1, 3, 8, 8), torch.ones(1, 1, 2), torch.ones(1, 1)]),
    ],
)
def test_the_same_programs_do_all_of_it_here(
    kind: type[hostile.WritesThenReads], fed: list[torch.Tensor], private: Path, tmp_path: Path
) -> None:
    """Without the confinement: so the tests above test something."""
    model = attacker(tmp_path / "model", private, kind)
    program = torch.jit.load(str(model / "weights.pt"))
    assert (private / "written.load").exists()
    if kind is hostile.AtLoad:
        assert SECRET[:2] in (private / "written").read_bytes()
        return
    assert not (private / "written").exists()
    given = program(*fed)
    assert (private / "written").exists()
    stolen = given[0] if isinstance(given, tuple) else given
    assert stolen.flatten()[0].item() == SECRET[0]


def test_the_network_that_learns_from_outlines_is_no_program_of_others(
    private: Path, tmp_path: Path
) -> None:
    model = attacker(tmp_path / "model", private, hostile.OfBlocks, **OBJECTS)
    assert not learns_from_outlines(load_bundle(model))


def test_weights_are_loaded_in_the_model_process_alone_and_each_way_to_it_is_tried() -> None:
    """The ways above are all: a new one has to be added to them."""
    root = Path(viewer.__file__).parent
    loads: dict[str, set[str]] = {}
    starts: set[str] = set()
    for path in root.rglob("*.py"):
        text = path.read_bytes()
        if not any(word in text for word in LOADING):
            continue
        place = str(path.relative_to(root).with_suffix(""))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").endswith("onnxruntime"):
                for each in node.names:
                    loads.setdefault(each.name, set()).add(place)
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called in CALLS:
                loads.setdefault(called, set()).add(place)
            if called.split(".")[-1] in ("ModelProcess", "take_model_process", "one_answer"):
                starts.add(place.removeprefix("inference/"))
    named = {name: places for name, places in loads.items() if name in (*CALLS, "loaded")}
    assert named == {
        "torch.jit.load": {"typed/torch"},
        "load_script": {"inference/process/loading"},
        "onnxruntime.InferenceSession": {"inference/process/typed_onnxruntime"},
        "loaded": {"inference/process/onnx_module"},
        "torch.load": {"inference/models/encoders"},  # tensors alone, of `models fetch`
    }
    # What `one_answer` starts is for those that call it, each of which is tried.
    assert starts == {*ENTRIES, *WITHOUT_WEIGHTS, "runs/one_answer"}
