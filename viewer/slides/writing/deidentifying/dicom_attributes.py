# (wsidicom and pydicom bring types that are not complete)
"""What stays of the attributes of a DICOM slide: PS3.15 Annex E, by what is known to be harmless.

The basic profile names what has to go. Here only what is named stays, so that an attribute that the
profile does not know, or that stands where it should not, goes too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from viewer.slides.writing.deidentifying.report import whole_profile

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement

    from viewer.slides.writing.deidentifying.report import Report

_NUMERIC = frozenset(("DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"))
_NUMERIC_GROUPS = frozenset((0x0020, 0x0022, 0x0028, 0x0048))
_NUMBERS = frozenset((
    "SliceThickness", "XOffsetInSlideCoordinateSystem", "YOffsetInSlideCoordinateSystem",
    "ZOffsetInSlideCoordinateSystem",
))  # fmt: skip
"""Numbers of other groups."""
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
_SCHEMES = frozenset(("DCM", "SCT", "SRT"))
_CODE = re.compile(r"\d{5,18}|[A-Z]-[0-9A-F]{3,6}")
_MEANINGS = {
    "111741": "Transmission illumination", "111742": "Reflection illumination",
    "111743": "Epifluorescence illumination", "111744": "Brightfield illumination",
    "111745": "Brightfield illumination", "414298005": "Full Spectrum", "R-102C0": "Full Spectrum",
    "433466003": "Microscope slide", "A-0101B": "Microscope slide",
}  # fmt: skip
_POINTERS = frozenset(("DimensionIndexPointer", "FunctionalGroupPointer"))
_STANDARD = "1.2.840.10008."
"""What the UIDs of the standard itself begin with."""
_PROFILE = "ICCProfile"
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
        if old.startswith(_STANDARD):
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
        return False

    def _copied_uids(self, name: str, value: object, target: Dataset) -> bool:
        if name == "SOPClassUID" and str(value).startswith(_STANDARD):
            setattr(target, name, value)
            return True
        if name not in _UID_ATTRIBUTES:
            return False
        setattr(target, name, self.new_uid(str(value)))
        return True

    def _is_harmless(self, name: str, element: DataElement) -> bool:
        """Return whether an element holds nothing but numbers, or words of the standard."""
        values = element.value if element.VM > 1 else [element.value]
        if name in _POINTERS:
            return element.VR == "AT"
        if element.VR in _NUMERIC and (element.tag.group in _NUMERIC_GROUPS or name in _NUMBERS):
            return all(_DECIMAL.fullmatch(str(each).strip()) for each in values if each is not None)
        return name in _WORD_ATTRIBUTES and all(str(each) in _WORDS | {""} for each in values)


_UID_ATTRIBUTES = frozenset((
    "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID",
    "DimensionOrganizationUID", "SpecimenUID", "PyramidUID", "ConcatenationUID",
    "SOPInstanceUIDOfConcatenationSource", "PaletteColorLookupTableUID",
))  # fmt: skip


def _is_table(name: str, element: DataElement, target: Dataset) -> bool:
    """Return whether an element is a table of colors as long as its descriptor says."""
    found = _TABLES.fullmatch(name)
    if found is None or element.VR != "OW":
        return False
    descriptor = target.get(f"{found[2]}PaletteColorLookupTableDescriptor")
    if descriptor is None or len(descriptor) != _DESCRIPTOR_VALUES:
        return False
    entries = int(descriptor[0]) or _MOST_ENTRIES
    size = len(bytes(element.value or b""))
    return bool(found[1]) or size in (entries + entries % 2, 2 * entries)


def _code(item: Dataset) -> Dataset | None:
    """Return a code of a public scheme with the standard's own words for it; None for others."""
    value, scheme = str(item.get("CodeValue", "")), str(item.get("CodingSchemeDesignator", ""))
    if scheme not in _SCHEMES or not _CODE.fullmatch(value):
        return None
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = value, scheme
    code.CodeMeaning = _MEANINGS.get(value, _UNKNOWN)
    return code
