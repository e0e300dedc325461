"""COCO's JSON: outlines, boxes and points of the things in pictures, and their categories."""

from __future__ import annotations

import itertools
import json
import math
import re
from io import BytesIO
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import msgspec
import shapely
from shapely.ops import split

from viewer.annotations.annotation import NO_CLASS, NO_COLOR, Annotation, AnnotationClass
from viewer.annotations.formats.coco_pictures import CocoPictures, key_of
from viewer.annotations.formats.coco_shapes import shape_of
from viewer.annotations.formats.export_warnings import each_alone
from viewer.annotations.formats.foreign_values import as_text, color_of, number_of, parsed_text
from viewer.annotations.formats.json_elements import JsonElements, Torn, as_members, as_utf8
from viewer.annotations.formats.packed_files import packed, unpacked
from viewer.annotations.formats.problems import (
    AnnotationFileError,
    Problem,
    Problems,
    repair_teller,
)
from viewer.annotations.sound_geometry import is_sound, repaired
from viewer.colors import class_color, rgb_of
from viewer.plain_text import shown_line
from viewer.untyped import is_list, is_mapping, mapping_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path


Json = dict[str, object]
_LISTS = ("images", "categories", "annotations")
_BEGINNING = re.compile(rb'"(images|categories|annotations)"\s*:\s*\[')
_SHAPES = (b'"bbox"', b'"segmentation"', b'"keypoints"', b'"category_id"')
_CATEGORY_NAMES = ("category", "category_name", "label", "class")
_SEEN = 2
"""COCO's mark of a point that is not hidden."""
_BAD = (
    msgspec.MsgspecError, ValueError, TypeError, KeyError, AttributeError, IndexError,
    OverflowError, RecursionError, shapely.errors.ShapelyError,
)  # fmt: skip


class CocoImage(msgspec.Struct, frozen=True):
    """The picture that annotations lie on; a size of 0 is that of what is drawn on it."""

    file_name: str
    width_px: int = 0
    height_px: int = 0


def is_coco(head: bytes) -> bool:
    """Return whether JSON that begins like this is COCO's."""
    first = re.match(rb'[\s\xef\xbb\xbf]*\{\s*"([^"\\]*)"', head)
    if first is not None and first[1] in (b"type", b"features"):
        return False
    if re.match(rb"\s*\[", head):
        return b'"image_id"' in head and any(name in head for name in _SHAPES)
    return _BEGINNING.search(head) is not None or (
        first is not None and first[1] in (b"info", b"licenses")
    )


def read_coco(
    path: Path, problems: list[Problem], image: str | None = None, *, takes_namesakes: bool = False
) -> Iterator[Annotation]:
    """Read the annotations of one picture.

    Parameters
    ----------
    image
        Its file's name, the name without folder or ending, or its id; needed where there are
        several.
    takes_namesakes
        Whether several pictures of one name are all taken, which is reported, instead of asked for.

    Raises
    ------
    AnnotationFileError
        The file is no COCO, or does not tell which picture is meant.
    """
    with unpacked(path, "json") as pieces:
        data = b"".join(iter(lambda: pieces[0](1 << 20), b""))
    lists = _lists(path.name, data, problems)
    pictures = CocoPictures(lists["images"], lists["annotations"])
    chosen = pictures.chosen(path.name, image, problems, takes_namesakes=takes_namesakes)
    classes = _classes(lists["categories"])
    for number, stated in enumerate(lists["annotations"], 1):
        try:
            if isinstance(stated, Torn):
                raise ValueError(stated.reason)
            id_ = key_of(stated.get("image_id"))
            if chosen is not None and id_ not in chosen:
                if id_ in pictures.ids:
                    continue
                reason = f"it lies on the picture {id_ or '(none)'}, which the file does not list"
                if len(pictures.ids) > 1:
                    raise ValueError(reason)
                problems.append(Problem(number, reason, is_repaired=True))
            yield _annotation(stated, classes, number, problems)
        except _BAD as error:
            said = str(error) if type(error) is ValueError and str(error) else "it cannot be read"
            problems.append(Problem(number, said))


