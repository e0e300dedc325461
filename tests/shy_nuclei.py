"""Tissue whose nuclei are found, and a network that learns them quickly, as it misses some."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import closing
from pathlib import Path

import shapely
import tifffile
from safetensors.torch import load_file, save_file

from viewer.geometry import Box
from viewer.inference.models.model_library import BUNDLED, find_model
from viewer.inference.runs.running import run_model
from viewer.slides import open_slide
from viewer.slides.region import read_region

SIDE = 360


def found_nuclei(folder: Path) -> tuple[Path, list[shapely.Polygon]]:
    """A part of the bundled slide, and what the bundled network finds on it."""
    bundled = Path(__file__).parents[1] / "resources" / "slides" / "CMU-1-Small-Region.svs"
    with closing(open_slide(bundled)) as source:
        pixels = read_region(source, Box(1030, 1030, 1030 + SIDE, 1030 + SIDE), SIDE, SIDE)
    path = folder / "part.ome.tif"
    scale = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    tifffile.imwrite(path, pixels, tile=(128, 128), metadata={"axes": "YXS", **scale}, ome=True)
    objects = run_model(path, find_model("nuclei")).objects()
    return path, [shapely.Polygon(objects.outline(index)) for index in range(len(objects))]


def shy_network(folder: Path) -> Path:
    """The bundled network, that takes less for a nucleus than it should."""
    shutil.copytree(BUNDLED / "nuclei", folder)
    about = json.loads((folder / "model.json").read_text())
    weights = load_file(folder / about["weights"])
    weights["head.bias"][0] -= 2
    save_file(weights, folder / about["weights"])
    about["sha256"] = hashlib.sha256((folder / about["weights"]).read_bytes()).hexdigest()
    (folder / "model.json").write_text(json.dumps(about | {"name": "Shy"}))
    return folder
