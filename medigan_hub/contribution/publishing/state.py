"""What is remembered of a publication in the project's folder, so that it can go on.

Nothing in it is secret: no token, and nothing that a token was made from.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from medigan_hub.contribution.publishing.project import STATE
from medigan_hub.errors import OutputError, PluginError
from medigan_hub.files import replacing
from medigan_hub.hashes import Digests

VERSION = 1


@dataclass(frozen=True)
class Attempt:
    """A publication that is not finished."""

    marker: str
    """Word in the notes of its draft, by which that is found where its number was lost."""
    deposit: int | None = None
    """Number of its draft."""
    doi: str | None = None
    checked: str | None = None
    """Fingerprint of the project that passed the check."""
    source: str | None = None
    """Fingerprint of the project that the files were built from."""
    files: Mapping[str, Digests] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """A published version."""

    model: str
    version: str
    deposit: int
    doi: str
    url: str
    source: str
    """Fingerprint of the project that it came from; nothing where that is not known."""
    files: Mapping[str, Digests] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """What is remembered of one server."""

    attempt: Attempt | None = None
    records: tuple[Record, ...] = ()
    """The published versions, the newest last."""


def load(project: Path, server: str) -> State:
    """Return what is remembered of a server.

    Raises
    ------
    PluginError
        The file is damaged.
    """
    path = project / STATE
    try:
        entry = _read(path).get(server, {})
        attempt = entry.get("attempt")
        return State(
            attempt=Attempt(**_with_digests(attempt)) if attempt else None,
            records=tuple(Record(**_with_digests(each)) for each in entry.get("records", ())),
        )
    except OSError as error:
        raise PluginError(f"{path} can't be read: {error.strerror}; mend that first") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise PluginError(
            f"{path} is damaged; look at the drafts of your account on {server}, delete the one of "
            "this model, and remove the file (a published model then needs its doi in its "
            "metadata.json to become a new version)"
        ) from error


def save(project: Path, server: str, state: State) -> None:
    """Remember the state of a server, on the disk, for the user alone.

    Raises
    ------
    OutputError
        The project's folder can't be written.
    """
    path = project / STATE
    try:
        servers = {**_read(path), server: asdict(state)}
        content = {"version": VERSION, "servers": servers}
        with replacing(path, durably=True) as stream:
            if hasattr(os, "fchmod"):  # not on Windows
                os.fchmod(stream.fileno(), 0o600)
            stream.write(f"{json.dumps(content, indent=2)}\n".encode())
    except OSError as error:
        raise OutputError(
            f"{path} can't be written: {error.strerror}; without it a publication could not go on"
        ) from error


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    content = json.loads(path.read_bytes())
    if content["version"] != VERSION:
        raise ValueError("another version")
    servers: dict[str, Any] = content["servers"]
    return servers


def _with_digests(entry: Mapping[str, Any]) -> dict[str, Any]:
    files = {name: Digests(*values) for name, values in entry["files"].items()}
    return {**entry, "files": files}
