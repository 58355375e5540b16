"""Calls the published function of an archive, in an environment of its own.

The hub starts this file as a script, with its settings in JSON as the one
argument, writes a line of JSON to its standard input for each call, and reads
a line of JSON from its standard output for each answer. Arrays travel in .npy
files. Needs the standard library and NumPy alone, and Python 3.8 or later;
nothing here may import the hub.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import queue
import random
import re
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

MAX_CHARACTERS = 500
"""Characters of a message."""


class UnusableError(Exception):
    """What the function returned is of no use, in words."""


def main() -> None:
    """Answer the hub's requests one by one, until there are no more."""
    settings = json.loads(sys.argv[1])
    requests, replies = _take_over_streams()
    calls: queue.Queue[dict[str, Any]] = queue.Queue()
    listener = threading.Thread(
        target=_listen, args=(requests, calls, settings["folder"]), daemon=True
    )
    listener.start()

    def reply(message: dict[str, Any]) -> None:
        try:
            replies.write(json.dumps(message) + "\n")
            replies.flush()
        except OSError:
            _end(settings["folder"])

    code = Path(settings["code"])
    try:
        seed(settings["seed"])
        function = load(code, settings["function"])
        unavailable = settings["cuda"] and not _has_cuda()
    except BaseException as error:
        reply({"error": "can't be loaded: " + _described(error)})
        os._exit(1)
    while True:
        call = calls.get()
        try:
            os.chdir(str(code))
            reply({"unavailable": True} if unavailable else {"samples": answer(function, call)})
        except UnusableError as error:
            reply({"error": "returned " + str(error)})
        except BaseException as error:  # also SystemExit, which is no answer
            reply({"error": "failed: " + _described(error)})


def _take_over_streams() -> Any:
    """Return the hub's two streams; published code reads nothing, and writes to the log."""
    requests = os.fdopen(os.dup(0), "r", encoding="utf-8")
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, replies


def _listen(requests: Any, calls: Any, folder: str) -> None:
    """Hand on the calls until the hub is gone."""
    for line in requests:
        calls.put(json.loads(line))
    _end(folder)


def _end(folder: str) -> None:
    """Clean up for a hub that is gone, and end together with all that was started."""
    shutil.rmtree(folder, ignore_errors=True)
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def seed(words: str) -> None:
    """Seed every usual source of random numbers, by a text."""
    number = int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big")
    random.seed(number)
    np.random.seed(number % 2**32)
    if "torch" in sys.modules or importlib.util.find_spec("torch") is not None:
        import torch

        torch.manual_seed(number)  # of CUDA, too


def _has_cuda() -> bool:
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())


def load(folder: Path, function: str) -> Callable[..., Any]:
    """Import the package in ``folder``, whatever its name is, and return its function."""
    # As medigan has it: the code finds its own files as modules, and itself as a package.
    sys.path[:1] = [str(folder), str(folder.parent)]
    name = folder.name.replace(".", "_")  # a dot would name a parent
    spec = importlib.util.spec_from_file_location(
        name, str(folder / "__init__.py"), submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError("there is no __init__.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = sys.modules[folder.name] = module
    spec.loader.exec_module(module)
    found: Callable[..., Any] = getattr(module, function)
    return found


def answer(function: Callable[..., Any], call: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Call the function; return its items, each a value or the name of a file in the folder."""
    arguments = dict(call["arguments"])
    for name, path in call["tensors"].items():
        import torch

        arguments[name] = torch.from_numpy(np.load(path, allow_pickle=False))
    seed(call["seed"])
    returned = _samples(function(**arguments))
    folder = Path(call["results"])
    folder.mkdir(exist_ok=True)
    return [
        [_stored(_plain(item), folder, f"{row}-{column}.npy") for column, item in enumerate(items)]
        for row, items in enumerate(map(_items, returned))
    ]


def _samples(returned: Any) -> list[Any]:
    if hasattr(returned, "detach") or isinstance(returned, np.ndarray):
        returned = list(returned) if returned.ndim else returned
    if isinstance(returned, (str, bytes, dict)) or not hasattr(returned, "__iter__"):
        raise UnusableError(_kind(returned) + ", not a list of samples")
    return list(returned)


def _items(sample: Any) -> list[Any]:
    """Return what a sample consists of; a nested list of numbers is one image."""
    several = isinstance(sample, (list, tuple)) and not _is_grid(sample)
    return list(sample) if several else [sample]


def _is_grid(rows: Any) -> bool:
    """Tell whether a list holds lists of Python's numbers, however deep."""
    return (
        isinstance(rows, list)
        and bool(rows)
        and all(
            isinstance(row, list)
            and bool(row)
            and (all(isinstance(each, (int, float)) for each in row) or _is_grid(row))
            for row in rows
        )
    )


def _plain(item: Any) -> Any:
    """Return an item as a NumPy array, a Python number or a string."""
    if isinstance(item, (bool, int, float, str)) and not isinstance(item, np.generic):
        return item
    if hasattr(item, "detach"):  # a tensor
        item = item.detach().cpu()
        item = (item.float() if "bfloat16" in str(item.dtype) else item).numpy()
    elif getattr(item, "mode", None) == "P":  # a picture whose numbers are those of colours
        item = item.convert("RGB")
    try:
        array = np.asarray(item)
    except Exception as error:  # such as of lists of different lengths
        raise UnusableError(_kind(item) + " in a sample, which is no array") from error
    if array.dtype.kind == "U" and array.ndim == 0:
        return str(array)
    if array.dtype.kind not in "buif":
        raise UnusableError(_kind(item) + " of the type " + str(array.dtype) + " in a sample")
    if array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8):
        array = array.astype(np.float64)
    return array if array.ndim else array.item()


def _stored(item: Any, folder: Path, name: str) -> dict[str, Any]:
    if not isinstance(item, np.ndarray):
        return {"value": item}
    np.save(str(folder / name), np.ascontiguousarray(item), allow_pickle=False)
    return {"array": name}


def _kind(value: Any) -> str:
    return "None" if value is None else "a value of the type " + type(value).__name__


def _described(error: BaseException) -> str:
    traceback.print_exc()
    text = re.sub(r"\s+", " ", str(error)).strip()
    return (type(error).__name__ + ": " + text)[:MAX_CHARACTERS]


if __name__ == "__main__":
    main()
