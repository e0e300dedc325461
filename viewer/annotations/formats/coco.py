"""COCO's JSON: outlines, boxes and points of the things in pictures, and their categories."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import msgspec
import shapely
from shapely.ops import split

from viewer.annotations.annotation import NO_COLOUR, Annotation, AnnotationClass, repaired
from viewer.annotations.formats.coco_runs import region_of_runs
from viewer.annotations.formats.export_warnings import each_alone
from viewer.annotations.formats.json_elements import JsonElements, Torn, as_members
from viewer.annotations.formats.packed_files import packed, unpacked
from viewer.annotations.formats.problems import AnnotationFileError, Problem
from viewer.colors import class_colour, rgb_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from shapely.geometry.base import BaseGeometry

Json = dict[str, Any]

NO_CATEGORY = "No class"
"""Stands for no class, since COCO wants a category of each annotation; its id is 0."""
_LISTS = ("images", "categories", "annotations")
_BEGINNING = re.compile(rb'"(images|categories|annotations)"\s*:\s*\[')
_SEEN = 2
"""COCO's mark of a point that is not hidden."""
_BAD = (
    msgspec.MsgspecError, ValueError, TypeError, KeyError, AttributeError, IndexError,
    OverflowError, RecursionError, shapely.errors.ShapelyError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CocoImage:
    """The picture that annotations lie on; a size of 0 is that of what is drawn on it."""

    file_name: str
    width_px: int = 0
    height_px: int = 0


class SeveralPicturesError(AnnotationFileError):
    """It has to be said which of a file's pictures is meant.

    Attributes
    ----------
    pictures
        Names of files, as the file tells them.
    """

    def __init__(self, sentence: str, pictures: list[str]) -> None:
        super().__init__(sentence)
        self.pictures = pictures


def is_coco(head: bytes) -> bool:
    """Whether JSON that begins like this is COCO's."""
    first = re.match(rb'[\s\xef\xbb\xbf]*\{\s*"([^"\\]*)"', head)
    if first is not None and first[1] in (b"type", b"features"):
        return False
    return _BEGINNING.search(head) is not None or (
        first is not None and first[1] in (b"info", b"licenses")
    )


def read_coco(
    path: Path, problems: list[Problem], image: str | None = None
) -> Iterator[Annotation]:
    """Reads the annotations of one picture.

    Parameters
    ----------
    image
        Its file's name, or the name without folder or ending; needed where there are several.

    Raises
    ------
    AnnotationFileError
        The file is no COCO, or does not tell which picture is meant.
    """
    with unpacked(path, "json") as pieces:
        data = b"".join(iter(lambda: pieces[0](1 << 20), b""))
    lists = _lists(path.name, data, problems)
    chosen = _chosen(path.name, lists["images"], image)
    classes = _classes(lists["categories"])
    for number, told in enumerate(lists["annotations"], 1):
        try:
            if isinstance(told, Torn):
                raise ValueError(told.reason)
            if chosen is not None and told.get("image_id") != chosen:
                continue
            yield _annotation(told, classes, number, problems)
        except _BAD as error:
            problems.append(Problem(number, str(error) or type(error).__name__))


def write_coco(
    path: Path, annotations: Iterable[Annotation], image: CocoImage | None = None
) -> list[Problem]:
    """Writes outlines as polygons, and points as key points; gives what was left out.

    A region with holes is cut into parts without, which reading puts together again.

    Raises
    ------
    OSError
        It cannot be written; a file that was there is left as it was.
    """
    problems: list[Problem] = []
    image = image or CocoImage(path.name.split(".")[0])
    category_ids: dict[AnnotationClass, int] = {}
    right = bottom = 0.0
    encode = msgspec.json.Encoder().encode
    ids = itertools.count(1)
    with packed(path, ".json") as file:
        file.write(b'{"annotations":[')
        between = b"\n"
        for number, annotation in each_alone(annotations, problems, ("name", "colour")):
            which = 0
            if annotation.shown_as is not None:
                which = category_ids.setdefault(annotation.shown_as, len(category_ids) + 1)
            try:
                told = _told(annotation, next(ids), which)
            except ValueError as error:
                problems.append(Problem(number, str(error)))
                continue
            right = max(right, annotation.geometry.bounds[2])
            bottom = max(bottom, annotation.geometry.bounds[3])
            file.write(between + encode(told))
            between = b",\n"
        size = {
            "width": image.width_px or math.ceil(right),
            "height": image.height_px or math.ceil(bottom),
        }
        file.write(b'\n],\n"images":' + encode([{"id": 1, "file_name": image.file_name} | size]))
        file.write(b',\n"categories":' + encode(_categories(category_ids)) + b"}\n")
    return problems


# Reading -------------------------------------------------------------------------------------


def _lists(name: str, data: bytes, problems: list[Problem]) -> dict[str, list[Any]]:
    """The three lists of a file; of a damaged one what can still be found."""
    try:
        told = msgspec.json.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        found = _salvaged(data)
        if not found["annotations"]:
            raise AnnotationFileError(f"{name} is no COCO JSON: {error}.") from error
        problems.append(Problem(0, f"parts of the file, which is damaged: {error}"))
        return found
    if not isinstance(told, dict) or not isinstance(told.get("annotations"), list):
        raise AnnotationFileError(f"{name} is no COCO JSON: it has no list of annotations.")
    lists: dict[str, list[Any]] = {}
    for each in _LISTS:
        members = told.get(each)
        lists[each] = [
            member if isinstance(member, dict) else Torn("it is no object")
            for member in (members if isinstance(members, list) else [])
        ]
    return lists


def _salvaged(data: bytes) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {name: [] for name in _LISTS}
    for begin in _BEGINNING.finditer(data):
        rest = BytesIO(data[begin.end() - 1 :])
        elements = JsonElements(rest.read, as_members)
        elements.array_begins("", frozenset())
        for batch in elements.batches():
            found[begin[1].decode()] += [
                each if isinstance(each, Torn) else _whole(each) for each in batch
            ]
    return found


def _whole(members: dict[str, msgspec.Raw]) -> Json | Torn:
    try:
        return {name: msgspec.json.decode(raw) for name, raw in members.items()}
    except (msgspec.MsgspecError, ValueError) as error:
        return Torn(str(error))


def _chosen(name: str, images: list[Any], wanted: str | None) -> Any:
    """The id of the picture; None where the file tells of none."""
    known = {
        str(image.get("file_name", "")): image.get("id")
        for image in images
        if not isinstance(image, Torn)
    }
    if wanted is not None:
        for alike in (str, _base, _stem):
            for file_name, id_ in known.items():
                if alike(file_name) == alike(wanted):
                    return id_
    if wanted is None and len(known) <= 1:
        return next(iter(known.values()), None)
    listed = ", ".join(list(known)[:5]) + (", ..." if len(known) > 5 else "")
    what = "annotations of several pictures" if wanted is None else f"no picture {wanted}"
    sentence = f"{name} holds {what}: say which is meant, of {listed}."
    raise SeveralPicturesError(sentence, list(known))


def _base(file_name: str) -> str:
    return PurePosixPath(PureWindowsPath(file_name).as_posix()).name


def _stem(file_name: str) -> str:
    return _base(file_name).split(".")[0]


def _classes(categories: list[Any]) -> dict[Any, AnnotationClass | None]:
    classes: dict[Any, AnnotationClass | None] = {}
    for index, each in enumerate(categories):
        if isinstance(each, Torn) or not isinstance(each.get("id"), int | str):
            continue
        name = str(each.get("name") or f"Category {each['id']}")
        colour = _colour(each.get("color")) or class_colour(index)
        is_none = each["id"] == 0 and name == NO_CATEGORY
        classes[each["id"]] = None if is_none else AnnotationClass(name, colour)
    return classes


def _colour(told: Any) -> str | None:
    if isinstance(told, list) and len(told) >= 3 and all(isinstance(v, int) for v in told[:3]):
        return "#{:02x}{:02x}{:02x}".format(*(value & 255 for value in told[:3]))
    return None


def _annotation(
    told: Json, classes: dict[Any, AnnotationClass | None], number: int, problems: list[Problem]
) -> Annotation:
    geometry = _shape(told)
    if geometry.is_empty or not all(math.isfinite(value) for value in geometry.bounds):
        raise ValueError("its coordinates are no numbers")
    if not geometry.is_valid:
        geometry = repaired(geometry)
        problems.append(Problem(number, "its edges crossed", is_repaired=True))
    category = told.get("category_id")
    if category is not None and category not in classes:
        classes[category] = AnnotationClass(f"Category {category}", class_colour(len(classes)))
    said = told.get("attributes")
    said = said if isinstance(said, dict) else {}
    score = told.get("score")
    return Annotation(
        geometry,
        _id(said.get("uuid")),
        shown_as=classes.get(category),
        name=str(said.get("name") or ""),
        colour=_colour(said.get("color")),
        measurements={} if score is None else {"Score": float(score)},
    )


def _id(told: Any) -> UUID:
    try:
        return UUID(told)
    except (ValueError, AttributeError, TypeError):
        return uuid4()


def _shape(told: Json) -> BaseGeometry:
    outline = told.get("segmentation")
    if isinstance(outline, dict):
        return region_of_runs(outline)
    if outline:
        return _joined([_ring(flat) for flat in outline])
    if told.get("keypoints"):
        flat = told["keypoints"]
        seen = [
            (float(x), float(y))
            for x, y, mark in zip(flat[::3], flat[1::3], flat[2::3], strict=True)
            if mark
        ]
        return shapely.Point(seen[0]) if len(seen) == 1 else shapely.MultiPoint(seen)
    x, y, width, height = (float(value) for value in told["bbox"])
    if width <= 0 or height <= 0:
        raise ValueError("its box has no area")
    return shapely.box(x, y, x + width, y + height)


def _ring(flat: list[Any]) -> shapely.Polygon:
    if len(flat) < 6 or len(flat) % 2:
        raise ValueError("its outline has fewer than three corners")
    return shapely.Polygon(
        [(float(x), float(y)) for x, y in zip(flat[::2], flat[1::2], strict=True)]
    )


def _joined(parts: list[shapely.Polygon]) -> BaseGeometry:
    if len(parts) == 1:
        return parts[0]
    whole = shapely.MultiPolygon(parts)
    if whole.is_valid or not all(part.is_valid for part in parts):
        return whole
    return shapely.union_all(parts)


# Writing -------------------------------------------------------------------------------------


def _categories(ids: dict[AnnotationClass, int]) -> list[Json]:
    """Also the one that stands for no class."""
    none = {"id": 0, "name": NO_CATEGORY, "supercategory": "", "color": rgb_of(NO_COLOUR)}
    return [
        none,
        *(
            {"id": id_, "name": which.name, "supercategory": "", "color": rgb_of(which.colour)}
            for which, id_ in ids.items()
        ),
    ]


def _told(annotation: Annotation, id_: int, category: int) -> Json:
    geometry = annotation.geometry
    if geometry.is_empty or not all(math.isfinite(value) for value in geometry.bounds):
        raise ValueError("it has no place")
    x0, y0, x1, y1 = geometry.bounds
    said: Json = {"uuid": str(annotation.id)}
    if annotation.name:
        said["name"] = annotation.name
    if annotation.colour is not None:
        said["color"] = rgb_of(annotation.colour)
    told: Json = {
        "id": id_, "image_id": 1, "category_id": category, "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": geometry.area, "iscrowd": 0, "attributes": said,
    }  # fmt: skip
    match geometry:
        case shapely.Polygon() | shapely.MultiPolygon():
            parts = [whole for part in shapely.get_parts(geometry) for whole in without_holes(part)]
            told["segmentation"] = [
                [value for x, y, *_ in part.exterior.coords[:-1] for value in (x, y)]
                for part in parts
            ]
        case shapely.Point() | shapely.MultiPoint():
            points = shapely.get_coordinates(geometry).tolist()
            told["keypoints"] = [value for x, y in points for value in (x, y, _SEEN)]
            told["num_keypoints"] = len(points)
        case _:
            raise ValueError(f"a {geometry.geom_type}, which this format has not")
    return told


def without_holes(polygon: shapely.Polygon) -> list[shapely.Polygon]:
    """The same place as parts that have none; cut from top to bottom through the holes."""
    whole: list[shapely.Polygon] = []
    waiting = [polygon]
    while waiting:
        part = waiting.pop()
        if not part.interiors:
            whole.append(part)
            continue
        x = part.interiors[len(part.interiors) // 2].centroid.x
        low, high = part.bounds[1] - 1, part.bounds[3] + 1
        cut = split(part, shapely.LineString([(x, low), (x, high)]))
        waiting += [each for each in cut.geoms if isinstance(each, shapely.Polygon)]
    return whole
