"""What can be told of a package from its files alone; none of its code runs here."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from importlib_metadata import PackageNotFoundError, distribution

from medigan_hub import installation, metadata
from medigan_hub.contribution.checking import contents
from medigan_hub.contribution.checking.package import MAX_FILES, MAX_UNPACKED_BYTES, Package
from medigan_hub.contribution.checking.report import FAILED, PASSED, SKIPPED, Fault, Finding
from medigan_hub.errors import HubError, MetadataError, PluginError
from medigan_hub.files import inside
from medigan_hub.hashes import sha256_of
from medigan_hub.metadata import WeightsFile
from medigan_hub.plugins import MODELS

MAX_WHEEL_BYTES = 100 * 2**20
"""Bytes. PyPI's limit for a file, unless one asks for more."""
SCANNED_BYTES = 64 * 2**20
"""Bytes of a file that are searched for what is private: beyond, there are weights."""
SUFFIXES = {
    "safetensors": (".safetensors",),
    "keras-h5": (".weights.h5",),
    "onnx": (".onnx",),
}
"""How the names of bundled weights end, by their format."""

Check = Callable[[Package], Iterator[Fault]]


def findings(package: Package, say: Callable[[str], None] = lambda _: None) -> list[Finding]:
    """Return what all checks of the files find."""
    found: list[Finding] = []
    there = {
        "": True,
        "an entry point": package.folder is not None,
        "valid metadata": package.folder is not None and package.model is not None,
    }
    for name, check, needed in CHECKS:
        say(name)
        if not there[needed]:
            found.append(Finding(name, SKIPPED, f"it needs {needed}"))
            continue
        try:
            faults = [Finding(name, FAILED, each.message, each.remedy) for each in check(package)]
        except HubError as error:
            faults = [Finding(name, FAILED, str(error), "build the package again")]
        found += faults or [Finding(name, PASSED)]
    return found


def _entry_point(package: Package) -> Iterator[Fault]:
    points = package.entry_points
    table = f'[project.entry-points."{MODELS}"]'
    if len(points) != 1:
        yield Fault(
            f"the package has {len(points)} entry points in the group {MODELS}; it needs one",
            f'add to pyproject.toml: {table} NAME = "IMPORT_PACKAGE:plugin"',
        )
        return
    (point,) = points
    if package.folder is None:
        yield Fault(
            f"the entry point {point.name} names {point.value!r}, which is no package of the wheel",
            "name the import package in it, and have the build put that into the wheel",
        )
        return
    model = package.model
    if model is None:
        return
    for what, actual, declared in (
        ("entry point", point.name, model.name),
        ("distribution", package.distribution.name, model.plugin),
        ("version of the distribution", package.distribution.version, model.version),
    ):
        if actual != declared:
            yield Fault(
                f"the {what} is {actual}, and metadata.json says {declared}",
                "give both the same in pyproject.toml and metadata.json",
            )


def _metadata(package: Package) -> Iterator[Fault]:
    remedy = "mend metadata.json; schemas/model-metadata.schema.json says what it may hold"
    assert package.folder is not None  # noqa: S101 (checked before)
    try:
        document = package.document
    except MetadataError as error:
        yield Fault(str(error), remedy)
        return
    if document is None:
        yield Fault(
            f"the wheel has no metadata.json in {package.folder.name}",
            "put it beside the package's __init__.py, and have the build include it",
        )
        return
    for fault in metadata.validate(document):
        yield Fault(fault, remedy)


def _licence(package: Package) -> Iterator[Fault]:
    model = package.model
    # Of what medigan published, a licence may be unknown for good; its document says so.
    if model is not None and model.licence is None and model.medigan_id is None:
        yield Fault(
            "metadata.json names no licence of the weights",
            "set licence to its SPDX identifier, such as MIT",
        )
    named = package.distribution.metadata.get_all("License-File") or []
    files = [package.info / folder / name for name in named for folder in (".", "licenses")]
    files += [path for path in package.info.rglob("*") if path.name.upper().startswith("LICEN")]
    if not any(path.is_file() and path.read_bytes().strip() for path in files):
        yield Fault(
            "the wheel has no file with a licence",
            "add a file LICENSE, and license-files to pyproject.toml",
        )


