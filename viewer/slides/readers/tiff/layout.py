"""Which directories of a TIFF make up which image, and which of its levels."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from viewer.geometry import Optics
from viewer.limits import TIFF_SHAPES, TIFF_SUB_DIRECTORIES
from viewer.slides.channels import MOST_CHANNELS, names_stains, too_many_channels
from viewer.slides.readers.tiff.directories import is_image, read_chain
from viewer.slides.readers.tiff.errors import ChunkError
from viewer.slides.readers.tiff.joining import ASPECT_TOLERANCE, REDUCED, is_reduced, with_levels
from viewer.slides.readers.tiff.masks import with_masks
from viewer.slides.readers.tiff.metadata import tiff_optics
from viewer.slides.readers.tiff.ome import (
    OmeFile,
    OmeImage,
    described_elsewhere,
    file_uuid,
    ome_images,
    ome_root,
    with_held_planes,
)
from viewer.slides.readers.tiff.page_tags import sample_kind
from viewer.slides.readers.tiff.scn import scn_images
from viewer.slides.readers.tiff.stacks import Stack, alike_stack, ome_stack, pages_behind

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from tifffile import TiffFile, TiffPage

    from viewer.slides.readers.tiff.files import TiffFiles
    from viewer.slides.readers.tiff.stacks import PageAt

_log = logging.getLogger(__name__)


_BESIDE = ("label", "macro", "overview", "thumbnail")
_IMAGE_TYPE = re.compile(r"<ImageType>\s*(\w+)")
"""As PerkinElmer's QPTIFF tells it."""

_LONGEST_DESCRIPTION = 1 << 16
_UNREADABLE = (
    "Its OME-XML is damaged and not read: what it says of channels, planes and the pixel size is "
    "missing."
)
_COLOR_NAMES = (("red", "green", "blue"), ("r", "g", "b"))
_COUNTED = {"Z": "focal planes", "C": "channels", "T": "time points"}
_PRIMARIES = (0xFF0000, 0x00FF00, 0x0000FF)


class TiffLevel(msgspec.Struct, frozen=True):
    """One level of an image: a page, or a page for each color that is kept as a channel.

    Attributes
    ----------
    pages
        Of the first channel, plane and time point, or of all colors.
    page_at
        Gives the page of any other.
    mask
        The page that says where this one is transparent.
    """

    pages: tuple[TiffPage, ...]
    page_at: PageAt
    mask: TiffPage | None = None

    @property
    def page(self) -> TiffPage:
        return self.pages[0]

    @property
    def size_px(self) -> tuple[int, int]:
        return self.page.imagewidth, self.page.imagelength

    @property
    def area(self) -> int:
        return self.page.imagewidth * self.page.imagelength


class TiffImage(msgspec.Struct, frozen=True):
    """One image of the file.

    Attributes
    ----------
    levels
        From the finest on.
    directory
        Where it first stands in the file, for the order of images.
    hidden
        What of it is not shown, as sentences.
    """

    name: str
    levels: tuple[TiffLevel, ...]
    optics: Optics
    directory: int
    hidden: tuple[str, ...] = ()
    ome: OmeImage | None = None
    stack: Stack = msgspec.field(default_factory=Stack)

    @property
    def first_place(self) -> tuple[int, int, int]:
        """Return which channel, focal plane and time point the pages of the levels are.

        The first of all, unless that one is not in the file.
        """
        z, c, t = (0, 0, 0) if self.ome is None else self.ome.first_place
        return c, z, t

    @property
    def rank(self) -> tuple[int, bool]:
        """Return what makes one the image that is shown: its size, and that the XML tells of it."""
        return self.levels[0].area, self.ome is not None

    @property
    def has_stains(self) -> bool:
        """Return whether the samples of a pixel are named as stains are, and so are no colors."""
        names = [part.name.strip().casefold() for part in self.stack.channels[0].parts]
        if len(names) != self.levels[0].page.samplesperpixel or not names_stains(names):
            return False
        return not any(sorted(names[:3]) == sorted(known) for known in _COLOR_NAMES)

    @property
    def plain_name(self) -> str:
        """Return the name as names are compared: "label" for "Label Image"."""
        return self.name.strip().casefold().removesuffix(" image")


