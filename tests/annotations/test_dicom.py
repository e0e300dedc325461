"""DICOM annotations, judged by highdicom's own reader; and files that others wrote."""

from __future__ import annotations

import copy
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import highdicom as hd
import numpy as np
import pydicom
import pytest
import shapely
from highdicom.spatial import ImageToReferenceTransformer
from hypothesis import given, settings
from hypothesis import strategies as some
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, VLWholeSlideMicroscopyImageStorage

from viewer.annotations.annotation import DESCRIPTION, Annotation, AnnotationClass
from viewer.annotations.formats.dicom.bulk_reading import read_groups
from viewer.annotations.formats.exchange import FORMATS, read_annotations, write_as
from viewer.annotations.formats.problems import AnnotationFileError
from viewer.annotations.formats.slide_place import SlidePlace
from viewer.annotations.formats.sniffing import holds_annotations
from viewer.slides.tray import slides_in

if TYPE_CHECKING:
    from viewer.annotations.formats.problems import Problem

SIZE_PX = (3000, 2000)
MPP_UM = 0.25
TUMOR = AnnotationClass("Tumör", "#c80a1e")
STROMA = AnnotationClass("Stroma", "#006420")
SVS = SlidePlace("/slides/a.svs", "a.svs", "key", SIZE_PX, (MPP_UM, MPP_UM))
pytestmark = pytest.mark.filterwarnings("ignore")