def write_coco(
    path: Path, annotations: Iterable[Annotation], image: CocoImage | None = None
) -> list[Problem]:
    """Write outlines as polygons, and points as key points; return what was left out.

    A region with holes is cut into parts without, which reading puts together again.

    Raises
    ------
    OSError
        It cannot be written; a file that was there is left as it was.
    """
    problems = Problems()
    image = image or CocoImage(path.name.split(".")[0])
    category_ids: dict[AnnotationClass, int] = {}
    right = bottom = 0.0
    encode = msgspec.json.Encoder().encode
    ids = itertools.count(1)
    with packed(path, ".json") as file:
        file.write(b'{"annotations":[')
        between = b"\n"
        for number, annotation in each_alone(annotations, problems, ("name", "color")):
            which = 0
            if annotation.shown_as is not None:
                which = category_ids.setdefault(annotation.shown_as, len(category_ids) + 1)
            try:
                stated = _entry(annotation, next(ids), which)
            except ValueError as error:
                problems.append(Problem(number, str(error)))
                continue
            right = max(right, annotation.geometry.bounds[2])
            bottom = max(bottom, annotation.geometry.bounds[3])
            file.write(between + encode(stated))
            between = b",\n"
        size = {
            "width": image.width_px or math.ceil(right),
            "height": image.height_px or math.ceil(bottom),
        }
        file.write(b'\n],\n"images":' + encode([{"id": 1, "file_name": image.file_name} | size]))
        file.write(b',\n"categories":' + encode(_categories(category_ids)) + b"}\n")
    return problems


# Reading -------------------------------------------------------------------------------------


def _lists(name: str, data: bytes, problems: list[Problem]) -> dict[str, list[Json | Torn]]:
    """Return the three lists of a file; of a damaged one what can still be found."""
    try:
        stated = _decoded(data)
    except (ValueError, RecursionError) as error:
        found = _salvaged(data)
        if not found["annotations"]:
            raise AnnotationFileError(f"{name} is no COCO JSON that can be read.") from error
        problems.append(Problem(0, "parts of the file, which is damaged or cut short"))
        return found
    members = {"annotations": stated} if is_list(stated) else mapping_of(stated)
    listed = {key: _as_list(parsed_text(value)) for key, value in members.items()}
    if not is_list(listed.get("annotations")):
        raise AnnotationFileError(f"{name} is no COCO JSON: it has no list of annotations.")
    lists: dict[str, list[Json | Torn]] = {}
    for each in _LISTS:
        found = listed.get(each)
        lists[each] = [
            member if is_mapping(member) else Torn("it is no object")
            for member in (found if is_list(found) else [])
        ]
    return lists