def tiff_images(tiff: TiffFile, files: TiffFiles) -> list[TiffImage]:
    """Return the images of a file in the order of the file; a level is no image of its own.

    Levels are found in SubIFDs, in later or earlier pages, and in other OME images: whatever has
    the same shape and shows the same.

    Raises
    ------
    ChunkError
        No directory holds an image that can be read.
    """
    pages, masks, left_out = read_chain(tiff)
    xml = tiff.ome_metadata if tiff.is_ome else None
    described_in = described_elsewhere(xml)
    whole_xml = files.description_in(described_in) if described_in else xml
    first = pages[0] if pages else None
    samples = 1 if first is None else first.samplesperpixel
    opened = OmeFile(len(pages), files.name, file_uuid(xml), samples, files.directories_in)
    described = ome_images(whole_xml, opened)
    if not described and first is not None:
        described = scn_images(first.description, len(pages))
    images, used = _described(tiff, pages, described, files)
    rest = [pages[index] for index in range(len(pages)) if index not in used]
    images = [_with_surplus(image, rest) for image in images]
    plain, too_many = _largest_shapes([page for page in rest if page is not None])
    left_out = " ".join(filter(None, (left_out, too_many)))
    images += _undescribed(tiff, plain, has_end=not left_out)
    if not images:
        raise ChunkError("none of its directories holds an image")
    joined = with_levels(images, files)
    if not described and (untold := _untold(described_in, xml)):
        joined = [replace(image, hidden=(untold, *image.hidden)) for image in joined]
    if masks:
        joined = [with_masks(image, masks) for image in joined]
    if left_out:
        # Said of the image that is shown, whichever is asked for.
        joined = [replace(image, hidden=(*image.hidden, left_out)) for image in joined]
    joined = [_with_uncounted(image) for image in joined]
    return sorted(joined, key=lambda image: image.directory)


def _with_uncounted(image: TiffImage) -> TiffImage:
    """Return an image that says where there are more SubIFDs than are looked at."""
    most = max(len(page.subifds or ()) for level in image.levels for page in level.pages)
    if most <= TIFF_SUB_DIRECTORIES.most:
        return image
    sentence = TIFF_SUB_DIRECTORIES.sentence("this file", most)
    return replace(image, hidden=(*image.hidden, sentence))


def _untold(other: str, xml: str | None) -> str:
    """Return a sentence where a description is not read: in another file, or of its own."""
    if not other:
        return _UNREADABLE if xml is not None and ome_root(xml) is None else ""
    return (
        f"This file is a part of an image that is described in {other}, which is not read: what "
        "it says of planes in other files and of the pixel size is missing. Copy it to the same "
        "folder."
    )


def _subimages(page: TiffPage) -> list[tuple[int, TiffPage]]:
    """Return the images of a page's SubIFDs with their numbers; damaged ones are left out."""
    numbers = range(min(len(page.subifds or ()), TIFF_SUB_DIRECTORIES.most))
    found = ((index, _subimage(page, index)) for index in numbers)
    return [(index, below) for index, below in found if below is not None]


def _subimage(page: TiffPage, index: int) -> TiffPage | None:
    """Return one image of a page's SubIFDs; None where it is damaged or there is none."""
    if index >= len(page.subifds or ()):
        return None
    try:
        with page.parent.filehandle.lock:
            assert page.pages is not None
            below = page.pages[index].aspage()
    except Exception as error:  # as above
        _log.info("a SubIFD of directory %s cannot be read (%r)", page.index, error)
        return None
    return below if is_image(below) else None


