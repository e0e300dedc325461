"""Policies of other packages: a real one, installed, named, confined, forbidden and misbehaving."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from agent_steps import bench
from cli_steps import coverslip
from model_server import Say, model_server, texts_of

from viewer import policy as policy_module
from viewer.agents.actions import Task
from viewer.agents.agent_events import AgentState
from viewer.agents.errors import AgentError
from viewer.agents.loop import AgentRun, Outcome
from viewer.agents.plugins import plugin_policy
from viewer.agents.plugins.plugin_names import find_plugin, named_plugins
from viewer.agents.plugins.plugin_policy import PluginPolicy
from viewer.folders import config_folder
from viewer.policy import Policy, ReadPolicy
from viewer.recording.session import read_header
from viewer.settings import Settings, save_settings

_SETUP = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "little-policies"
version = "1.0"
[project.entry-points."coverslip.policies"]
scanner = "little_policies:Scanner"
prober = "little_policies:Prober"
crasher = "little_policies:Crasher"
liar = "little_policies:Liar"
silent = "little_policies:Silent"
asker = "little_policies:Asker"
broken = "little_policies:Nothing"
"""
_POLICIES = '''
import os, socket
from viewer.agents.actions import Annotate, Answer, Bookmark, CallTool, GoTo, Note
from viewer.agents.chat.conversation import Picture, Turn
from viewer.agents.errors import AgentError
from viewer.agents.findings import Claim
from viewer.geometry import Box

SECRET = {secret!r}


class Scanner:
    """Goes where the thumbnail is darkest, measures, and asks a model where there is one."""

    def walk(self, scene, first):
        whole = Box(0, 0, scene.width_px, scene.height_px)
        thumbnail = scene.picture(whole, 256)
        row, column = divmod(int(thumbnail.mean(-1).argmin()), thumbnail.shape[1])
        scale = scene.width_px / thumbnail.shape[1]
        x, y = column * scale, row * scale
        seen = yield GoTo(Box(x - 200, y - 200, x + 200, y + 200), 10, "darkest")
        box = seen.visits[-1].box
        seen = yield CallTool("measure", dict(zip(("x0", "y0", "x1", "y1"), box)))
        width = seen.result["width_um"]
        yield Annotate("Dark", "The darkest place.", None, {{"width": width}})
        yield Bookmark("here")
        try:
            said = scene.ask([Turn("user", "What is it?", (Picture(thumbnail, "all"),))])
        except AgentError as error:
            said = str(error)
        yield Note(said)
        yield Answer(f"{{scene.task.question}} {{width:.0f}}", (Claim("dark", None, 1),), 0)


class Prober:
    """Tries what a policy may not."""

    def walk(self, scene, first):
        found = []
        for name, attempt in (
            ("secret", lambda: open(SECRET).read()),
            ("home", lambda: os.listdir(os.path.expanduser("~root"))),
            ("write", lambda: open("/tmp/written-by-a-policy", "w")),
            ("network", lambda: socket.create_connection(("127.0.0.1", 80), 1)),
            ("process", lambda: os.fork() or os._exit(0)),
        ):
            try:
                attempt()
                found.append(name)
            except OSError:
                pass
        found += [name for name in os.environ if "SECRET" in name]
        yield Answer("reached: " + ",".join(found))


class Crasher:
    def walk(self, scene, first):
        yield Note("soon")
        os._exit(3)


class Liar:
    def walk(self, scene, first):
        try:
            scene.picture(Box(1e9, 1e9, 2e9, 2e9))
        except AgentError as error:
            yield Note(str(error))
        seen = yield GoTo(Box(9e9, 9e9, 9e9 + 1, 9e9 + 1))
        yield Note(seen.trouble)
        seen = yield CallTool("rm -rf", {{"x0": float("nan")}})
        yield Note(seen.trouble)
        scene.channel._socket.sendall(b"\\xff" * 64)
        yield Note("never")


class Asker:
    def walk(self, scene, first):
        while True:
            scene.picture(Box(0, 0, 100, 100))
        yield Note("never")


class Silent:
    def walk(self, scene, first):
        import time
        time.sleep(1000)
        yield Note("late")
'''


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as pip installs it, in a folder of its own; a secret lies beside."""
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "secret.txt").write_text("of another")
    project, target = folder / "project", folder / "target"
    project.mkdir()
    (project / "pyproject.toml").write_text(_SETUP)
    text = _POLICIES.format(secret=str(folder / "secret.txt"))
    (project / "little_policies.py").write_text(text)
    subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
            "--no-build-isolation", "--target", str(target), str(project),
        ],
        check=True,
    )  # fmt: skip
    return target


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(site)
    return site


def name_policies(*names: str) -> None:
    save_settings(Settings(agent_policies=list(names)), config_folder())


def walked(name: str, slide: Path, tmp_path: Path) -> Outcome:
    name_policies(name)
    with bench(slide, tmp_path / "sessions") as made:
        run = AgentRun(
            PluginPolicy(find_plugin(name)), made.microscope, made.tools, Task("How wide?")
        )
        return run.run()


@pytest.mark.usefixtures("installed")
def test_a_policy_is_off_until_it_is_named(sample_slide: Path, tmp_path: Path) -> None:
    assert named_plugins() == []
    with pytest.raises(AgentError, match="is off: name it"):
        find_plugin("scanner")
    refused = coverslip("agent", sample_slide, "-o", tmp_path / "out", "--policy", "scanner")
    assert refused.returncode == 2
    assert "is off: name it in Settings" in refused.stderr
    name_policies("gone")
    with pytest.raises(AgentError, match="no installed package"):
        find_plugin("gone")
    assert "little_policies" not in sys.modules


@pytest.mark.usefixtures("installed")
def test_the_administrator_forbids_it(monkeypatch: pytest.MonkeyPatch) -> None:
    name_policies("scanner")
    read = ReadPolicy(Policy(plugins=False))
    monkeypatch.setattr(policy_module, "read_policy", lambda: read)
    assert named_plugins() == []
    with pytest.raises(AgentError, match="policy allows no plug-ins"):
        find_plugin("scanner")


@pytest.mark.usefixtures("installed")
def test_a_named_policy_reads_slides_by_messages_alone(sample_slide: Path, tmp_path: Path) -> None:
    name_policies("scanner")
    with model_server([Say("Stroma.")]) as server:
        ended = coverslip(
            "agent", sample_slide, "-o", tmp_path / "out", "--policy", "scanner", "--url",
            server.url, "--model", "tiny", "--study", "s", "--permit", "--question", "How wide?",
            "--json",
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout
        assert "What is it?" in texts_of(server.requests[0])
    told = json.loads((tmp_path / "out" / "findings.json").read_text())
    assert told["policy"] == "scanner"
    assert told["answer"]["text"].startswith("How wide?")
    assert told["answer"]["claims"][0]["region"] == 1
    assert told["findings"][0]["author"] == "scanner"
    assert told["findings"][0]["figures"]["width"] > 0
    assert "Stroma." in told["notes"]
    assert read_header(tmp_path / "out" / told["session"]).reader == "agent-scanner"
    assert "little_policies" not in sys.modules  # nothing of it runs here


@pytest.mark.usefixtures("installed")
def test_it_reaches_no_file_network_or_process(
    sample_slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_SECRET", "x")
    outcome = walked("prober", sample_slide, tmp_path)
    assert outcome.answer is not None, outcome.failure
    assert outcome.answer.text == "reached: "


@pytest.mark.usefixtures("installed")
def test_what_misbehaves_ends_with_a_sentence(sample_slide: Path, tmp_path: Path) -> None:
    crashed = walked("crasher", sample_slide, tmp_path)
    assert crashed.failure == "crasher ended, or said what is no message."
    assert crashed.notes == ["soon"]
    broken = walked("broken", sample_slide, tmp_path)
    assert broken.failure.startswith("broken stopped: AttributeError")
    lied = walked("liar", sample_slide, tmp_path)
    assert ["does not lie on the slide" in note for note in lied.notes] == [True, True, False]
    assert "no tool" in lied.notes[2]
    assert lied.failure == "liar ended, or said what is no message."


@pytest.mark.usefixtures("installed")
def test_one_that_only_asks_or_says_nothing_is_ended(
    sample_slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = walked("asker", sample_slide, tmp_path)
    assert asked.failure == "asker asked too often without going on."
    monkeypatch.setattr(plugin_policy, "PATIENCE_S", 3.0)
    silent = walked("silent", sample_slide, tmp_path)
    assert silent.failure == "silent did nothing for 3 s."


@pytest.mark.usefixtures("installed")
def test_the_user_stops_it_at_once(sample_slide: Path, tmp_path: Path) -> None:
    name_policies("silent")
    with bench(sample_slide, tmp_path / "sessions") as made:
        policy = PluginPolicy(find_plugin("silent"))
        run = AgentRun(policy, made.microscope, made.tools, Task("?"))
        run.start()
        assert not run.join(1.0)
        run.cancel()
        assert run.join(20.0)
        assert run.state is AgentState.CANCELED
