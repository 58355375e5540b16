"""Where remote weights come from, and where in the cache they lie."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from medigan_hub.errors import NetworkError, WeightsError
from medigan_hub.files import cache_folder
from medigan_hub.metadata import WeightsFile
from medigan_hub.web import shown
from medigan_hub.weights.owners import Owner

FILE = re.compile(r"/records?/([0-9]+)/files/([^/]+)")
"""Path of a file of a Zenodo record, in today's and in the old form."""
HOSTS = ("zenodo.org", "www.zenodo.org")
UNFIT = re.compile(r"[/\\:\x00-\x1f\x7f-\x9f]|^\.|^$")


@dataclass(frozen=True)
class Place:
    """Where one remote file comes from, and where it goes."""

    key: str
    """Its address without secrets or mirrors, by which it is pinned."""
    url: str
    """Where it is downloaded from."""
    api: str | None
    """Address of the Zenodo record, if it belongs to one."""
    record: str | None
    name: str
    """Name of the file."""
    path: Path
    """Where it lies once it is verified."""

    @property
    def page(self) -> str | None:
        """Address of the page that lists the checksums, of a Zenodo record."""
        return None if self.api is None else self.api.replace("/api/records/", "/records/")

    @property
    def part(self) -> Path:
        """Where it lies as long as it is not complete."""
        return self._beside("part")

    @property
    def lock(self) -> Path:
        """File that whoever changes this place holds a lock on."""
        return self._beside("lock")

    @property
    def members(self) -> Path:
        """Folder of the single files that were extracted from it."""
        return self._beside("members")

    @property
    def unpacked(self) -> Path:
        """Folder of whole archives."""
        return self._beside("unpacked")

    def _beside(self, word: str) -> Path:
        # Hidden, which no file's own name is.
        return self.path.with_name(f".{self.name}.{word}")


def folder() -> Path:
    """Return the folder of remote weights in the cache."""
    return cache_folder().absolute() / "weights"


def place_of(model: Owner, file: WeightsFile | None = None) -> Place:
    """Return where a remote file of a model, by default its main one, comes from and goes.

    Raises
    ------
    WeightsError
        The model has none, or their file's name can't be one here.
    NetworkError
        ``MEDIGAN_ZENODO_URL`` is no URL.
    """
    file = file or model.main_file
    url = file.url
    if url is None:
        raise WeightsError(f"{model.name} has no remote weights")
    parts = _split(url)
    found = FILE.fullmatch(parts.path) if parts.hostname in HOSTS else None
    if found is not None:
        record, name = found[1], _fit(unquote(found[2]), model)
        key = f"https://zenodo.org/records/{record}/files/{name}"
        base = _base()
        query = f"?{parts.query}" if parts.query else ""
        return Place(
            key=key,
            url=f"{base}{parts.path}{query}",
            api=f"{base}/api/records/{record}",
            record=record,
            name=name,
            path=folder() / f"zenodo-{record}" / name,
        )
    name = _fit(file.file or unquote(parts.path.rpartition("/")[2]), model)
    mark = hashlib.sha256(url.encode()).hexdigest()[:16]
    return Place(
        key=f"{shown(url)}#{mark}",
        url=url,
        api=None,
        record=None,
        name=name,
        path=folder() / mark / name,
    )


def bundled_place(path: Path) -> Place:
    """Return where goes what is extracted from an archive in a plugin's package.

    Plugins may have files of one name; their content goes by its hash.
    """
    return Place(
        key=str(path),
        url="",
        api=None,
        record=None,
        name=path.name,
        path=folder() / "bundled" / path.name,
    )


def is_private(url: str) -> bool:
    """Tell whether nobody can change what comes from a URL on its way: https, or this machine."""
    parts = _split(url)
    return parts.scheme.lower() == "https" or parts.hostname in ("127.0.0.1", "::1", "localhost")


def _base() -> str:
    """Return the address of Zenodo or of its mirror."""
    base = os.environ.get("MEDIGAN_ZENODO_URL", "").strip().rstrip("/") or "https://zenodo.org"
    if not re.match(r"https?://[^/]", base, re.IGNORECASE):
        raise NetworkError(
            f"MEDIGAN_ZENODO_URL is {shown(base)}; it must be the address of a mirror of "
            "Zenodo, such as https://zenodo.example.org"
        )
    return base


def _split(url: str):  # type: ignore[no-untyped-def]
    try:
        return urlsplit(url)
    except ValueError as error:
        raise NetworkError(f"{shown(url)} can't be fetched") from error


def _fit(name: str, model: Owner) -> str:
    if UNFIT.search(name) or len(name.encode()) > 200:
        raise WeightsError(
            f"the weights of {model.name} have {name!r} as the name of their file, which can't "
            "be one; tell its authors"
        )
    return name
