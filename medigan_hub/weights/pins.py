"""The lock file: what each remote file was when it was first downloaded.

A file of the same address with other content is refused from then on, also
after the file itself was removed from the cache.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medigan_hub.errors import WeightsError
from medigan_hub.files import read_own, write_atomically
from medigan_hub.locks import locked
from medigan_hub.weights import places


@dataclass(frozen=True)
class Pin:
    """What a remote file is."""

    sha256: str
    md5: str
    size: int
    """In bytes."""
    url: str
    """Where it came from, without secrets."""
    modified: int | None = None
    """When the verified file in the cache was last changed, in nanoseconds; see ``State``."""


def path() -> Path:
    """Return where the lock file is."""
    return places.folder() / "pins.json"


def read(key: str) -> Pin | None:
    """Return the pin of a file, by its address.

    Raises
    ------
    WeightsError
        The lock file is damaged.
    """
    found = _read().get(key)
    return None if found is None else Pin(**found)


def write(key: str, pin: Pin | None) -> None:
    """Pin a file, or forget it (None)."""
    with locked(path().with_name("pins.lock")):
        pins = {name: dict(found) for name, found in _read().items() if name != key}
        if pin is not None:
            pins[key] = asdict(pin)
        text = json.dumps({"version": 1, "files": dict(sorted(pins.items()))}, indent=2)
        write_atomically(path(), f"{text}\n".encode(), durably=True)


def _read() -> Mapping[str, Any]:
    try:
        content = read_own(path())
    except FileNotFoundError:
        return {}
    try:
        files = json.loads(content)["files"]
        if all(map(_valid, files.values())):
            return dict(files)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    # Going on as if nothing was pinned would take any file for the right one.
    raise WeightsError(
        f"{path()} is damaged, which says what weights must be; restore it, or remove it to "
        "take what is downloaded next for right"
    )


def _valid(pin: Any) -> bool:
    return (
        set(pin) == {"sha256", "md5", "size", "url", "modified"}
        and re.fullmatch("[0-9a-f]{64}", pin["sha256"]) is not None
        and re.fullmatch("[0-9a-f]{32}", pin["md5"]) is not None
        and isinstance(pin["size"], int)
    )
