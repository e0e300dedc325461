"""The policy holds against settings and environment; a broken one is read as the strictest."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_steps import invoke
from other_account import needs_root, own_by_other
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QWidget
from pytestqt.qtbot import QtBot

from viewer import policy as policy_module
from viewer.agents.chat.client import Client
from viewer.agents.chat.conversation import Turn
from viewer.agents.chat.keys import Keys
from viewer.agents.endpoint import Endpoint
from viewer.agents.errors import AgentError, NotPermittedError
from viewer.agents.permission import Permission, PermissionBook
from viewer.audit_log import sent_detail, trail
from viewer.egress import EgressError, check_egress
from viewer.files.atomic_write import atomic_write_bytes
from viewer.files.replace_whole import replace_by
from viewer.inference.models.bundle import BundleError
from viewer.inference.models.encoders import KNOWN_ENCODERS, fetch_encoder
from viewer.inference.models.model_library import BUNDLED, add_model, all_models, find_model
from viewer.inference.models.zoos import fetched_model
from viewer.policy import STRICTEST, Policy, policy, read_policy
from viewer.settings import Settings
from viewer.slides import SlideError, open_slide
from viewer.tiles.cache import TileCache
from viewer.ui.agents.endpoint_dialog import EndpointDialog
from viewer.ui.main_window import MainWindow
from viewer.ui.recording.consent_dialog import ConsentDialog
from viewer.ui.recording.control import RecordingState
from viewer.ui.settings_dialog import SettingsDialog

APP = Path(__file__).parents[2] / "app.py"
AGREED = Settings(reader="reader-7", consent_utc="2026-11-24T08:00:00+00:00")
pytestmark = needs_root


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the policy lies, in place of /etc."""
    path = tmp_path / "etc" / "policy.json"
    path.parent.mkdir(mode=0o755)
    monkeypatch.setattr(policy_module, "POLICY_PATH", path)
    return path


def write(place: Path, **members: object) -> None:
    place.write_text(json.dumps(members))
    place.chmod(0o644)


def test_without_a_file_the_user_decides(place: Path) -> None:
    assert policy() == Policy()
    assert not read_policy().is_set
    with pytest.raises(EgressError, match="no address"):
        check_egress("ftp://127.0.0.1/models")
    check_egress("https://models.example", allowed_hosts=["models.example"])


def test_hosts_and_network(place: Path) -> None:
    write(place, allowed_hosts=["Models.Example"])
    check_egress("https://models.example/v1", allowed_hosts=["models.example"], carries_key=True)
    with pytest.raises(EgressError, match="policy does not allow"):
        check_egress("https://other.example/v1", allowed_hosts=["other.example"])
    for host in ("evil-models.example", "evil.models.example", "models.example.evil"):
        with pytest.raises(EgressError, match="policy does not allow"):
            check_egress(f"https://{host}/v1", allowed_hosts=[host])
    write(place, network=False)
    check_egress("http://127.0.0.1:11434/v1", carries_key=True)
    with pytest.raises(EgressError, match="policy does not allow"):
        check_egress("https://models.example/v1", allowed_hosts=["models.example"])
    with pytest.raises(BundleError, match="policy"):
        fetch_encoder(next(iter(KNOWN_ENCODERS.values())))
    with pytest.raises(BundleError, match="policy"):
        fetched_model("instanseg", "any").__enter__()


@pytest.mark.parametrize(
    "url",
    ["http://models.example/v1", "ftp://models.example", "models.example", "https://", "//x", ""],
)
def test_keys_go_over_https_only(url: str) -> None:
    with pytest.raises(EgressError, match="Nothing was sent"):
        check_egress(url, carries_key=True)
    to = Endpoint(base_url=url, model="m", allowed_hosts=("models.example",))
    given = Permission.now("study", "models.example")
    with pytest.raises(AgentError):
        Client(to, "study", given, key="secret").ask([Turn("user", "a")])


