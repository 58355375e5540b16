"""Whether the code in a published archive may run: asked once for each file."""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from medigan_hub import network
from medigan_hub.errors import RequestError
from medigan_hub.files import cache_folder, locked, write_atomically
from medigan_hub.metadata import ModelMetadata
from medigan_hub.samples import GenerationRequest

LARGEST = 2**22
"""Bytes that the list may have."""


def check(model: ModelMetadata, request: GenerationRequest, sha256: str) -> None:
    """Return if the archive with this SHA-256 may run: now or before, the caller has said so.

    What is allowed is remembered in the cache, in allowed-archives.json.

    Raises
    ------
    RequestError
        Nobody has allowed it.
    """
    if is_given(sha256):
        return
    path = _path()
    source = f", from {network.shown(model.weights.url)}" if model.weights.url else ""
    if not request.allow_archive_code:
        raise RequestError(
            f"{model.name} would run code that was published with it ({model.weights.file}, "
            f"SHA-256 {sha256[:12]}...{source}), and that can do whatever your account may; "
            "if you trust it, allow it once with --allow-archive-code (allow_archive_code=True), "
            "which is remembered for this very file"
        )
    with suppress(OSError), locked(path.with_name("allowed-archives.lock")):
        entry = {"model": model.name, "file": model.weights.file}
        text = json.dumps({**_allowed(path), sha256: entry}, indent=2)
        write_atomically(path, f"{text}\n".encode())
        path.chmod(0o600)


def is_given(sha256: str) -> bool:
    """Tell whether the user has allowed the archive with this SHA-256 before."""
    return sha256 in _allowed(_path())


def _path() -> Path:
    return cache_folder() / "allowed-archives.json"


def _allowed(path: Path) -> dict[str, Any]:
    """Return what is allowed: by the user alone, not by whoever can write to the file or folder."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
        with open(descriptor, "rb") as stream:  # noqa: PTH123 (a descriptor has no path)
            if not (_is_own(os.fstat(descriptor)) and _is_own(path.parent.stat())):
                return {}
            found = json.loads(stream.read(LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_own(about: os.stat_result) -> bool:
    if not hasattr(os, "geteuid"):  # Windows, where a user's folders are the user's own
        return True
    others = stat.S_IWOTH if stat.S_ISDIR(about.st_mode) else stat.S_IWOTH | stat.S_IWGRP
    kind = stat.S_ISDIR(about.st_mode) or stat.S_ISREG(about.st_mode)
    return kind and about.st_uid == os.geteuid() and not about.st_mode & others
