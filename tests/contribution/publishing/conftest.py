"""Fixtures of the publishing tests: a project, a server with deposits, and the command."""

from __future__ import annotations

import pytest

from support import projects
from support.deposits import Zenodo
from support.publishing import TOKEN, Run, hurry, run


@pytest.fixture
def waits(monkeypatch):
    return hurry(monkeypatch)


@pytest.fixture
def project(tmp_path, waits):
    return projects.make(tmp_path / "project", reference=False)


@pytest.fixture
def zenodo():
    with Zenodo({TOKEN: "ada"}) as server:
        yield server


@pytest.fixture
def publish(capsys, project, zenodo):
    def publish_project(*more: object) -> Run:
        return run(capsys, project, "--server", zenodo.url, *more)

    return publish_project
