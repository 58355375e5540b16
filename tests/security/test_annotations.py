"""Output for GitHub Actions: what others have written is no command."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from medigan_hub import actions
from medigan_hub.contribution.checking.report import FAILED, Finding, Report
from support import projects

EVIL = "x\n::stop-commands::evil\r::add-path::/evil\u2028::warning::evil\x1b[31m\x85##[evil]\n"


def commands(output):
    """Return the commands that GitHub's runner finds in what a step prints."""
    found, waiting = [], None
    for line in re.split(r"\r\n|\r|\n", output):
        text = line.lstrip()
        if waiting is not None:
            waiting = None if text == f"::{waiting}::" else waiting
            continue
        match = re.match(r"::([a-z-]+)(?: [^:]*)?::(.*)", text)
        if match is None and "##[" in text:
            match = re.search(r"##\[([^\]]*)\](.*)", text)
        if match is None:
            continue
        found.append(match[1])
        waiting = match[2] if match[1] == "stop-commands" else None
    assert waiting is None, "commands are taken again in the end"
    return set(found)


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        capture_output=True,
        text=True,
        errors="surrogateescape",
        env={**os.environ, "GITHUB_ACTIONS": "true"},
    )


def test_an_annotation_is_one_line_of_printable_characters():
    line = actions.annotation(EVIL * 1000, title=EVIL, file=projects.Path(EVIL))
    assert line.isprintable()
    assert len(line) < 10_000
    assert commands(line) == {"error"}


def test_keys_and_names_of_metadata_are_no_commands(tmp_path):
    path = tmp_path / f"a{EVIL.replace('/', '')}.json"
    path.write_text(json.dumps({EVIL: EVIL, "authors": [{EVIL: 1}], "task": EVIL}))
    done = run("medigan_hub.metadata", path)
    assert done.returncode == 1
    assert commands(done.stdout) == {"stop-commands", "error"}
    assert "evil" in done.stdout
    assert all(line.isprintable() for line in done.stdout.split("\n"))
    assert commands(done.stderr) == set()


@pytest.fixture
def project(tmp_path):
    """One whose entry point, files and metadata hold what would be commands."""
    folder = projects.make(tmp_path / "project", reference=False)
    projects.edit(folder, description=f"TODO {EVIL}", task=f"{'long ' * 40}::add-path::/evil")
    (folder / projects.PACKAGE / "x\n::add-path::evil\n.pth").write_bytes(b"x")
    projects.change(
        folder,
        "pyproject.toml",
        ("toy-levels =", '"x ::add-path:: \\u001b[31m" ='),
    )
    return folder


def test_what_is_checked_holds_no_command(project, tmp_path):
    done = run("medigan_hub", "check", project, "--junit", tmp_path / "report.xml")
    assert done.returncode == 1
    assert commands(done.stdout) == {"stop-commands", "error"}
    assert commands(done.stderr) == set()
    assert "\x1b" not in done.stdout + done.stderr
    text = (tmp_path / "report.xml").read_text()
    assert "\x1b" not in text
    for element in ElementTree.fromstring(text).iter():  # noqa: S314 (our own file)
        assert all(value.isprintable() for value in element.attrib.values())


def test_a_finding_is_one_printable_line_however_long_its_text():
    finding = Finding(EVIL, FAILED, EVIL * 100_000, EVIL)
    report = Report(EVIL, None, (finding,), 0.0)
    for text in (finding.check, finding.message, finding.remedy, *report.annotations()):
        assert text.isprintable()
        assert len(text) < 10_000
    ElementTree.fromstring(report.as_junit())  # noqa: S314 (our own)
