"""From checked answers to a package on disk, whole or not at all."""

from __future__ import annotations

import json
import runpy
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medigan_hub import card, metadata
from medigan_hub.contribution import recognition
from medigan_hub.contribution.recognition import Recognised
from medigan_hub.contribution.scaffold.answers import PREFIX, import_name, questions
from medigan_hub.contribution.scaffold.starts import AS_STATED, OWN, Start
from medigan_hub.contribution.scaffold.template import render, settings
from medigan_hub.errors import MetadataError, OutputError, WeightsError, require
from medigan_hub.files import write_atomically
from medigan_hub.metadata import ModelMetadata

if TYPE_CHECKING:
    from torch import Tensor

    from medigan_hub.networks.base import Facts


@dataclass(frozen=True)
class Made:
    """A package that was made."""

    name: str
    folder: Path
    package: str
    files: tuple[str, ...]
    notes: tuple[str, ...]
    next: tuple[str, ...]
    """Commands to go on with."""


def create(
    answers: Mapping[str, str], output: Path | None = None, start: Start | None = None
) -> Made:
    """Make a package of checked answers.

    Parameters
    ----------
    answers
        One for each question.
    output
        The package's folder; by default ``medigan-model-NAME`` in the current one.

    Raises
    ------
    OutputError
        The folder isn't empty, or can't be written.
    MissingDependencyError
        An extra is missing that this needs.
    """
    start = start or Start()
    target = _free(output or Path(PREFIX + answers["name"]))
    trained = start.network
    if trained is None and answers["network"] != OWN:
        trained = recognition.small(answers["network"])
    above = next(folder for folder in target.parents if folder.is_dir())
    try:
        with tempfile.TemporaryDirectory(prefix=".medigan-new-", dir=above) as temporary:
            project = render(answers, _facts(answers, start, trained), Path(temporary))
            _fill(project, answers, start, trained)
            files = sorted(
                path.relative_to(project).as_posix()
                for path in project.rglob("*")
                if path.is_file()
            )
            _move(project, target)
    except OSError as error:
        raise OutputError(
            f"the package can't be written to {target}: {error.strerror or error}; name another "
            "folder with -o"
        ) from error
    return Made(
        name=answers["name"],
        folder=target,
        package=import_name(answers["name"]),
        files=tuple(files),
        notes=(*start.notes, *_notes(answers, start, trained)),
        next=_next(answers, target, start),
    )


def _free(folder: Path) -> Path:
    """Return a folder that is not there yet, or is empty, by its full path."""
    try:
        target = folder.expanduser().resolve()
        blocked = next(
            (each for each in target.parents if each.exists() and not each.is_dir()), None
        )
        if blocked is not None:
            raise OutputError(f"{blocked} is a file; name another folder with -o")
        if target.exists() and not target.is_dir():
            raise OutputError(f"{target} is a file; name another folder with -o")
        if target.is_dir() and any(target.iterdir()):
            raise OutputError(f"{target} isn't empty; name another folder with -o")
    except (OSError, RuntimeError, ValueError) as error:
        raise OutputError(
            f"{folder} can't be used: {error}; name another folder with -o"
        ) from error
    return target


def _facts(answers: Mapping[str, str], start: Start, network: Recognised | None) -> dict[str, Any]:
    """Return what the template is told of the network, beside the answers."""
    facts = dict(settings()["_facts"])
    if start.document is not None:
        return facts | {"weights": "remote", "code_licence": "MIT"}
    if start.tensors is not None:
        return facts | {"weights": "unfit"}
    if network is None:
        return facts
    told = network.facts
    return {
        **facts,
        **asdict(told),
        "weights": "random" if start.network is None else "trained",
        "latent": told.latent or 0,
        "outputs": _outputs(told),
        "input_channels": _channels(told.input_channels),
        "classes": [f"class_{number}" for number in range(told.classes)],
    }


def _outputs(told: Facts) -> list[dict[str, Any]]:
    """Return the outputs: those named, or an image, with a mask where it is one channel more."""
    if told.outputs:
        return [_output(name, _channels(1)) for name in told.outputs]
    if _has_mask(told):
        return [_output("image", _channels(told.channels - 1)), _output("mask", ["mask"])]
    return [_output("image", _channels(told.channels))]


def _has_mask(told: Facts) -> bool:
    return told.channels in (2, 4) and not told.outputs


