"""Runs a file of tests in a process of its own, which has imported little else.

A process of the tests imports the modules of all of them: what looks at each object that Python
knows takes half a second there, and a fiftieth of that in a new process.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest

MARK = "own_process"
_REPORTS = "COVERSLIP_TEST_REPORTS"
"""The environment variable that tells such a process into which file its reports go."""
_Reports = dict[str, list[pytest.TestReport]]


def runs_elsewhere(item: pytest.Item) -> bool:
    """Return whether a test is for a process of its own and this is not it."""
    return item.get_closest_marker(MARK) is not None and _REPORTS not in os.environ


def run_elsewhere(item: pytest.Item) -> None:
    """Report a test by what came of it in the process that all those of its file have run in."""
    same = [each.nodeid for each in item.session.items if each.path == item.path]
    of_all, printed = _reports_of(item.config, tuple(same))
    reports = of_all.get(item.nodeid, [])
    if not any(report.when == "teardown" for report in reports):
        reports.append(_ended(item, printed))
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)


def keep_reports(config: pytest.Config) -> None:
    """Write all reports down where this is a process for one file of tests."""
    if path := os.environ.get(_REPORTS):
        config.pluginmanager.register(_Keeper(config, Path(path)))


class _Keeper:
    def __init__(self, config: pytest.Config, path: Path) -> None:
        self._config, self._path = config, path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        to_data = self._config.hook.pytest_report_to_serializable
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(to_data(config=self._config, report=report))}\n")


@functools.cache
def _reports_of(config: pytest.Config, names: tuple[str, ...]) -> tuple[_Reports, str]:
    """Run tests; return their reports by name, and what the process printed."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "reports.jsonl"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", *names],
            env=os.environ | {_REPORTS: str(path)}, cwd=config.rootpath,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
    reports: _Reports = {}
    for line in lines:
        report = config.hook.pytest_report_from_serializable(config=config, data=json.loads(line))
        reports.setdefault(report.nodeid, []).append(cast("pytest.TestReport", report))
    return reports, done.stdout + done.stderr


def _ended(item: pytest.Item, printed: str) -> pytest.TestReport:
    said = f"Its process ended before it did:\n{printed}"
    return pytest.TestReport(item.nodeid, item.location, {}, "failed", said, "call")
