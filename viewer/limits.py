"""How much a file may ask for, checked before memory is taken or work begins.

A limit is far above what is seen in practice and below what stops a machine. Each has its sentence.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from viewer.errors import CoverslipError

if TYPE_CHECKING:
    from io import BufferedReader

_MIB = 1 << 20


class LimitError(CoverslipError):
    """A file asks for more than a limit allows; `str()` is one sentence."""


class Limit(msgspec.Struct, frozen=True):
    """The most of something, and what is said where there is more.

    Attributes
    ----------
    most
        The largest value that is accepted.
    text
        The sentence, with {name} for the file, {amount} and {most}.
    """

    most: int
    text: str

    def sentence(self, name: str, amount: float = 0) -> str:
        """Return what is said of the file `name`."""
        return self.text.format(name=name, amount=f"{amount:,.0f}", most=f"{self.most:,}")

    def check(self, amount: float, name: str) -> None:
        """Raise LimitError where `amount` is more than is accepted."""
        if amount > self.most:
            raise LimitError(self.sentence(name, amount))


DESCRIPTION_BYTES = Limit(
    4 * _MIB, "{name} is too large for a description of a model ({amount} bytes, max. {most})"
)
WEIGHTS_BYTES = Limit(
    16 << 30, "{name} is too large for the weights of a model ({amount} bytes, max. {most})"
)
TENSOR_BYTES = Limit(
    256 * _MIB, "{name} is too large for a test tensor ({amount} bytes, max. {most})"
)
UNPACKED_RATIO = Limit(
    200,
    "{name} unpacks to {amount} times its size (max. {most}): "
    "get it again from a source that you trust.",
)
JSON_BYTES = Limit(256 * _MIB, "{name} is too large ({amount} bytes, max. {most})")
KEPT_BYTES = Limit(16 * _MIB, JSON_BYTES.text)
"""Of a small file of the program's own, in its home or beside what it wrote."""
SESSION_BYTES = Limit(16 * _MIB, JSON_BYTES.text)
"""Of what is said of a session beside its log."""
LOG_BYTES = Limit(2048 * _MIB, "{name} is too large for a log ({amount} bytes, max. {most}).")
LINES_BYTES = Limit(64 << 30, "{name} is too large ({amount} bytes, max. {most}).")
LINE_BYTES = Limit(512 * _MIB, "a line of {name} is longer than {most} bytes")
EVENT_BYTES = Limit(16 * _MIB, LINE_BYTES.text)
LOG_LINE_BYTES = Limit(64 * _MIB, LINE_BYTES.text)
IMAGE_BYTES = Limit(
    1_200_000_000,
    "{name} is a single image without a pyramid, too large to hold in memory ({amount} bytes); "
    "convert it once to a pyramidal TIFF, for example with "
    "`vips tiffsave IN OUT.tif --tile --pyramid --compression jpeg`.",
)
IMAGE_DECODING_BYTES = Limit(2 * IMAGE_BYTES.most, IMAGE_BYTES.text)
"""Of what a decoder takes for a moment: some hold an image four times."""
TILE_BYTES = Limit(
    1_200_000_000,
    "{name} is stored in pieces that take {amount} bytes each to decode, too large to hold in "
    "memory (max. {most})",
)
"""Of a tile, strip or chunk in all channels that are decoded together, with what its decoder takes;
readers say what to do."""
TILES_READ = Limit(
    1_000_000,
    "{name} holds no overview for a field as large as this: it is made of {amount} stored tiles "
    "(max. {most}). Take a smaller one, or convert the slide first.",
)
"""For one picture."""
TIFF_DIRECTORIES = Limit(
    20_000, "Only the first {most} directories of {name} are read; those after them are left out."
)
TIFF_SUB_DIRECTORIES = Limit(
    256,
    "Only the first {most} of {amount} images below one directory of {name} are looked at; those "
    "after them are left out.",
)
TIFF_SHAPES = Limit(
    256,
    "{name} holds images of {amount} shapes: the {most} largest are read, the rest is left out.",
)
TIFF_TILES = Limit(
    16 << 20,
    "{name} lists {amount} tiles in one image (max. {most}), more than any slide has; "
    "it is damaged, so copy it again from where it came.",
)
TIFF_TEXT_BYTES = Limit(
    64 * _MIB,
    "{name} holds a text of {amount} bytes in one tag (max. {most}), more than any slide has; "
    "it is damaged, so copy it again from where it came.",
)
TIFF_NUMBERS_BYTES = Limit(
    _MIB,
    "{name} says that a tag of it holds {amount} bytes of numbers (max. {most}), which no slide "
    "needs; it is damaged, so copy it again from where it came.",
)
TIFF_COPIED_DIRECTORIES = Limit(
    TIFF_DIRECTORIES.most,
    "{name} holds more than {most} directories, too many to copy; convert it instead.",
)
COPIED_TILE_BYTES = Limit(
    256 * _MIB,
    "One of its tiles takes {amount} bytes (max. {most}), too many to look through for texts; "
    "convert it instead.",
)
"""Of a compressed tile or strip, and of what it unpacks to; a JPEG of any length is looked through
as it is copied."""
COLOR_PROFILE_BYTES = Limit(16 * _MIB, "{name} is {amount} bytes long, max. {most}")
JPEG_PIXELS_PER_BYTE = Limit(
    1024,
    "{name} claims {amount} pixels for each of its bytes, which no JPEG holds; "
    "it is damaged or cut short, so copy it again from where it came.",
)
CROSSINGS = Limit(
    250_000, "its edges cross one another about {amount} times, too often to repair (max. {most})"
)
NESTED_PARTS = Limit(
    CROSSINGS.most,
    "its parts lie on one another about {amount} times, too often to repair (max. {most})",
)
OVERLAPS = Limit(
    10_000_000,
    "{name} lie on one another about {amount} times, too often to compare them: "
    "give a part of them.",
)
FOLDER_SLIDES = Limit(
    100_000, "it holds more than {most} slides: move a part of them to a folder of their own"
)
CLASSES = Limit(10_000, "{name} names {amount} classes (max. {most}).")
TABLE_BYTES = Limit(
    2048 * _MIB, "{name} holds a table too large to open (more than 2 GB): export a part of it."
)
ANNOTATIONS_BYTES = Limit(
    TABLE_BYTES.most,
    "{name} holds more annotations than can be read at once (more than 2 GB): export a part of it.",
)
MASK_BYTES = Limit(
    4096 * _MIB,
    "{name} takes more than 4 GB of memory to read: save the mask at a coarser scale or in parts.",
)
PROFILE_BYTES = Limit(TABLE_BYTES.most, "{name} takes more than 2 GB of memory to read.")
"""These four are of a process that reads a file, and of all that it answers."""
ANSWER_SECONDS = Limit(120, "{name} cannot be read: it took more than {most} s.")
READING_SECONDS = Limit(3600, ANSWER_SECONDS.text)
"""Until the last answer of a process that reads a file; the other is until the next."""