def _described(
    tiff: TiffFile,
    pages: Sequence[TiffPage | None],
    described: Sequence[OmeImage],
    files: TiffFiles,
) -> tuple[list[TiffImage], set[int]]:
    """Return the images that OME-XML tells of, and the directories that they take."""
    images: list[TiffImage] = []
    used: set[int] = set()
    known: dict[tuple[TiffPage, Optics], Optics] = {}
    is_set = any(ome.beside for ome in described)
    for number, ome in enumerate(described):
        if ome.size_c > MOST_CHANNELS:
            raise ChunkError(f"it tells of {too_many_channels(ome.size_c)}")
        used.update(ome.planes.values())
        told, ome = ome, with_held_planes(ome)
        page_at = _ome_pages(ome, pages, files)
        z, c, t = ome.first_place
        page = page_at(c, z, t)
        if page is None:
            continue
        tops = [page]
        order = _color_channels(ome, page)
        colors = [each for c in order if (each := page_at(c, z, t)) is not None]
        if colors and len(colors) == len(order) and all(_alike(page, each) for each in colors):
            tops, page_at = colors, _in_order(page_at, order)
        optics = ome.optics
        if not optics.mpp_um:
            # Looked for once: very many images can name one page, whose description is long.
            if (page, optics) not in known:
                known[page, optics] = tiff_optics(tiff, page, optics)
            optics = known[page, optics]
        levels = _levels(tops, page_at)
        # Of several files each gives the images in the same order, whichever is opened.
        first = number - len(described) if is_set else ome.planes.get((z, c, t), 0)
        hidden = (
            *_guessed(told),
            *_missing(told, page, files),
            *_of_other_sets(told, files),
            *_of_another_size(ome, levels[0]),
        )
        images.append(TiffImage(ome.name, levels, optics, first, hidden, ome, ome_stack(ome)))
    return images, used


def _color_channels(ome: OmeImage, page: TiffPage) -> tuple[int, ...]:
    """Return which channels in pages of their own are red, green, blue and opacity, if any are."""
    if ome.size_c not in (3, 4) or page.samplesperpixel != 1:
        return ()
    names = tuple(channel.name.strip().casefold() for channel in ome.channels)
    colors = tuple(channel.color for channel in ome.channels)
    has_alpha = ome.size_c == 4 and len(names) == 4 and names[3] in ("alpha", "a")
    if ome.size_c == 4 and not has_alpha:
        return ()
    alpha = (3,) if has_alpha else ()
    for known in _COLOR_NAMES:
        if sorted(names[:3]) == sorted(known):
            return *(names.index(name) for name in known), *alpha
    if page.bitspersample != 8:
        return ()
    is_unnamed = not any(names) or all(name.startswith("channel") for name in names[:3])
    has_no_colors = not any(color for color in colors[:3])
    is_color = (colors[:3] == _PRIMARIES and not names_stains(names[:3])) or (
        is_unnamed and has_no_colors
    )
    return (0, 1, 2, *alpha) if is_color else ()


def _in_order(page_at: PageAt, order: Sequence[int]) -> PageAt:
    """Return where pages stand whose channels are counted in another order."""

    def page_in_order(c: int, z: int, t: int) -> TiffPage | None:
        return page_at(order[c] if c < len(order) else c, z, t)

    return page_in_order


def _alike(page: TiffPage, other: TiffPage | None) -> bool:
    return other is not None and _shape(other) == _shape(page)


def _shape(page: TiffPage) -> tuple[Hashable, ...]:
    """Return what pages have in common that are channels, planes or times of one image."""
    size = page.imagewidth, page.imagelength, *sample_kind(page)
    return *size, page.is_tiled, page.tilewidth, page.tilelength, page.rowsperstrip


