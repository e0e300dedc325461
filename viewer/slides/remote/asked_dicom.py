# pyright: reportMissingTypeStubs=false
# (wsidicom brings none)
"""DICOM series on DICOMweb servers, as the confined reader opens them through wsidicom.

wsidicom's source for DICOMweb reads through a client. Here it is one that asks the window, so that
the helper alone contacts the server.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from viewer.slides.dicom.header import WHOLE_SLIDE
from viewer.slides.errors import SlideError, UnsupportedSlideError, check_image
from viewer.slides.readers.extras import need
from viewer.slides.remote.asked_objects import objects_asked
from viewer.slides.remote.dicom_keys import METADATA, frame_key, stored_syntax
from viewer.slides.remote.shared_fetch import RangesError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from viewer.slides.remote.asked import Asking
    from viewer.slides.remote.objects import Objects
    from viewer.slides.source import SlideSource

_log = logging.getLogger(__name__)


def open_asked_dicom(path: Path, asking: Asking, image: int | None) -> SlideSource:
    """Open a series whose metadata and frames the window gives. Raises SlideError."""
    check_image(path, image)
    need("wsidicom", "dicom", path, "a slide on a DICOMweb server")
    need("dicomweb_client", "remote", path, "a slide on a DICOMweb server")
    from wsidicom.web import WsiDicomWebSource

    from viewer.slides.readers.dicom.files import slide_of
    from viewer.slides.readers.dicom.source import optical_paths_of, source_of_slide

    client = _AskedClient(objects_asked(asking))
    try:
        study, series = client.look()
        if study is None:
            raise UnsupportedSlideError(
                path, f"The DICOM series {path.name} holds no whole-slide image: check the address."
            )
        asked: Any = client  # it has the methods that the source calls
        slide = slide_of(WsiDicomWebSource(asked, study, [series]))
        base = slide.pyramid.get(min(slide.pyramid.pyramid_indices))
        own = [each.dataset.uids.instance for each in base.instances.values()]
        datasets = [client.get_instance(study, series, uid) for uid in own]
        described = [found for each in datasets for found in optical_paths_of(each)]
        return source_of_slide(path, slide, described)
    except (SlideError, RangesError):
        raise
    except Exception as error:  # what a server sends can make a parser fail in any way
        _log.info("%s cannot be read through wsidicom (%r)", path, error)
        raise UnsupportedSlideError(
            path,
            f"The DICOM series {path.name} cannot be shown ({error}): download it and open the "
            "copy.",
        ) from error


def _left_out(*_: object) -> None:
    """Stand for data that lie elsewhere."""


class _AskedClient:
    """What wsidicom asks of a client of DICOMweb, answered by objects of the window."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._datasets: dict[str, Any] = {}

    def look(self) -> tuple[Any, Any]:
        """Read the metadata of all instances and the beginning of each; return study and series."""
        from pydicom import Dataset

        found = json.loads(self._objects(METADATA) or b"[]")
        study = series = None
        for each in found:
            dataset = Dataset.from_json(each, _left_out)
            if str(dataset.get("SOPClassUID", "")) == WHOLE_SLIDE:
                self._datasets[str(dataset.SOPInstanceUID)] = dataset
                study, series = dataset.StudyInstanceUID, dataset.SeriesInstanceUID
        self._objects.expect(frame_key(uid, 1) for uid in self._datasets)
        return study, series

    def expect(self, frames: Iterable[tuple[object, int]]) -> None:
        """Have frames at hand: instance and number, from 1, of each."""
        self._objects.expect(frame_key(str(instance), number) for instance, number in frames)

    def get_wsi_instances(self, _study: object, _series: object) -> Iterator[tuple[Any, Any, Any]]:
        from pydicom.uid import UID

        for uid, dataset in self._datasets.items():
            first = self._objects(frame_key(uid, 1)) or b""
            yield dataset.SeriesInstanceUID, UID(uid), {UID(stored_syntax(first))}

    def get_annotation_instances(self, _study: object, _series: object) -> Iterator[Any]:
        return iter(())

    def get_instance(self, _study: object, _series: object, instance_uid: object) -> Any:
        return self._datasets[str(instance_uid)]

    def is_transfer_syntax_supported(self, *_: object) -> bool:
        return True

    def get_frames(
        self, _study: object, _series: object, instance_uid: object, frames: list[int], _as: object
    ) -> Iterator[bytes]:
        keys = [frame_key(str(instance_uid), frame) for frame in frames]
        self._objects.expect(keys)
        for key in keys:
            data = self._objects(key)
            if data is None:
                raise OSError("the server has no such frame")
            yield data
