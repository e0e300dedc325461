"""Slides in an S3 store, here moto's server, which is no judge of S3's finer rules."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np
import pytest
from cli_steps import coverslip
from range_server import RangeServer
from served_slides import write_zarr

from viewer.processes.helper import helper
from viewer.slides import open_slide
from viewer.slides.remote.address import slide_path
from viewer.slides.remote.errors import PassingError, ServerError
from viewer.slides.remote.messages import OpenAddress
from viewer.slides.remote.stores import StoredObject
from viewer.slides.source import expect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("moto", reason="moto is not here: install coverslip[dev]")
pytest.importorskip("obstore", reason="obstore is not here: install coverslip[remote]")

BUCKET, KEY_ID, KEY = "slides", "AKIATEST", "S3CR3T-KEY"


@pytest.fixture(scope="module")
def store(
    served_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """Moto's server, with the slides of the folder in a bucket."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1",
        aws_access_key_id=KEY_ID, aws_secret_access_key=KEY,
    )  # fmt: skip
    client.create_bucket(Bucket=BUCKET)
    for name in ("pyramid.tif", "sample.svs"):
        client.upload_file(str(served_folder / name), BUCKET, f"a case/{name}")
    zarr = write_zarr(tmp_path_factory.mktemp("zarr") / "slide.zarr", "0.5", 3)
    for file in zarr.rglob("*"):
        if file.is_file():
            key = f"a case/slide.zarr/{file.relative_to(zarr)}"
            client.upload_file(str(file), BUCKET, key)
    yield f"http://{host}:{port}", zarr
    server.stop()


@pytest.fixture
def between(store: tuple[str, Path], tmp_path: Path) -> Iterator[RangeServer]:
    """A server before moto's that takes its time."""
    server = RangeServer(tmp_path, behind=store[0]).start()
    server.faults.rest_s = 0.1
    yield server
    server.stop()


@pytest.fixture
def profile(
    between: RangeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A profile of AWS with the credentials; the helper begins anew to see it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "credentials").write_text(
        f"[default]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {KEY}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", between.address("").rstrip("/"))
    helper().close()
    yield
    helper().close()


def test_a_slide_in_a_bucket_shows_the_pixels_of_the_file(
    profile: None, between: RangeServer, served_folder: Path, own_home: Path
) -> None:
    far = open_slide(slide_path(f"s3://{BUCKET}/a%20case/pyramid.tif"))
    near = open_slide(served_folder / "pyramid.tif")
    assert between.longest_chain() <= 6
    assert far.levels == near.levels
    between.faults.refuse, between.faults.refuse_times = 503, 1
    for tile in [(0, 0, 0), (0, 7, 7), (1, 2, 3)]:
        assert np.array_equal(far.read_tile(*tile), near.read_tile(*tile))
    assert far.info.identity == near.info.identity
    far.close()
    near.close()
    done = coverslip("info", f"s3://{BUCKET}/a case/sample.svs")
    assert done.returncode == 0, done.stderr
    for file in own_home.rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes(), file


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [
        (503, PassingError, "does not answer"),
        (416, ServerError, "empty or was cut"),
        (301, ServerError, "another region"),
    ],
)
@pytest.mark.parametrize("name", ["slide.tif", "416 301.tif", "code: 416 301.tif"])
def test_a_refusal_is_told_by_its_status_not_by_digits_of_the_address(
    profile: None, between: RangeServer, status: int, kind: type[ServerError], says: str, name: str
) -> None:
    between.faults.refuse, between.faults.rest_s = status, 0
    stored = StoredObject(OpenAddress(f"s3://{BUCKET}/{quote(name)}", name, ""))
    with pytest.raises(ServerError, match=says) as refused:
        stored.read(416301, 416)
    assert type(refused.value) is kind


def test_what_is_not_in_a_bucket_is_one_sentence(profile: None) -> None:
    for address in (f"s3://{BUCKET}/none.tif", "s3://no-such-bucket/none.tif"):
        done = coverslip("info", address)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert KEY not in done.stderr


def test_a_zarr_in_a_bucket_shows_the_pixels_of_the_folder(
    profile: None, between: RangeServer, store: tuple[str, Path]
) -> None:
    far, near = open_slide(slide_path(f"s3://{BUCKET}/a case/slide.zarr")), open_slide(store[1])
    assert between.longest_chain() <= 6
    assert far.levels == near.levels
    between.log.clear()
    tiles = [(0, column, row) for column in range(3) for row in range(3)]
    expect(far, tiles)
    for tile in tiles:
        assert np.array_equal(far.read_tile(*tile), near.read_tile(*tile)), tile
    assert between.longest_chain() <= 4
    assert between.most_at_once() <= 16
    far.close()
    near.close()
