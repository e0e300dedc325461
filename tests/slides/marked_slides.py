"""Slides full of texts that tell who the patient is, in each place where a format has room."""

from __future__ import annotations

import base64
import functools
import io
import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms
from pydicom.encaps import encapsulate, generate_frames

SECRETS = (
    "DOE^JANE", "MRN-4711-0815", "1948-02-29", "St. Elsewhere", "Dr. Quincy", "case_S26-1234",
    "Jürgen Müßig", "SN-998877",
)  # fmt: skip
SECRET = " ".join(SECRETS)


def found_secrets(data: bytes) -> list[str]:
    """Return which secrets stand in bytes: as UTF-8, UTF-16, Latin-1 or base64, in any frame."""
    found: list[str] = []
    for secret in SECRETS:
        forms = {secret.encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be", "latin-1")}
        for text in list(forms):
            # Wherever a text begins in what is coded, its inner groups of three look alike.
            forms |= {base64.b64encode(text[skip:])[:-4] for skip in range(3)}
        if any(form in data for form in forms if len(form) >= 8):
            found.append(secret)
    return found


def tissue(width: int, height: int, seed: int = 7) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).integers(0, 255, (height // 16 + 1, width // 16 + 1, 3))
    picture = Image.fromarray(noise.astype(np.uint8)).resize((width, height))
    return np.asarray(picture)


def label_jpeg() -> bytes:
    """Return a JPEG of a label, with comments and Exif."""
    held = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = SECRET.encode("ascii", "replace").decode()
    Image.fromarray(tissue(128, 96, 3)).save(held, "JPEG", comment=SECRET.encode(), exif=exif)
    return held.getvalue()


def with_comment(jpeg: bytes) -> bytes:
    """Return a JPEG with a comment, an Exif segment, and bytes behind its end."""
    text = SECRET.encode()
    comment = b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text
    exif = b"Exif\0\0" + text
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    return jpeg[:2] + comment + segment + jpeg[2:] + b"\0" + text


@functools.cache
def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


EXTRA_TAGS = [
    (306, "s", 20, "1948:02:29 10:00:00", True),
    (315, "s", 0, SECRET.encode(), True),
    (316, "s", 0, SECRET.encode(), True),
    (269, "s", 0, SECRET.encode(), True),
    (33432, "s", 0, SECRET.encode(), True),
    (700, "B", len(SECRET.encode()), SECRET.encode(), True),
    (33723, "B", len(SECRET.encode()), SECRET.encode(), True),
    (34377, "B", len(SECRET.encode()), SECRET.encode(), True),
    (40093, "B", len(SECRET.encode("utf-16-le")), SECRET.encode("utf-16-le"), True),
    (65000, "s", 0, base64.b64encode(SECRET.encode()).decode(), True),
]


def jpeg_tiles(image: NDArray[np.uint8], tile: int, *, marked: bool) -> list[bytes]:
    """Return the tiles of an image as JPEG, some with texts in them."""
    height, width = image.shape[:2]
    tiles: list[bytes] = []
    for y in range(0, height, tile):
        for x in range(0, width, tile):
            part = np.full((tile, tile, 3), 255, np.uint8)
            piece = image[y : y + tile, x : x + tile]
            part[: piece.shape[0], : piece.shape[1]] = piece
            coded = imagecodecs.jpeg8_encode(
                part, level=85, colorspace="RGB", outcolorspace="YCBCR", subsampling="420"
            )
            data = bytes(coded)
            tiles.append(with_comment(data) if marked and len(tiles) % 3 == 1 else data)
    return tiles


def write_levels(
    tiff: tifffile.TiffWriter,
    sizes: list[tuple[int, int]],
    descriptions: list[str],
    *,
    marked_tiles: bool,
    extratags: list[tuple[object, ...]],
    subifds: bool = False,
    software: str = f"Scanner of {SECRETS[0]}",
    **options: object,
) -> None:
    whole = tissue(*sizes[0])
    for index, ((width, height), description) in enumerate(zip(sizes, descriptions, strict=True)):
        image = np.asarray(Image.fromarray(whole).resize((width, height)))
        first = {"subifds": len(sizes) - 1} if subifds and index == 0 else {}
        later = {"subfiletype": 1} if subifds and index else {}
        tiff.write(
            iter(jpeg_tiles(image, 256, marked=marked_tiles)), shape=image.shape, dtype=np.uint8,
            tile=(256, 256), photometric="ycbcr", subsampling=(2, 2), compression="jpeg",
            description=description.encode() or None, metadata=None, iccprofile=profile(),
            extratags=extratags, software=software, **first, **later, **options,  # pyright: ignore[reportArgumentType]
        )  # fmt: skip


def write_svs(path: Path, *, marked_tiles: bool = False, bigtiff: bool = False) -> Path:
    """Write an SVS of two levels with thumbnail, label and macro."""
    fields = "|".join((
        "AppMag = 40", "StripeWidth = 2040", f"ScanScope ID = {SECRETS[7]}",
        f"Filename = {SECRETS[5]}", f"Title = {SECRET}", f"Date = {SECRETS[2]}", "Time = 10:00:00",
        f"User = {SECRETS[4]}", "ImageID = 1004486", "MPP = 0.2500", f"Patient = {SECRETS[0]}",
        f"Hospital {SECRETS[3]}", f"{SECRETS[6]} = 1", "ICC Profile = AT2",
        f"AppMag = 40 {SECRETS[0]}", f"ICC Profile = {SECRET} {SECRET}",
    ))  # fmt: skip
    program = "Aperio Image Library v12.0.15 "
    base = (
        f"{program}\r\n1300x1000 [0,0 1300x1000] (256x256) JPEG/RGB Q=70 {SECRETS[1]} "
        f"1300x1000{SECRETS[0]}|{fields}"
    )
    second = f"{program}\r\n1300x1000 (256x256) -> 650x500 JPEG/RGB Q=70|{fields}"
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as tiff:
        write_levels(tiff, [(1300, 1000)], [base], marked_tiles=marked_tiles, extratags=EXTRA_TAGS)
        tiff.write(
            tissue(325, 250),
            description=f"{program}\r\n1300x1000 -> 325x250 - |{fields}".encode(),
            compression="jpeg",
            rowsperstrip=16,
            metadata=None,
            extratags=EXTRA_TAGS,
        )
        write_levels(tiff, [(650, 500)], [second], marked_tiles=marked_tiles, extratags=[])
        for name, kind in (("label", 1), ("macro", 9)):
            text = f"{program}\r\n{name} 200x160|{fields}"
            tiff.write(
                tissue(200, 160, 5),
                description=text.encode(),
                compression="lzw",
                subfiletype=kind,
                rowsperstrip=16,
                metadata=None,
                extratags=EXTRA_TAGS,
            )
    with path.open("ab") as file:
        file.write(SECRET.encode())
    return path


def write_philips(path: Path, *, has_directories_beside: bool = True) -> Path:
    """Write a Philips TIFF of two levels, its label and macro in the XML and as directories."""
    coded = base64.b64encode(label_jpeg()).decode()

    def attribute(name: str, value: str, kind: str = "IString") -> str:
        return (
            f'<Attribute Name="{name}" Group="0x301D" Element="0x1000" PMSVR="{kind}">{value}'
            "</Attribute>"
        )

    def image(kind: str, more: str) -> str:
        inner = attribute("PIM_DP_IMAGE_TYPE", kind) + more
        return f'<DataObject ObjectType="DPScannedImage">{inner}</DataObject>'

    spacing = "&quot;0.00025&quot; &quot;0.00025&quot;"
    levels = "".join(
        '<DataObject ObjectType="PixelDataRepresentation">'
        + attribute(
            "DICOM_PIXEL_SPACING", f"&quot;{0.00025 * 2**n}&quot; &quot;{0.00025 * 2**n}&quot;"
        )
        + attribute("PIIM_PIXEL_DATA_REPRESENTATION_NUMBER", str(n))
        + attribute("PIIM_PIXEL_DATA_REPRESENTATION_COLUMNS", str(1280 >> n))
        + attribute("PIIM_PIXEL_DATA_REPRESENTATION_ROWS", str(1024 >> n))
        + "</DataObject>"
        for n in range(2)
    )
    slide = (
        attribute("DICOM_PIXEL_SPACING", spacing)
        + attribute("DICOM_DERIVATION_DESCRIPTION", SECRET)
        + attribute("DICOM_MANUFACTURER", "PHILIPS")
        + attribute("DICOM_MANUFACTURER", SECRET)
        + '<Attribute Name="PIIM_PIXEL_DATA_REPRESENTATION_SEQUENCE" Group="0x1001" '
        f'Element="0x8B01" PMSVR="IDataObjectArray"><Array>{levels}</Array></Attribute>'
    )
    images = "".join((
        image("WSI", slide),
        image("LABELIMAGE", attribute("PIM_DP_IMAGE_DATA", coded)),
        image("MACROIMAGE", attribute("PIM_DP_IMAGE_DATA", coded)),
    ))  # fmt: skip
    xml = (
        f'<?xml version="1.0" encoding="UTF-8" ?><!-- {SECRET} -->'
        '<DataObject ObjectType="DPUfsImport">'
        + attribute("DICOM_ACQUISITION_DATETIME", "19480229100000")
        + attribute("DICOM_DEVICE_SERIAL_NUMBER", SECRETS[7])
        + attribute("PIM_DP_UFS_BARCODE", base64.b64encode(SECRET.encode()).decode())
        + attribute(f"PRIVATE {SECRETS[0]}", SECRETS[1])
        + '<Attribute Name="PIM_DP_SCANNED_IMAGES" Group="0x301D" Element="0x1003" '
        f'PMSVR="IDataObjectArray"><Array>{images}</Array></Attribute></DataObject>'
    )
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        write_levels(
            tiff,
            [(1280, 1024)],
            [xml],
            marked_tiles=True,
            extratags=EXTRA_TAGS,
            software="Philips DP v1.0",
        )
        write_levels(
            tiff,
            [(640, 512)],
            [f"level=1 mag=22 quality=80 {SECRET}"],
            marked_tiles=False,
            extratags=EXTRA_TAGS,
            subfiletype=1,
        )
        for name in ("Label", "Macro") if has_directories_beside else ():
            tiff.write(
                tissue(200, 160, 5),
                description=name,
                compression="jpeg",
                rowsperstrip=160,
                metadata=None,
                extratags=EXTRA_TAGS,
            )
    return path


def write_ome(path: Path) -> Path:
    """Write an OME-TIFF with a pyramid, a label and texts in each corner of the XML."""

    def pixels(index: int, width: int, height: int, scale: str) -> str:
        return (
            f'<Pixels ID="Pixels:{index}" DimensionOrder="XYCZT" Type="uint8" SizeX="{width}" '
            f'SizeY="{height}" SizeC="3" SizeZ="1" SizeT="1" Interleaved="true" {scale} '
            f'TimeIncrement="{SECRETS[1]}" TimeIncrementUnit="{SECRETS[0]}">'
            f'<Channel ID="Channel:{index}:0" SamplesPerPixel="3" Name="H&amp;E" '
            f'Fluor="{SECRETS[0]}"/><TiffData IFD="{index}" PlaneCount="1">'
            f'<UUID FileName="{SECRETS[5]}.ome.tif">urn:uuid:1b2c</UUID></TiffData></Pixels>'
        )

    scale = 'PhysicalSizeX="0.25" PhysicalSizeXUnit="µm" PhysicalSizeY="0.25"'
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:1b2c" '
        f'Creator="{SECRETS[3]}"><Experimenter ID="Experimenter:0" LastName="{SECRETS[4]}"/>'
        '<Instrument ID="Instrument:0"><Microscope Model="SN" '
        f'SerialNumber="{SECRETS[7]}"/><Objective ID="Objective:0:0" NominalMagnification="40" '
        f'SerialNumber="{SECRETS[7]}"/></Instrument>'
        f'<Image ID="Image:0" Name="{SECRETS[5]}"><AcquisitionDate>1948-02-29T10:00:00'
        f"</AcquisitionDate><Description>{SECRET}</Description>"
        '<ObjectiveSettings ID="Objective:0:0"/>'
        f"{pixels(0, 1300, 1000, scale)}</Image>"
        f'<Image ID="Image:1" Name="label image">{pixels(1, 200, 160, scale)}</Image>'
        '<StructuredAnnotations><XMLAnnotation ID="Annotation:0"><Value><who>'
        f"{SECRET}</who><coded>{base64.b64encode(SECRET.encode()).decode()}</coded></Value>"
        "</XMLAnnotation></StructuredAnnotations></OME>"
    )
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        write_levels(
            tiff,
            [(1300, 1000), (650, 500)],
            [xml, SECRET],
            marked_tiles=True,
            extratags=EXTRA_TAGS,
            subifds=True,
        )
        tiff.write(tissue(200, 160, 5), compression="lzw", metadata=None, extratags=EXTRA_TAGS)
    return path


def write_marked_ndpi(source: Path, path: Path) -> Path:
    """Write a copy of an NDPI with its texts overwritten by secrets of the same length."""
    data = bytearray(source.read_bytes())
    with tifffile.TiffFile(source) as tiff:
        for page in tiff.pages:
            for code in (305, 306, 65434, 65442, 65449):
                tag = page.aspage().tags.get(code)
                if tag is not None and tag.count > 4:
                    text = (SECRET.encode() * 200)[: tag.count - 1]
                    data[tag.valueoffset : tag.valueoffset + len(text)] = text
    known = b"Hamamatsu NanoZoomer Digital Pathology"
    text = SECRET.encode()[: len(known)].ljust(len(known))
    path.write_bytes(bytes(data).replace(known, text) + SECRET.encode())
    return path


def write_marked_dicom(source: Path, folder: Path) -> Path:
    """Write the files of a DICOM slide with secrets in attributes of all kinds and depths."""
    folder.mkdir()
    for number, path in enumerate(sorted(source.iterdir())):
        slide = pydicom.dcmread(path)
        slide.PatientName, slide.PatientID = SECRETS[0], SECRETS[1]
        slide.PatientBirthDate, slide.StudyDate = "19480229", "19480229"
        slide.AcquisitionDateTime = "19480229100000"
        slide.AccessionNumber, slide.StudyID = SECRETS[5], SECRETS[5]
        slide.ReferringPhysicianName, slide.InstitutionName = SECRETS[4], SECRETS[3]
        slide.DeviceSerialNumber, slide.SoftwareVersions = SECRETS[7], SECRETS[7]
        slide.Manufacturer, slide.ManufacturerModelName = SECRETS[3], SECRETS[3]
        slide.SpecificCharacterSet = "ISO_IR 192"
        slide.ImageComments, slide.StudyDescription = SECRET, SECRETS[6]
        slide.ContainerIdentifier, slide.BarcodeValue = SECRETS[5], SECRET
        slide.RescaleType, slide.SeriesDescription = SECRETS[1], SECRETS[1]
        slide.FocusMethod = SECRETS[7]
        slide.RetrieveURL = f"https://pacs/{SECRETS[1]}"
        specimen = slide.SpecimenDescriptionSequence[0]
        specimen.SpecimenIdentifier, specimen.SpecimenShortDescription = SECRETS[5], SECRETS[0]
        specimen.SpecimenDetailedDescription = SECRET
        path_of_light = slide.OpticalPathSequence[0]
        path_of_light.OpticalPathIdentifier = SECRETS[7]
        path_of_light.OpticalPathDescription = SECRET
        path_of_light.IlluminationTypeCodeSequence[0].CodeMeaning = SECRETS[4]
        code = pydicom.Dataset()
        code.CodeValue, code.CodingSchemeDesignator = SECRETS[1], "99LOCAL"
        code.CodeMeaning = SECRETS[0]
        path_of_light.IlluminationTypeCodeSequence.append(code)
        groups = slide.SharedFunctionalGroupsSequence[0]
        groups.FrameContentSequence = [pydicom.Dataset()]
        groups.FrameContentSequence[0].FrameComments = SECRETS[0]
        block = specimen.private_block(0x0041, SECRETS[3], create=True)
        block.add_new(1, "UT", SECRET)
        block = slide.private_block(0x2001, "MAKER", create=True)
        block.add_new(2, "UN", base64.b64encode(SECRET.encode()))
        slide.add_new(0x60003000, "OB", SECRET.encode() + b" " * (len(SECRET.encode()) % 2))
        slide.add_new(0x60004000, "LT", SECRETS[0])
        slide.DigitalSignaturesSequence = [pydicom.Dataset()]
        slide.add_new(0xFFFCFFFC, "OB", SECRET.encode() + b" " * (len(SECRET.encode()) % 2))
        slide.preamble = SECRET.encode()[:128].ljust(128, b"\0")
        slide.file_meta.SourceApplicationEntityTitle = "DOE^JANE"
        slide.file_meta.ImplementationVersionName = "SN-998877"
        if slide.NumberOfFrames > 1:
            frames = list(generate_frames(slide.PixelData, number_of_frames=slide.NumberOfFrames))
            frames[7] = with_comment(frames[7])
            slide.PixelData = encapsulate(frames)
        slide.save_as(folder / f"{SECRETS[0]}-{number}.dcm")
    return folder