def _citation(package: Package) -> Iterator[Fault]:
    document = package.document
    if not document["authors"] and not document.get("publications"):
        yield Fault(
            "metadata.json names neither authors nor publications: nobody can cite the model",
            "add authors, best with their ORCID, or publications",
        )


def _weights(package: Package) -> Iterator[Fault]:
    model, folder = package.model, package.folder
    assert model is not None and folder is not None  # noqa: S101, PT018 (checked before)
    formats = {file: entry.format for entry in model.weights for file in entry.files}
    for file in model.files:
        if not file.is_remote:
            yield from _bundled(folder, file, formats[file])
        elif not (file.sha256 or file.md5 or file.record):
            yield Fault(
                f"nothing tells whether {file.url} still holds the same weights",
                "give its sha256 in weights of metadata.json",
            )


def _bundled(folder: Path, weights: WeightsFile, form: str) -> Iterator[Fault]:
    path = inside(folder, weights.file or "")
    if path is None or not path.is_file():
        yield Fault(
            f"the wheel lacks the weights {weights.file}",
            "put them there and have the build include them: file of weights is relative to "
            "the import package",
        )
        return
    found = sha256_of(path)
    if found != weights.sha256:
        yield Fault(
            f"the weights {weights.file} have the SHA-256 {found}, "
            f"and metadata.json says {weights.sha256}",
            "they changed after they were hashed: put back the old ones, or give the new SHA-256 "
            "and raise the version",
        )
    suffixes = SUFFIXES.get(form)
    if suffixes and not weights.file.endswith(suffixes):  # type: ignore[union-attr]
        yield Fault(
            f"the weights {weights.file} are named otherwise than {form} weights are",
            f"let their name end in {' or '.join(suffixes)}, or mend the format of weights",
        )
    fault = contents.broken_weights(path, form)
    if fault:
        yield Fault(
            f"the weights {weights.file} are no {form} file: {fault}",
            "write them again, or mend the format of weights",
        )
    elif form in ("pytorch", "tensorflow"):
        yield Fault(
            f"bundled weights of the format {form} can hold code",
            "write them as safetensors, .weights.h5 or .onnx",
        )


def _pickles(package: Package) -> Iterator[Fault]:
    for path in _files(package.site):
        name = path.relative_to(package.site).as_posix()
        kind = contents.pickled(path)
        if kind:
            yield Fault(
                f"{name} is {kind}, which can run code when it is read",
                "write it as safetensors, .weights.h5, .onnx, .npz without objects, or JSON",
            )
        if path.suffix == ".py":
            for line, call in contents.unsafe_calls(path.read_bytes()):
                yield Fault(
                    f"{name}, line {line}: {call} runs code that the file holds",
                    "read weights with medigan_hub.weights, arrays with allow_pickle=False",
                )


def _size(package: Package) -> Iterator[Fault]:
    size = package.wheel.stat().st_size if package.wheel else 0
    if size > MAX_WHEEL_BYTES:
        yield Fault(
            f"the wheel has {size / 2**20:.0f} MiB; PyPI takes {MAX_WHEEL_BYTES // 2**20}",
            "leave the weights to a Zenodo record: a url in weights of metadata.json",
        )


def _private(package: Package) -> Iterator[Fault]:
    seen = set()
    for place, name, content in _texts(package):
        for line, what in contents.private(name, content):
            fault = Fault(
                f"{name} in the {place}{f', line {line}' if line else ''}: {what}",
                "take it out; a secret that was ever published must be revoked, too",
            )
            key = (name.rpartition("/")[2], line, what)
            if key not in seen:  # once for the wheel and the source distribution
                seen.add(key)
                yield fault


def _dependencies(package: Package) -> Iterator[Fault]:
    for text in package.distribution.requires or ():
        for fault in _missing(text):
            where = package.project or package.wheel or package.distribution.name
            yield Fault(fault, f"install the package with what it needs: pip install {where}")


