"""What the XML of Leica's SCN says of scans in fluorescence, which OpenSlide does not read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.geometry import Optics
from viewer.slides.readers.tiff.description_xml import description_root
from viewer.slides.readers.tiff.ome import OmeChannel, OmeImage
from viewer.slides.resolution import positive

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_NAMESPACE = "http://www.leica-microsystems.com/scn/"
_LIGHT = "{*}scanSettings/{*}illuminationSettings/{*}illuminationSource"
_NM_PER_UM = 1000.0
_LARGEST_NUMBER = 1 << 20


def scn_images(xml: str, directories: int) -> list[OmeImage]:
    """Return the scans of a slide, each of its levels as an image; none of other files.

    Parameters
    ----------
    directories
        How many the file has.
    """
    root = _root(xml)
    if root is None:
        return []
    return [
        image
        for scan in root.iterfind("{*}collection/{*}image")
        if (pixels := scan.find("{*}pixels")) is not None
        for image in _levels(scan, pixels, directories)
    ]


def scan_lights(xml: str) -> list[str]:
    """Return what the scans of a slide were lit by, such as "brightfield"; [] for other files.

    The overview of the whole glass is none of them.
    """
    root = _root(xml)
    if root is None:
        return []
    return [
        (scan.findtext(_LIGHT) or "").strip()
        for collection in root.iterfind("{*}collection")
        for scan in collection.iterfind("{*}image")
        if _area(scan.find("{*}view")) != _area(collection)
    ]


def _area(element: Element | None) -> tuple[str | None, ...]:
    if element is None:
        return ()
    return tuple(element.get(name) for name in ("sizeX", "sizeY"))


def _root(xml: str) -> Element | None:
    """Return the XML of an SCN; None for that of others."""
    root = description_root(xml) if _NAMESPACE in xml else None
    return root if root is not None and root.tag.startswith("{" + _NAMESPACE) else None


def _levels(scan: Element, pixels: Element, directories: int) -> list[OmeImage]:
    planes: dict[int, dict[tuple[int, int, int], int]] = {}
    for each in pixels.iterfind("{*}dimension"):
        level, z, c, ifd = (_number(each.get(name)) for name in ("r", "z", "c", "ifd"))
        if ifd < directories:
            planes.setdefault(level, {}).setdefault((z, c, 0), ifd)
    levels: list[OmeImage] = []
    for held in (planes[level] for level in sorted(planes)):
        size_z, size_c = (1 + max(place[axis] for place in held) for axis in (0, 1))
        levels.append(
            OmeImage(
                name=scan.get("name", ""),
                optics=_optics(scan, pixels) if not levels else Optics(),
                size_z=size_z,
                size_c=size_c,
                size_t=1,
                channels=_channels(scan, size_c),
                planes=held,
                beside={},
                elsewhere=(),
                attributes={},
            )
        )
    return levels


def _channels(scan: Element, count: int) -> tuple[OmeChannel, ...]:
    stated = {
        _number(each.get("index")): each
        for each in scan.iterfind("{*}scanSettings/{*}channelSettings/{*}channel")
    }
    found: list[OmeChannel] = []
    for number in range(min(count, _LARGEST_NUMBER)):
        about = stated.get(number)
        name = "" if about is None else about.get("name", "")
        found.append(OmeChannel(name or f"C{number + 1}", 1, _color(about)))
    return tuple(found)


def _color(about: Element | None) -> int | None:
    try:
        return int((about.get("rgb", "") if about is not None else "").lstrip("#"), 16) & 0xFFFFFF
    except ValueError:
        return None


def _optics(scan: Element, pixels: Element) -> Optics:
    view = scan.find("{*}view")
    sides: list[float] = []
    for name in ("sizeX", "sizeY"):
        nm = positive(view.get(name)) if view is not None else None
        px = positive(pixels.get(name))
        if nm is not None and px is not None:
            sides.append(nm / _NM_PER_UM / px)
    power = scan.findtext("{*}scanSettings/{*}objectiveSettings/{*}objective")
    return Optics((sides[0], sides[1]) if len(sides) == 2 else None, positive(power))


def _number(text: str | None) -> int:
    try:
        return min(max(int(text or 0), 0), _LARGEST_NUMBER)
    except ValueError:
        return 0
