"""Readings in web pages are received over HTTP, and hostile requests are refused in a sentence."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_steps import coverslip
from recording_steps import wait_until
from session_lines import read_lines

from viewer.recording.events import EventsLost, Viewport
from viewer.recording.importers.event_log import EventLogHeader
from viewer.recording.library import Library
from viewer.recording.log_reader import verify
from viewer.recording.receiving.incoming import IncomingLimits, IncomingSessions
from viewer.recording.receiving.page_slides import PageSlides
from viewer.recording.receiving.server import RecordServer, ServerOptions
from viewer.recording.receiving.upload import MOST_BODY_BYTES
from viewer.recording.session import SlideRef, read_header

APP = Path(__file__).parents[2] / "app.py"
TOKEN = "a-token-of-the-tests"  # noqa: S105
EVERYWHERE = "0.0.0.0"  # noqa: S104
ABOUT: dict[str, object] = {
    "coverslip": 1, "session": "page-00000001", "started_utc": "2026-11-26T10:00:00.000Z",
    "slide": {"name": "CMU-1-Small-Region.dzi", "width_px": 2220, "height_px": 2967},
    "consent": {"given_utc": "2026-11-26T09:59:00Z"}, "elapsed_ns": 0, "closed": False,
}  # fmt: skip
ON_THIS_MACHINE = ServerOptions(token=TOKEN)

Answer = tuple[int, dict[str, object], dict[str, str]]
Send = Callable[..., Answer]


def body(numbers: range, **about: object) -> bytes:
    lines = [json.dumps(ABOUT | about)]
    for number in numbers:
        view = ["view", 10 * number, 0, 900, 600, 0, False, 1, None, None, "drag", False]
        lines.append(json.dumps([number, number * 10**9, number * 1000, view]))
    return "\n".join(lines).encode()


class Served:
    """A server in this process, with the folders that it writes to."""

    def __init__(
        self,
        home: Path,
        options: ServerOptions = ON_THIS_MACHINE,
        limits: IncomingLimits | None = None,
        slide_of: Callable[[EventLogHeader], SlideRef | None] = lambda _: None,
    ) -> None:
        self.library, self.folder = home / "sessions", home / "incoming"
        self.library.mkdir(exist_ok=True)
        self.incoming = IncomingSessions(
            self.folder, self.library, limits=limits or IncomingLimits(), slide_of=slide_of
        )
        self.server = RecordServer(options, self.incoming)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def send(
        self,
        data: bytes | Iterator[bytes] = b"",
        method: str = "POST",
        path: str = "/sessions",
        token: str | None = TOKEN,
        **named: str,
    ) -> Answer:
        """Send a request; headers by name with _ for -, `token` of another value or None."""
        headers = {name.replace("_", "-"): value for name, value in named.items()}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=100)
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text) if text else {}, dict(answer.headers)

    def sessions(self) -> list[Path]:
        return Library(self.library).folders()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path)
    yield made
    made.server.close()


def test_a_session_lands_once_it_is_closed(served: Served) -> None:
    assert served.send(body(range(3)))[1] == {
        "session": "20261126T100000Z-" + name(served), "next": 3, "closed": False
    }  # fmt: skip
    assert served.sessions() == []
    served.send(body(range(3, 6), closed=True, elapsed_ns=7 * 10**9))
    (folder,) = served.sessions()
    assert verify(folder).is_good
    assert read_lines(folder)[-1].elapsed_ns == 7 * 10**9
    assert read_header(folder).repairs == ()
    assert list(served.folder.iterdir()) == []
    for path in (folder, *folder.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def name(served: Served) -> str:
    from viewer.recording.importers.event_log import checked_header
    from viewer.recording.importers.event_log_session import session_id_of

    return session_id_of(checked_header(json.dumps(ABOUT))).partition("-")[2]


def test_what_comes_twice_counts_once_and_gaps_are_asked_for(served: Served) -> None:
    served.send(body(range(4)))
    assert served.send(body(range(2, 6)))[1]["next"] == 6
    status, answer, _ = served.send(body(range(8, 9)))
    assert (status, answer["next"]) == (409, 6)
    assert "6 to 7" in str(answer["error"])
    for _ in range(2):  # the answer to the first was lost on its way
        assert served.send(body(range(4, 9), closed=True))[1]["next"] == 9
    assert served.send(body(range(9), closed=True))[1]["closed"] is True
    (folder,) = served.sessions()
    lines = read_lines(folder)
    assert [line.event.x for line in lines if isinstance(line.event, Viewport)][::2] == [
        10 * number for number in range(9)
    ]
    assert not any(isinstance(line.event, EventsLost) for line in lines)


def test_a_page_that_falls_silent_is_a_session_and_may_go_on(tmp_path: Path) -> None:
    served = Served(tmp_path, limits=IncomingLimits(silent_s=0.0))
    served.send(body(range(3), elapsed_ns=9 * 10**9))
    wait_until(lambda: len(served.sessions()) == 1)
    (folder,) = served.sessions()
    assert "without closing" in read_header(folder).repairs[0].note
    (folder / "reviews").mkdir()
    wait_until(lambda: list(served.folder.glob("*.kept.jsonl")) != [])
    served.server.close()
    # Another server goes on where the first one ended; what was reviewed meanwhile stays.
    again = Served(tmp_path)
    assert again.send(body(range(3, 5), closed=True))[1]["next"] == 5
    assert again.sessions() == [folder]
    assert verify(folder).is_good
    assert read_header(folder).repairs == ()
    assert (folder / "reviews").is_dir()
    assert list(again.folder.iterdir()) == []
    again.server.close()


def test_what_a_crash_left_torn_is_taken_up(tmp_path: Path) -> None:
    served = Served(tmp_path)
    served.send(body(range(3)))
    (spool,) = served.folder.iterdir()
    assert stat.S_IMODE(spool.stat().st_mode) == 0o600
    with spool.open("ab") as file:
        file.write(b"[3,30000")
    again = Served(tmp_path)  # the first was killed
    assert again.send(body(range(3, 5), closed=True))[1]["next"] == 5
    (folder,) = again.sessions()
    assert sum(line.event.__struct_config__.tag == "view" for line in read_lines(folder)) == 10
    for each in (served, again):
        each.server.close()


def test_a_slide_is_found_by_its_name_and_shape(tmp_path: Path, sample_slide: Path) -> None:
    served = Served(tmp_path, slide_of=PageSlides([sample_slide.parent]).slide_of)
    served.send(body(range(3), closed=True))
    other = {"name": "CMU-1-Small-Region.dzi", "width_px": 2000, "height_px": 500}
    served.send(body(range(3), closed=True, session="page-00000002", slide=other))
    identities = {read_header(each).slide.identity[:3] for each in served.sessions()}
    assert identities == {"s1-", "imp"}
    served.server.close()


BAD_BODIES = {
    "empty": (b"", 422),
    "no JSON": (b"\xff\xfe\x00", 422),
    "an array first": (b"[0,0,0,[]]", 422),
    "no header": (b'{"session": "page-00000001"}', 422),
    "bytes that are no text": (body(range(1)).replace(b"10:00", b"\xad0:00"), 422),
    "an event that is no text": (body(range(1)) + b'\n[1,1000000000,1,["tool","\xad\xff"]]', 422),
    "a scale of nothing": (
        body(range(1)) + b'\n[1,1000000000,1,["view",0,0,9,9,0,false,1e-320,null,null,"drag"]]', 422
    ),
    "a deep nest": (b"[" * 50_000, 422),
    "a path for a name": (body(range(1), session="../../../tmp/x"), 422),
    "no consent": (body(range(1), consent={}), 403),
    "an unknown event": (body(range(1)) + b'\n[1,1000000000,1,["explode"]]', 422),
    "an event of ours alone": (body(range(1)) + b'\n[1,1000000000,1,["lost",3]]', 422),
    "a view without size": (
        body(range(1)) + b'\n[1,1000000000,1,["view",0,0,0,0,0,false,1,null,null,"drag"]]', 422
    ),
    "a number beyond a slide": (body(range(1)) + b'\n[1,1000000000,1,["point",1e300,0]]', 422),
    "a number that is none": (body(range(1)) + b'\n[1,1000000000,1,["point",NaN,0]]', 422),
    "numbers that jump": (body(range(1)) + b'\n[5,1000000000,1,["point",1,0]]', 422),
    "a number as text": (body(range(1)) + b'\n["1",0,0,["point",1,0]]', 422),
    "time that runs back": (body(range(2)) + b'\n[2,0,0,["point",1,0]]', 422),
    "a time of centuries": (body(range(1)) + b'\n[1,9999999999999999999,0,["point",1,0]]', 422),
    "a line without end": (body(range(1)) + b"\n" + b"x" * 100_000, 413),
    "lines without end": (b"\n" * 60_000, 413),
    "a long name": (body(range(1), slide={"name": "x" * 999, "width_px": 9, "height_px": 9}), 422),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_BODIES)
def test_a_bad_body_is_refused_in_a_sentence(what: str, served: Served) -> None:
    data, wanted = BAD_BODIES[what]
    status, answer, _ = served.send(data)
    sentence = str(answer["error"])
    assert status == wanted
    assert sentence.endswith((".", ")."))
    assert "\n" not in sentence
    assert len(sentence) < 500
    assert "Traceback" not in sentence
    assert served.sessions() == []
    assert list(served.folder.iterdir()) == []
    assert served.send(body(range(1), closed=True))[0] == 200  # it goes on


def test_a_request_that_is_none_of_ours_is_refused(served: Served) -> None:
    assert served.send(body(range(1)), token=None)[0] == 401
    for wrong in ("another", "ä", ""):
        assert served.send(body(range(1)), token=wrong)[0] == 401
    assert served.send(path="/")[0] == 404
    assert served.send(method="GET")[0] == 405
    assert served.send(method="PUT")[0] == 405
    assert served.send(body(range(1)), Host="rebound.example.org")[0] == 421
    assert served.send(b"x", Content_Encoding="gzip")[0] == 415
    assert served.send(b"", Content_Length="-1")[0] == 400
    assert served.send(b"", Content_Length=str(MOST_BODY_BYTES + 1))[0] == 413
    assert served.send(iter([b"1"]), Transfer_Encoding="chunked")[0] == 411
    for raw in (
        b"BREW /sessions HTCPCP/1.0\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"x" * 70_000 + b"\n",
    ):
        with socket.create_connection(("127.0.0.1", served.server.server_port)) as connection:
            connection.settimeout(20)
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            answered = b""
            while block := connection.recv(4096):
                answered += block
            assert not answered or b'{"error"' in answered
    assert served.send(body(range(1), closed=True))[0] == 200


def test_a_body_that_breaks_off_leaves_nothing(served: Served) -> None:
    head = f"POST /sessions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
    with socket.create_connection(("127.0.0.1", served.server.server_port)) as connection:
        connection.sendall(f"{head}Content-Length: 5000\r\n\r\n".encode() + body(range(2)))
        connection.shutdown(socket.SHUT_WR)
        assert b"shorter than" in connection.makefile("rb").read()
    assert list(served.folder.iterdir()) == []


def test_pages_of_other_addresses_send_only_where_they_are_allowed(tmp_path: Path) -> None:
    allowed = "https://viewer.example.org"
    served = Served(tmp_path, ServerOptions(token=TOKEN, origins=frozenset({allowed})))
    for origin in (allowed, "http://localhost:8080", "http://127.0.0.1:9"):
        asked = served.send(method="OPTIONS", Origin=origin, token=None,
                            Access_Control_Request_Private_Network="true")  # fmt: skip
        assert asked[0] == 204
        assert asked[2]["Access-Control-Allow-Origin"] == origin
        assert "Authorization" in asked[2]["Access-Control-Allow-Headers"]
        sent = served.send(body(range(1)), Origin=origin)
        assert (sent[0], sent[2]["Access-Control-Allow-Origin"]) == (200, origin)
    for origin in ("https://evil.example.org", "null", "https://viewer.example.org.evil.org",
                   "http://viewer.example.org", "http://127.0.0.1.evil.org",
                   "file://localhost", "app://127.0.0.1"):  # fmt: skip
        for method in ("OPTIONS", "POST"):
            status, answer, headers = served.send(body(range(1)), method, Origin=origin)
            assert status == 403
            assert "--allow-origin" in str(answer["error"])
            assert "Access-Control-Allow-Origin" not in headers
    served.server.close()


def test_too_much_is_refused_and_what_came_stays(tmp_path: Path) -> None:
    limits = IncomingLimits(session_bytes=2000, sessions=2)
    served = Served(tmp_path, ServerOptions(token=TOKEN, requests_a_second=0.001, burst=8), limits)
    assert served.send(body(range(3)))[0] == 200
    status, answer, _ = served.send(body(range(3, 40)))
    assert (status, answer["next"]) == (413, 3)
    assert served.send(body(range(3, 5), closed=True))[0] == 200
    assert len(served.sessions()) == 1
    for number, wanted in ((2, 200), (3, 200), (4, 507)):
        assert served.send(body(range(1), session=f"page-0000000{number}"))[0] == wanted
    codes = [served.send(body(range(1)))[0] for _ in range(4)]
    assert codes[-1] == 429
    served.server.close()


def test_all_sessions_together_and_connections_are_bounded(tmp_path: Path) -> None:
    served = Served(tmp_path, limits=IncomingLimits(all_bytes=500))
    assert served.send(body(range(9)))[0] == 200
    assert served.send(body(range(1), session="page-00000002"))[0] == 507
    with contextlib.ExitStack() as stack:
        address = ("127.0.0.1", served.server.server_port)
        for _ in range(64):
            stack.enter_context(socket.create_connection(address))
        more = stack.enter_context(socket.create_connection(address))
        more.settimeout(5)  # one that says nothing is closed after 15 s anyway
        assert more.recv(1) == b"", "one more is closed at once"
    wait_until(lambda: served.send(body(range(9, 10)))[0] == 200)
    served.server.close()


def test_a_full_disk_is_said_and_nothing_is_acknowledged(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.send(body(range(2)))
    real = os.write

    def full(handle: int, data: bytes) -> int:
        if stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(28, "No space left on device")
        return real(handle, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        status, answer, _ = served.send(body(range(2, 4)))
    assert status == 507
    assert "No space left" in str(answer["error"])
    assert served.send(body(range(2, 4), closed=True))[1]["next"] == 4
    assert len(served.sessions()) == 1


def test_other_machines_are_listened_to_with_tls_alone(tmp_path: Path) -> None:
    incoming = IncomingSessions(tmp_path / "incoming", tmp_path)
    with pytest.raises(ValueError, match="TLS"):
        RecordServer(ServerOptions(token=TOKEN, host=EVERYWHERE), incoming)
    said = coverslip("record", "serve", "--host", EVERYWHERE, folder=tmp_path)
    assert said.returncode == 2
    assert "--cert" in said.stderr
    for arguments in (
        ["--key", "key.pem"], ["--cert", "none.pem"], ["--allow-origin", "*"],
        ["--allow-origin", "https://*.example.org"], ["--slides", "nowhere"],
        ["--allow-origin", "https://a.org/path"],
    ):  # fmt: skip
        said = coverslip("record", "serve", "--port", "0", *arguments, folder=tmp_path)
        assert said.returncode == 2, arguments
        assert len(said.stderr.strip().splitlines()) == 1
    (tmp_path / "token").write_text("short")
    said = coverslip("record", "serve", "--token-file", "token", folder=tmp_path)
    assert said.returncode == 2


def certificate(folder: Path) -> tuple[Path, Path]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )  # fmt: skip
    return folder / "cert.pem", folder / "key.pem"


def test_the_command_serves_https_and_makes_sessions_when_it_ends(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    home = tmp_path / "home"
    command = [sys.executable, str(APP), "record", "serve", "--port", "0", "--host", EVERYWHERE]
    command += ["--cert", str(cert), "--key", str(key), "--token-file", str(tmp_path / "token")]
    process = subprocess.Popen(
        command, env=os.environ | {"COVERSLIP_HOME": str(home)}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().removeprefix("Address: ").strip()
        token = process.stdout.readline().removeprefix("Token: ").strip()
        assert (tmp_path / "token").read_text().strip() == token
        assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
        assert address.startswith("https://0.0.0.0:")
        port = int(address.rpartition(":")[2].partition("/")[0])
        context = ssl.create_default_context(cafile=str(cert))
        connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=20)
        for numbers in (range(2), range(2, 4)):
            connection.request(
                "POST", "/sessions", body(numbers), {"Authorization": f"Bearer {token}"}
            )
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            answer.read()
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,  # no TLS
            contextlib.suppress(ConnectionResetError),
        ):
            plain.sendall(b"POST /sessions HTTP/1.1\r\n\r\n")
            assert b"HTTP" not in plain.recv(4096)
        process.send_signal(signal.SIGTERM)
        made = process.stdout.read().split()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait(30)
    (folder,) = Library(home / "data" / "sessions").folders()
    assert made == [folder.name]
    assert verify(folder).is_good
    assert time.time() - folder.stat().st_mtime < 300


def test_the_recorder_for_pages_is_written_where_it_is_wanted(tmp_path: Path) -> None:
    said = coverslip("record", "plugin", folder=tmp_path)
    assert said.returncode == 0, said.stderr
    written = (tmp_path / "coverslip-recorder.js").read_text()
    assert "MIT License" in written[:200]
    assert "CoverslipRecorder" in written
    said = coverslip("record", "plugin", "-o", "nowhere/a.js", folder=tmp_path)
    assert said.returncode == 2
    assert len(said.stderr.strip().splitlines()) == 1
