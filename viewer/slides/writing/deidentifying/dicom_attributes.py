# (wsidicom and pydicom bring types that are not complete)
"""What stays of the attributes of a DICOM slide: PS3.15 Annex E, by what is known to be harmless.

The basic profile names what has to go. Here only what is named stays, so that an attribute that the
profile does not know, or that stands where it should not, goes too.
"""

from __future__ import annotations

import re
import struct
from functools import cache
from typing import TYPE_CHECKING

from pydicom.datadict import dictionary_VM, dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, generate_uid

from viewer.slides.writing.deidentifying.report import whole_profile

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement

    from viewer.slides.writing.deidentifying.report import Report

_NUMERIC = frozenset(("DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"))
_NUMBERS = frozenset((
    "NumberOfFrames", "SamplesPerPixel", "PlanarConfiguration", "Rows", "Columns", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "PixelSpacing", "SliceThickness",
    "SpacingBetweenSlices", "WindowCenter", "WindowWidth", "RescaleIntercept", "RescaleSlope",
    "SmallestImagePixelValue", "LargestImagePixelValue", "PixelPaddingValue",
    "LossyImageCompressionRatio", "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor", "BluePaletteColorLookupTableDescriptor",
    "XOffsetInSlideCoordinateSystem", "YOffsetInSlideCoordinateSystem",
    "ZOffsetInSlideCoordinateSystem", "ImagedVolumeWidth", "ImagedVolumeHeight",
    "ImagedVolumeDepth", "TotalPixelMatrixColumns", "TotalPixelMatrixRows",
    "TotalPixelMatrixFocalPlanes", "DistanceBetweenFocalPlanes", "NumberOfFocalPlanes",
    "RecommendedAbsentPixelCIELabValue", "ImageOrientationSlide", "NumberOfOpticalPaths",
    "ColumnPositionInTotalImagePixelMatrix", "RowPositionInTotalImagePixelMatrix",
    "ObjectiveLensPower", "ObjectiveLensNumericalAperture", "CondenserLensPower",
    "IlluminationWaveLength", "LightPathFilterPassThroughWavelength", "LightPathFilterPassBand",
    "ImagePathFilterPassThroughWavelength", "ImagePathFilterPassBand", "DimensionIndexValues",
    "InConcatenationNumber", "InConcatenationTotalNumber", "ConcatenationFrameOffsetNumber",
))  # fmt: skip
"""Numbers of sizes, scale, coding and optics. Those that count studies, series and acquisitions are
given by who orders them, and may be those of a case."""
_MOST_VALUES = 8
"""Of a number that the standard lets have any number of values."""
_MOST_DIGITS, _LARGEST = 10, 1e7
"""Of a decimal."""
_WRITTEN = frozenset(("DS", "IS"))
"""Numbers that are written as texts."""
_DECIMAL = re.compile(r"[+\-]?(\d+\.?\d*|\.\d+)([eE][+\-]?\d+)?")
_WORDS = frozenset((
    "ORIGINAL", "DERIVED", "PRIMARY", "SECONDARY", "VOLUME", "THUMBNAIL", "NONE", "RESAMPLED", "SM",
    "MONOCHROME1", "MONOCHROME2", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT",
    "PALETTE COLOR", "00", "01", "ISO_10918_1", "ISO_14495_1", "ISO_15444_1", "ISO_15444_15", "YES",
    "NO", "AUTO", "MANUAL", "TILED_FULL", "TILED_SPARSE", "3D", "3D_TEMPORAL", "COLOR",
    "MONOCHROME", "SAMPLED", "DISTORTED", "MIXED", "IDENTITY", "SLIDE_CORNER", "SRGB", "ADOBERGB",
    "ROMMRGB", "DISPLAYP3", "JPEG2000", "JPEG", "PRODUCT", "RESEARCH", "SERVICE",
))  # fmt: skip
_WORD_ATTRIBUTES = frozenset((
    "ImageType", "FrameType", "Modality", "PhotometricInterpretation", "LossyImageCompression",
    "LossyImageCompressionMethod", "BurnedInAnnotation", "FocusMethod", "ExtendedDepthOfField",
    "SpecimenLabelInImage", "VolumetricProperties", "DimensionOrganizationType",
    "PresentationLUTShape", "PixelPresentation", "PositionReferenceIndicator", "ColorSpace",
    "ContentQualification",
))  # fmt: skip
_SEQUENCES = frozenset((
    "OpticalPathSequence", "TotalPixelMatrixOriginSequence", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", "DimensionOrganizationSequence", "DimensionIndexSequence",
    "SpecimenDescriptionSequence", "PixelMeasuresSequence", "PlanePositionSlideSequence",
    "OpticalPathIdentificationSequence", "FrameContentSequence",
    "WholeSlideMicroscopyImageFrameTypeSequence", "PaletteColorLookupTableSequence",
))  # fmt: skip
_CODE_SEQUENCES = frozenset((
    "IlluminationTypeCodeSequence", "IlluminationColorCodeSequence", "ContainerTypeCodeSequence",
    "LensesCodeSequence", "LightPathFilterTypeStackCodeSequence", "ChannelDescriptionCodeSequence",
))  # fmt: skip
_SCHEMES = ("DCM", "SCT")
_MEANINGS = {
    ("DCM", "111741"): "Transmission illumination", ("DCM", "111742"): "Reflection illumination",
    ("DCM", "111743"): "Epifluorescence illumination",
    ("DCM", "111744"): "Brightfield illumination", ("DCM", "111745"): "Brightfield illumination",
    ("SCT", "414298005"): "Full Spectrum", ("SRT", "R-102C0"): "Full Spectrum",
    ("SCT", "433466003"): "Microscope slide", ("SRT", "A-0101B"): "Microscope slide",
}  # fmt: skip
"""Of the codes that nearly every slide holds, by scheme and value."""
_POINTERS = frozenset(("DimensionIndexPointer", "FunctionalGroupPointer"))
_PROFILE = "ICCProfile"
_DISCRETE, _LINEAR = 0, 1
_MOST_ENTRIES, _DESCRIPTOR_VALUES = 1 << 16, 3
_TABLES = re.compile(r"(Segmented)?(Red|Green|Blue)PaletteColorLookupTableData")
_EMPTY = (
    "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyID",
    "PatientBirthDate", "PatientSex",
)  # fmt: skip
"""Attributes that have to be there, without a value."""
_MAKERS = frozenset((
    "Hamamatsu", "Hamamatsu Photonics", "Leica Biosystems", "Aperio", "Philips", "PHILIPS",
    "3DHISTECH", "Roche", "Ventana", "Olympus", "Evident", "Zeiss", "Carl Zeiss", "Huron",
    "Grundium", "Motic", "Sakura", "Epredia", "Akoya Biosciences", "PerkinElmer",
))  # fmt: skip
_NO_DATE, _NO_TIME = "19000101", "000000"
_UNKNOWN = "Unknown"
_METHOD = "PS3.15 Annex E Basic Profile, Coverslip"


