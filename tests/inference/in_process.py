"""A model over a slide within this process, without the one it is confined to: quick for tests."""

from __future__ import annotations

from pathlib import Path

import torch

from viewer.geometry import Box
from viewer.inference.models.bundle import load_bundle
from viewer.inference.process.network import Network
from viewer.inference.runs.block_reading import BlockReader
from viewer.inference.runs.plan import block_grid
from viewer.inference.steps.known import steps_of
from viewer.inference.tasks.known import TASKS
from viewer.overlays.result_map import ResultMap
from viewer.slides import open_slide


def checked(folder: Path) -> Network:
    """Load a model of our own making and let it work once, as `models check` does."""
    network = Network(load_bundle(folder), torch.device("cpu"))
    network.warm_up()
    return network


def found_on(folder: Path, slide: Path, mpp_um: float = 0.5) -> ResultMap:
    """What a model of our own making finds on all of a slide."""
    about = load_bundle(folder).description
    network = checked(folder)
    source = open_slide(slide)
    try:
        grid = block_grid(source, about, mpp_um)
        steps, reader = steps_of(about.task)(about, grid, mpp_um), BlockReader(source, grid, about)
        found = TASKS[about.task].empty_map(grid, mpp_um, about.head)
        for key in grid.covering(Box(0, 0, *grid.slide)):
            if (patches := reader.patches(key)) is None:
                continue
            if ranges := reader.ranges():
                network.set_ranges(ranges)
            region = reader.read(key)
            answers = network.answers(steps.images(region, patches))
            found.take(key, steps.result(answers, region, key, patches))
    finally:
        source.close()
    return found
