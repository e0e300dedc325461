"""Slides on a DICOMweb server, Orthanc: run by `make services`, which installs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from orthanc_server import OrthancServer, why_absent
from range_server import RangeServer

from viewer.slides import open_slide
from viewer.slides.errors import SlideNotFoundError
from viewer.slides.remote.address import slide_path
from viewer.slides.remote.dicom_keys import stored_syntax

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    if reason := why_absent():
        pytest.skip(reason)
    server = OrthancServer(tmp_path_factory.mktemp("orthanc") / "home")
    yield server
    server.stop()


@pytest.mark.services
def test_a_series_on_orthanc_shows_the_pixels_of_its_files(
    orthanc: OrthancServer, shared_slide: Callable[[str], Path], tmp_path: Path
) -> None:
    pytest.importorskip("wsidicom")
    file = shared_slide("slides/camelyon-multiframe.dcm")
    orthanc.upload([file])
    (address,) = orthanc.series()
    between = RangeServer(tmp_path, behind=orthanc.root).start()
    between.faults.rest_s = 0.1
    near = open_slide(file)
    far = open_slide(slide_path(address.replace(orthanc.root, between.address("").rstrip("/"))))
    assert between.longest_chain() <= 6
    assert far.levels == near.levels
    assert far.info.optics == near.info.optics
    between.log.clear()
    grid = near.levels[0]
    for column in range(grid.columns):
        for row in range(grid.rows):
            tile = (0, column, row)
            assert np.array_equal(far.read_tile(*tile), near.read_tile(*tile)), tile
    assert between.most_at_once() <= 16
    assert far.info.identity.startswith("s1-")
    far.close()
    near.close()
    between.stop()


@pytest.mark.services
def test_a_series_that_is_not_there_is_one_sentence(orthanc: OrthancServer) -> None:
    with pytest.raises(SlideNotFoundError, match="DICOM series"):
        open_slide(slide_path(f"{orthanc.root}/dicom-web/studies/1.2.3/series/1.2.4"))


def test_frames_tell_how_they_are_coded() -> None:
    baseline = b"\xff\xd8\xff\xdb\x00\x04ab\xff\xc0\x00\x11"
    assert stored_syntax(baseline) == "1.2.840.10008.1.2.4.50"
    assert stored_syntax(baseline.replace(b"\xff\xc0", b"\xff\xf7")) == "1.2.840.10008.1.2.4.81"
    assert stored_syntax(b"\xff\x4f\xff\x51\x00") == "1.2.840.10008.1.2.4.91"
    assert stored_syntax(b"\1\0\0\0\x40\0\0\0") == "1.2.840.10008.1.2.5"
    assert stored_syntax(b"\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7") == "1.2.840.10008.1.2.1"
