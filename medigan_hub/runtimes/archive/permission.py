"""Whether the code in a published archive may run: asked once for each file."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from medigan_hub import web
from medigan_hub.errors import OutputError, RequestError, named
from medigan_hub.files import cache_folder, read_own, write_atomically
from medigan_hub.locks import locked
from medigan_hub.metadata import ModelMetadata, WeightsFile
from medigan_hub.samples import GenerationRequest


def check(model: ModelMetadata, file: WeightsFile, request: GenerationRequest, sha256: str) -> None:
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
    source = f", from {web.shown(file.url)}" if file.url else ""
    if not request.execution.allow_archive_code:
        raise RequestError(
            f"{model.name} would run code that was published with it ({file.file}, "
            f"SHA-256 {sha256[:12]}...{source}), and that can do whatever your account may; "
            f"if you trust it, allow it once with {named('allow_archive_code', True)}, "
            "which is remembered for this very file"
        )
    with suppress(OSError), locked(path.with_name("allowed-archives.lock")):
        entry = {"model": model.name, "file": file.file}
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
    try:
        found = json.loads(read_own(path))
    except (OSError, ValueError, RecursionError, OutputError):
        return {}
    return found if isinstance(found, dict) else {}
