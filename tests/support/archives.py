"""Makers of small archives, as models are published in, and of small wheels for what they need."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import importlib.util
import sys
import textwrap
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path


def make_archive(path: Path, package: str, files: Mapping[str, str | bytes]) -> Path:
    """Write a zip archive with files in a folder named after the package, or at the top for ""."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            text = textwrap.dedent(content) if isinstance(content, str) else content
            archive.writestr(f"{package}/{name}" if package else name, text)
    return path


def make_wheel(
    folder: Path, name: str, version: str = "1.0", files: Mapping[str, str] | None = None
) -> Path:
    """Write a wheel of a pure Python distribution with these files in site-packages."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{name.replace('-', '_')}-{version}"
    contents = {
        **(files or {}),
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{stem}.dist-info/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
    }
    record = []
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, content in contents.items():
            data = content.encode()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
            record.append(f"{member},sha256={digest.decode()},{len(data)}\n")
            wheel.writestr(member, data)
        own = f"{stem}.dist-info/RECORD"
        wheel.writestr(own, "".join([*record, f"{own},,\n"]))
    return path


def stub_index(folder: Path, names: Iterable[str] = ()) -> Path:
    """Fill a folder with wheels that need no network, NumPy's and those of ``names``; return it.

    Where this environment has the distribution, the wheel stands for it: NumPy's
    leads to this environment's NumPy alone, that of another to all that this
    environment has. Others are empty. The version is that which the name comes
    with (gan==1.2), or the one that is installed here, or 1.0.
    """
    for each in {"numpy", *names}:
        name, _, version = each.partition("==")
        try:
            version = version or importlib.metadata.version(name)
            target = _numpy_alone(folder) if name == "numpy" else _site_packages(name)
        except importlib.metadata.PackageNotFoundError:
            make_wheel(folder, name, version or "1.0")
        else:
            link = {f"stub_{name.replace('-', '_')}.pth": f"{target}\n"}
            make_wheel(folder, name, version, link)
    return folder


def _site_packages(name: str) -> Path:
    return Path(str(importlib.metadata.distribution(name).locate_file("")))


def _numpy_alone(folder: Path) -> Path:
    """Return a folder in which nothing but NumPy can be imported."""
    links = folder / "numpy-alone"
    links.mkdir(parents=True, exist_ok=True)
    spec = importlib.util.find_spec("numpy")
    assert spec is not None
    package = Path(str(spec.origin)).parent
    for source in (package, package.with_name("numpy.libs")):
        link = links / source.name
        if source.exists() and not link.is_symlink():
            link.symlink_to(source, target_is_directory=True)
    return links


def without_network(index: Path) -> dict[str, str]:
    """Return the environment variables with which pip takes packages from a folder alone."""
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index), "PIP_CONFIG_FILE": _NOTHING}


_NOTHING = "nul" if sys.platform == "win32" else "/dev/null"