def test_folders_bind_slides_and_what_is_written(
    place: Path, sample_slide: Path, tmp_path: Path
) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    write(place, allowed_folders=[str(allowed)])
    with pytest.raises(SlideError, match=f"policy allows no slides there, only in {allowed}"):
        open_slide(sample_slide)
    inside = allowed / "a.svs"
    shutil.copy(sample_slide, inside)
    open_slide(inside).close()
    (allowed / "link.svs").symlink_to(sample_slide)
    with pytest.raises(SlideError, match="policy"):
        open_slide(allowed / "link.svs")
    atomic_write_bytes(allowed / "out.csv", b"x")
    (allowed / "elsewhere").symlink_to(tmp_path)
    (whole := tmp_path / "whole.part").write_bytes(b"x")
    with pytest.raises(PermissionError):
        atomic_write_bytes(tmp_path / "allowed.csv", b"x")  # begins as the folder does
    stored = invoke(["run", "tissue-quality", str(inside), "--store", str(tmp_path / "store")])
    assert stored.exit_code == 2
    assert "policy forbids it" in stored.output
    (beside := tmp_path / "allowed too").mkdir()
    for out in (
        *(tmp_path / "out.csv", allowed / "elsewhere" / "out.csv", allowed / ".." / "a"),
        beside / "out.csv",
    ):
        with pytest.raises(PermissionError):
            atomic_write_bytes(out, b"x")
        with pytest.raises(PermissionError):
            replace_by(whole, out)
        converted = invoke(["convert", str(inside), str(out.with_suffix(".ome.tif"))])
        assert converted.exit_code == 2
        assert "policy allows no files" in converted.output
    assert whole.exists()
    shot = invoke(["shot", str(inside), "-o", str(tmp_path / "a.png")])
    assert shot.exit_code == 2
    assert "policy allows no files there" in shot.output


def test_folders_bind_stores_of_results_and_exports(
    place: Path, sample_slide: Path, tmp_path: Path
) -> None:
    (allowed := tmp_path / "allowed").mkdir()
    slide = allowed / "a.svs"
    shutil.copy(sample_slide, slide)
    write(place, allowed_folders=[str(allowed)])
    made = invoke(["sessions", "simulate", str(slide), "--policy", "drill"])
    assert made.exit_code == 0, made.output
    outside = tmp_path / "outside"
    for command in (
        ["sessions", "export", "--format", "csv", "-o", str(outside)],
        ["run", "Tissue quality", str(slide), "--json", "--store", str(outside)],
    ):
        done = invoke(command)
        assert done.exit_code == 2, done.output
        assert "policy" in done.output, command
        assert not outside.exists(), command


def test_folders_bind_stores_of_features(place: Path, sample_slide: Path, tmp_path: Path) -> None:
    pytest.importorskip("lancedb", reason="lancedb is not here: install coverslip[cohort]")
    write(place, allowed_folders=[str(sample_slide.parent)])
    outside = tmp_path / "outside"
    done = invoke(["embed", "tissue-likeness", str(sample_slide), "--store", str(outside)])
    assert done.exit_code == 2, done.output
    assert "policy allows no files there" in done.output
    assert not outside.exists()


