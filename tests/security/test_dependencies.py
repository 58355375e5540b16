"""Names of dependencies that pip would take for something else."""

from __future__ import annotations

import sys
import tarfile
import zipfile

import pytest

from medigan_hub import HubError, PluginError, installation
from medigan_hub.runtimes.archive.environments import environment
from support import archives

SETUP = "open({trace!r}, 'w').close()\nraise SystemExit('it ran')\n"
BACKEND = 'backend-path = ["."]\nbuild-backend = "backend"\nrequires = []\n'


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """A current folder with packages in every form; returns the file that their builds make."""
    trace = tmp_path / "trace"
    folder = tmp_path / "current"
    folder.mkdir()
    files = {
        "pyproject.toml": f"[build-system]\n{BACKEND}",
        "backend.py": SETUP.format(trace=str(trace)),
        "PKG-INFO": "Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n",
    }
    (folder / "evil").mkdir()
    for name, text in files.items():
        (folder / "evil" / name).write_text(text)
    with zipfile.ZipFile(folder / "evil.zip", "w") as archive:
        for name, text in files.items():
            archive.writestr(f"evil-1.0/{name}", text)
    for name, mode in (("evil.tar.gz", "w:gz"), ("evil.tgz", "w:gz"), ("evil.tar.bz2", "w:bz2")):
        with tarfile.open(folder / name, mode) as archive:
            archive.add(folder / "evil", "evil-1.0")
    links = archives.stub_index(tmp_path / "links")
    for name, value in archives.without_network(links).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    return trace


@pytest.mark.parametrize(
    "name",
    [
        *("evil.zip", "EVIL.ZIP", "evil.zip[extra]", "evil.zip>=1", "evil.whl", "evil.tar"),
        *("evil.tar.gz", "evil.tgz", "evil.tar.bz2", "evil.tbz", "evil.tar.xz", "evil.txz"),
        *("evil.tlz", "evil.tar.lz", "evil.tar.lzma", "evil.tar.zst", "evil.egg"),
        *("./evil", "evil/", "../evil", "evil @ file:///evil", "file:evil.zip", "-r evil", "."),
    ],
)
def test_a_dependency_that_is_named_like_a_file_is_refused(name, own_cache):
    with pytest.raises(PluginError, match="the dependency") as caught:
        environment([name])
    assert str(caught.value).isprintable()
    assert not (own_cache / "environments").exists()


@pytest.mark.parametrize("name", ["backports.lzma", "zope.interface>=5", "ruamel.yaml[jinja2]"])
def test_a_name_with_a_dot_is_a_name(name):
    assert str(installation.requirement(name)) == name


def test_nothing_of_the_current_folder_is_installed(evil):
    for name in ("evil", "evil.tar.gz"):  # as if its name had been taken
        with pytest.raises(HubError):
            environment([name])
    with pytest.raises(PluginError, match="could not install"):
        installation.run([sys.executable, "-m", "pip", "install", "--no-deps", "evil.zip"])
    assert not evil.exists()


def test_a_folder_of_wheels_is_found_from_any_current_folder(evil, document, tmp_path):
    from medigan_hub.metadata import ModelMetadata

    (tmp_path / "current" / "wheels").mkdir()
    command = installation.command(
        ModelMetadata.from_document(document), find_links=tmp_path.joinpath("current", "wheels")
    )
    assert str(tmp_path / "current" / "wheels") in command
