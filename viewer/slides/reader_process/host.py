"""The process that reads one slide for the window.

It starts before it is known which slide that will be, loads its readers while there is one thread,
then gives up all files but the slide's, and only then opens it and starts its threads.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import select
import signal
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from viewer.prepared_types import prepared
from viewer.processes.channel import Channel, ChannelError, inherited_channel
from viewer.processes.confinement.inside import narrow
from viewer.processes.shared_pixels import PixelsError, SharedPixels, hand_over
from viewer.progress import progress_to
from viewer.slides.errors import SlideError, SlideLostError, TileError
from viewer.slides.opening_here import open_here
from viewer.slides.pixel_memory import is_in_offered, offer
from viewer.slides.reader_process import more_readers
from viewer.slides.reader_process.life_signs import LifeSigns
from viewer.slides.reader_process.messages import (
    SLOTS_PER_LANE,
    Answer,
    Opened,
    OpenSlide,
    ReadChannels,
    ReadPicture,
    ReadTile,
    Refused,
    Request,
    Unreadable,
    slots_of,
)
from viewer.slides.reader_process.plugins import loaded_readers
from viewer.slides.readers.ome_zarr.chunk_versions import was_opened_at
from viewer.slides.readers.tiff.source import TiffSource
from viewer.slides.readers.vendor_tiff import VendorTiffSource
from viewer.slides.remote.address import is_dicom_address, slide_path
from viewer.slides.remote.asked import Asking, asked_bytes, gives, path_with_bytes
from viewer.slides.remote.asked_dicom import open_asked_dicom
from viewer.slides.remote.asked_objects import expect_here, open_asked_zarr
from viewer.slides.remote.ranged import ranges_of
from viewer.slides.remote.tiff_walk import fetch_directories
from viewer.slides.source import screen_tile, with_note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from viewer.slides.source import SlideSource

_LONGEST_REASON = 2000
_WARM_BYTES = 16 << 20
"""For the tiles of a screen, as OpenSlide keeps them."""
_WARM_SLOT_BYTES = 256 << 10
"""A tile of 256 px as the screen holds it."""
_LIFE_SIGN_S = 30
_WITHOUT_LIFE_SIGN_S = 300

_opens = msgspec.msgpack.Decoder(prepared(OpenSlide))
_requests = msgspec.msgpack.Decoder(prepared(Request))


def main(arguments: list[str]) -> None:
    """Serve one slide; the arguments are those that `ReaderProcess` gives.

    After the slide to warm up with they are descriptors and sizes. The first descriptor is the
    channel for opening, the second that for the bytes of a slide on a server; of the others each is
    a lane: a channel with slots of the shared pixels, served by a thread of its own.
    """
    warm_up_slide, *numbers = arguments
    pixels_descriptor, slot_bytes, control_descriptor, bytes_descriptor, *lanes = map(int, numbers)
    control = inherited_channel(control_descriptor, _opens)
    shared = None
    if pixels_descriptor >= 0:
        shared = SharedPixels(pixels_descriptor, slot_bytes, SLOTS_PER_LANE * len(lanes))
    if not select.select([control], [], [], 0)[0]:
        _warm_up(Path(warm_up_slide), shared)
    signs = LifeSigns()
    try:
        order = control.receive()
        narrow(order.files, instead_of=["/"])
        signs.begin(control)
        try:
            with progress_to(signs.progress):
                source = _source(order, bytes_descriptor)
            opened = _opened(source)
        except SlideError as error:
            refused = Refused(type(error).__name__, str(error)[:_LONGEST_REASON])
            signs.answer(control, refused)
            return
        # The window goes on meanwhile; what it asks for waits in the lanes.
        signs.answer(control, opened)
        for number, descriptor in enumerate(lanes):
            lane = inherited_channel(descriptor, _requests)
            arguments_of_lane = (source, lane, shared, slots_of(number), signs)
            threading.Thread(target=_serve, args=arguments_of_lane, daemon=True).start()
        if all(opened.direct):
            _give_memory_back()
    except ChannelError:
        return
    _outlive_nobody(control)


def _warm_up(slide: Path, shared: SharedPixels | None) -> None:
    """Do what is slow once only before there is a slide, while nobody waits yet.

    The allocator keeps what was written to once, as `ReaderProcess` tells it. To get it from the
    system, page by page, takes a tenth of the time of a tile; so do the first pages of the slots.
    A slide takes twice as long to open where no other one was opened before.
    """
    _ = b"\1" * _WARM_BYTES
    if shared is not None:
        for slot in range(shared.slot_count):
            first = shared.memory(slot)[:_WARM_SLOT_BYTES]
            first[:] = bytes(len(first))
    with suppress(SlideError), closing(open_here(slide, None, more_readers.FIRST)):
        pass


def _give_memory_back() -> None:
    """Let go of the memory for tiles, where the window reads them itself."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if trim is not None:
        trim(ctypes.c_size_t(0))