def _output(name: str, channels: list[str]) -> dict[str, Any]:
    return {"name": name, "kind": "mask" if name == "mask" else "image", "channels": channels}


def _channels(count: int) -> list[str]:
    names = {1: ["intensity"], 3: ["red", "green", "blue"]}
    return names.get(count) or [f"channel_{number}" for number in range(1, count + 1)]


def _fill(
    project: Path, answers: Mapping[str, str], start: Start, network: Recognised | None
) -> None:
    """Put in what no template has: weights, and a document."""
    package = project / import_name(answers["name"])
    tensors = network.tensors if network is not None else start.tensors
    if tensors is not None:
        _save(tensors, package / "weights" / "generator.safetensors")
        record = runpy.run_path(str(project / "training" / "record_weights.py"))
        record["record"]()
    if start.document is not None:
        document = _document(start.document, answers)
        faults = metadata.validate(document)
        if faults:
            raise MetadataError(
                f"{document['medigan_id']} gives no valid document: {'; '.join(faults)}"
            )
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        write_atomically(package / "metadata.json", text.encode())
        readme = card.readme(ModelMetadata.from_document(document))
        write_atomically(project / "README.md", readme.encode())


def _document(document: Mapping[str, Any], answers: Mapping[str, str]) -> dict[str, Any]:
    """Return a converted document with the answers, and with what is left to its author."""
    author = {
        key: answers[given]
        for key, given in (("name", "author"), ("affiliation", "affiliation"), ("orcid", "orcid"))
        if answers[given]
    }
    own = {question.key: question.default for question in questions()}
    return {
        **document,
        "name": answers["name"],
        "plugin": PREFIX + answers["name"],
        "title": answers["title"],
        "authors": [] if answers["author"] == own["author"] else [author],
        "licence": document["licence"] if answers["licence"] == AS_STATED else answers["licence"],
        "organ": answers["organ"].split(", "),
        "modality": answers["modality"].split(", "),
        "weights": [
            {
                **entry,
                "evidence": "TODO: what the images were held against, such as the authors' own.",
            }
            for entry in document["weights"]
        ],
        "limitations": [
            "TODO: what the images get wrong. They were not judged by the hub.",
        ],
        "intended_use": "TODO: what the model is for, as its authors say.",
        "not_intended_for": ["Diagnosis or any other clinical decision."],
        "privacy": "TODO: whether the model gives away training images is not known.",
    }


def _save(tensors: Mapping[str, Tensor], path: Path) -> None:
    safetensors = require("safetensors.torch", extra="torch", purpose="writing weights")
    path.parent.mkdir(exist_ok=True)
    try:
        # Each for itself: tensors that share their memory can't be written.
        alone = {
            name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()
        }
        safetensors.save_file(alone, path)
    except Exception as error:  # safetensors raises a class of its own, PyTorch any
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(f"the tensors can't be written as safetensors: {reason}") from error


def _move(project: Path, target: Path) -> None:
    """Let a package appear at its place, whole or not at all."""
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        project.rename(target)
        return
    # An empty folder stays the same one: it may be somebody's current folder.
    moved: list[Path] = []
    try:
        for path in sorted(project.iterdir()):
            path.rename(target / path.name)
            moved.append(target / path.name)
    except OSError:
        for path in moved:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise


def _notes(answers: Mapping[str, str], start: Start, network: Recognised | None) -> list[str]:
    notes = []
    if start.document is not None:
        notes.append("the licence of the package's own code is MIT")
    elif start.network is None and start.tensors is None:
        notes.append(
            "the weights are small random numbers: the images are noise until those of your "
            "network are there"
        )
    if network is not None and _has_mask(network.facts):
        notes.append("the last channel is taken for a mask; metadata.json says so")
    return notes


def _next(answers: Mapping[str, str], folder: Path, start: Start) -> tuple[str, ...]:
    framework = answers["framework"]
    flags = " --allow-archive-code" if framework == "archive" else ""
    extra = ' "medigan-hub[tensorflow]"' if framework == "tensorflow" else ""
    generate = f"medigan generate {answers['name']} -n 4 -o out{flags}"
    return (
        f"cd {shlex.quote(str(folder))}",
        f"pip install -e .{extra}",
        *(() if start.tensors is not None else (generate,)),
        f"medigan check .{flags}",
    )
