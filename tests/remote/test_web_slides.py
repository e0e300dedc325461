"""Slides on web servers: their pixels, how they are fetched, and what servers do wrong."""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from cli_steps import coverslip
from range_server import RangeServer
from served_slides import BIG_BYTES
from urllib3 import HTTPResponse

import coverslip as coverslip_api
from viewer import egress
from viewer.audit_log import read_audit
from viewer.egress import EgressError
from viewer.geometry import Box
from viewer.policy import Policy
from viewer.redaction import without_names
from viewer.slides import open_slide
from viewer.slides.derived.levels import KEPT_ON_DISK_FROM
from viewer.slides.errors import (
    SlideAccessError,
    SlideAwayError,
    SlideChangedError,
    SlideNotFoundError,
    UnsupportedSlideError,
)
from viewer.slides.reader_process.process import ReaderProcess
from viewer.slides.region import read_region
from viewer.slides.remote import web
from viewer.slides.remote.address import (
    RemotePath,
    full_address,
    slide_path,
    without_secrets,
)
from viewer.slides.remote.endpoints import check_contact
from viewer.slides.remote.errors import (
    NoRangesError,
    NothingThereError,
    PassingError,
    ServerError,
)
from viewer.slides.remote.messages import OpenAddress
from viewer.slides.remote.stores import StoredObject
from viewer.slides.remote.web import WebFile
from viewer.slides.source import expect

if TYPE_CHECKING:
    from pathlib import Path

    from viewer.slides import SlideSource
    from viewer.slides.reader_process.messages import Opened

SECRET = "S3CR3T"  # noqa: S105 - of nothing


