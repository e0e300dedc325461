"""The OME-XML of what is written."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from viewer.slides.channels import Color
    from viewer.slides.source import SlideInfo
    from viewer.slides.writing.plan import ConvertPlan

OME_NAMESPACE = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
SCHEMA_LOCATION = f"{OME_NAMESPACE} {OME_NAMESPACE}/ome.xsd"
_TYPES = {"float32": "float", "float64": "double"}
STORABLE_TYPES = (
    "uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64",
)  # fmt: skip


def ome_xml(info: SlideInfo, plan: ConvertPlan) -> str:
    """Return the XML of one image: sizes, scale, objective, channels; no names, no dates."""
    root = ElementTree.Element("OME", {
        "xmlns": OME_NAMESPACE, "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
        "xsi:schemaLocation": SCHEMA_LOCATION, "Creator": "Coverslip",
    })  # fmt: skip
    power = info.optics.objective_power
    if power is not None:
        instrument = ElementTree.SubElement(root, "Instrument", {"ID": "Instrument:0"})
        about = {"ID": "Objective:0:0", "NominalMagnification": f"{power:g}"}
        ElementTree.SubElement(instrument, "Objective", about)
    image = ElementTree.SubElement(root, "Image", {"ID": "Image:0", "Name": "Slide"})
    if power is not None:
        ElementTree.SubElement(image, "InstrumentRef", {"ID": "Instrument:0"})
        ElementTree.SubElement(image, "ObjectiveSettings", {"ID": "Objective:0:0"})
    base, kind = plan.levels[0], plan.dtype.name
    samples = 3 if plan.is_rgb else 1
    about = {
        "ID": "Pixels:0",
        "DimensionOrder": "XYCZT",
        "Type": _TYPES.get(kind, kind),
        "BigEndian": "false",
        "Interleaved": "true" if plan.is_rgb else "false",
        "SizeX": str(base.width_px),
        "SizeY": str(base.height_px),
        "SizeC": str(3 if plan.is_rgb else len(plan.channels)),
        "SizeZ": str(plan.z_count),
        "SizeT": str(plan.t_count),
    } | _scale(info)
    pixels = ElementTree.SubElement(image, "Pixels", about)
    if plan.is_rgb:
        about = {"ID": "Channel:0:0", "SamplesPerPixel": str(samples)}
        ElementTree.SubElement(pixels, "Channel", about)
    for index, channel in enumerate(plan.channels):
        about = {"ID": f"Channel:0:{index}", "Name": channel.name, "SamplesPerPixel": "1",
                 "Color": str(signed_color(channel.color))}  # fmt: skip
        ElementTree.SubElement(pixels, "Channel", about)
    for index in range(len(plan.planes)):
        c, z, t = plan.place_of(index)
        about = {"IFD": str(index), "FirstC": str(c), "FirstZ": str(z), "FirstT": str(t)}
        ElementTree.SubElement(pixels, "TiffData", about | {"PlaneCount": "1"})
    return '<?xml version="1.0" encoding="UTF-8"?>' + ElementTree.tostring(root, "unicode")


def signed_color(color: Color) -> int:
    """Return red, green, blue and full alpha as OME's signed 32-bit number."""
    red, green, blue = color
    value = (red << 24) | (green << 16) | (blue << 8) | 0xFF
    return value - (1 << 32) if value >= 1 << 31 else value


def _scale(info: SlideInfo) -> dict[str, str]:
    about: dict[str, str] = {}
    if info.optics.mpp_um is not None:
        for axis, um in zip("XY", info.optics.mpp_um, strict=True):
            about |= {f"PhysicalSize{axis}": repr(float(um)), f"PhysicalSize{axis}Unit": "µm"}
    if info.axes.z_spacing_um is not None:
        about |= {"PhysicalSizeZ": repr(info.axes.z_spacing_um), "PhysicalSizeZUnit": "µm"}
    if info.axes.t_interval_s is not None:
        about |= {"TimeIncrement": repr(info.axes.t_interval_s), "TimeIncrementUnit": "s"}
    return about