class AttributeCleaner:
    """Makes data sets of what stays, with the same new UID for the same old one throughout.

    Parameters
    ----------
    pseudonym
        Stands for the patient.
    """

    def __init__(self, report: Report, pseudonym: str) -> None:
        self._report = report
        self._pseudonym = pseudonym
        self._uids: dict[str, str] = {}
        self._paths: dict[str, str] = {}
        self._keeps_path_names = False

    def new_uid(self, old: str) -> str:
        """Return the UID that stands for another; those of the standard stand for themselves."""
        if _is_standard(old):
            return old
        return self._uids.setdefault(old, str(generate_uid(prefix=None)))

    def cleaned(self, source: Dataset) -> Dataset:
        """Return a new data set of an instance, without its pixels."""
        paths = source.get("OpticalPathSequence") or ()
        # The names of several paths are those of channels; of one, nobody needs it.
        self._keeps_path_names = len(paths) > 1
        new = Dataset()
        self._copy(source, new)
        for keyword in _EMPTY:
            setattr(new, keyword, "")
        new.SpecificCharacterSet = "ISO_IR 192"
        new.PatientName = new.PatientID = self._pseudonym
        new.AcquisitionDateTime = _NO_DATE + _NO_TIME
        new.ContentDate, new.ContentTime = _NO_DATE, _NO_TIME
        maker = str(source.get("Manufacturer", ""))
        new.Manufacturer = maker if maker in _MAKERS else _UNKNOWN
        if new.Manufacturer != _UNKNOWN:
            self._report.keep("Manufacturer", maker)
        new.ManufacturerModelName = new.DeviceSerialNumber = new.SoftwareVersions = _UNKNOWN
        new.ContainerIdentifier = "1"
        new.IssuerOfTheContainerIdentifierSequence = Sequence()
        new.AcquisitionContextSequence = Sequence()
        if "ContainerTypeCodeSequence" not in new:
            new.ContainerTypeCodeSequence = Sequence()
        new.SeriesNumber = new.InstanceNumber = "1"
        for number, specimen in enumerate(new.get("SpecimenDescriptionSequence") or (), 1):
            specimen.SpecimenIdentifier = str(number)
            specimen.IssuerOfTheSpecimenIdentifierSequence = Sequence()
            specimen.SpecimenPreparationSequence = Sequence()
        new.PatientIdentityRemoved = "YES"
        new.DeidentificationMethod = _METHOD
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator = "113100", "DCM"
        code.CodeMeaning = "Basic Application Confidentiality Profile"
        new.DeidentificationMethodCodeSequence = Sequence([code])
        new.LongitudinalTemporalInformationModified = "REMOVED"
        return new

    def _copy(self, source: Dataset, target: Dataset) -> None:
        for element in source:
            name = keyword_for_tag(element.tag)
            if element.tag.is_private or not name:
                self._report.remove("private attribute")
            elif name == "PixelData" or element.tag.group in (0x0002, 0x7FE0):
                continue
            elif not self._copied(name, element, target):
                self._report.remove(f"attribute {name}")

    def _copied(self, name: str, element: DataElement, target: Dataset) -> bool:
        """Copy an element where it is harmless; return whether it was."""
        value = element.value
        if element.VR == "UI":
            return self._copied_uids(name, value, target)
        if name in _SEQUENCES:
            items: list[Dataset] = []
            for each in value or ():
                item = Dataset()
                self._copy(each, item)
                items.append(item)
            setattr(target, name, Sequence(items))
            return True
        if name in _CODE_SEQUENCES:
            setattr(target, name, Sequence(filter(None, map(_code, value or ()))))
            return True
        if name == "OpticalPathIdentifier":
            new = self._paths.setdefault(str(value), str(len(self._paths) + 1))
            target.OpticalPathIdentifier = new
            return True
        if name == "OpticalPathDescription" and self._keeps_path_names:
            target.OpticalPathDescription = str(value)
            self._report.keep("channel name", str(value))
            return True
        if name == _PROFILE and element.VR == "OB":
            profile = whole_profile(bytes(value or b""))
            if profile is None:
                return False
            self._report.keep_profile(profile)
            target.add_new(element.tag, "OB", profile + b"\0" * (len(profile) % 2))
            return True
        if self._is_harmless(name, element) or _is_table(name, element, target):
            target.add_new(element.tag, element.VR, value)
            return True
        if name in _NUMBERS and (numbers := _plain_numbers(element)) is not None:
            target.add_new(element.tag, element.VR, numbers)
            return True
        return False

    def _copied_uids(self, name: str, value: object, target: Dataset) -> bool:
        if name == "SOPClassUID" and _is_standard(str(value)):
            setattr(target, name, value)
            return True
        if name not in _UID_ATTRIBUTES:
            return False
        setattr(target, name, self.new_uid(str(value)))
        return True

    def _is_harmless(self, name: str, element: DataElement) -> bool:
        """Return whether an element holds nothing but words and tags of the standard."""
        values = element.value if element.VM > 1 else [element.value]
        if name in _POINTERS:
            return element.VR == "AT" and all(keyword_for_tag(each) for each in values if each)
        return name in _WORD_ATTRIBUTES and all(str(each) in _WORDS | {""} for each in values)