def test_a_folder_that_depends_on_where_a_program_starts_allows_nothing(
    place: Path, sample_slide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(place, allowed_folders=[".", ""])
    monkeypatch.chdir(sample_slide.parent)
    with pytest.raises(SlideError, match="policy allows no slides there"):
        open_slide(sample_slide)


def test_folders_bind_pipes_and_devices_but_not_what_is_open_already(
    place: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    write(place, allowed_folders=[str(allowed)])
    os.mkfifo(tmp_path / "pipe")
    (allowed / "device").symlink_to("/dev/null")
    for out in (tmp_path / "pipe", allowed / "device", Path("/dev/null")):
        held = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        try:
            with pytest.raises(PermissionError, match="policy allows no files there"):
                atomic_write_bytes(out, b"x")
            assert os.read(held, 1) == b""
        finally:
            os.close(held)
    atomic_write_bytes(Path("/dev/stdout"), b"printed")
    assert capfd.readouterr().out == "printed"


def test_what_it_forbids_is_not_received(place: Path, tmp_path: Path) -> None:
    serve = ["record", "serve", "--host", "192.0.2.1", "--cert", str(tmp_path / "none.pem")]
    for members, words in (({"recording": "off"}, "recording"), ({"network": False}, "network")):
        write(place, **members)
        done = invoke(serve)
        assert done.exit_code == 2, done.output
        assert f"policy allows no {words}" in done.output


def test_foreign_models_do_not_run(place: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "model"
    shutil.copytree(next(path for path in BUNDLED.iterdir() if path.is_dir()), foreign)
    added = add_model(foreign)
    write(place, foreign_models=False)
    uses = (
        lambda: add_model(foreign),
        lambda: find_model(str(foreign)),
        lambda: fetched_model("wsinfer", "any").__enter__(),
    )
    for use in uses:
        with pytest.raises(BundleError, match="policy allows only models"):
            use()
    assert all(bundle.folder.parent == BUNDLED for bundle in all_models())
    assert added.folder.parent != BUNDLED


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_text("{torn"),
        lambda path: path.write_text('{"network": "no"}'),
        lambda path: path.write_text('{"netwrok": false}'),
        lambda path: path.write_text('["network"]'),
        lambda path: path.write_bytes(b"\xff\xfe"),
        lambda path: path.chmod(0o666),
        lambda path: path.chmod(0o664),
        lambda path: path.parent.chmod(0o777),
        lambda path: path.parent.chmod(0o775),
        lambda path: path.parent.parent.chmod(0o777),
        own_by_other,
        lambda path: own_by_other(path.parent),
        lambda path: (path.rename(path.with_name("a")), path.symlink_to("a")),
        lambda path: (path.unlink(), path.symlink_to("nowhere")),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), os.mkfifo(path)),
    ],
)
def test_a_broken_or_foreign_file_is_the_strictest(place: Path, spoil: object) -> None:
    write(place)
    assert policy() == Policy()
    spoil(place)  # type: ignore[operator]
    read = read_policy()
    assert read.policy == STRICTEST
    assert read.policy == Policy(
        network=False, allowed_hosts=(), allowed_folders=(), foreign_models=False, plugins=False,
        agent_clients=False, recording="off",
    )  # fmt: skip
    assert "until it is mended" in read.problem
    assert read.problem.count("\n") == 0
    assert read.problem in invoke(["sessions", "list"]).output