def _largest_shapes(pages: Sequence[TiffPage]) -> tuple[Sequence[TiffPage], str]:
    """Return the pages that are looked through, and a sentence where others are left out.

    Each shape is held against all others, to find which are levels of one image.
    """
    if len(pages) <= TIFF_SHAPES.most:
        return pages, ""
    areas = {_shape(page): page.imagewidth * page.imagelength for page in pages}
    if len(areas) <= TIFF_SHAPES.most:
        return pages, ""
    kept = {*sorted(areas, key=areas.__getitem__, reverse=True)[: TIFF_SHAPES.most]}
    sentence = TIFF_SHAPES.sentence("This file", len(areas))
    return [page for page in pages if _shape(page) in kept], sentence


def _ome_pages(ome: OmeImage, pages: Sequence[TiffPage | None], files: TiffFiles) -> PageAt:
    def page_at(c: int, z: int, t: int) -> TiffPage | None:
        if (beside := ome.beside.get((z, c, t))) is not None:
            return files.page(*beside)
        index = ome.planes.get((z, c, t), len(pages))
        return pages[index] if index < len(pages) else None

    return page_at


def _below(page_at: PageAt, index: int) -> PageAt:
    """Return where the pages stand that are the same SubIFD of each page."""

    def page_below(c: int, z: int, t: int) -> TiffPage | None:
        page = page_at(c, z, t)
        return _subimage(page, index) if page is not None else None

    return page_below


def _levels(tops: Sequence[TiffPage], page_at: PageAt) -> tuple[TiffLevel, ...]:
    """Return the level of these pages and those in their SubIFDs, the finest first."""
    below = [_subimages(page) for page in tops]
    count = min(len(pages) for pages in below)
    levels = [TiffLevel(tuple(tops), page_at)]
    levels += [
        TiffLevel(tuple(pages[index][1] for pages in below), _below(page_at, below[0][index][0]))
        for index in range(count)
    ]
    levels.sort(key=lambda level: -level.area)
    finest = levels[0]
    kept = [finest]
    for level in levels[1:]:
        if level.area < kept[-1].area and is_reduced(finest, level, 5 * ASPECT_TOLERANCE):
            kept.append(level)
    return tuple(kept)


def _missing(ome: OmeImage, page: TiffPage, files: TiffFiles) -> tuple[str, ...]:
    """Return a sentence on planes that lie in files that are not read, or nowhere."""
    if not ome.elsewhere:
        told = ome.size_z * ome.size_c * ome.size_t
        held = len(ome.planes) + len(ome.beside)
        if all(channel.samples == 1 for channel in ome.channels):
            held *= page.samplesperpixel  # which some do not tell in the XML
        return (_too_few(told, held),) if held < told else ()
    count = len(ome.elsewhere)
    others = "" if count == 1 else f" and {count - 1} other file{'s' if count > 2 else ''}"
    why = files.why_not(ome.elsewhere[0])
    return (f"More of this image lies in {ome.elsewhere[0]}{others}, which {why}.",)


def _guessed(ome: OmeImage) -> tuple[str, ...]:
    """Return a sentence for each axis of which the XML gives no usable count."""
    held = {"Z": ome.size_z, "C": ome.size_c, "T": ome.size_t}
    return tuple(
        f"Its OME-XML gives no usable number of {_COUNTED[axis]} (Size{axis}): taken as "
        f"{held[axis]:,}."
        for axis in ome.guessed
    )


def _with_surplus(image: TiffImage, rest: Sequence[TiffPage | None]) -> TiffImage:
    """Return an image that says where pages of its kind are beside those that the XML tells of."""
    page = image.levels[0].page
    count = sum(_alike(page, each) for each in rest)
    if not count:
        return image
    sentence = (
        f"The file holds {count:,} more page{'s' if count > 1 else ''} of this size than its "
        f"OME-XML tells of: {'they are' if count > 1 else 'it is'} listed as another image."
    )
    return replace(image, hidden=(*image.hidden, sentence))


