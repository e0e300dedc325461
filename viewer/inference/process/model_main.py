"""The model process from within: loads one model out of bytes and answers until its parent ends.

Run by `ModelProcess` through the confinement's entry; everything here may be foreign code's prey,
and nothing here knows a path.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from viewer.geometry import Box, Size
from viewer.inference.errors import ModelFailedError
from viewer.inference.models.bundle import BundleError, ModelBundle
from viewer.inference.process.explain_messages import Explain, ExplainSlide
from viewer.inference.process.lesson_messages import SeeBlock
from viewer.inference.process.messages import (
    Alive,
    Blocks,
    BlocksEnded,
    ClassifyBlock,
    Compute,
    EndBlocks,
    FindCells,
    FoundCells,
    Judge,
    Judged,
    KeepObjects,
    Load,
    Loaded,
    Outlined,
    PackageTest,
    Ready,
    Reclassify,
    Refused,
    Segment,
    Suggest,
    Teach,
    TryOut,
    Weights,
    requests,
)
from viewer.inference.process.preview_messages import PreviewBlock
from viewer.inference.process.tuning_messages import MeasureTuned, SeeField, TuneSteps
from viewer.inference.process.words_messages import EncodeWords
from viewer.inference.tasks.known import TASKS
from viewer.inference.teaching.errors import TeachingError
from viewer.memory.allocator import keep_freed_memory
from viewer.overlays.blocks import BlockGrid
from viewer.processes.channel import ChannelClosedError, inherited_channel
from viewer.processes.shared_pixels import SharedPixels, take_over

if TYPE_CHECKING:
    import torch

    from viewer.inference.cells.preview import FieldPreview
    from viewer.inference.process.block_worker import BlockWorker
    from viewer.inference.process.lesson_messages import LessonRequest
    from viewer.inference.process.messages import Answer, Request
    from viewer.inference.process.network import Network
    from viewer.inference.process.nuclei_lesson import NucleiLesson
    from viewer.inference.process.pixel_lesson import PixelLesson
    from viewer.inference.process.prompt_model import PromptModel
    from viewer.inference.process.slide_head import SlideHead
    from viewer.inference.process.teaching_desk import TeachingDesk
    from viewer.inference.process.tuning_messages import TuningRequest
    from viewer.processes.channel import Channel

_NICE = 10


class ModelServer:
    """Answers the requests of one parent."""

    def __init__(self, channel: Channel[Request], shared: int) -> None:
        self._channel = channel
        self._shared = shared
        self._pixels = SharedPixels(shared, os.fstat(shared).st_size, 1) if shared >= 0 else None
        self._order: Load | None = None
        self._weights: WeightsFile | None = None
        self._data: dict[str, bytearray] = {}
        self._network: Network | None = None
        self._slide_head: SlideHead | None = None
        self._prompt_model: PromptModel | None = None
        self._worker: BlockWorker | None = None
        self._preview: FieldPreview | None = None
        self._desk: TeachingDesk | None = None
        self._lesson: PixelLesson | None = None
        self._tuning: NucleiLesson | None = None

    def serve(self) -> None:
        """Answer until the parent ends."""
        while True:
            request = self._channel.receive()
            try:
                self._take(request)
            except BundleError as error:
                self._channel.send(Refused(str(error)))
            except (ModelFailedError, TeachingError) as error:
                self._channel.send(Refused(str(error), is_failure=True))
            except Exception as error:  # a model may raise anything
                sentence = f"The model stopped: {type(error).__name__}: {error}"[:400]
                self._channel.send(Refused(sentence, is_failure=True))

    def _take(self, request: Request) -> None:
        match request:
            case Load():
                self._order, self._weights = request, WeightsFile(request.weights_bytes)
                self._data = {name: bytearray() for name in request.description.data}
            case Weights(data, ""):
                assert self._weights is not None
                self._weights.add(data)
            case Weights(data, name):
                self._data[name] += data
            case Loaded():
                self._channel.send(self._loaded())
            case TryOut():
                self._channel.send(self._tried())
            case PackageTest():
                self._channel.send(self._proven(request))
            case Blocks():
                self._begin_blocks(request)
            case EndBlocks():
                self._end_blocks()
                self._channel.send(BlocksEnded())
            case Compute() | PreviewBlock():
                assert self._worker is not None
                self._worker.ask(request)
            case Judge():
                self._channel.send(self._judged(request))
            case Segment():
                self._channel.send(self._outlined(request))
            case FindCells():
                self._channel.send(self._cells(request))
            case KeepObjects():
                self._teaching().keep(request)
            case Teach():
                self._channel.send(self._teaching().teach(request))
            case ClassifyBlock():
                self._channel.send(self._teaching().classified(request))
            case Suggest():
                self._channel.send(self._teaching().suggested(request))
            case Reclassify():
                self._channel.send(_reclassified(request))
            case Explain():
                self._channel.send(self._explained(request))
            case ExplainSlide():
                self._channel.send(self._explained_slide(request))
            case SeeField() | TuneSteps() | MeasureTuned():
                self._channel.send(self._tuned(request))
            case EncodeWords():
                assert self._network is not None
                self._channel.send(self._network.encoded_words(request.phrases))
            case _:
                self._channel.send(self._taught(request))

    def _loaded(self) -> Answer:
        import torch

        from viewer.inference.process.network import choose_device

        self._channel.send(Alive())
        order, weights = self._order, self._weights
        assert order is not None
        assert weights is not None
        torch.set_num_threads(order.threads)
        about = order.description
        try:
            is_for_blocks = TASKS[about.task].asks_for == "blocks"
            wanted = order.device if is_for_blocks else "cpu"
            device = choose_device(wanted, falls_back=order.falls_back, form=about.format)
            with weights as path:
                data = {name: bytes(each) for name, each in self._data.items()}
                self._data.clear()
                self._load(ModelBundle(Path(), about, path, data), device)
        except (RuntimeError, AssertionError) as error:
            raise BundleError(f"The device {order.device} cannot be used ({error}).") from error
        return Ready(str(device), self._network.batch if self._network is not None else 1)

    def _load(self, bundle: ModelBundle, device: torch.device) -> None:
        match TASKS[bundle.task].asks_for:
            case "slide":
                from viewer.inference.process.slide_head import SlideHead

                self._slide_head = SlideHead(bundle)
            case "prompt":
                from viewer.inference.process.prompt_model import PromptModel

                self._prompt_model = PromptModel(bundle)
            case "blocks":
                from viewer.inference.process.network import Network

                self._network = Network(bundle, device)

    def _tried(self) -> Answer:
        model = self._network or self._slide_head or self._prompt_model
        assert model is not None
        model.warm_up()
        if self._network is not None:
            self._network.try_words()
        return Ready("", 1)

    def _proven(self, test: PackageTest) -> Answer:
        from viewer.inference.process.package_proof import check_package

        assert self._network is not None
        assert self._order is not None
        self._channel.send(Alive())
        check_package(self._network, self._order.description.name, test)
        return Ready("", 1)

    def _begin_blocks(self, blocks: Blocks) -> None:
        from viewer.inference.process.block_worker import BlockWorker

        assert self._network is not None
        assert self._order is not None
        grid = BlockGrid(
            Size(*blocks.slide_px),
            blocks.downsample,
            blocks.core_px,
            blocks.margin_px,
            cells=blocks.cells,
        )
        shared = self._shared
        slots = SharedPixels(shared, blocks.slot_bytes, blocks.slot_count) if shared >= 0 else None
        about = self._order.description
        worker = BlockWorker(self._network, about, grid, blocks.mpp_um, slots, self._channel.send)
        self._worker = worker

    def _end_blocks(self) -> None:
        """Forget the slide, so that the next one is seen as by a process of its own."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None
        if self._network is not None:
            self._network.forget_ranges()

    def _judged(self, request: Judge) -> Answer:
        assert self._slide_head is not None
        features = np.frombuffer(request.features, np.float16).reshape(request.count, -1)
        logits, attention = self._slide_head.judge(features.astype(np.float32))
        return Judged(logits.tolist(), attention.astype(np.float32).tobytes())

    def _cells(self, request: FindCells) -> Answer:
        from viewer.inference.cells.preview import FieldPreview

        if self._preview is None:
            self._preview = FieldPreview()
        if request.tile is not None:
            rgb = take_over(request.tile, self._pixels)
            chances = None
            if self._network is not None and self._order is not None:
                from viewer.inference.process.field_chances import nucleus_chances

                about = self._order.description
                alive = Alive()
                chances = nucleus_chances(
                    self._network, about, rgb, lambda: self._channel.send(alive)
                )
            self._preview.set_field(rgb, chances)
        return FoundCells(self._preview.cells(Box(*request.box), request.settings).to_bytes())

    def _teaching(self) -> TeachingDesk:
        if self._desk is None:
            from viewer.inference.process.teaching_desk import TeachingDesk

            self._desk = TeachingDesk(lambda: self._channel.send(Alive()))
        return self._desk

    def _explained(self, request: Explain) -> Answer:
        from viewer.inference.process.explaining import explained

        assert self._network is not None
        assert self._order is not None
        picture = take_over(request.tile, self._pixels)
        return explained(
            self._network, self._order.description.head, picture, request.index, request.parts,
            lambda: self._channel.send(Alive()),
        )  # fmt: skip

    def _explained_slide(self, request: ExplainSlide) -> Answer:
        from viewer.inference.process.slide_explaining import explained_slide

        assert self._slide_head is not None
        vectors = np.frombuffer(request.features, np.float16).reshape(request.count, -1)
        return explained_slide(
            self._slide_head, vectors.astype(np.float32), request.index,
            lambda: self._channel.send(Alive()),
        )  # fmt: skip

    def _taught(self, request: LessonRequest) -> Answer:
        if self._lesson is None:
            from viewer.inference.process.pixel_lesson import PixelLesson

            self._lesson = PixelLesson(lambda: self._channel.send(Alive()))
        pixels = None
        if isinstance(request, SeeBlock):
            pixels = take_over(request.tile, self._pixels)
        return self._lesson.answer(request, pixels)

    def _tuned(self, request: TuningRequest) -> Answer:
        if self._tuning is None:
            from viewer.inference.process.nuclei_lesson import NucleiLesson

            assert self._network is not None
            assert self._order is not None
            self._tuning = NucleiLesson(
                self._network, self._order.description, lambda: self._channel.send(Alive())
            )
        pixels = None
        if isinstance(request, SeeField):
            pixels = take_over(request.tile, self._pixels)
        return self._tuning.answer(request, pixels)

    def _outlined(self, request: Segment) -> Answer:
        from viewer.inference.outlining import outlines

        image = take_over(request.tile, self._pixels)
        if self._prompt_model is not None:
            return Outlined(outlines(self._prompt_model.mask(image, request.points)))
        from viewer.inference.click_mask import click_mask

        return Outlined(outlines(click_mask(image, request.points)))