_UID_ATTRIBUTES = frozenset((
    "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID",
    "DimensionOrganizationUID", "SpecimenUID", "PyramidUID", "ConcatenationUID",
    "SOPInstanceUIDOfConcatenationSource", "PaletteColorLookupTableUID",
))  # fmt: skip


def _is_standard(uid: str) -> bool:
    """Return whether a UID is one of those that the standard itself gives, which have names."""
    return UID(uid).name != uid


def _plain_numbers(element: DataElement) -> list[object] | None:
    """Return the numbers of an element, no more of them and no longer than its kind has.

    None where it holds others, or is of another type than the standard says.
    """
    if element.VR not in _NUMERIC or element.VR not in dictionary_VR(element.tag).split(" or "):
        return None
    values = list(element.value) if element.VM > 1 else [element.value]
    values = [each for each in values if each not in (None, "")]
    most = dictionary_VM(element.tag)
    if len(values) > (int(most) if most.isdecimal() else _MOST_VALUES):
        return None
    if element.VR not in _WRITTEN:
        return values
    if not all(_DECIMAL.fullmatch(str(each).strip()) for each in values):
        return None
    # Written anew: spaces, zeros in front and digits beyond any scale could tell something.
    plain = [f"{float(each):.{_MOST_DIGITS}g}" for each in values]
    return [*plain] if all(abs(float(each)) < _LARGEST for each in plain) else None


