"""All blocks of a slide through a model in one go, for callers that keep no engine."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from viewer.inference.errors import ModelFailedError
from viewer.inference.process.messages import Blocks, Compute, Done, Refused
from viewer.inference.process.model_process import ModelProcess, thread_count
from viewer.inference.tasks.known import TASKS
from viewer.overlays.blocks import BlockKey
from viewer.processes.shared_pixels import hand_over

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from viewer.inference.models.bundle import ModelBundle
    from viewer.inference.runs.block_reading import BlockReader
    from viewer.overlays.blocks import BlockGrid
    from viewer.overlays.result_map import BlockResult


def compute_blocks(
    bundle: ModelBundle,
    grid: BlockGrid,
    mpp_um: float,
    reader: BlockReader,
    keys: Iterable[BlockKey],
) -> Iterator[tuple[BlockKey, BlockResult]]:
    """Yield the results of those blocks that hold tissue; one is read while another is computed.

    Raises
    ------
    BundleError
        The model cannot be loaded.
    ModelFailedError, ModelProcessError
        The model failed, or its process ended.
    TileError
        A block cannot be read.
    """
    with closing(ModelProcess()) as process:
        process.load(bundle, "cpu", thread_count())
        shared = process.shared_slots(3 * grid.input_px**2, 2)
        count, size = (2, 0) if shared is None else (shared.slot_count, shared.slot_bytes)
        layout = (grid.slide, grid.downsample, grid.core_px, grid.margin_px)
        process.post(Blocks(*layout, mpp_um, size, count, grid.cells))
        try:
            free = list(range(count))
            used: dict[BlockKey, int] = {}
            for key in keys:
                if (patches := reader.patches(key)) is None:
                    continue
                region = reader.read(key)
                if not free:
                    done, result = _next(process, bundle, used, grid.cells)
                    free.append(used.pop(done))
                    yield done, result
                used[key] = free.pop()
                tile = hand_over(region, shared, used[key])
                process.send(Compute(*key, tile, patches, reader.ranges()))
            while used:
                done, result = _next(process, bundle, used, grid.cells)
                used.pop(done)
                yield done, result
        finally:
            if shared is not None:
                shared.close()


def _next(
    process: ModelProcess, bundle: ModelBundle, used: dict[BlockKey, int], cells: int
) -> tuple[BlockKey, BlockResult]:
    match process.receive():
        case Done(column, row, data) if BlockKey(column, row) in used:
            return BlockKey(column, row), TASKS[bundle.task].decode(data, cells)
        case Refused(sentence):
            raise ModelFailedError(sentence)
        case _:
            raise ModelFailedError(f"{bundle.name} gave an answer that nobody asked for.")
