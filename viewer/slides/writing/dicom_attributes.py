"""The attributes of a DICOM slide that is written: PS3.3, VL Whole Slide Microscopy Image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import VLWholeSlideMicroscopyImageStorage, generate_uid

from viewer import __version__
from viewer.slides.colors.profile import is_usable
from viewer.slides.colors.srgb import srgb
from viewer.slides.writing.coding import JpegCoding

if TYPE_CHECKING:
    from viewer.slides.source import SlideInfo
    from viewer.slides.writing.coding import Coding
    from viewer.slides.writing.plan import ConvertPlan

_NO_DATE, _NO_TIME = "19000101", "000000"
_UNKNOWN = "Unknown"
_EMPTY = (
    "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyID", "PatientName",
    "PatientID", "PatientBirthDate", "PatientSex",
)  # fmt: skip
"""Attributes that have to be there, and of which nothing is told."""
_THICKNESS_MM = 0.001
"""Of a focal plane, where nobody says."""


def _new_uid() -> str:
    return str(generate_uid(prefix=None))


class LevelUids(msgspec.Struct, frozen=True):
    """What all levels of a slide share."""

    study: str = msgspec.field(default_factory=_new_uid)
    series: str = msgspec.field(default_factory=_new_uid)
    frame_of_reference: str = msgspec.field(default_factory=_new_uid)
    pyramid: str = msgspec.field(default_factory=_new_uid)
    dimensions: str = msgspec.field(default_factory=_new_uid)
    specimen: str = msgspec.field(default_factory=_new_uid)


def level_attributes(
    plan: ConvertPlan,
    index: int,
    coding: Coding,
    info: SlideInfo,
    uids: LevelUids,
    coded_bytes: int,
) -> Dataset:
    """Return all attributes of a level but its pixels and its own UID."""
    level = plan.levels[index]
    x_um, y_um = info.optics.mpp_um or (1.0, 1.0)
    spacing_mm = [_decimal(y_um * level.downsample / 1e3), _decimal(x_um * level.downsample / 1e3)]
    new = Dataset()
    new.SpecificCharacterSet = "ISO_IR 192"
    kind = "NONE" if index == 0 else "RESAMPLED"
    is_copy = index == 0 and isinstance(coding, JpegCoding) and coding.tables is not None
    new.ImageType = ["ORIGINAL" if is_copy else "DERIVED", "PRIMARY", "VOLUME", kind]
    new.SOPClassUID = VLWholeSlideMicroscopyImageStorage
    new.StudyInstanceUID, new.SeriesInstanceUID = uids.study, uids.series
    new.FrameOfReferenceUID, new.PyramidUID = uids.frame_of_reference, uids.pyramid
    for keyword in _EMPTY:
        setattr(new, keyword, "")
    new.ContentDate, new.ContentTime = _NO_DATE, _NO_TIME
    new.AcquisitionDateTime = _NO_DATE + _NO_TIME
    new.Modality, new.SeriesNumber, new.InstanceNumber = "SM", 1, index + 1
    new.Manufacturer, new.ManufacturerModelName = "Coverslip", "Coverslip"
    new.DeviceSerialNumber, new.SoftwareVersions = _UNKNOWN, __version__
    new.PositionReferenceIndicator = "SLIDE_CORNER"
    new.VolumetricProperties = "VOLUME"
    new.DimensionOrganizationType = "TILED_FULL"
    organization = Dataset()
    organization.DimensionOrganizationUID = uids.dimensions
    new.DimensionOrganizationSequence = Sequence([organization])
    _add_pixels(new, plan, index, coding, coded_bytes)
    new.ImagedVolumeWidth = level.width_px * x_um * level.downsample / 1e3
    new.ImagedVolumeHeight = level.height_px * y_um * level.downsample / 1e3
    z_mm = (info.axes.z_spacing_um or 0.0) / 1e3
    new.ImagedVolumeDepth = max(z_mm * plan.z_count, _THICKNESS_MM) * 1e3
    new.TotalPixelMatrixColumns, new.TotalPixelMatrixRows = level.width_px, level.height_px
    new.TotalPixelMatrixFocalPlanes = plan.z_count
    origin = Dataset()
    origin.XOffsetInSlideCoordinateSystem = origin.YOffsetInSlideCoordinateSystem = "0"
    new.TotalPixelMatrixOriginSequence = Sequence([origin])
    new.ImageOrientationSlide = [0, -1, 0, -1, 0, 0]
    new.SpecimenLabelInImage, new.BurnedInAnnotation = "NO", "NO"
    new.FocusMethod, new.ExtendedDepthOfField = "AUTO", "NO"
    _add_specimen(new, uids)
    _add_optics(new, plan, info)
    measures = Dataset()
    measures.PixelSpacing = spacing_mm
    measures.SliceThickness = _decimal(z_mm or _THICKNESS_MM)
    if plan.z_count > 1 and z_mm:
        measures.SpacingBetweenSlices = _decimal(z_mm)
    frame_type = Dataset()
    frame_type.FrameType = new.ImageType
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.WholeSlideMicroscopyImageFrameTypeSequence = Sequence([frame_type])
    if len(new.OpticalPathSequence) == 1:
        path = Dataset()
        path.OpticalPathIdentifier = "1"
        shared.OpticalPathIdentificationSequence = Sequence([path])
    new.SharedFunctionalGroupsSequence = Sequence([shared])
    return new


def _add_pixels(
    new: Dataset, plan: ConvertPlan, index: int, coding: Coding, coded_bytes: int
) -> None:
    level, bits = plan.levels[index], plan.dtype.itemsize * 8
    samples = 3 if plan.is_rgb else 1
    frames = level.tiles * len(plan.planes)
    new.NumberOfFrames = frames
    new.Rows, new.Columns = level.tile_height_px, level.tile_width_px
    new.SamplesPerPixel = samples
    if plan.is_rgb:
        new.PlanarConfiguration = 0
    new.BitsAllocated = new.BitsStored = bits
    new.HighBit, new.PixelRepresentation = bits - 1, 0
    photometric = "MONOCHROME2"
    if isinstance(coding, JpegCoding):
        is_full = coding.subsampling == (1, 1)
        ycbcr = "YBR_FULL" if is_full else "YBR_FULL_422"
        photometric = ycbcr if coding.is_ycbcr else "RGB"
    else:
        new.PresentationLUTShape = "IDENTITY"
        new.RescaleIntercept, new.RescaleSlope = 0, 1
    new.PhotometricInterpretation = photometric
    new.LossyImageCompression = "01" if coding.is_lossy else "00"
    if coding.is_lossy:
        whole = frames * level.tile_width_px * level.tile_height_px * samples
        new.LossyImageCompressionRatio = _decimal(round(whole / max(coded_bytes, 1), 2))
        new.LossyImageCompressionMethod = "ISO_10918_1"


def _add_specimen(new: Dataset, uids: LevelUids) -> None:
    """Say that it is a slide; whose it is, is not known."""
    new.ContainerIdentifier = "1"
    new.IssuerOfTheContainerIdentifierSequence = Sequence()
    new.ContainerTypeCodeSequence = Sequence([_code("433466003", "SCT", "Microscope slide")])
    new.AcquisitionContextSequence = Sequence()
    specimen = Dataset()
    specimen.SpecimenIdentifier, specimen.SpecimenUID = "1", uids.specimen
    specimen.IssuerOfTheSpecimenIdentifierSequence = Sequence()
    specimen.SpecimenPreparationSequence = Sequence()
    new.SpecimenDescriptionSequence = Sequence([specimen])


def _add_optics(new: Dataset, plan: ConvertPlan, info: SlideInfo) -> None:
    """Add an optical path a channel, or one for all colors, with the profile."""
    paths: list[Dataset] = []
    for number in range(max(len(plan.channels), 1)):
        path = Dataset()
        path.OpticalPathIdentifier = str(number + 1)
        if plan.is_rgb:
            kind = _code("111744", "DCM", "Brightfield illumination")
            path.ICCProfile = info.icc_profile if is_usable(info.icc_profile) else _srgb()
        else:
            kind = _code("111743", "DCM", "Epifluorescence illumination")
            path.OpticalPathDescription = plan.channels[number].name
        path.IlluminationTypeCodeSequence = Sequence([kind])
        path.IlluminationColorCodeSequence = Sequence([_code("414298005", "SCT", "Full Spectrum")])
        if info.optics.objective_power is not None:
            path.ObjectiveLensPower = _decimal(info.optics.objective_power)
        paths.append(path)
    new.OpticalPathSequence = Sequence(paths)
    new.NumberOfOpticalPaths = len(paths)


def _srgb() -> bytes:
    return srgb().tobytes()


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _decimal(value: float) -> str:
    """Return a number in at most the 16 characters that DICOM has for it."""
    for digits in range(15, 0, -1):
        text = f"{value:.{digits}g}"
        if len(text) <= 16:
            return text
    return "0"