def _reclassified(request: Reclassify) -> Answer:
    from viewer.inference.process.teaching_desk import reclassified

    return reclassified(request)


class WeightsFile:
    """Weights as they come, in memory that has a path; in the private folder where there is none.

    As a context it is the path, and the memory is given back at its end.
    """

    def __init__(self, size_bytes: int) -> None:
        self._left = size_bytes
        self._name = ""
        if hasattr(os, "memfd_create"):
            self._file = os.fdopen(os.memfd_create("weights"), "wb")
            self._path = Path(f"/proc/self/fd/{self._file.fileno()}")
        else:
            self._path = Path("weights").absolute()
            self._file = self._path.open("wb")

    def add(self, data: bytes) -> None:
        """Append the next part."""
        self._left -= len(data)
        if self._left < 0:
            raise BundleError("More weights came than were announced.")
        self._file.write(data)

    def __enter__(self) -> Path:
        self._file.flush()
        return self._path

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._path.name == "weights":
            self._path.unlink(missing_ok=True)


def main(arguments: list[str]) -> None:
    """Serve one parent, and end with it.

    Parameters
    ----------
    arguments
        Descriptors of the channel and of the memory for pixels (-1 for none), and "torch" where it
        is to be imported before the first request.
    """
    channel, shared, first = arguments
    keep_freed_memory()
    if hasattr(os, "nice") and first == "torch":  # else the reader waits for each answer
        os.nice(_NICE)
    server = ModelServer(inherited_channel(int(channel), requests()), int(shared))
    if first == "torch":
        threading.Thread(target=_import_ahead, daemon=True).start()
    try:
        server.serve()
    except ChannelClosedError:
        pass
    finally:
        os._exit(0)  # its threads may hold work that nobody wants any more


def _import_ahead() -> None:
    """Import what every model needs; whoever needs it earlier waits in its own import."""
    from viewer.inference.process import block_worker, network

    del block_worker, network
