"""What README and docs show is run as written, in a folder like a newcomer's.

Words in capitals are replaced by files that are there; what reaches a server is tried elsewhere,
against a local one.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_documents import DOCUMENTS, REPOSITORY

from viewer.studies.forms import Form
from viewer.studies.project import Project

APP = REPOSITORY / "app.py"
SAMPLE = REPOSITORY / "resources" / "slides" / "CMU-1-Small-Region.svs"


def blocks(document: Path, language: str) -> list[str]:
    found = re.findall(r"```([a-z]*)\n(.*?)```", document.read_text(), re.S)
    return [text for name, text in found if name == language]


def commands(document: Path) -> list[str]:
    """Return the commands of a document's blocks, each in one line, with all that is optional."""
    shown = [*blocks(document, ""), *blocks(document, "console"), *blocks(document, "sh")]
    lines = "\n".join(shown).replace("\\\n", " ").split("\n")
    found = [re.sub(r"\s+#.*| \.\.\.", "", line.strip().removeprefix("$ ")) for line in lines]
    optional = re.compile(r"""("[^"]*"|'[^']*')|[\[\]]""")  # brackets within quotes stay
    kept = [line for line in found if line.startswith("coverslip ")]
    return [optional.sub(lambda match: match[1] or "", line) for line in kept]


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "COVERSLIP_HOME": str(folder / "home"),
        "QT_QPA_PLATFORM": "offscreen",
        "PYTHONPATH": str(REPOSITORY),
    }
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def done(folder: Path, line: str) -> str:
    """Run a command and return its output."""
    ended = run(folder, sys.executable, str(APP), *shlex.split(line.removeprefix("coverslip ")))
    assert ended.returncode == 0, f"{line}: {ended.stderr}"
    return ended.stdout