def _of_another_size(ome: OmeImage, level: TiffLevel) -> tuple[str, ...]:
    """Return a sentence where the XML gives a pixel size for an image of another size."""
    told = tuple(ome.attributes.get(f"Size{axis}", "") for axis in "XY")
    held = tuple(map(str, level.size_px))
    if ome.optics.mpp_um is None or not ome.attributes or told == held:
        return ()
    return (
        f"Doubtful pixel size: the file tells it of an image of {' × '.join(told)} px and holds "
        f"one of {' × '.join(held)} px; check it before measuring.",
    )


def _of_other_sets(ome: OmeImage, files: TiffFiles) -> tuple[str, ...]:
    """Return a sentence where a file beside this one is not the one that is meant by its name."""
    others = [name for name, uuid in ome.uuids.items() if _uuid_in(files, name) not in (None, uuid)]
    if not others:
        return ()
    more = f" and {len(others) - 1} more" if len(others) > 1 else ""
    return (
        f"{others[0]}{more} may belong to another image, since the UUID in it is not the one that "
        "this file names: copy the files of the image to a folder of their own.",
    )


def _uuid_in(files: TiffFiles, name: str) -> str | None:
    """Return by which UUID a file beside this one calls itself; None where it does not."""
    page = files.page(name, 0)
    return None if page is None else file_uuid(page.description)


def _unsaid(pages: int) -> str:
    return (
        f"{pages:,} pages of one size are shown as focal planes: the file does not say what they "
        "are."
    )


def _too_few(told: int, held: int) -> str:
    return f"The file tells of {told:,} planes and holds {held:,}."


def _undescribed(tiff: TiffFile, pages: Sequence[TiffPage], *, has_end: bool) -> list[TiffImage]:
    """Return plain pages as images; pages alike are channels, planes and times of one."""
    images: list[TiffImage] = []
    colors = 3 if _is_imagej_color(tiff, pages) else 1
    # Reduced pages last: they are levels of what others hold.
    rest = sorted(pages, key=lambda page: bool(page.subfiletype & REDUCED))
    stacks: dict[int, Stack] = {}
    while rest:
        first = rest[0]
        alike = [page for page in rest if _alike(first, page)]
        if first.subfiletype & REDUCED and len(alike) not in stacks:
            alike = alike[:1]
        taken = {page.index for page in alike}
        rest = [page for page in rest if page.index not in taken]
        count = len(alike)
        stack = stacks.get(count) if count > 1 else None
        stack = stack or alike_stack(tiff, alike, colors, has_end=has_end)
        hidden: tuple[str, ...] = ()
        if count == 1 and stack.page_count > 1:
            alike = pages_behind(tiff, first, stack.page_count)
            if len(alike) < stack.page_count:
                hidden = (_too_few(stack.page_count, len(alike)),)
        if stack.is_guessed:
            hidden = (*hidden, _unsaid(stack.z_count))
        stacks.setdefault(len(alike), stack)
        has_colors = colors > 1 and count % colors == 0
        tops = alike[:colors] if has_colors else alike[:1]
        levels = _levels(tops, stack.pages_in_order(alike))
        name = _name_of(first)
        optics = tiff_optics(tiff, first, Optics())
        images.append(TiffImage(name, levels, optics, first.index, hidden, stack=stack))
    return images


def _is_imagej_color(tiff: TiffFile, pages: Sequence[TiffPage]) -> bool:
    """Return whether ImageJ keeps red, green and blue as three channels of 8 bits."""
    about = tiff.imagej_metadata if tiff.is_imagej else None
    if not about or about.get("channels") != 3 or not pages:
        return False
    return pages[0].bitspersample == 8 and pages[0].samplesperpixel == 1


def _name_of(page: TiffPage) -> str:
    """Return "label", "macro" and the like where the page's description says so."""
    text = page.description[:_LONGEST_DESCRIPTION]
    typed = _IMAGE_TYPE.search(text)
    words = (typed[1] if typed else text.strip().split("\n")[-1]).casefold()
    return next((name for name in _BESIDE if name in words), "")