def _is_table(name: str, element: DataElement, target: Dataset) -> bool:
    """Return whether an element is a table of colors as long as its descriptor says."""
    found = _TABLES.fullmatch(name)
    if found is None or element.VR != "OW":
        return False
    data = bytes(element.value or b"")
    descriptor = target.get(f"{found[2]}PaletteColorLookupTableDescriptor")
    if descriptor is None or len(descriptor) != _DESCRIPTOR_VALUES:
        return False
    entries = int(descriptor[0]) or _MOST_ENTRIES
    if found[1]:
        return _segmented_entries(data) == entries
    return len(data) in (entries + entries % 2, 2 * entries)


def _segmented_entries(data: bytes) -> int:
    """Return how many entries a table of segments unpacks to (PS3.3, C.7.9.2); 0 where it is none.

    One that repeats segments before it is none here.
    """
    words = [word for (word,) in struct.iter_unpack("<H", data[: len(data) // 2 * 2])]
    at = entries = 0
    while at + 2 < len(words):
        kind, length = words[at], words[at + 1]
        if kind not in (_DISCRETE, _LINEAR):
            return 0
        entries += length
        at += 2 + (length if kind == _DISCRETE else 1)
    return entries if at == len(words) else 0


def _code(item: Dataset) -> Dataset | None:
    """Return a code that the standard knows, with its own words for it; None for others."""
    value, scheme = str(item.get("CodeValue", "")), str(item.get("CodingSchemeDesignator", ""))
    meaning = _MEANINGS.get((scheme, value)) or _known_codes().get((scheme, value))
    if meaning is None:
        return None
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


@cache
def _known_codes() -> dict[tuple[str, str], str]:
    """Return what codes of the standard's lists mean, by scheme and value."""
    # They take half a second to import, and few slides hold others than those above.
    from pydicom.sr.codedict import codes

    return {
        (scheme, str(code.value)): str(code.meaning)
        for scheme in _SCHEMES
        for code in getattr(codes, scheme).concepts.values()
    }