def level(
    folder: Path, downsample: int, series: str, orientation: tuple[float, ...] = (0, 1, 0, 1, 0, 0)
) -> Dataset:
    """A header of a level as scanners write it, without pixels."""
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.SOPClassUID = VLWholeSlideMicroscopyImageStorage
    header.SOPInstanceUID = hd.UID()
    header.SeriesInstanceUID, header.StudyInstanceUID = series, "1.2.3"
    header.FrameOfReferenceUID, header.Modality = "1.2.3.4", "SM"
    header.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    header.PatientID, header.PatientName = "P 1", "Müller"
    header.SpecificCharacterSet = "ISO_IR 100"
    header.TotalPixelMatrixColumns, header.TotalPixelMatrixRows = (n // downsample for n in SIZE_PX)
    header.Rows = header.Columns = 500
    header.NumberOfFrames = 1
    header.DimensionOrganizationType = "TILED_FULL"
    header.ImageOrientationSlide = list(orientation)
    origin, measures, groups = Dataset(), Dataset(), Dataset()
    origin.XOffsetInSlideCoordinateSystem, origin.YOffsetInSlideCoordinateSystem = 20.5, 33.25
    header.TotalPixelMatrixOriginSequence = [origin]
    measures.PixelSpacing = [MPP_UM / 1000 * downsample] * 2
    measures.SliceThickness = 0.001
    groups.PixelMeasuresSequence = [measures]
    header.SharedFunctionalGroupsSequence = [groups]
    pydicom.dcmwrite(folder / f"level-{downsample}.dcm", header, enforce_file_format=True)
    for name in ("PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate",
                 "StudyTime"):  # fmt: skip
        setattr(header, name, "")
    return header


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> tuple[SlidePlace, list[Dataset]]:
    folder = tmp_path_factory.mktemp("slide")
    headers = [level(folder, downsample, "1.2.3.5") for downsample in (1, 4)]
    level(folder, 2, "1.2.3.99")  # of another slide
    path = str(folder / "level-4.dcm")
    return SlidePlace(path, "level-4.dcm", "key", SIZE_PX, (MPP_UM, MPP_UM)), headers


def read(path: Path, place: SlidePlace | None = None) -> tuple[list[Annotation], list[Problem]]:
    problems: list[Problem] = []
    return list(read_annotations(path, problems, slide=place)), problems


def write(path: Path, kind: str, drawn: list[Annotation], place: SlidePlace) -> list[Problem]:
    return write_as(path, FORMATS[f"dicom-{kind}"], drawn, place)


def drawn() -> list[Annotation]:
    id_ = UUID("3f5a1c66-0000-4000-8000-000000000001")
    ring = shapely.box(1000, 500, 1400, 900).difference(shapely.box(1100, 600, 1200, 700))
    return [
        Annotation(shapely.box(5, 5, 20.25, 15), id_, shown_as=TUMOR, name="A",
                   measurements={"Area µm^2": 97.3, "Score": 0.5}),
        Annotation(ring, shown_as=STROMA, measurements={"Score": 1e-3}),
        Annotation(shapely.Point(7, 8.5), kind="detection"),
        Annotation(shapely.LineString([(7, 8), (10, 12)]), color="#0000ff"),
        Annotation(shapely.box(100, 30, 300, 90), is_ellipse=True, shown_as=TUMOR),
    ]  # fmt: skip


# Bulk annotations ----------------------------------------------------------------------------


@pytest.mark.parametrize("is_dicom", [True, False])
def test_groups_are_what_highdicom_reads(tmp_path: Path, slide: Any, is_dicom: bool) -> None:
    place, headers = slide
    path = tmp_path / "a.dcm"
    lost = write(path, "ann", drawn(), place if is_dicom else SVS)
    ann = hd.ann.annread(path)
    groups = {(g.label, g.graphic_type.value): g for g in ann.get_annotation_groups()}
    assert list(groups) == [
        ("Tumör", "POLYGON"), ("Stroma", "POLYGON"), ("No class", "POINT"),
        ("No class", "POLYLINE"), ("Tumör", "ELLIPSE"),
    ]  # fmt: skip
    tumor, stroma = groups["Tumör", "POLYGON"], groups["Stroma", "POLYGON"]
    assert ann.annotation_coordinate_type.value == "2D"
    assert ann.PixelOriginInterpretation == "VOLUME"
    (corners,) = tumor.get_graphic_data("2D")
    assert shapely.Polygon(corners).equals(shapely.box(5, 5, 20.25, 15))
    names, values, units = tumor.get_measurements()
    assert [str(name.meaning) for name in names] == ["Area µm^2", "Score"]
    assert values.tolist() == [[pytest.approx(97.3), 0.5]]
    assert [unit.value for unit in units] == ["um2", "1"]
    assert hd.color.CIELabColor.from_dicom_value(
        tuple(tumor.RecommendedDisplayCIELabValue)
    ).to_rgb() == (200, 10, 30)
    parts = [shapely.Polygon(each) for each in stroma.get_graphic_data("2D")]
    assert shapely.union_all(parts).equals(drawn()[1].geometry)
    ends = groups["Tumör", "ELLIPSE"].get_graphic_data("2D")[0].tolist()
    assert ends == [[100, 60], [300, 60], [200, 30], [200, 90]]
    assert groups["No class", "POINT"].algorithm_type.value == "AUTOMATIC"
    assert any("its holes" in problem.reason for problem in lost)
    referred = ann.ReferencedImageSequence[0].ReferencedSOPInstanceUID
    if is_dicom:
        assert referred == headers[0].SOPInstanceUID
        assert (str(ann.PatientName), ann.PatientID) == ("Müller", "P 1")
    else:
        assert referred.startswith("2.25.")
        assert (str(ann.PatientName), ann.PatientID or "") == ("", "")
        assert "a.svs is no DICOM slide" in lost[0].reason


def test_bulk_annotations_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    write(path, "ann", drawn(), SVS)
    found, problems = read(path, SVS)
    assert problems == []
    assert [each.class_name for each in found] == ["Tumör", "Stroma", "Stroma", "", "", "Tumör"]
    assert [found[0], found[0].id] == [drawn()[0], drawn()[0].id]
    assert [found[1].shown_as, found[3].kind, found[4].color] == [STROMA, "detection", "#0000ff"]
    assert found[5].is_ellipse
    assert found[5].geometry.bounds == pytest.approx((100, 30, 300, 90))
    assert found[1].measurements == {"Score": 0.001}


def foreign(path: Path, source: Dataset, kind: str, places: list[np.ndarray], **more: Any) -> None:
    group = hd.ann.AnnotationGroup(
        1, hd.UID(), "nuclei", codes.SCT.AnatomicalStructure, codes.SCT.Nucleus, "POLYGON", places,
        "AUTOMATIC",
        hd.AlgorithmIdentificationSequence("net", codes.DCM.ArtificialIntelligence, "1"),
        [hd.ann.Measurements(codes.SCT.Area, np.array([100.5, np.nan]),
                             codes.UCUM.SquareMicrometer)],
        "from a net",
    )  # fmt: skip
    hd.ann.MicroscopyBulkSimpleAnnotations(
        [source], kind, [group], hd.UID(), 1, hd.UID(), 1, "Maker", "Net", "1", "1", **more
    ).save_as(path)


PLACES = [np.array([[5, 5], [20, 5], [20, 15]]), np.array([[2500, 25], [2990, 25], [2990, 1990.5]])]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_places_in_mm_on_the_glass(tmp_path: Path, slide: Any, dtype: Any) -> None:
    place, headers = slide
    to_mm = ImageToReferenceTransformer.for_image(headers[0], for_total_pixel_matrix=True)
    path = tmp_path / "a.dcm"
    foreign(path, headers[0], "3D", [to_mm(each.astype(float)).astype(dtype) for each in PLACES])
    found, problems = read(path, place)
    assert problems == []
    for each, corners in zip(found, PLACES, strict=True):
        expected = shapely.Polygon(corners)
        assert shapely.hausdorff_distance(each.geometry, expected) < 0.05
    assert [found[0].class_name, found[0].kind] == ["nuclei", "detection"]
    assert [dict(each.measurements) for each in found] == [{"Area um2": 100.5}, {}]
    assert found[0].metadata == {DESCRIPTION: "from a net"}
    with pytest.raises(AnnotationFileError, match="only its DICOM slide tells"):
        read(path)
    with pytest.raises(AnnotationFileError, match="only its DICOM slide tells"):
        read(path, SVS)


def test_pixels_of_another_level_and_of_a_frame(tmp_path: Path, slide: Any) -> None:
    place, headers = slide
    path = tmp_path / "a.dcm"
    foreign(path, headers[1], "2D", [each / 4 for each in PLACES])
    found, problems = read(path, place)
    assert found[1].geometry.equals(shapely.Polygon(PLACES[1]))
    assert problems == []
    other = copy.deepcopy(headers[0])
    other.SOPInstanceUID = "1.2.3.77"
    foreign(path, other, "2D", PLACES)
    found, problems = read(path, place)
    assert found[0].geometry.equals(shapely.Polygon(PLACES[0]))
    assert "refers to another image" in problems[0].reason
    foreign(path, headers[0], "2D", PLACES, pixel_origin_interpretation="FRAME")
    ann = pydicom.dcmread(path)
    ann.ReferencedImageSequence[0].ReferencedFrameNumber = 8  # the second row of six columns
    ann.save_as(path)
    assert read(path, place)[0][0].geometry.bounds == (505, 505, 520, 515)


def _torn_data(group: Dataset) -> None:
    group.PointCoordinatesData = group.PointCoordinatesData[:-6]


def _no_values(group: Dataset) -> None:
    group.MeasurementsSequence[0].MeasurementValuesSequence[0].FloatingPointValues = b"\0" * 4
    del group.MeasurementsSequence[0].MeasurementValuesSequence[0].AnnotationIndexList


def _not_finite(group: Dataset) -> None:
    data = np.frombuffer(group.PointCoordinatesData, np.float32).copy()
    data[-1] = np.nan
    group.PointCoordinatesData = data.tobytes()


@pytest.mark.parametrize(
    ("spoil", "kept", "said"),
    [
        (lambda g: delattr(g, "AnnotationGroupLabel"), 2, ""),
        (lambda g: delattr(g, "AnnotationPropertyTypeCodeSequence"), 2, ""),
        (lambda g: delattr(g, "AnnotationGroupUID"), 2, ""),
        (lambda g: delattr(g, "AnnotationGroupNumber"), 2, ""),
        (lambda g: delattr(g, "NumberOfAnnotations"), 2, ""),
        (lambda g: setattr(g, "NumberOfAnnotations", 900), 2, ""),
        (lambda g: setattr(g, "AnnotationGroupGenerationType", "BY HAND"), 2, ""),
        (lambda g: delattr(g, "GraphicType"), 2, "type of its shapes"),
        (lambda g: setattr(g, "RecommendedDisplayCIELabValue", [1]), 2, "color was not read"),
        (lambda g: delattr(g.MeasurementsSequence[0], "ConceptNameCodeSequence"), 2, "measurement"),
        (lambda g: delattr(g, "AnnotationGroupAlgorithmIdentificationSequence"), 2, ""),
        (_no_values, 2, "measurement"), (_torn_data, 1, "a POLYGON of 2 places"),
        (_not_finite, 1, "no places"),
        (lambda g: delattr(g, "PointCoordinatesData"), 0, "cannot be read"),
    ],
)  # fmt: skip
def test_one_bad_attribute_costs_no_shape(
    tmp_path: Path, slide: Any, spoil: Any, kept: int, said: str
) -> None:
    _, headers = slide
    path = tmp_path / "a.dcm"
    foreign(path, headers[0], "2D", [each.astype(np.float32) for each in PLACES])
    ann = pydicom.dcmread(path)
    spoil(ann.AnnotationGroupSequence[0])
    problems: list[Problem] = []
    found = list(read_groups(ann, "a.dcm", SlidePlace(), problems))
    assert len(found) == kept
    assert said in " ".join(problem.reason for problem in problems)
    assert kept == 0 or found[0].geometry.equals(shapely.Polygon(PLACES[0]))


BESIDE = (
    "AnnotationGroupLabel", "AnnotationGroupUID", "AnnotationGroupNumber", "NumberOfAnnotations",
    "AnnotationGroupDescription", "AnnotationPropertyCategoryCodeSequence", "GraphicType",
    "AnnotationPropertyTypeCodeSequence", "AnnotationGroupGenerationType", "MeasurementsSequence",
    "AnnotationGroupAlgorithmIdentificationSequence", "AnnotationAppliesToAllOpticalPaths",
)  # fmt: skip


@pytest.fixture(scope="module")
def whole_ann(tmp_path_factory: pytest.TempPathFactory, slide: Any) -> Dataset:
    path = tmp_path_factory.mktemp("ann") / "a.dcm"
    foreign(path, slide[1][0], "2D", PLACES)
    return pydicom.dcmread(path)


@settings(max_examples=40, deadline=None)
@given(
    name=some.sampled_from(BESIDE),
    inner=some.booleans(),
    junk=some.sampled_from(["gone", "empty", "x", "7", "2.5.1"]),
)
def test_no_attribute_of_a_group_costs_a_shape(
    whole_ann: Dataset, name: str, inner: bool, junk: str
) -> None:
    ann = copy.deepcopy(whole_ann)
    holder = ann.AnnotationGroupSequence[0]
    if inner and holder[name].VR == "SQ":
        holder = holder[name].value[0]
        name = next(iter(holder.dir()), name)
    if junk == "gone" or holder[name].VR in ("SQ", "OF"):
        del holder[name]
    elif holder[name].VR == "US" or holder[name].VR == "UL":
        setattr(holder, name, 0 if junk == "empty" else 7)
    else:
        setattr(holder, name, "" if junk == "empty" else junk)
    problems: list[Problem] = []
    found = list(read_groups(ann, "a.dcm", SlidePlace(), problems))
    assert [each.geometry.bounds for each in found] == [
        shapely.Polygon(each).bounds for each in PLACES
    ]


# Segmentations -------------------------------------------------------------------------------


@pytest.mark.parametrize("is_dicom", [True, False])
def test_segments_are_what_highdicom_reads(tmp_path: Path, slide: Any, is_dicom: bool) -> None:
    place = slide[0] if is_dicom else SVS
    path = tmp_path / "a.dcm"
    lost = write(path, "seg", drawn(), place)
    seg = hd.seg.segread(path)
    labels = [seg.get_segment_description(number).segment_label for number in seg.segment_numbers]
    assert labels == ["Tumör", "Stroma"]
    matrix = seg.get_total_pixel_matrix(segment_numbers=[2])[:, :, 0]
    assert matrix.shape == (SIZE_PX[1], SIZE_PX[0])
    expected = np.zeros_like(matrix)
    expected[500:900, 1000:1400], expected[600:700, 1100:1200] = 1, 0
    assert (matrix == expected).all()
    assert "a LineString has no area" in [problem.reason for problem in lost]
    found, problems = read(path, place)
    assert problems == []
    assert [each.shown_as for each in found] == [TUMOR, TUMOR, STROMA]
    assert found[2].geometry.equals(drawn()[1].geometry)


def test_segments_may_overlap_and_be_coarser_than_the_slide(tmp_path: Path, slide: Any) -> None:
    place, _ = slide
    both = [
        Annotation(shapely.box(0, 0, 800, 800), shown_as=TUMOR),
        Annotation(shapely.box(400, 400, 1600, 1200), shown_as=STROMA),
    ]
    path = tmp_path / "a.dcm"
    write_as(path, FORMATS["dicom-seg"], both, place, 1.0)
    seg = hd.seg.segread(path)
    assert (seg.TotalPixelMatrixColumns, seg.TotalPixelMatrixRows) == (750, 500)
    assert seg.get_total_pixel_matrix().sum((0, 1)).tolist() == [200 * 200, 300 * 200]
    found, problems = read(path, place)
    assert problems == []
    for each, whole in zip(found, both, strict=True):
        assert shapely.hausdorff_distance(each.geometry, whole.geometry) < 1e-3
    alone, problems = read(path)
    assert alone[0].geometry.bounds == (0, 0, 200, 200)
    assert "its scale" in problems[0].reason


def test_shares_of_a_segmentation_are_taken_from_one_half(tmp_path: Path, slide: Any) -> None:
    place, headers = slide
    source = headers[1]
    shares = np.zeros((1, 500, 750, 1), np.float32)
    shares[0, 10:20, 10:20], shares[0, 10:20, 20:30] = 0.75, 0.25
    about = hd.seg.SegmentDescription(
        1, "heat", codes.SCT.Tissue, codes.SCT.Tissue, "MANUAL",
        display_color=hd.color.CIELabColor.from_rgb(1, 2, 3),
    )  # fmt: skip
    path = tmp_path / "a.dcm"
    hd.seg.Segmentation(
        [source], shares, "FRACTIONAL", [about], hd.UID(), 1, hd.UID(), 1, "M", "N", "1", "1",
        tile_pixel_array=True, tile_size=(100, 100),
    ).save_as(path)  # fmt: skip
    (found,), problems = read(path, place)
    assert found.geometry.equals(shapely.box(40, 40, 80, 80))
    assert found.shown_as == AnnotationClass("heat", "#010203")
    assert "shares" in problems[0].reason


# Files and packages --------------------------------------------------------------------------


def test_what_dicom_cannot_hold_is_one_sentence(tmp_path: Path, slide: Any) -> None:
    point, path = Annotation(shapely.Point(1, 1)), tmp_path / "a.dcm"
    path.write_bytes(b"what was there")
    unknown = SlidePlace("/a.svs", "a.svs", "key", SIZE_PX)
    for kind, which, place, said in (
        ("seg", [point], SVS, "no regions"), ("ann", [], SVS, "no annotations"),
        ("seg", drawn(), unknown, "pixel size"), ("ann", drawn(), SlidePlace(), "--slide"),
    ):  # fmt: skip
        with pytest.raises(AnnotationFileError, match=said):
            write(path, kind, which, place)
    assert path.read_bytes() == b"what was there"


def test_a_slide_stays_a_slide(tmp_path: Path, slide: Any) -> None:
    place, _ = slide
    own = Path(place.path)
    assert not holds_annotations(own)
    with pytest.raises(AnnotationFileError, match="open it as a slide"):
        read(own)
    write(tmp_path / "ann.dcm", "ann", drawn(), place)
    assert holds_annotations(tmp_path / "ann.dcm")
    (tmp_path / own.name).write_bytes(own.read_bytes())
    assert slides_in(tmp_path) == [tmp_path / own.name]


def test_of_torn_files_the_rest_is_read(tmp_path: Path) -> None:
    write(tmp_path / "a.dcm", "seg", drawn(), SVS)
    whole = (tmp_path / "a.dcm").read_bytes()
    (tmp_path / "torn.dcm").write_bytes(whole[: len(whole) // 2])
    found, problems = read(tmp_path / "torn.dcm", SVS)
    assert found[0].shown_as == TUMOR
    assert "cut short" in problems[0].reason
    write(tmp_path / "a.dcm", "ann", drawn(), SVS)
    whole = (tmp_path / "a.dcm").read_bytes()
    (tmp_path / "torn.dcm").write_bytes(whole[:1000])
    with pytest.raises(AnnotationFileError, match=r"^torn\.dcm holds no group of annotations"):
        read(tmp_path / "torn.dcm", SVS)


def test_without_highdicom_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AnnotationFileError, match=r"coverslip\[dicom\]"):
        write(tmp_path / "a.dcm", "ann", drawn(), SVS)
