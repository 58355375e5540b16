"""What is in a file: code where data should be, weights that are none, what is private."""

from __future__ import annotations

import ast
import io
import json
import pickletools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from medigan_hub.weights.graphs import graph_fault

PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".dill", ".bin")
"""Suffixes of files that pickles have."""

UNSAFE: dict[str, tuple[()] | tuple[str, bool]] = {
    "pickle.load": (),
    "pickle.loads": (),
    "pickle.Unpickler": (),
    "dill.load": (),
    "dill.loads": (),
    "cloudpickle.load": (),
    "cloudpickle.loads": (),
    "joblib.load": (),
    "marshal.loads": (),
    "marshal.load": (),
    "torch.load": ("weights_only", True),
    "numpy.load": ("allow_pickle", False),
    "keras.models.load_model": ("safe_mode", True),
}
"""Calls that run what a file holds, with the argument that keeps them from it, if any."""
SAFE_BY_DEFAULT = ("numpy.load", "keras.models.load_model", "torch.load")
"""Those that need the argument only against its opposite (PyTorch's since 2.6)."""

HOME = re.compile(
    rb"(?:/(?:home|Users)/|\b[A-Za-z]:(?:\\{1,2}|/)Users(?:\\{1,2}|/))([A-Za-z0-9._-]{2,})"
)
HOME_MARKS = (b"/home/", b"/users/", b"users\\")
EXAMPLES = (b"user", b"you", b"username", b"name", b"me", b"runner", b"USER", b"...")
"""Names that stand for anybody's."""
SECRETS = {
    "a private key": ((b"private key",), rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    "a token of GitHub": (
        (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"),
        rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40,})",
    ),
    "a key of AWS": ((b"akia", b"asia"), rb"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a token of Slack": ((b"xox",), rb"\bxox[abprs]-[A-Za-z0-9-]{20,}"),
    "a token of PyPI": ((b"pypi-",), rb"\bpypi-[A-Za-z0-9_-]{40,}"),
    "a token of Hugging Face": ((b"hf_",), rb"\bhf_[A-Za-z0-9]{30,}"),
    "what looks like a token or password": (
        (b"token", b"secret", b"passw", b"apikey", b"api_key"),
        rb"""(?ix) (?:token|secret|passw(?:or)?d|api_?key) ["']? \s* [:=] \s*
        ["'] (?=[\w+/.=-]*[0-9]) (?=[\w+/.=-]*[A-Za-z]) [\w+/.=-]{20,} ["']""",
    ),
}
"""Each with its marks, in lower case, one of which stands in it, and with what it looks like.

That a large file has no mark is found far sooner than that it has no secret.
"""
SECRET_FILES = re.compile(
    r"(^|/)(\.env|\.pypirc|\.netrc|id_(rsa|dsa|ecdsa|ed25519)|.*\.(pem|p12|pfx))$"
)


def pickled(path: Path) -> str | None:
    """Say as what a file holds a pickle, or None.

    Pickles are told by their content, not by their names, but for names that
    promise one.
    """
    with path.open("rb") as stream:
        head = stream.read(16)
    if path.suffix.lower() in PICKLES:
        return f"a file of the kind {path.suffix}"
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if any(name.endswith("data.pkl") for name in names):
                return "a checkpoint of PyTorch"
            for name in names:
                if name.endswith(".npy") and _holds_objects(archive.open(name).read(2**12)):
                    return "an array of Python objects"
        return None
    if head.startswith(b"\x93NUMPY"):
        return "an array of Python objects" if _holds_objects(path.read_bytes()[: 2**12]) else None
    return "a pickle" if head[:1] == b"\x80" and head[1:2] <= b"\x05" and _is_pickle(path) else None


def unsafe_calls(source: bytes) -> Iterator[tuple[int, str]]:
    """Yield the calls in Python code that run what a file holds: line, and name.

    What is called by way of a variable is not seen.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return  # which importing it will tell
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    names[alias.asname] = alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = _dotted(node.func)
        first, _, rest = called.partition(".")
        called = ".".join(filter(None, (names.get(first, first), rest)))
        called = called.replace("tensorflow.keras.", "keras.")
        if called in UNSAFE and not _kept_safe(node, called):
            yield node.lineno, called


def _kept_safe(call: ast.Call, called: str) -> bool:
    guard = UNSAFE[called]
    if not guard:
        return False
    name, good = guard
    for keyword in call.keywords:
        if keyword.arg == name:
            return isinstance(keyword.value, ast.Constant) and keyword.value.value is good
    return called in SAFE_BY_DEFAULT and all(keyword.arg for keyword in call.keywords)


def _dotted(node: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join(reversed([*parts, node.id])) if isinstance(node, ast.Name) else ""


def private(name: str, content: bytes) -> Iterator[tuple[int | None, str]]:
    """Yield what a file tells that is its author's alone: line (None in data), and what it is.

    A secret itself is never repeated.
    """
    if SECRET_FILES.search(name):
        yield None, "a file that holds secrets"
    is_text = b"\0" not in content[: 2**13]
    lowered = content.lower()
    for word, (marks, pattern) in SECRETS.items():
        for found in re.finditer(pattern, content) if _has(lowered, marks) else ():
            yield _line(content, found.start()) if is_text else None, word
    told = set()
    for found in HOME.finditer(content) if _has(lowered, HOME_MARKS) else ():
        if found[1] not in EXAMPLES and found[0] not in told:
            told.add(found[0])
            path = found[0].decode("ascii", "replace")
            yield _line(content, found.start()) if is_text else None, f"the path {path}"


def _has(content: bytes, marks: tuple[bytes, ...]) -> bool:
    return any(mark in content for mark in marks)


def broken_weights(path: Path, form: str) -> str | None:
    """Say why a file is not in a format of weights, or None; nothing is loaded."""
    size = path.stat().st_size
    if size == 0:
        return "it is empty"
    with path.open("rb") as stream:
        head = stream.read(2**10)
        if form == "safetensors":
            length = int.from_bytes(head[:8], "little")
            if not 2 <= length <= min(size - 8, 10**8):
                return "its header is longer than the file"
            stream.seek(8)
            try:
                header = json.loads(stream.read(length))
                ends = [
                    entry["data_offsets"][1]
                    for key, entry in header.items()
                    if key != "__metadata__"
                ]
            except (ValueError, TypeError, KeyError, IndexError, AttributeError):
                return "its header is not that of safetensors"
            if max(ends, default=0) != size - 8 - length:
                return "it is cut short, or has more than its header says"
        if form == "keras-h5" and not head.startswith(b"\x89HDF\r\n\x1a\n"):
            return "it does not begin as HDF5"
        if form == "onnx" and not head.startswith(b"\x08"):  # field 1, the version of the format
            return "it does not begin as an ONNX model"
        if form == "onnx":
            return graph_fault(path)
    return None


def _holds_objects(content: bytes) -> bool:
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        return bool(read(stream)[2].hasobject)
    except ValueError:
        return b"'|O'" in content or b"'O'" in content


def _is_pickle(path: Path) -> bool:
    """Tell whether a file is a pickle to its end; what it means is never carried out."""
    with path.open("rb") as stream:
        try:
            for _ in pickletools.genops(stream):
                pass
        except Exception:  # whatever the parser trips over, it is none
            return False
    return True


def _line(content: bytes, position: int) -> int:
    return content.count(b"\n", 0, position) + 1