DICOM_ELEMENTS = Limit(
    3_000_000,
    "{name} has a header of more than {most} elements, too many to read; ask for it as a slide "
    "whose tiles fill the grid (TILED_FULL)",
)
"""Before the pixels, in sequences too: some 15 for each tile of one that lists its tiles."""
DICOM_HEADER_BYTES = Limit(
    512 * _MIB,
    "{name} has a header of more than {most} bytes, which no slide needs; it is damaged, so copy "
    "it again from where it came.",
)
DICOM_PLAIN_BYTES = Limit(
    IMAGE_BYTES.most,
    "{name} is a DICOM slide in deflated or big-endian form, which is held in memory to be read, "
    "and is too large for that with the others of its series (max. {most} bytes): write it as "
    "Explicit VR Little Endian, for example with DCMTK's `dcmconv +te IN OUT`",
)
DICOM_FRAGMENTS = Limit(
    4 << 20,
    "{name} has pixels of more than {most} pieces, which no slide needs; it is damaged, so copy "
    "it again from where it came.",
)
SMALL_PARTS = Limit(
    10_000,
    "{name} is made of {amount} parts of a few bytes each, which no picture needs: save it again "
    "with another program",
)
"""Of a file of a picture; more where they are longer."""
JPEG_SCANS = Limit(200, "{name} has more than {most} scans, which no picture needs")
"""Each is decoded over all pixels."""
JPEG_2000_PACKETS = Limit(
    20_000_000,
    "{name} is divided into {amount} packets (max. {most}), which no picture needs; save it again "
    "with fewer layers and larger precincts",
)
"""Of all layers, resolutions, components and tiles; each takes its time, empty or not."""
JPEG_2000_BYTES = Limit(
    IMAGE_BYTES.most,
    "{name} is divided so finely that {amount} bytes are needed to decode it (max. {most}); save "
    "it again with larger precincts, code-blocks and tiles",
)
"""Beside those of the pixels."""
JPEG_2000_MARKERS = Limit(1_000_000, "{name} has more than {most} markers, which no picture needs")
TILE_PIECES = Limit(
    1024,
    "{name} is stored in such small pieces that a tile of the screen is made of {amount} of them "
    "(max. {most})",
)
"""Of tiles or chunks in 256 x 256 px, as those of 8 px are; readers say what to do."""