def _missing(text: str, extras: tuple[str, ...] = ("",)) -> Iterator[str]:
    """Yield what this environment lacks of a requirement, and of the extras in it."""
    try:
        wanted = installation.requirement(text)
    except PluginError as error:
        yield str(error)
        return
    if wanted.marker and not any(wanted.marker.evaluate({"extra": extra}) for extra in extras):
        return
    name = f"{wanted.name}{wanted.specifier}"
    try:
        found = distribution(wanted.name)
    except PackageNotFoundError:
        yield f"the package needs {name}, which is not installed here"
        return
    if not wanted.specifier.contains(found.version, prereleases=True):
        yield f"the package needs {name}, and {found.version} is installed here"
    if wanted.extras:
        for inner in found.requires or ():
            if "extra" in inner.partition(";")[2]:
                yield from _missing(inner, tuple(wanted.extras))


def _filled_in(package: Package) -> Iterator[Fault]:
    for place, text in _passages(package):
        if "TODO" in text:
            words = " ".join(text.split())
            yield Fault(
                f"{place}: {words if len(words) <= 120 else words[:117] + '...'}",
                "write what it asks for, and take TODO out",
            )


def _passages(package: Package) -> Iterator[tuple[str, str]]:
    """Yield what people read of a package, piece by piece: where it stands, and the text."""
    with suppress(MetadataError):  # which another check tells
        yield from _strings("metadata.json", package.document)
    documents = {"README": str(package.distribution.metadata.get_payload() or "")}
    for path in sorted(package.info.rglob("*")):
        if path.is_file() and path.name.upper().startswith("LICEN"):
            documents[path.name] = path.read_text("utf-8", "replace")
    # Not through a link that leads elsewhere, since what is read is shown.
    citation = None if package.project is None else inside(package.project, "CITATION.cff")
    if citation is not None and citation.is_file():
        documents[citation.name] = citation.read_text("utf-8", "replace")
    for name, text in documents.items():
        for number, line in enumerate(text.splitlines(), 1):
            yield f"{name}, line {number}", line


def _strings(place: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _strings(f"{place}, {key}" if ", " not in place else f"{place}.{key}", each)
    elif isinstance(value, list):
        for position, each in enumerate(value):
            yield from _strings(f"{place}[{position}]", each)


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def _texts(package: Package) -> Iterator[tuple[str, str, bytes]]:
    """Yield the files of the wheel and of the source distribution: where, name, content."""
    for path in _files(package.site):
        with path.open("rb") as wheel_file:
            yield "wheel", path.relative_to(package.site).as_posix(), wheel_file.read(SCANNED_BYTES)
    if package.sdist is not None:
        for name, content in _members(package.sdist):
            yield "source distribution", name, content


def _members(sdist: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the regular files of a source distribution, which a build has written.

    Raises
    ------
    PluginError
        It can't be read, or is too large.
    """
    try:
        with tarfile.open(sdist) as archive:
            for number, member in enumerate(archive):
                if number >= MAX_FILES or member.offset_data + member.size > MAX_UNPACKED_BYTES:
                    raise PluginError(f"{sdist.name} unpacks to too much")
                # A link leads to another file, and what is sparse holds less than it says.
                if member.isreg() and not member.issparse():
                    stream = archive.extractfile(member)
                    if stream is not None:
                        yield member.name, stream.read(SCANNED_BYTES)
    except (OSError, EOFError, ValueError, tarfile.TarError, zlib.error) as error:
        raise PluginError(f"{sdist.name} can't be read: {error}") from error


CHECKS: tuple[tuple[str, Check, str], ...] = (
    ("entry point", _entry_point, ""),
    ("metadata is valid", _metadata, "an entry point"),
    ("licence is there", _licence, ""),
    ("model can be cited", _citation, "valid metadata"),
    ("weights are as declared", _weights, "valid metadata"),
    ("no code is pickled", _pickles, ""),
    ("wheel is of a fitting size", _size, ""),
    ("nothing private", _private, ""),
    ("dependencies are installed", _dependencies, ""),
    ("everything is filled in", _filled_in, ""),
)
"""Name, what finds the faults, and what there must be for that."""

NEEDED = (
    "entry point",
    "metadata is valid",
    "weights are as declared",
    "dependencies are installed",
)
"""Checks without which there is nothing to run."""
