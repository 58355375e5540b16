"""The package under check, as pip would install it, whatever it was named by."""

from __future__ import annotations

import json
import lzma
import mmap
import os
import re
import shutil
import struct
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from importlib_metadata import Distribution, EntryPoint, PathDistribution

from medigan_hub.contribution.building import build
from medigan_hub.errors import HubError, MetadataError, PluginError, RequestError
from medigan_hub.metadata import ModelMetadata, parse, validate
from medigan_hub.plugins import MODELS

MAX_UNPACKED_BYTES = 2**30
"""Bytes that a wheel may unpack to."""
MAX_FILES = 50_000
"""Files that it may have."""
ENTRY = b"PK\x01\x02"
"""With which the entry of a file begins in a zip archive's directory."""
MAX_DOCUMENT_BYTES = 2**24
"""Bytes that metadata.json may have."""
MAX_DEPTH = 100
"""Levels that it may be nested."""
FAULTS = (
    *(OSError, EOFError, ValueError, LookupError, RuntimeError, NotImplementedError, OverflowError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
)
"""What reading a zip archive raises where it is none."""


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
        """What the wheel says of itself."""
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
        parts = module.split(".")
        folder = self.site.joinpath(*parts)
        return folder if all(map(str.isidentifier, parts)) and folder.is_dir() else None

    @cached_property
    def document(self) -> Any:
        """The value in metadata.json.

        Raises
        ------
        MetadataError
            It is not JSON, or not to be used.
        """
        if self.folder is None:
            return None
        path = self.folder / "metadata.json"
        if not path.is_file():
            return None
        if path.stat().st_size > MAX_DOCUMENT_BYTES:
            raise MetadataError(f"{path.name} has over {MAX_DOCUMENT_BYTES // 2**20} MiB")
        document = parse(path.read_bytes(), path.name)
        if _is_deeper(document, MAX_DEPTH):
            raise MetadataError(f"{path.name} is nested over {MAX_DEPTH} levels deep")
        return document

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
    for path in sorted(project.iterdir()):
        # For whatever a build reads of it, it would wait.
        if path.exists() and not path.is_file() and not path.is_dir():
            raise PluginError(f"{path} is neither a file nor a folder; take it out")
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
    total = 0
    for file in distribution.files or ():
        if Path(*file.parts).is_absolute() or ".." in file.parts or "__pycache__" in file.parts:
            continue  # a script, or what is none of the package
        found, target = Path(str(distribution.locate_file(file))), site.joinpath(*file.parts)
        if not found.is_file():
            continue
        total += found.stat().st_size
        if total > MAX_UNPACKED_BYTES:
            raise PluginError(f"{name} has over {MAX_UNPACKED_BYTES // 2**30} GiB of files")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found, target)
        except (OSError, ValueError) as error:
            raise PluginError(f"{name} can't be copied: {error}; reinstall it") from error
    return _with_info(Package(site), name)


def _edited_in(direct_url: str | None) -> Path | None:
    """Return the folder that a distribution is installed from in place."""
    try:
        direct = json.loads(direct_url or "{}")
        parts = urlsplit(direct["url"])
        edited = direct["dir_info"].get("editable") is True and parts.scheme == "file"
        folder = Path(url2pathname(parts.path))
        return folder if edited and folder.is_dir() else None
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError):
        return None


def _unpacked(wheel: Path, site: Path) -> Path:
    try:
        if _entries(wheel) > MAX_FILES:  # before all of them are read
            raise PluginError(f"{wheel} has over {MAX_FILES} files")
        with zipfile.ZipFile(wheel) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_UNPACKED_BYTES:
                raise PluginError(f"{wheel} unpacks to over {MAX_UNPACKED_BYTES // 2**30} GiB")
            # Which drops what leads out of the folder, makes no links, and writes no more of
            # a file than it claims to have.
            archive.extractall(site)
    except FAULTS as error:
        raise PluginError(f"{wheel} can't be read: {error}; build it again") from error
    return _with_info(Package(site), str(wheel)).site


def _entries(path: Path) -> int:
    """Return how many files a zip archive has, or a few more."""
    with path.open("rb") as stream:
        if not stream.seek(0, os.SEEK_END):
            return 0
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return sum(1 for _ in re.finditer(re.escape(ENTRY), content))


def _with_info(package: Package, source: str) -> Package:
    """Return a package of which one distribution's metadata can be read."""
    if len(list(package.site.glob("*.dist-info"))) != 1:
        raise PluginError(f"{source} does not hold exactly one distribution; build it again")
    distribution = package.distribution
    try:
        facts = (distribution.name, distribution.version, distribution.requires)
        points = [(point.name, point.value) for point in package.entry_points]
    except Exception as error:  # of whatever is in its files
        reason = f"{type(error).__name__}: {error}"
        raise PluginError(
            f"the distribution in {source} can't be read: {reason}; build it again"
        ) from error
    if not all(isinstance(each, str) for each in (*facts[:2], *sum(points, ()))):
        raise PluginError(f"the distribution in {source} lacks its name or version; build it again")
    return package


def _is_deeper(value: Any, levels: int) -> bool:
    layer = [value]
    for _ in range(levels):
        layer = [
            inner
            for each in layer
            if isinstance(each, (dict, list))
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return bool(layer)