def test_the_window_says_what_is_set(place: Path, sample_slide: Path, qtbot: QtBot) -> None:
    write(place, recording="off", foreign_models=False)
    window = MainWindow(AGREED, TileCache(64 << 20))
    qtbot.addWidget(window)
    window.show()
    window.activateWindow()
    with qtbot.waitSignal(window.panes.active.opened, timeout=20_000):
        window.open_paths([sample_slide])
    qtbot.keyClick(window, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    assert window.recording.control.state is RecordingState.OFF
    assert "policy" in window.recording.pill.toolTip()
    dialog = SettingsDialog(AGREED)
    qtbot.addWidget(dialog)
    assert "Readings may not be recorded." in dialog.privacy.policy.text.text()
    grayed = [
        editor.accessibleName()
        for editor in dialog.findChildren(QWidget)
        if "administrator" in editor.toolTip()
    ]
    assert {"Run TorchScripts unconfined", "Record slide names", "Record texts"} <= set(grayed)
    dialog.reject()
    write(place, recording="consent")
    qtbot.keyClick(window, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    assert window.recording.control.state is RecordingState.OFF
    (asked,) = window.findChildren(ConsentDialog)
    asked.accept()
    assert window.recording.control.state is RecordingState.ON
    window.close()
    place.write_text("{torn")
    again = MainWindow(AGREED, TileCache(64 << 20))
    qtbot.addWidget(again)
    assert "until it is mended no slide opens" in again.banner.sentence.text()
    again.close()


def test_the_dialog_of_the_model_server_heeds_it(place: Path, qtbot: QtBot) -> None:
    write(place, allowed_hosts=["models.example"])
    parent = QWidget()
    qtbot.addWidget(parent)
    to = Endpoint(base_url="https://other.example/v1", model="m")
    dialog = EndpointDialog(to, Keys(), parent)
    assert "policy: models.example" in dialog.hosts.toolTip()
    dialog.hosts.setText("other.example, models.example")
    (buttons,) = dialog.findChildren(QDialogButtonBox)
    ok = buttons.button(QDialogButtonBox.StandardButton.Ok)
    ok.click()
    assert "policy does not allow" in dialog.complaint.text()
    dialog.base_url.setText("https://models.example/v1")
    ok.click()
    assert dialog.result() == QDialog.DialogCode.Accepted


def test_no_environment_replaces_the_file_in_etc(sample_slide: Path, tmp_path: Path) -> None:
    """In a mount namespace of its own, so that the machine's /etc stays as it is."""
    if Path("/etc/coverslip").exists():
        pytest.skip("this machine has a policy of its own")
    policy_file = tmp_path / "policy.json"
    policy_file.write_text('{"allowed_folders": ["/nowhere"]}')
    script = (
        "mount -t tmpfs tmpfs /mnt && "
        "mkdir /mnt/up /mnt/work && "
        "mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/up,workdir=/mnt/work /etc && "
        f"mkdir -m 755 /etc/coverslip && cp {policy_file} /etc/coverslip/ && "
        "chmod 644 /etc/coverslip/policy.json && "
        f'exec "{sys.executable}" "{APP}" info "{sample_slide}"'
    )
    environment = os.environ | {
        "COVERSLIP_POLICY": "/dev/null", "XDG_CONFIG_DIRS": str(tmp_path),
        "COVERSLIP_HOME": str(tmp_path / "home"),
    }  # fmt: skip
    run = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        env=environment, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    if "policy" not in run.stderr and run.returncode != 0:
        pytest.skip(f"no mount namespace can be made here: {run.stderr.strip()[-100:]}")
    assert run.returncode == 2
    assert "policy allows no slides there" in run.stderr


def test_what_was_allowed_is_listed_and_taken_back(qtbot: QtBot, own_home: Path) -> None:
    book = PermissionBook()
    given = book.give("lymph", "models.example")
    book.give("margins", "127.0.0.1")
    trail.note("sent", "models.example", sent_detail("lymph", "m", "a.svs"), 3)
    trail.note("sent", "models.example", sent_detail("lymph", "m", "b.svs"), 2)
    trail.note("sent", "models.example", sent_detail("other", "m", "c.svs"), 9)
    dialog = SettingsDialog(Settings())
    qtbot.addWidget(dialog)
    dialog.show()
    box = dialog.privacy.permissions
    qtbot.waitUntil(lambda: box.table.topLevelItemCount() == 2)
    row = box.table.topLevelItem(0)
    assert row is not None
    texts = [row.text(column) for column in range(5)]
    assert texts[:2] == ["lymph", "models.example"]
    assert texts[3] in ("a.svs, b.svs", "b.svs, a.svs")
    assert texts[4].startswith("5 pictures in 2 requests")
    to = Endpoint(
        base_url="https://models.example/v1", model="m", allowed_hosts=("models.example",)
    )
    client = Client(to, "lymph", given)
    row.setSelected(True)
    qtbot.mouseClick(box.withdraw, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: box.table.topLevelItemCount() == 1)
    assert PermissionBook().find("lymph", "models.example") is None
    with pytest.raises(NotPermittedError, match="taken back"):
        client.ask([Turn("user", "a")])
    dialog.reject()
