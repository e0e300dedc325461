"""Sessions as targets: whose they are, where the time went, and which slide it was."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import tifffile
from behavior_steps import painted_tissue, write_slide

from viewer.attention.readings import (
    BehaviorError,
    headers_of,
    located,
    origins_text,
    reading_of,
    session_folders,
    shares_of,
)
from viewer.attention.simulating import simulate_session
from viewer.attention.slides_read import slides_read
from viewer.inference.models.model_library import find_model
from viewer.recording.behaviors import BANDS
from viewer.recording.session import read_header
from viewer.recording.trace_loading import load_trace
from viewer.slides import open_slide
from viewer.slides.known_slides import remember


@pytest.fixture
def session(sample_slide: Path, tmp_path: Path) -> Path:
    source = open_slide(sample_slide)
    folder = simulate_session(source, "drill", 0, tmp_path / "library")
    source.close()
    return folder


def test_a_second_counts_once_however_wide_the_field(session: Path) -> None:
    reading = reading_of(session, read_header(session), 128.0, (24, 20))
    trace = load_trace(session)
    assert reading.seconds.shape == (len(BANDS), 24, 20)
    assert reading.seconds.sum() == pytest.approx(trace.looked_s().sum(), rel=1e-3)
    by_band = reading.seconds.sum((1, 2))
    assert by_band[BANDS.index(40.0)] > by_band[BANDS.index(20.0)] > by_band[BANDS.index(2.5)]
    # Beyond the slide, which is 2220 x 2967 px, nothing was seen.
    assert not reading.seconds[:, :, 18:].any()


def test_boxes_are_those_of_actions_without_the_overview(session: Path) -> None:
    boxes = reading_of(session, read_header(session), 128.0, (24, 20)).boxes
    assert {BANDS[each.band] for each in boxes} == {20.0, 40.0}
    assert all(each.box.width * each.box.height < 2220 * 2967 / 2 for each in boxes)


def test_shares_add_up_over_the_known_cells(session: Path) -> None:
    reading = reading_of(session, read_header(session), 128.0, (24, 20))
    known = np.zeros((24, 20), bool)
    known[5:15, 5:15] = True
    shares = shares_of([reading, reading], known)
    assert shares is not None
    assert shares.sum() == pytest.approx(1, abs=1e-5)
    assert not shares[:, ~known].any()
    assert shares_of([reading], np.zeros((24, 20), bool)) is None


def test_sessions_are_found_by_folder_library_and_id(session: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    assert session_folders([str(session)]) == [session]
    assert session_folders([str(library), str(session)]) == [session]
    with pytest.raises(BehaviorError, match="no sessions in"):
        session_folders([str(tmp_path)])
    assert session_folders([]) == []
    with pytest.raises(BehaviorError, match="There are no sessions"):
        headers_of([])
    headers = headers_of([session])
    assert origins_text(headers.values()) == "1 session of simulated readers (drill)"


def test_a_slide_is_found_by_what_it_is(sample_slide: Path, session: Path, tmp_path: Path) -> None:
    identity = read_header(session).slide.identity
    assert located([identity], []) == {}
    moved = tmp_path / "slides" / "renamed.svs"
    moved.parent.mkdir()
    moved.write_bytes(sample_slide.read_bytes())
    (moved.parent / "broken.svs").write_bytes(b"no slide")
    assert located([identity], [moved.parent]) == {identity: moved}
    remember(identity, sample_slide)
    assert located([identity], []) == {identity: sample_slide}


def test_another_slide_in_its_place_is_not_taken_for_it(
    sample_slide: Path, session: Path, tmp_path: Path
) -> None:
    identity = read_header(session).slide.identity
    place = tmp_path / "slides" / "S-1.svs"
    place.parent.mkdir()
    place.write_bytes(sample_slide.read_bytes())
    remember(identity, place)
    assert located([identity], []) == {identity: place}
    renamed = place.rename(place.with_name("S-2.svs"))
    tifffile.imwrite(place, np.zeros((300, 300, 3), np.uint8))
    assert located([identity], []) == {identity: renamed}
    renamed.unlink()
    assert located([identity], []) == {}


def test_sessions_of_two_slides_that_lay_at_one_place_are_not_joined(tmp_path: Path) -> None:
    place = tmp_path / "S-1.tif"
    folders: list[Path] = []
    for seed in (1, 2):
        write_slide(place, painted_tissue(seed))
        with closing(open_slide(place)) as source:
            remember(source.info.identity, place)
            folders.append(simulate_session(source, "drill", seed, tmp_path / "library"))
    missing: list[str] = []
    about = find_model("tissue-likeness").description
    read = [
        (slide.identity, [each.header.id for each in slide.readings])
        for slide in slides_read(headers_of(folders), [], about, missing)
    ]
    header = read_header(folders[1])
    assert read == [(header.slide.identity, [header.id])]
    assert len(missing) == 1
    assert "was not found" in missing[0]
