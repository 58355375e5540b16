"""The files to publish: built from a copy of the project whose metadata hold the reserved DOI."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from medigan_hub.contribution import building
from medigan_hub.contribution.publishing import project as projects
from medigan_hub.contribution.publishing.project import DOCUMENT, Project
from medigan_hub.errors import PluginError, RequestError, named
from medigan_hub.files import write_atomically
from medigan_hub.hashes import Digests, digests_of, hashed
from medigan_hub.metadata import checked
from medigan_hub.reference import FOLDER as REFERENCE

MAX_PICTURES = 4
"""Reference samples that are shown on the record's page."""


@dataclass(frozen=True)
class Home:
    """Where a record's files will be."""

    doi: str
    server: str
    """Address of the server."""
    record: int

    def url(self, name: str) -> str:
        """Return the address of a file."""
        return f"{self.server}/records/{self.record}/files/{quote(name, safe='')}"


@dataclass(frozen=True)
class File:
    """A file to publish."""

    path: Path
    digests: Digests

    @property
    def name(self) -> str:
        """Return the name that it has in the record."""
        return self.path.name


def document(project: Project, home: Home | None, *, detached: bool) -> dict[str, Any]:
    """Return the metadata document that is published.

    Parameters
    ----------
    home
        Where the files will be; None where nothing is reserved yet.
    detached
        Whether the package downloads its weights from the record.

    Raises
    ------
    RequestError
        The weights are to be detached, and are not in the package.
    """
    made = dict(project.model.document)
    if home is None:
        made.pop("doi", None)
    else:
        made = projects.with_doi(made, home.doi)
    if detached:
        if not project.weights:
            raise RequestError(
                f"{named('detach_weights')}: the weights of {project.model.name} are not in the "
                "package; leave the flag out"
            )
        made["weights"] = [
            {**entry, "files": [_detached(project, file, home) for file in entry["files"]]}
            for entry in made["weights"]
        ]
    return made


def _detached(project: Project, file: Mapping[str, Any], home: Home | None) -> Mapping[str, Any]:
    """Return a file of a document's weights as one that is downloaded from the record."""
    if "url" in file:
        return file
    path = project.package / file["file"]
    found, name = digests_of(path), path.name
    return {
        **file,
        "file": name,
        "sha256": found.sha256,
        "md5": found.md5,
        # Until a record is reserved, it has a number that no record has.
        "record": str(home.record) if home else "0",
        "url": home.url(name) if home else f"https://zenodo.org/records/0/files/{quote(name)}",
    }


def build(project: Project, made: Mapping[str, Any], folder: Path) -> list[File]:
    """Build what is published into ``folder``, and return it; what was there is removed.

    Raises
    ------
    MetadataError
        The document does not fit the schema.
    PluginError
        The package can't be built, or what is built is not what the document says.
    MissingDependencyError
        The extra ``contribute`` is not installed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    source, target = folder / "source", folder / "files"
    _copy(project.folder, source)
    package = source / project.package.relative_to(project.folder)
    checked(made, f"{DOCUMENT} as it is to be published")
    content = projects.written(made)
    write_atomically(package / DOCUMENT, content)
    bundled = _bundled(made)
    for path in project.weights:
        if path.relative_to(project.package).as_posix() not in bundled:
            (package / path.relative_to(project.package)).unlink()
    target.mkdir()
    built = building.build(source, target)
    _check(built.wheel, project, made, content)
    paths = [built.wheel, built.sdist]
    shutil.rmtree(source, ignore_errors=True)
    (target / DOCUMENT).write_bytes(content)
    paths.append(target / DOCUMENT)
    for path in project.weights:
        if path.name in {other.name for other in paths}:
            raise PluginError(f"{path} has the name of another file of the record; rename it")
        paths.append(_put(path, target / path.name))
    for picture in _pictures(project):
        parts = picture.relative_to(project.package).parts
        paths.append(_put(picture, target / "-".join(parts)))
    return [File(path, digests_of(path)) for path in paths]


def kept(folder: Path, known: Mapping[str, Digests]) -> list[File] | None:
    """Return the files that were built before, if all are as they were."""
    files = []
    for name, digests in known.items():
        path = folder / "files" / name
        if not path.is_file() or digests_of(path) != digests:
            return None
        files.append(File(path, digests))
    return files or None


def _pictures(project: Project) -> list[Path]:
    """Return some of the reference samples, those of the main image first."""
    main = project.model.outputs[0].name
    found = (project.package / REFERENCE).rglob("*.png")
    return sorted(found, key=lambda path: (path.parent.name != main, path))[:MAX_PICTURES]


def _put(path: Path, target: Path) -> Path:
    shutil.copyfile(path, target)
    return target


def _copy(project: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for path in projects.files(project):
        copy = target / path.relative_to(project)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() and path.is_dir():
            # Not what is in it, which may be far more than the build takes.
            copy.symlink_to(path.resolve(), target_is_directory=True)
        elif path.is_symlink() and not path.exists():
            copy.symlink_to(path.readlink())
        else:
            shutil.copy2(path, copy)


def _check(wheel: Path, project: Project, made: Mapping[str, Any], content: bytes) -> None:
    """Raise where a wheel is not what its model's document says."""
    model = project.model
    name, version, _, _ = parse_wheel_filename(wheel.name)
    if name != canonicalize_name(model.plugin):
        raise PluginError(
            f"the package is named {name}, and {DOCUMENT} has the plugin {model.plugin}; make them "
            "agree"
        )
    try:
        same = version == Version(model.version)
    except InvalidVersion:
        same = False
    if not same:
        raise PluginError(
            f"the package has the version {version}, and {DOCUMENT} has {model.version}; make them "
            "agree"
        )
    root = project.package.name
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        if f"{root}/{DOCUMENT}" not in names or archive.read(f"{root}/{DOCUMENT}") != content:
            raise PluginError(
                f"the wheel lacks {root}/{DOCUMENT}, or has another; let the build put the whole "
                f"package into it"
            )
        for file, sha256 in _bundled(made).items():
            inner = f"{root}/{file}"
            found = None
            if inner in names:
                with archive.open(inner) as stream:
                    _, (found,) = hashed(stream, "sha256")
            if found != sha256:
                raise PluginError(
                    f"the wheel lacks {inner}, or has another; let the build put the whole package "
                    "into it"
                )


def _bundled(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the files of weights that a document has in the package, and their SHA-256."""
    return {
        file["file"]: file["sha256"]
        for entry in document["weights"]
        for file in entry["files"]
        if "url" not in file
    }
