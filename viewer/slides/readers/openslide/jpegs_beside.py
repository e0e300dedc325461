"""Label and macro that vendors keep as files of JPEG, where their color profiles may lie."""

from __future__ import annotations

import base64
import binascii
import struct
from typing import TYPE_CHECKING, BinaryIO

from viewer.limits import COLOR_PROFILE_BYTES, TIFF_TEXT_BYTES, open_regular
from viewer.slides.files.companions import VMS_MACRO, values_in
from viewer.slides.files.mirax import mirax_folder, mirax_values
from viewer.slides.readers.tiff.description_xml import description_root
from viewer.slides.readers.tiff_directory import TiffDirectoryError, read_texts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MOST_BYTES = COLOR_PROFILE_BYTES.most + (1 << 16)
"""Of a JPEG, within which its profile lies."""
_DESCRIPTION = 270
_PHILIPS_IMAGES = "./Attribute[@Name='PIM_DP_SCANNED_IMAGES']/Array/DataObject"
_PHILIPS = {"LABELIMAGE": "label", "MACROIMAGE": "macro"}
_MIRAX = {
    "ScanDataLayer_SlideThumbnail": "macro",
    "ScanDataLayer_SlideBarcode": "label",
    "ScanDataLayer_SlidePreview": "thumbnail",
}
_MIRAX_LAYER = "Scan data layer"
_MIRAX_VERSION_BYTES = 5
_MOST_MIRAX_VALUES = 10_000


def jpegs_beside(path: Path, vendor: str) -> dict[str, bytes]:
    """Return the JPEGs of associated pictures by their names, each cut behind its profile.

    Those of Philips stand in the XML, those of MIRAX in its data, that of VMS is a file. Nothing
    of other vendors, and of files that are damaged: that is said where it costs pixels.

    Parameters
    ----------
    vendor
        As OpenSlide tells it.
    """
    finders = {"philips": _of_philips, "mirax": _of_mirax, "hamamatsu": _of_vms}
    find = finders.get(vendor)
    try:
        return {} if find is None else dict(find(path))
    except (TiffDirectoryError, OSError, ValueError, LookupError, struct.error):
        return {}


def _of_philips(path: Path) -> Iterator[tuple[str, bytes]]:
    xml = read_texts(path, (_DESCRIPTION,), TIFF_TEXT_BYTES.most).get(_DESCRIPTION, b"")
    root = description_root(xml.rstrip(b"\0").decode("utf-8", "replace"))
    for image in () if root is None else root.iterfind(_PHILIPS_IMAGES):
        values = {each.get("Name"): each.text or "" for each in image.iterfind("Attribute")}
        name = _PHILIPS.get(values.get("PIM_DP_IMAGE_TYPE", ""))
        if name is not None:
            try:
                yield name, base64.b64decode(values.get("PIM_DP_IMAGE_DATA", ""))[:_MOST_BYTES]
            except binascii.Error:
                continue


def _of_vms(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.suffix.lower() not in (".vms", ".vmu"):
        return  # NDPI has directories
    for file in values_in(path, VMS_MACRO)[:1]:
        with open_regular(file) as jpeg:
            yield "macro", jpeg.read(_MOST_BYTES)


def _of_mirax(path: Path) -> Iterator[tuple[str, bytes]]:
    folder = mirax_folder(path)
    ini = mirax_values(folder)
    identifier = ini["GENERAL", "SLIDE_ID"]
    with open_regular(folder / ini["HIERARCHICAL", "INDEXFILE"]) as index:
        root_at = _MIRAX_VERSION_BYTES + len(identifier.encode()) + 4
        for number, value in enumerate(_names_of_records(ini)):
            name = _MIRAX.get(value)
            if name is None:
                continue
            at, size, file_number = _mirax_record(index, root_at, number)
            with open_regular(folder / ini["DATAFILE", f"FILE_{file_number}"]) as data:
                data.seek(at)
                yield name, data.read(min(size, _MOST_BYTES))


def _names_of_records(ini: dict[tuple[str, str], str]) -> Iterator[str]:
    """Yield what lies in each record beside the levels; "" for those of other layers."""
    layers = int(ini["HIERARCHICAL", "NONHIER_COUNT"])
    left = _MOST_MIRAX_VALUES
    for layer in range(min(layers, left)):
        is_scan = ini.get(("HIERARCHICAL", f"NONHIER_{layer}_NAME")) == _MIRAX_LAYER
        count = int(ini["HIERARCHICAL", f"NONHIER_{layer}_COUNT"])
        for number in range(min(count, left)):
            value = ini.get(("HIERARCHICAL", f"NONHIER_{layer}_VAL_{number}"), "")
            yield value if is_scan else ""
        left -= min(count, left)


def _mirax_record(index: BinaryIO, root_at: int, number: int) -> tuple[int, int, int]:
    """Return where a record begins, its bytes, and the number of its file."""

    def numbers(at: int, count: int) -> tuple[int, ...]:
        index.seek(at)
        return struct.unpack(f"<{count}i", index.read(4 * count))

    (table,) = numbers(root_at, 1)
    (entry,) = numbers(table + 4 * number, 1)
    _, page = numbers(entry, 2)
    *_, at, size, file_number = numbers(page, 7)
    return at, size, file_number