def some_tiles(source: SlideSource) -> list[tuple[int, int, int]]:
    """The corner of each level, and its last tile; not of levels that are kept coded anew."""
    return [
        (index, column, row)
        for index, level in enumerate(source.levels)
        if level.stored_tiles_per_tile < KEPT_ON_DISK_FROM
        for column, row in {(0, 0), (level.columns - 1, level.rows - 1), (level.columns // 2, 0)}
    ]


@pytest.mark.parametrize("name", ["sample.svs", "pyramid.tif", "deflated.tif"])
def test_a_slide_on_a_server_shows_the_pixels_of_the_file(
    server: RangeServer, served_folder: Path, name: str
) -> None:
    far, near = open_slide(slide_path(server.address(name))), open_slide(served_folder / name)
    assert far.levels == near.levels
    assert far.info.optics == near.info.optics
    for tile in some_tiles(near):
        assert np.array_equal(far.read_tile(*tile), near.read_tile(*tile)), tile
    for picture in near.info.associated:
        assert np.array_equal(far.read_associated(picture), near.read_associated(picture))
    assert far.info.identity == near.info.identity, "its annotations are found again"
    far.close()
    near.close()


def test_scripts_open_addresses(server: RangeServer) -> None:
    address = f"{server.address('pyramid.tif')}?sig={SECRET}//x"
    with coverslip_api.open_slide(address) as slide:
        assert slide.read_tile(0, 0, 0).shape == (256, 256, 3)
        assert SECRET not in str(slide.path)
    assert {asked.query for asked in server.log} == {f"sig={SECRET}//x"}


def test_a_part_of_a_slide_on_a_server_is_converted(server: RangeServer, tmp_path: Path) -> None:
    address = f"{server.address('pyramid.tif')}?sig={SECRET}"
    done = coverslip("convert", address, tmp_path / "a.ome.tif", "--region", "0,0,300,200")
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout + done.stderr
    with coverslip_api.open_slide(tmp_path / "a.ome.tif") as slide:
        assert (slide.levels[0].width_px, slide.levels[0].height_px) == (300, 200)


def test_few_requests_wait_for_each_other(server: RangeServer) -> None:
    server.faults.rest_s = 0.1
    source = open_slide(slide_path(server.address("pyramid.tif")))
    source.read_tile(len(source.levels) - 1, 0, 0)
    assert server.longest_chain() <= 6
    server.log.clear()
    tiles = [(0, column, row) for column in range(2, 8) for row in range(1, 6)]
    expect(source, tiles)
    for tile in tiles:
        source.read_tile(*tile)
    assert server.longest_chain() <= 4
    assert server.most_at_once() <= 16
    source.close()


def test_info_moves_a_small_part_of_a_large_file(server: RangeServer) -> None:
    done = coverslip("info", "--json", server.address("big.tif"))
    assert done.returncode == 0, done.stderr
    assert server.sent_bytes() < BIG_BYTES / 10


def test_a_signature_stays_out_of_all_that_is_kept(
    server: RangeServer, own_home: Path, tmp_path: Path
) -> None:
    address = f"{server.address('sample.svs')}?X-Amz-Signature={SECRET}//x"
    done = coverslip("info", address)
    assert done.returncode == 0, done.stderr
    assert all(SECRET in asked.query for asked in server.log), "the server has to see it"
    assert SECRET not in done.stdout + done.stderr
    done = coverslip("shot", address, "-o", tmp_path / "field.png", "--size", "200x100")
    assert done.returncode == 0, done.stderr
    for file in own_home.rglob("*"):
        assert SECRET not in str(file)
        assert not file.is_file() or SECRET.encode() not in file.read_bytes(), file
    assert any("sample.svs" in entry.subject for entry in read_audit())


def test_paths_of_addresses_hold_no_secret() -> None:
    path = slide_path(f"https://me:{SECRET}@Host.org/a/b.tif?sig={SECRET}&versionId=3#{SECRET}")
    assert isinstance(path, RemotePath)
    assert str(path) == "https://host.org/a/b.tif?versionId=3"
    assert SECRET in full_address(path)
    assert SECRET not in repr(path) + str(path.parent) + path.name
    assert without_secrets(f"s3://bucket/key?token={SECRET}") == "s3://bucket/key"
    assert without_secrets(f"s3://bucket/a?key={SECRET * 20}") == "s3://bucket/a", "too long a name"
    assert SECRET not in without_secrets(f"https://host:no-port/a.tif?sig={SECRET}#{SECRET}")
    assert isinstance(slide_path(str(path)), RemotePath)
    assert not isinstance(slide_path("folder/slide.tif"), RemotePath)


def test_logs_hold_nothing_of_an_address_behind_its_path() -> None:
    line = without_names(f"fetching http://host.org/v1/list?token={SECRET} failed")
    assert SECRET not in line
    assert line.endswith("failed")


def test_a_server_without_ranges_is_refused_and_never_read_whole(server: RangeServer) -> None:
    server.faults.has_ranges = False
    done = coverslip("info", server.address("big.tif"))
    assert done.returncode == 2
    assert "range requests" in done.stderr
    assert "500 MB" in done.stderr
    assert done.stderr.count("\n") == 1
    assert server.sent_bytes() < BIG_BYTES / 10


def test_of_a_server_without_ranges_small_objects_are_read_alone(server: RangeServer) -> None:
    server.faults.has_ranges = False
    small, big = (
        WebFile(OpenAddress(server.address(name), name, server.address(name)))
        for name in ("pyramid.tif", "big.tif")
    )
    assert small.read_some(0, 100).data[:2] == b"II"
    sent_bytes = server.sent_bytes()
    with pytest.raises(NoRangesError, match="500 MB"):
        big.read_some(0, 100)
    assert server.sent_bytes() - sent_bytes < BIG_BYTES / 10


def test_an_answer_without_a_length_is_whole_or_refused(
    server: RangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.faults.has_ranges = server.faults.has_length = False
    address = server.address("pyramid.tif")
    whole = (server.folder / "pyramid.tif").read_bytes()
    file = WebFile(OpenAddress(address, "pyramid.tif", address))
    monkeypatch.setattr(web, "_MOST_WHOLE_BYTES", len(whole))
    assert file.read_some(0, 100).data == whole
    monkeypatch.setattr(web, "_MOST_WHOLE_BYTES", len(whole) - 1)
    with pytest.raises(NoRangesError, match="all of it"):
        file.read_some(0, 100)
    sent_bytes = server.sent_bytes()
    big = WebFile(OpenAddress(server.address("big.tif"), "big.tif", server.address("big.tif")))
    with pytest.raises(NoRangesError):
        big.read_some(0, 100)
    assert server.sent_bytes() - sent_bytes < BIG_BYTES / 10


@pytest.mark.parametrize("shift_bytes", [-8, 8])
def test_bytes_of_another_place_are_not_taken(server: RangeServer, shift_bytes: int) -> None:
    server.faults.shift_bytes = shift_bytes
    address = server.address("pyramid.tif")
    file = WebFile(OpenAddress(address, "pyramid.tif", address))
    for read in (lambda: file.read(1000, 100), lambda: file.read_some(1000, 1100)):
        with pytest.raises(NoRangesError):
            read()
    server.faults.shift_bytes = 0
    assert file.read(1000, 100).data == file.read_some(1000, 1100).data


@pytest.mark.parametrize(("status", "words"), [(404, "There is no"), (403, "does not let you")])
def test_a_denied_or_missing_slide_is_one_sentence(
    server: RangeServer, status: int, words: str
) -> None:
    server.faults.refuse = status
    done = coverslip("info", server.address("sample.svs"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert words in done.stderr


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://[bad/slide.tif", "is no address"),
        ("http://127.0.0.1:99999/slide.tif", "is no address"),
        (f"http://127.0.0.1:99999/slide.tif?sig={SECRET}", "is no address"),
        ("s3://bucket", "no slide on it"),
        ("http://127.0.0.1:1/", "no slide on it"),
        ("http://", "no server"),
        (f"ftp://me:{SECRET}@host/slide.tif?sig={SECRET}", "use one of https://"),
        (f"file:///slides/slide.tif?sig={SECRET}", "without file://"),
    ],
)
def test_an_address_of_nothing_is_one_sentence(address: str, words: str) -> None:
    done = coverslip("info", address)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert words in done.stderr
    assert SECRET not in done.stderr


def test_a_server_without_https_is_not_taken_for_one_of_a_bad_certificate(
    server: RangeServer,
) -> None:
    done = coverslip("info", server.address("sample.svs").replace("http:", "https:"))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "by https" in done.stderr


def test_no_such_host_is_one_sentence() -> None:
    done = coverslip("info", "http://no-such-host.invalid/slide.tif")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no-such-host.invalid" in done.stderr


def test_a_busy_server_and_a_cut_connection_are_tried_again(server: RangeServer) -> None:
    server.faults.refuse, server.faults.refuse_times = 503, 1
    server.faults.cut_times = 1
    source = open_slide(slide_path(server.address("pyramid.tif")))
    assert source.read_tile(0, 0, 0).shape == (256, 256, 3)
    source.close()


def test_the_policy_refuses_other_hosts_but_not_this_machine(
    server: RangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(egress, "policy", lambda: Policy(network=False))
    for name in ("a.tif", "a.zarr", "studies/1.2/series/1.3"):
        with pytest.raises(SlideAccessError, match="policy"):
            open_slide(slide_path(f"https://slides.example.org/{name}"))
    open_slide(slide_path(server.address("pyramid.tif"))).close()


def test_a_redirect_is_followed(server: RangeServer, served_folder: Path) -> None:
    (served_folder / "moved").mkdir(exist_ok=True)
    shutil.copy(served_folder / "pyramid.tif", served_folder / "moved" / "pyramid.tif")
    server.faults.redirect = f"/moved/pyramid.tif?sig={SECRET}"
    source = open_slide(slide_path(server.address("elsewhere.tif")))
    assert source.read_tile(0, 1, 1).shape == (256, 256, 3)
    assert sum(asked.path == "/elsewhere.tif" for asked in server.log) == 1
    source.close()


def test_a_redirect_in_a_circle_comes_to_an_end(server: RangeServer) -> None:
    server.faults.redirect = "/a.tif"
    file = WebFile(OpenAddress(server.address("a.tif"), "a.tif", server.address("a.tif")))
    for read in (lambda: file.read(0, 100), lambda: file.read_some(0, 100)):
        with pytest.raises(ServerError, match="in a circle"):
            read()
    assert len(server.log) < 30


@pytest.mark.parametrize("place", ["http://slides.example/b.svs", "ftp://slides.example/b.svs"])
def test_a_redirect_leads_not_away_from_https(place: str) -> None:
    address = "https://slides.example/a.svs"
    file = WebFile(OpenAddress(address, "a.svs", address))
    answer = HTTPResponse(status=302, headers={"Location": place})
    with pytest.raises(EgressError, match="away from https"):
        file._redirected(address, answer)


def test_a_redirect_leads_only_where_requests_may_go(
    server: RangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(egress, "policy", lambda: Policy(network=False))
    server.faults.redirect = "http://slides.example.org/a.tif"
    file = WebFile(OpenAddress(server.address("a.tif"), "a.tif", server.address("a.tif")))
    with pytest.raises(EgressError, match="policy does not allow"):
        file.read(0, 100)
    assert [asked.path for asked in server.log] == ["/a.tif"]


def test_a_reader_of_a_slide_on_a_server_may_read_no_file(
    server: RangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[list[str]] = []
    opened = ReaderProcess.open

    def watched(
        process: ReaderProcess, path: Path, image: int | None, files: list[str], *more: Any
    ) -> Opened:
        given.append(files)
        return opened(process, path, image, files, *more)

    monkeypatch.setattr(ReaderProcess, "open", watched)
    open_slide(slide_path(server.address("pyramid.tif"))).close()
    assert given == [[]]


def test_a_token_is_not_sent_on_to_another_host(
    server: RangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVERSLIP_TOKEN_127_0_0_1", SECRET)
    server.faults.redirect = f"http://localhost:{server.port}/moved/none.tif"
    file = WebFile(OpenAddress(server.address("a.tif"), "a.tif", server.address("a.tif")))
    with pytest.raises(NothingThereError):
        file.read(0, 100)
    sent = {asked.path: asked.headers.get("Authorization", "") for asked in server.log}
    assert sent == {"/a.tif": f"Bearer {SECRET}", "/moved/none.tif": ""}


def test_a_password_goes_to_other_machines_over_https_only() -> None:
    address = f"http://me:{SECRET}@slides.example/a.tif"
    file = WebFile(OpenAddress(address, "a.tif", "http://slides.example/a.tif"))
    with pytest.raises(EgressError, match="https only") as refused:
        file.read(0, 100)
    assert SECRET not in str(refused.value)


def test_what_was_fetched_is_found_again_under_another_signature(
    tmp_path: Path, served_folder: Path
) -> None:
    shutil.copy(served_folder / "deflated.tif", tmp_path / "kept.tif")
    server = RangeServer(tmp_path).start()
    for signature in ("first", "second"):
        server.log.clear()
        source = open_slide(slide_path(f"{server.address('kept.tif')}?sig={signature}"))
        looked_at = len(server.log)
        assert looked_at
        source.read_tile(0, 5, 5)
        assert (len(server.log) == looked_at) == (signature == "second")
        source.close()
    server.stop()


def test_a_server_that_never_answers_is_one_sentence(
    server: RangeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "_SILENCE_S", 0.3)
    monkeypatch.setattr(web, "_pools", {})
    server.faults.hang = threading.Event()
    file = WebFile(OpenAddress(server.address("a.tif"), "a.tif", server.address("a.tif")))
    with pytest.raises(PassingError, match="does not answer in time"):
        file.read(0, 100)
    server.faults.hang.set()


@pytest.mark.parametrize("address", ["gs://bucket/a.tif", "az://box/a.tif", "s3://bucket/a.tif"])
def test_the_policy_holds_for_stores(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from viewer import egress
    from viewer.policy import Policy

    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(egress, "policy", lambda: Policy(allowed_hosts=("slides.example.org",)))
    with pytest.raises(SlideAccessError, match=r"amazonaws|googleapis|blob\.core"):
        open_slide(slide_path(address))


def test_the_policy_holds_for_where_tokens_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(egress, "policy", lambda: Policy(allowed_hosts=("storage.googleapis.com",)))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    check_contact("gs://bucket/a.tif")
    (tmp_path / "google.json").write_text('{"type": "authorized_user"}')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "google.json"))
    with pytest.raises(EgressError, match=r"oauth2\.googleapis\.com"):
        check_contact("gs://bucket/a.tif")


def test_a_policy_that_comes_later_holds_for_open_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("obstore", reason="obstore is not here: install coverslip[remote]")
    monkeypatch.setattr(egress, "policy", Policy)
    address = "gs://bucket/a.tif"
    file = StoredObject(OpenAddress(address, "a.tif", address))
    monkeypatch.setattr(egress, "policy", lambda: Policy(network=False))
    for read in (lambda: file.read(0, 10), lambda: file.child("0").read_some(0, 10)):
        with pytest.raises(EgressError, match="policy"):
            read()


@pytest.mark.parametrize("has_keys", [True, False])
def test_keys_of_a_bucket_go_over_https_only(
    has_keys: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://bucket.invalid")
    if has_keys:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    refused = pytest.raises(EgressError, match="over https only") if has_keys else nullcontext()
    with refused:
        check_contact("s3://bucket/a.tif")


def test_a_file_that_changes_on_the_server_is_noticed(tmp_path: Path, served_folder: Path) -> None:
    shutil.copy(served_folder / "deflated.tif", tmp_path / "slide.tif")
    server = RangeServer(tmp_path).start()
    source = open_slide(slide_path(server.address("slide.tif")))
    source.read_tile(0, 0, 0)
    status = (tmp_path / "slide.tif").stat()
    os.utime(tmp_path / "slide.tif", ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))
    with pytest.raises(SlideChangedError, match="on its server"):
        read_region(source, Box(0, 0, 2048, 2048), 512, 512)
    source.close()
    server.stop()


def test_a_server_that_is_gone_is_told_from_a_damaged_tile(
    served_folder: Path,
) -> None:
    server = RangeServer(served_folder).start()
    source = open_slide(slide_path(server.address("deflated.tif")))
    server.stop()
    with pytest.raises(SlideAwayError, match="does not answer"):
        source.read_tile(0, 7, 7)
    again = RangeServer(served_folder, port=server.port).start()
    assert source.read_tile(0, 7, 7).shape == (256, 256, 3)
    source.close()
    again.stop()


def test_what_is_no_tiled_tiff_is_refused_with_the_size_of_a_download(
    tmp_path: Path,
) -> None:
    (tmp_path / "notes.txt").write_bytes(b"no slide" * 1000)
    server = RangeServer(tmp_path).start()
    with pytest.raises(UnsupportedSlideError, match="8 KB"):
        open_slide(slide_path(server.address("notes.txt")))
    with pytest.raises(SlideNotFoundError):
        open_slide(slide_path(server.address("none.tif")))
    server.stop()


def test_fetched_blocks_are_kept_on_the_disk_for_their_owner_alone(
    tmp_path: Path,
) -> None:
    from viewer.slides.remote.block_cache import BlockCache, cache_name

    kept = BlockCache(tmp_path / "remote", most_bytes=1 << 20)
    name = cache_name("https://host/a.tif", '"1"', 1 << 20)
    assert name != cache_name("https://host/a.tif", '"2"', 1 << 20)
    block = os.urandom(1 << 14)
    kept.put(name, [(3, block)])
    assert kept.get(name, 3, 1 << 14) == block
    assert kept.get(name, 2, 1 << 14) is None, "a hole is not what was fetched"
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "remote").iterdir()} == {0o600}
    with (tmp_path / "remote" / f"{name}.blocks").open("r+b") as file:
        file.seek(3 << 14)
        file.write(b"spoilt")
    assert kept.get(name, 3, 1 << 14) is None
    for number in range(8):
        other = cache_name("https://host/b.tif", str(number), 1 << 20)
        kept.put(other, [(index, os.urandom(1 << 14)) for index in range(32)])
    held = sum(file.stat().st_blocks * 512 for file in (tmp_path / "remote").iterdir())
    assert held < 2 << 20