def _source(order: OpenSlide, bytes_descriptor: int) -> SlideSource:
    """Open the slide: a file that may be read, or one whose bytes the window has to give."""
    path = Path(order.path)
    if order.opened_ns:
        was_opened_at(order.opened_ns)
    if order.size_bytes < 0:
        others, problems = loaded_readers(order.plugins)
        source = open_here(path, order.image, (*more_readers.FIRST, *others))
        for problem in problems:
            source = with_note(source, problem)
        return source
    asking = Asking(inherited_channel(bytes_descriptor, gives))
    if order.size_bytes == 0:  # a folder of objects
        opening = open_asked_dicom if is_dicom_address(slide_path(order.path)) else open_asked_zarr
        source = opening(slide_path(order.path), asking, order.image)
    else:
        ranges = asked_bytes(asking, order.size_bytes)
        fetch_directories(ranges)
        source = open_here(path_with_bytes(path, ranges), order.image)
    asking.on_expected = lambda tiles: expect_here(source, tiles)
    return source


def _outlive_nobody(control: Channel[OpenSlide]) -> None:
    """Wait for the end of the window, and end with it, whatever the threads are stuck in."""
    while True:
        if hasattr(signal, "alarm"):
            # Ends the process if a decoder holds Python's lock for ever and nobody is left to see.
            signal.alarm(_WITHOUT_LIFE_SIGN_S)
        if select.select([control], [], [], _LIFE_SIGN_S)[0]:
            os._exit(0)  # the window says nothing more here, so this is its end


def _serve(
    source: SlideSource,
    lane: Channel[Request],
    shared: SharedPixels | None,
    slots: Sequence[int],
    signs: LifeSigns,
) -> None:
    """Answer requests one after the other."""
    with progress_to(signs.progress):
        for slot in itertools.cycle(slots):
            try:
                request = lane.receive()
                signs.begin(lane)
                signs.answer(lane, _answer(source, request, shared, slot))
            except ChannelError:
                os._exit(0)


def _answer(
    source: SlideSource, request: Request, shared: SharedPixels | None, slot: int
) -> Answer:
    try:
        offer(shared.memory(slot) if shared is not None else None)
        pixels = _pixels(source, request)
        return hand_over(pixels, shared, slot, is_there=is_in_offered(pixels))
    except TileError as error:
        if isinstance(error, SlideLostError):
            return Refused(type(error).__name__, str(error)[:_LONGEST_REASON])
        return Unreadable(error.reason[:_LONGEST_REASON])
    except SlideError as error:
        return Refused(type(error).__name__, str(error)[:_LONGEST_REASON])
    except PixelsError as error:
        return Unreadable(f"it is too large ({error})")
    except MemoryError:
        return Unreadable("it needs more memory than a reader may take")
    except Exception as error:  # a damaged file can make a decoder fail in any way
        return Unreadable(f"its data is damaged ({error})"[:_LONGEST_REASON])


def _pixels(source: SlideSource, request: Request) -> NDArray[Any]:
    match request:
        case ReadTile(level, column, row, for_screen):
            if for_screen:
                return screen_tile(source, level, column, row)
            return source.read_tile(level, column, row)
        case ReadChannels(level, column, row, channels, z, t):
            values = source.read_channels(level, column, row, channels, z, t)
            return values.reshape(-1, values.shape[2], 1)
        case ReadPicture(name):
            return source.read_associated(name)


def _opened(source: SlideSource) -> Opened:
    info = source.info
    has_direct_tiles = isinstance(source, TiffSource | VendorTiffSource)
    direct = source.direct_tiles if has_direct_tiles else [None] * len(source.levels)
    is_remote = ranges_of(source.path) is not None
    return Opened(
        info.vendor,
        info.reader,
        info.optics,
        info.associated,
        info.icc_profile,
        dict(info.profiles_beside),
        dict(info.properties),
        info.notes,
        info.images,
        info.image,
        info.part,
        info.display_range,
        info.axes,
        source.levels,
        tuple(direct),
        tuple(source.tile_places) if is_remote and has_direct_tiles else (),
    )