class NoRegularFileError(CoverslipError, OSError):
    """A pipe, device or socket where a file is expected: reading it might never end."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EINVAL, "it is a pipe or device, not a file", os.fspath(path))


class FileTooLargeError(CoverslipError, OSError):
    """A file that is larger than any of its kind."""

    def __init__(self, path: Path, sentence: str) -> None:
        super().__init__(errno.EFBIG, sentence, os.fspath(path))


class HollowFileError(CoverslipError, OSError):
    """A file of which next to nothing is on the disk: it was copied in part, or made to hold up."""

    def __init__(self, path: Path, stored_bytes: int, size_bytes: int) -> None:
        sentence = (
            f"only {stored_bytes:,} of its {size_bytes:,} bytes are on the disk: copy it again"
        )
        super().__init__(errno.EINVAL, sentence, os.fspath(path))


def check_regular(path: Path) -> None:
    """Raise NoRegularFileError for pipes and devices; OSError where there is nothing."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise NoRegularFileError(path)


def open_regular(path: Path, limit: Limit | None = None) -> BufferedReader:
    """Open a file to read, never a pipe or device, and with a limit none that is larger or hollow.

    A slide on a server is no file of this machine: its path opens itself.

    Raises
    ------
    OSError
        It cannot be read; `strerror` says why.
    """
    if type(path) is not type(Path()):
        return path.open("rb")
    # A pipe that nobody writes to would hold up a plain open.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
    try:
        about = os.fstat(descriptor)
        if stat.S_ISDIR(about.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
        if not stat.S_ISREG(about.st_mode):
            raise NoRegularFileError(path)
        if limit is not None and about.st_size > limit.most:
            raise FileTooLargeError(path, limit.sentence(path.name, about.st_size))
        if limit is not None and about.st_size > _LARGE_BYTES:
            _check_holes(descriptor, path, about.st_size)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _check_holes(descriptor: int, path: Path, size_bytes: int) -> None:
    """Raise HollowFileError where most of a file was never written; zeros would be read for it."""
    if not hasattr(os, "SEEK_DATA"):
        return
    stored_bytes = end = 0
    try:
        for _ in range(_MOST_HOLES):
            begin = os.lseek(descriptor, end, os.SEEK_DATA)
            end = os.lseek(descriptor, begin, os.SEEK_HOLE)
            stored_bytes += end - begin
            if stored_bytes * _HOLLOW >= size_bytes:
                return
    except OSError as error:
        if error.errno != errno.ENXIO:  # which says that no more is stored
            return
    finally:
        os.lseek(descriptor, 0, os.SEEK_SET)
    raise HollowFileError(path, stored_bytes, size_bytes)


def read_regular(path: Path, limit: Limit) -> bytes:
    """Return the content of a file; raises as `open_regular`."""
    with open_regular(path, limit) as file:
        # As much as is asked for is taken before anything is read.
        size_bytes = os.fstat(file.fileno()).st_size
        return file.read(min(limit.most, size_bytes + _MIB))


def read_kept(path: Path) -> bytes:
    """Return the content of a small file of the program's own; raises as `open_regular`.

    Such a file may have been put there by another program, or be damaged like any other.
    """
    return read_regular(path, KEPT_BYTES)


_LARGE_BYTES, _HOLLOW, _MOST_HOLES = 256 * _MIB, 16, 100_000
_BINARY = getattr(os, "O_BINARY", 0)


def unreadable(name: str) -> str:
    """Return the sentence about a file that its parser does not understand."""
    return f"{name} cannot be read: the file is damaged, cut short or of another kind."
