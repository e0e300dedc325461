"""`coverslip mcp` before the protocol's own client, and before one that misbehaves."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import anyio
import pytest
from cli_steps import coverslip
from mcp_steps import APP, HELLO, RogueClient, http_server, http_session, stdio_session, text_of
from PIL import Image

from viewer.agents.clients.allowed_folders import REFUSED
from viewer.recording.library import Library, sessions_folder
from viewer.recording.log_reader import verify
from viewer.recording.session import read_header

BOX = [500, 500, 1500, 1500]


def test_the_packages_own_client_reads_a_slide(sample_slide: Path) -> None:
    async def read() -> None:
        async with stdio_session("--allow", sample_slide.parent) as session:
            tools = {tool.name: tool.input_schema for tool in (await session.list_tools()).tools}
            assert {"open_slide", "overview", "look", "count_nuclei", "answer", "report"} <= set(
                tools
            )
            assert tools["look"]["required"] == ["box"]
            assert set(tools["look"]["properties"]) >= {"box", "magnification"}
            assert all(schema["type"] == "object" for schema in tools.values())
            assert tools["look"]["properties"]["magnification"]["nullable"] is True
            assert "anyOf" not in json.dumps(tools)
            outside = await session.call_tool("open_slide", {"path": "/etc/passwd"})
            assert outside.is_error
            assert text_of(outside) == REFUSED
            opened = await session.call_tool("open_slide", {"path": str(sample_slide)})
            assert not opened.is_error
            assert json.loads(text_of(opened)) == opened.structured_content
            seen = await session.call_tool("look", {"box": BOX, "magnification": 5})
            (image,) = (part for part in seen.content if part.type == "image")
            picture = Image.open(io.BytesIO(base64.b64decode(image.data)))
            assert (picture.size, image.mime_type) == ((250, 250), "image/jpeg")
            refused = await session.call_tool("look", {"box": [9e6, 9e6, 9e6 + 1, 9e6 + 1]})
            assert refused.is_error
            assert "does not lie on the slide" in text_of(refused)
            await session.call_tool(
                "answer", {"text": "Seen.", "evidence": [{"text": "a", "box": BOX}]}
            )
            report = await session.call_tool("report", {})
            assert "Seen" in report.structured_content["report"]

    anyio.run(read)
    (summary,) = Library().summaries()
    assert summary.ended_well
    header = read_header(summary.folder)
    assert (header.origin, header.reader) == ("agent", "agent-mcp")
    shown = coverslip("sessions", "show", summary.folder, "--json")
    assert json.loads(shown.stdout)["origin"] == "agent"


def test_a_client_that_speaks_nonsense_harms_nothing(sample_slide: Path) -> None:
    rogue = RogueClient("--allow", sample_slide.parent)
    rogue.ask(1, "initialize", **HELLO)
    assert rogue.answer()["id"] == 1
    for line, code in (
        (b"{broken\n", -32700),
        (b"\xff\xfe\x00\n", -32700),
        (b"[" * 200_000 + b"\n", -32700),
        (b"[]\n", -32600),
        (b'"text"\n', -32600),
        (b'{"jsonrpc": "1.0"}\n', -32600),
        (b"x" * (33 << 20) + b"\n", -32600),
    ):
        rogue.send(line)
        answer = rogue.answer()
        assert answer["id"] is None
        assert answer["error"]["code"] == code
        assert answer["error"]["message"].count(".") == 1 or "2.0" in answer["error"]["message"]
    # Half a line that is ended later is one message.
    rogue.send(b'{"jsonrpc": "2.0", "id": 2, "meth')
    rogue.send(b'od": "ping"}\n\n\n')
    assert rogue.answer() == {"jsonrpc": "2.0", "id": 2, "result": {}}
    # Ids that were used before, of any kind, and answers to what nobody asked.
    rogue.send(b'{"jsonrpc": "2.0", "id": 999, "result": {}}\n')
    rogue.call(2, "open_slide", path=str(sample_slide))
    assert rogue.answer()["result"].get("isError") is not True
    rogue.call("../../x", "note", text="x" * 10_000_000)
    answer = rogue.answer()
    assert answer["id"] == "../../x"
    assert answer["result"]["isError"] is True
    rogue.call(4, "answer", text="No.", evidence=[{"text": "a", "region": 10**9}])
    assert '"region":null' in rogue.answer()["result"]["content"][0]["text"]
    # A flood gets its answers, each in one sentence.
    for number in range(300):
        rogue.call(1000 + number, "open_slide", path="/etc/shadow")
    refusals = [rogue.answer()["result"] for _ in range(300)]
    assert all(refusal["isError"] for refusal in refusals)
    assert {refusal["content"][0]["text"] for refusal in refusals} <= {
        REFUSED, "Too many calls at once: wait for the answers.",
    }  # fmt: skip
    rogue.call(5, "open_slide", path=str(sample_slide))
    assert rogue.answer()["result"].get("isError") is not True
    rogue.call(6, "go_to", box=BOX)
    assert rogue.answer()["id"] == 6
    # It goes amid a call, with half a line behind it.
    rogue.call(7, "quality", box=BOX)
    rogue.send(b'{"jsonrpc": "2.0", "id": 8, "method": "tools/ca')
    assert rogue.leave() == 0
    folders = sorted(sessions_folder().iterdir())
    assert [read_header(folder).reader for folder in folders] == ["agent-rogue"] * 2
    assert all(verify(folder).is_good for folder in folders)
    assert all(each.ended_well for each in Library().summaries())


@pytest.mark.parametrize("is_ended", [True, False])
def test_a_server_that_is_ended_or_whose_client_reads_no_more_keeps_its_session(
    sample_slide: Path, is_ended: bool
) -> None:
    rogue = RogueClient("--allow", sample_slide.parent)
    rogue.ask(1, "initialize", **HELLO)
    rogue.answer()
    rogue.call(2, "open_slide", path=sample_slide.name)
    rogue.answer()
    rogue.call(3, "go_to", box=BOX)
    rogue.answer()
    if is_ended:
        rogue.process.terminate()
    else:
        rogue.stdout.close()
        with contextlib.suppress(OSError):
            for number in range(20):
                rogue.call(10 + number, "measure", box=BOX)
    assert rogue.process.wait(60) == 0
    with contextlib.suppress(OSError):
        rogue.leave()
    (summary,) = Library().summaries()
    assert summary.ended_well


def test_http_on_this_machine_with_a_token(sample_slide: Path) -> None:
    def status(address: str, **headers: str) -> int:
        request = urllib.request.Request(  # noqa: S310
            address, b"{}", {"Content-Type": "application/json", **headers}
        )
        try:
            with urllib.request.urlopen(request) as answer:  # noqa: S310
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    async def read(address: str, token: str) -> None:
        async with http_session(address, token) as session:
            opened = await session.call_tool("open_slide", {"path": sample_slide.name})
            assert not opened.is_error
            seen = await session.call_tool("look", {"box": BOX})
            assert [part.type for part in seen.content] == ["image", "text"]
            long = await session.call_tool("note", {"text": "x" * 10_000_000})
            assert long.is_error

    with http_server("--allow", sample_slide.parent) as (address, token):
        assert address.startswith("http://127.0.0.1:")
        assert len(token) > 40
        assert status(address) == 401
        assert status(address, Authorization="Bearer wrong") == 401
        assert status(address + "/elsewhere") == 401
        key = {"Authorization": f"Bearer {token}"}
        assert status(address, Host="evil.example", **key) == 421
        assert status(address, Origin="https://evil.example", **key) == 403
        assert status(address, Accept="application/json, text/event-stream", **key) == 400
        anyio.run(read, address, token)
    (summary,) = Library().summaries()
    assert summary.ended_well


def test_what_is_wrong_with_the_command_is_one_sentence(tmp_path: Path, sample_slide: Path) -> None:
    for arguments, why in (
        ((), "Say with --allow"),
        (("--allow", tmp_path / "nowhere"), "is no folder"),
        (("--allow", sample_slide), "is no folder"),
        (("--allow", tmp_path, "--port", "80"), "--port is for --http"),
        (("--allow", tmp_path, "--tissue", "none-such"), "none-such"),
    ):
        ended = coverslip("mcp", *arguments)
        assert ended.returncode == 2
        assert why in ended.stderr
        assert ended.stdout == ""
        assert "Traceback" not in ended.stderr


def test_without_the_package_it_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['mcp'] = None\n"
        "from viewer.cli import app\n"
        f"sys.argv = ['coverslip', 'mcp', '--allow', {str(tmp_path)!r}]\n"
        "from viewer.cli import main; main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=APP.parent, capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert "pip install 'coverslip[mcp]'" in ended.stderr