def script(folder: Path, text: str) -> str:
    ended = run(folder, sys.executable, "-c", text)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a slide."""
    shutil.copyfile(SAMPLE, tmp_path / "slide.svs")
    return tmp_path


@pytest.mark.slow
def test_the_model_in_ten_lines_is_a_model_that_runs(folder: Path) -> None:
    document = REPOSITORY / "docs" / "models.md"
    (text,) = blocks(document, "python")
    script(folder, text)
    elsewhere = re.compile("fetch|--within|CLIP|explain")
    lines = [line for line in commands(document) if not elsewhere.search(line)]
    assert len(lines) == 5
    for line in lines:
        here = line.replace("FOLDER", "my-model").replace("SLIDE", "slide.svs")
        done(folder, here.replace("found.geojson", "found.csv --region 900,1300,400,400", 1))
    assert "Tumor" in (folder / "found.csv").read_text()


def test_projects_and_forms_in_documents_are_valid() -> None:
    import msgspec

    project, form = blocks(REPOSITORY / "docs" / "projects.md", "json")
    assert msgspec.convert(json.loads(project), Project).slides[0].state == "in work"
    read = msgspec.convert(json.loads(form), Form)
    assert [question.kind for question in read.questions] == ["choice", "multi", "number", "text"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_python_in_documents_runs(folder: Path) -> None:
    session = done(folder, "coverslip sessions simulate slide.svs -o sessions").strip()
    for document in DOCUMENTS:
        for text in blocks(document, "python"):
            there = re.sub(r'"sessions/[^"]+"', repr(str(folder / session)), text)
            script(folder, there)


_PLACES = {
    "README.md": {"SLIDE": "slide.svs"},
    "agents.md": {"SLIDE": "slide.svs"},
    "annotation-formats.md": {},
    "batch.md": {"nuclei": "tissue-quality"},
    "cells.md": {"SLIDE": "small.ome.tif"},
    "cohort-features.md": {"12000,8000,2048,2048": "900,1300,600,600"},
    "convert.md": {},
    "environment.md": {},
    "models.md": {"SLIDE": "slide.svs"},
    "predictor.md": {"/slides": ".", "scan|drill|random": "drill", "N": "1", "SLIDE": "slide.svs"},
    "projects.md": {
        "FOLDER": "study", "SLIDES...": "slide.svs", "NAME": "Margins", "ARCHIVE": ".",
        "--forms FILE": "--forms form.json", "--palette FILE": "--palette palette.json",
    },
    "query.md": {},
    "record-anywhere.md": {},
    "recording.md": {
        "SLIDE": "slide.svs", "FORMAT": "chat-jsonl", "LOG": "log.csv", "--slides FOLDER": "",
    },
    "study.md": {"SLIDES": ".", "OTHER-SESSIONS": "ID", "SESSIONS": "ID", "MODEL": "model"},
}  # fmt: skip
"""What stands for words in capitals, by document; ID is a recorded session."""
_ELSEWHERE = {
    "README.md": "^coverslip SLIDE",  # the window
    "agents.md": "giant|evaluate",  # tests/agents: they ask a server
    "annotation-formats.md": "dcm",  # tests/annotations/test_dicom.py has slides in DICOM
    "batch.md": "ndpi",  # the same of several
    # tests/cohort/test_searching_by_words.py, test_slide_learning.py and test_arrival.py
    "cohort-features.md": "--words|train|watch",
    "convert.md": "ndpi|stack",  # tests/slides/test_converting.py
    # tests/inference, with models and servers of the tests; the model in ten lines above
    "models.md": "fetch|CLIP|My model|FOLDER",
    "predictor.md": "train|evaluate|models",  # tests/agents/test_behavior_cli.py: minutes
    # tests/studies/test_qupath_project.py, test_set_review.py and test_stages.py
    "projects.md": "qpproj|consensus|--key",
    "record-anywhere.md": "serve|import",  # tests/recording/test_received.py, test_importers.py
    "study.md": "train|evaluate",
}
_WHOLLY_ELSEWHERE = {
    "channels.md",  # a window
    "cohort.md",  # tests/cohort: a cluster
    "mcp.md",  # tests/agents/test_mcp_server.py: until its client goes
    "remote.md",  # tests/remote: servers
    "teaching.md",  # test_taught_objects.py, test_corrected_outlines.py, test_pixel_teaching.py
    "tma.md",  # tests/test_tma_cli.py: an array
}


def test_commands_of_each_document_are_run_here_or_elsewhere() -> None:
    with_commands = {document.name for document in DOCUMENTS if commands(document)}
    assert with_commands == _PLACES.keys() | _WHOLLY_ELSEWHERE


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_queries_of_documents_ask_for_what_is_measured(folder: Path) -> None:
    asked = re.findall(r"measurements\['([^']+)'\]", (REPOSITORY / "docs" / "query.md").read_text())
    assert len(asked) == 2
    for model in ("cells", "nuclei"):
        done(folder, f"coverslip run {model} slide.svs --region 900,1300,300,300")
    measured = "select distinct unnest(map_keys(measurements)) as name from objects"
    rows = json.loads(done(folder, f'coverslip query "{measured}" --json'))
    assert set(asked) <= {row["name"] for row in rows}


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", _PLACES)
def test_commands_in_documents_run(folder: Path, name: str) -> None:
    document = next(each for each in DOCUMENTS if each.name == name)
    places = {**_PLACES[name], "ID": prepared(folder)}
    ran = 0
    # What is shown of a project may stand before how it is made.
    lines = sorted(commands(document), key=lambda line: " create " not in line)
    for number, line in enumerate(lines):
        if re.search(_ELSEWHERE.get(name, "-$"), line):
            continue
        named = {"FOLDER": f"out-{number}", **places}
        for word, place in sorted(named.items(), key=lambda each: -len(each[0])):
            line = re.sub(rf"(?<![\w-]){re.escape(word)}(?![\w.])", place, line)
        done(folder, line)
        ran += 1
    assert ran > 0


def prepared(folder: Path) -> str:
    """Make the files that documents name, and a recorded session; its name."""
    done(folder, "coverslip convert slide.svs small.ome.tif --region 900,1300,512,512")
    (folder / "slides").mkdir()
    shutil.copyfile(folder / "small.ome.tif", folder / "slides" / "small.ome.tif")
    (folder / "cases.csv").write_text("slide,patient\nslide.svs,A\n")
    box = [[[100, 100], [900, 100], [900, 900], [100, 900], [100, 100]]]
    drawn = {
        "type": "Feature",
        "id": "PathAnnotationObject",
        "geometry": {"type": "Polygon", "coordinates": box},
        "properties": {"objectType": "annotation", "classification": {"name": "Tumor"}},
    }
    features = {"type": "FeatureCollection", "features": [drawn]}
    (folder / "a.geojson").write_text(json.dumps(features))
    (folder / "instances.json").write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "slide1.svs", "width": 2220, "height": 2967}],
                "categories": [{"id": 1, "name": "Tumor"}],
                "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [9, 9, 90, 90]}],
            }
        )
    )
    (folder / "log.csv").write_text("time,x,y,width,height\n0,0,0,2220,2967\n2,500,900,400,300\n")
    form = blocks(REPOSITORY / "docs" / "projects.md", "json")[1]
    (folder / "form.json").write_text(form)
    (folder / "palette.json").write_text('{"classes": [{"name": "Tumor", "colour": "#c80000"}]}')
    done(folder, "coverslip sessions simulate slide.svs --policy scan")
    (session,) = json.loads(done(folder, "coverslip sessions list --json"))
    return session["id"]
