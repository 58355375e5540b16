"""The project of a package on disk: what is in it, and whether that has changed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medigan_hub import metadata
from medigan_hub.errors import PluginError, RequestError, WeightsError
from medigan_hub.files import inside
from medigan_hub.hashes import sha256_of
from medigan_hub.metadata import ModelMetadata, WeightsFile

STATE = ".medigan-publish.json"
DOCUMENT = "metadata.json"
LEFT_OUT = frozenset(("build", "dist", "node_modules", "venv", "__pycache__"))
"""Folders that builds and tests leave; hidden files are left out, too, but for what git ignores."""


@dataclass(frozen=True)
class Project:
    """A plugin's package that is to be built."""

    folder: Path
    package: Path
    """Folder of the import package, with ``metadata.json``."""
    model: ModelMetadata

    @property
    def document(self) -> Path:
        """Return the path of the metadata document."""
        return self.package / DOCUMENT

    @property
    def weights(self) -> dict[Path, WeightsFile]:
        """Return the files with weights that are in the package."""
        return {
            self.package / file.file: file
            for file in self.model.files
            if file.file and not file.is_remote
        }


def read(folder: Path) -> Project:
    """Return the project in a folder, once its document is valid and its weights are right.

    Raises
    ------
    RequestError
        The folder holds no package.
    PluginError
        It holds none of one model.
    MetadataError
        The document can't be read, or does not fit the schema.
    WeightsError
        The weights are not there, or not those that the document states.
    """
    if not (folder / "pyproject.toml").is_file():
        raise RequestError(f"{folder} has no pyproject.toml; name the folder of a model's package")
    found = sorted(
        path.parent
        for pattern in (f"*/{DOCUMENT}", f"src/*/{DOCUMENT}")
        for path in folder.glob(pattern)
        if path.with_name("__init__.py").is_file()
    )
    if len(found) != 1:
        names = ", ".join(str(path.relative_to(folder)) for path in found) or "none"
        raise PluginError(
            f"{folder} must have one package with {DOCUMENT} beside its __init__.py, at the top or "
            f"in src, and has {names}"
        )
    project = Project(folder.resolve(), found[0].resolve(), metadata.load(found[0] / DOCUMENT))
    _check_weights(project)
    return project


def fingerprint(project: Project, *, detached: bool) -> str:
    """Return what changes when what would be published does; the document's ``doi`` doesn't count.

    ``detached`` tells whether the weights are published beside the package.
    """
    digest = hashlib.sha256(b"detached" if detached else b"whole")
    for path in files(project.folder):
        digest.update(f"\n{path.relative_to(project.folder).as_posix()}\n".encode())
        if path == project.document:
            document = {k: v for k, v in project.model.document.items() if k != "doi"}
            digest.update(json.dumps(document).encode())
        elif path.is_file():
            digest.update(sha256_of(path).encode())
        else:
            digest.update(os.fsencode(path.readlink()))
    return digest.hexdigest()


def files(folder: Path) -> Iterator[Path]:
    """Yield the files and links of a project, in a fixed order, without what is left out."""
    for entry in sorted(folder.iterdir()):
        if _left_out(entry):
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from files(entry)
        else:
            yield entry


def with_doi(document: Mapping[str, Any], doi: str) -> dict[str, Any]:
    """Return a document with a DOI: in the place of the one that it has, or after the licence."""
    if "doi" in document:
        return {**document, "doi": doi}
    made: dict[str, Any] = {}
    for key, value in document.items():
        made[key] = value
        if key == "licence":
            made["doi"] = doi
    return made


def written(document: Mapping[str, Any]) -> bytes:
    """Return a document as JSON, in the form that all documents of the hub have."""
    return f"{json.dumps(document, indent=2, ensure_ascii=False)}\n".encode()


def _left_out(entry: Path) -> bool:
    name = entry.name
    if name.startswith("."):
        return name not in (".gitignore", ".gitattributes")
    return name in LEFT_OUT or name.endswith((".egg-info", ".pyc"))


def _check_weights(project: Project) -> None:
    for path, file in project.weights.items():
        if inside(project.package, str(file.file)) is None or not path.is_file():
            raise WeightsError(
                f"the weights of {project.model.name} are not in {path}; put them there, or mend "
                f"weights in {DOCUMENT}"
            )
        found = sha256_of(path)
        if found != file.sha256:
            raise WeightsError(
                f"{path} has the SHA-256 {found}, and {DOCUMENT} states {file.sha256}: it was "
                "changed after it was hashed. If it is right, state its SHA-256, raise the "
                "version and make the reference samples again; if not, restore it"
            )
