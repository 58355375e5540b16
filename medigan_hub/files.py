"""Files on disk: where the cache is, and writing that never leaves half a file."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from medigan_hub.errors import OutputError


def cache_folder() -> Path:
    """Return the hub's cache folder: ``MEDIGAN_CACHE``, or the user's own cache.

    Raises
    ------
    OutputError
        ``MEDIGAN_CACHE`` names the home of a user that this machine doesn't have.
    """
    chosen = os.environ.get("MEDIGAN_CACHE")
    if chosen:
        try:
            return Path(chosen).expanduser()
        except RuntimeError as error:
            raise OutputError(f"MEDIGAN_CACHE is {chosen}: there is no such user") from error
    import platformdirs

    return Path(platformdirs.user_cache_dir("medigan-hub", appauthor=False))


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` so that ``path`` appears whole or not at all.

    Missing folders are made. The bytes go to a hidden temporary file in the
    same folder, which then takes the final name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        with temporary.open("xb") as stream:
            stream.write(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
