"""HDF5, which Keras keeps weights in: whether all that a file needs is in it.

A part of such a file may be a link to another file, or be stored in one, which may be
any that the user can read; and it may say that it has numbers without end that were
never written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medigan_hub.errors import WeightsError, require
from medigan_hub.weights.archives import MAX_RATIO, UNSUSPICIOUS_BYTES

MAX_PARTS = 100_000


def check_hdf5(path: Path) -> None:
    """Check that a file needs no other one, and doesn't claim more than it may hold.

    One of another format is not looked into.

    Raises
    ------
    WeightsError
        It does, or is damaged.
    """
    h5py = require("h5py", extra="tensorflow", purpose=f"reading {path.name}")
    if not h5py.is_hdf5(path):
        return
    try:
        with h5py.File(path, "r") as file:
            fault = _fault(h5py, file, path.stat().st_size)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise WeightsError(f"{path} is not a readable HDF5 file: {reason[:200]}") from error
    if fault is not None:
        raise WeightsError(f"{path} is refused: {fault}; save it anew with Keras")


def _fault(h5py: Any, file: Any, size: int) -> str | None:
    waiting, seen, total = [file], set(), 0
    while waiting:
        group = waiting.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                return "a part of it is a link"
            part = group[name]
            address = h5py.h5o.get_info(part.id).addr
            if address in seen:
                continue
            seen.add(address)
            if len(seen) > MAX_PARTS:
                return f"it has over {MAX_PARTS} parts"
            if isinstance(part, h5py.Group):
                waiting.append(part)
            elif isinstance(part, h5py.Dataset):
                if part.external is not None or part.is_virtual:
                    return "a part of it is in another file"
                total += part.size * part.dtype.itemsize if part.size else 0
                if total > max(UNSUSPICIOUS_BYTES, MAX_RATIO * size):
                    return "it claims to hold far more than its size allows"
    return None