def _decoded(data: bytes) -> object:
    """Also with bare NaN, or in the code of Windows in the West. Raises ValueError."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return json.loads(as_utf8(data), parse_constant=str)


def _salvaged(data: bytes) -> dict[str, list[Json | Torn]]:
    found: dict[str, list[Json | Torn]] = {name: [] for name in _LISTS}
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
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return Torn(str(error))


def _as_list(stated: object) -> object:
    """Return the values of an object that stands for a list, by their ids; a text is a name."""
    if not is_mapping(stated) or not stated:
        return stated
    if not all(isinstance(each, str | dict) for each in stated.values()):
        return stated
    return [
        {"id": id_} | ({"name": each} if isinstance(each, str) else mapping_of(each))
        for id_, each in stated.items()
    ]


def _classes(categories: list[Json | Torn]) -> dict[str, AnnotationClass | None]:
    classes: dict[str, AnnotationClass | None] = {}
    for index, each in enumerate(categories):
        if isinstance(each, Torn) or not key_of(each.get("id")):
            continue
        id_ = key_of(each["id"])
        name = shown_line(as_text(each.get("name") or f"Category {id_}"))
        color = _color(each.get("color"), None) or class_color(index)
        is_none = id_ == "0" and name == NO_CLASS
        classes[id_] = None if is_none else AnnotationClass(name, color)
    return classes


def _color(stated: object, tell: Callable[[str], object] | None) -> str | None:
    try:
        return color_of(stated)[0]
    except ValueError as error:
        if tell is not None:
            tell(f"its color was not read: {error}")
        return None


def _annotation(
    stated: Json, classes: dict[str, AnnotationClass | None], number: int, problems: list[Problem]
) -> Annotation:
    tell = repair_teller(number, problems)
    geometry = shape_of(stated, tell)
    if geometry.is_empty:
        raise ValueError("its geometry is empty")
    if not is_sound(geometry):
        geometry = repaired(geometry)
        tell("its edges crossed")
    category = key_of(stated.get("category_id"))
    names = (stated.get(key) for key in _CATEGORY_NAMES)
    named = next((name for name in names if isinstance(name, str)), "")
    if not category and named:
        category = next(
            (id_ for id_, each in classes.items() if each is not None and each.name == named),
            f"name {named}",
        )
    if category and category not in classes:
        name = shown_line(named or f"Category {category}")
        classes[category] = AnnotationClass(name, class_color(len(classes)))
    said = mapping_of(parsed_text(stated.get("attributes")))
    numbers: dict[str, float] = {}
    if stated.get("score") is not None:
        try:
            numbers["Score"] = number_of(stated["score"])
        except ValueError as error:
            tell(f"its score was not read: {error}")
    return Annotation(
        geometry,
        _id(said.get("uuid")),
        shown_as=classes.get(category),
        name=shown_line(as_text(said.get("name") or "")),
        color=_color(said.get("color"), tell),
        measurements=numbers,
    )


def _id(stated: object) -> UUID:
    try:
        return UUID(stated if isinstance(stated, str) else "")
    except ValueError:
        return uuid4()


# Writing -------------------------------------------------------------------------------------


def _categories(ids: dict[AnnotationClass, int]) -> list[Json]:
    """Also the one that stands for no class, since COCO wants a category of each annotation."""
    none: Json = {"id": 0, "name": NO_CLASS, "supercategory": "", "color": rgb_of(NO_COLOR)}
    return [
        none,
        *(
            {"id": id_, "name": which.name, "supercategory": "", "color": rgb_of(which.color)}
            for which, id_ in ids.items()
        ),
    ]


def _entry(annotation: Annotation, id_: int, category: int) -> Json:
    geometry = annotation.geometry
    if geometry.is_empty or not all(math.isfinite(value) for value in geometry.bounds):
        raise ValueError("it has no place")
    x0, y0, x1, y1 = geometry.bounds
    said: Json = {"uuid": str(annotation.id)}
    if annotation.name:
        said["name"] = annotation.name
    if annotation.color is not None:
        said["color"] = rgb_of(annotation.color)
    stated: Json = {
        "id": id_, "image_id": 1, "category_id": category, "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": geometry.area, "iscrowd": 0, "attributes": said,
    }  # fmt: skip
    match geometry:
        case shapely.Polygon() | shapely.MultiPolygon():
            parts = [whole for part in shapely.get_parts(geometry) for whole in without_holes(part)]
            stated["segmentation"] = [
                [value for x, y, *_ in part.exterior.coords[:-1] for value in (x, y)]
                for part in parts
            ]
        case shapely.Point() | shapely.MultiPoint():
            points = shapely.get_coordinates(geometry).tolist()
            stated["keypoints"] = [value for x, y in points for value in (x, y, _SEEN)]
            stated["num_keypoints"] = len(points)
        case _:
            raise ValueError(f"a {geometry.geom_type}, which this format cannot hold")
    return stated


def without_holes(polygon: shapely.Polygon) -> list[shapely.Polygon]:
    """Return the same place as parts that have none; cut from top to bottom through the holes."""
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
