"""The package under check, as pip would install it, whatever it was named by."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from importlib_metadata import Distribution, EntryPoint, PathDistribution

from medigan_hub.contribution.building import build
from medigan_hub.errors import HubError, PluginError, RequestError
from medigan_hub.metadata import ModelMetadata, parse, validate
from medigan_hub.plugins import MODELS

LARGEST = 2**31
"""Bytes that a wheel may unpack to."""


@dataclass(frozen=True)
class Package:
    """The files of a plugin."""

    site: Path
    """Folder with what pip would put into site-packages."""
    project: Path | None = None
    """Folder that it was built from."""
    sdist: Path | None = None
    wheel: Path | None = None

    @cached_property
    def info(self) -> Path:
        """The folder of the distribution's metadata."""
        return next(iter(sorted(self.site.glob("*.dist-info"))))

    @cached_property
    def distribution(self) -> Distribution:
        return PathDistribution(self.info)

    @cached_property
    def entry_points(self) -> tuple[EntryPoint, ...]:
        """Those in the group of models."""
        return tuple(self.distribution.entry_points.select(group=MODELS))

    @cached_property
    def folder(self) -> Path | None:
        """The package's folder, where exactly one entry point names one that is there."""
        if len(self.entry_points) != 1:
            return None
        module = self.entry_points[0].value.partition(":")[0].strip()
        folder = self.site.joinpath(*module.split(".")) if module else self.site
        return folder if folder.is_dir() and folder != self.site else None

    @cached_property
    def document(self) -> Any:
        """The value in metadata.json.

        Raises
        ------
        MetadataError
            It is not JSON.
        """
        if self.folder is None:
            return None
        path = self.folder / "metadata.json"
        return parse(path.read_bytes(), path.name) if path.is_file() else None

    @cached_property
    def model(self) -> ModelMetadata | None:
        """The model, where its document is valid."""
        try:
            document = self.document
        except HubError:
            return None
        return None if validate(document) else ModelMetadata.from_document(document)


def open_package(source: str, scratch: Path) -> Package:
    """Return the package that a folder, a wheel or an installed model's name stands for.

    A folder is built; ``scratch`` is where to, and stays the caller's.

    Raises
    ------
    RequestError
        There is nothing of that name.
    PluginError
        The package can't be built, or its wheel can't be read.
    """
    path = Path(source)
    if path.is_dir():
        return _of_folder(path.resolve(), scratch)
    if path.is_file():
        if path.suffix != ".whl":
            raise RequestError(f"{source} is no wheel; name a package's folder or its wheel")
        return _of_wheel(path.resolve(), scratch)
    if path.suffix == ".whl" or path.name != source or source.startswith("."):
        raise RequestError(f"there is no {source}; name a package's folder, its wheel, or a model")
    return _of_model(source, scratch)


def _of_folder(project: Path, scratch: Path) -> Package:
    if not (project / "pyproject.toml").is_file():
        raise RequestError(f"{project} has no pyproject.toml; name the folder of a package")
    built = build(project, scratch / "dist")
    return Package(_unpacked(built.wheel, scratch / "site"), project, built.sdist, built.wheel)


def _of_wheel(wheel: Path, scratch: Path) -> Package:
    return Package(_unpacked(wheel, scratch / "site"), wheel=wheel)


def _of_model(name: str, scratch: Path) -> Package:
    from medigan_hub.hub import Hub

    plugin = Hub().model(name).plugin
    if plugin is None:
        raise PluginError(f"{name} is not installed: medigan install {name}; or name its folder")
    distribution = plugin.entry_point.dist
    if distribution is None:
        raise PluginError(f"{name} belongs to no distribution; name its folder")
    project = _edited_in(distribution.read_text("direct_url.json"))
    if project is not None:
        return _of_folder(project, scratch)
    site = scratch / "site"
    for file in distribution.files or ():
        found = Path(str(distribution.locate_file(file)))
        if ".." not in file.parts and "__pycache__" not in file.parts and found.is_file():
            target = site.joinpath(*file.parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found, target)
    return _with_info(Package(site), name)


def _edited_in(direct_url: str | None) -> Path | None:
    """Return the folder that a distribution is installed from in place."""
    direct = json.loads(direct_url or "{}")
    if not direct.get("dir_info", {}).get("editable"):
        return None
    return Path(url2pathname(urlsplit(direct["url"]).path))


def _unpacked(wheel: Path, site: Path) -> Path:
    try:
        with zipfile.ZipFile(wheel) as archive:
            if sum(member.file_size for member in archive.infolist()) > LARGEST:
                raise PluginError(f"{wheel} unpacks to over {LARGEST // 2**30} GiB")
            archive.extractall(site)  # which drops what leads out of the folder
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise PluginError(f"{wheel} can't be read: {error}; build it again") from error
    return _with_info(Package(site), str(wheel)).site


def _with_info(package: Package, source: str) -> Package:
    if len(list(package.site.glob("*.dist-info"))) != 1:
        raise PluginError(f"{source} does not hold exactly one distribution; build it again")
    return package
