"""The hub's view of a model: what a valid document says, in types."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from medigan_hub.errors import RequestError
from medigan_hub.metadata.parameters import Parameter, parameters_of


@dataclass(frozen=True)
class Output:
    """One named array of a sample."""

    name: str
    kind: str
    """``image``, ``mask`` or ``label``."""
    shape: tuple[int | None, ...]
    """Shape of one sample, channels last; None where a size is free."""
    dtype: str
    range: tuple[float, float]
    """Lowest and highest value."""
    channels: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    """Names of the values 0, 1, ... of a mask or label."""
    spacing: tuple[float, ...] | None = None
    """Distance of neighbouring pixels in millimetres, in the order of the shape."""
    orientation: tuple[str, ...] | None = None
    """Where each axis runs to in the patient, in the order of the shape: L, R, A, P, S or I."""


@dataclass(frozen=True)
class Files:
    """Images in the published archive."""

    path: str
    """Pattern of their paths, such as ``images/*``."""
    when: Mapping[str, Any] = field(default_factory=dict)
    """Values of conditions that they are for."""


@dataclass(frozen=True)
class Trained:
    """The images that a model was trained on; others may come out wrong, and nobody would see."""

    size: tuple[int, int]
    """Height and width in pixels."""
    spacing: tuple[float, float] | None = None
    """Distance of the rows and of the columns in mm."""
    grey_range: tuple[float, float] | None = None
    """The 1st and the 99th percentile of the grey levels, from 0 (black) to 1 (white)."""
    one_scale: bool = False
    """Whether all were of one scale, to which others are brought unless the caller objects."""


@dataclass(frozen=True)
class Input:
    """An image that the model starts from."""

    name: str
    kind: str
    channels: tuple[str, ...]
    required: bool
    files: tuple[Files, ...] = ()
    """Where the published archive has images to start from: the first that fits is taken."""
    trained: Trained | None = None


@dataclass(frozen=True)
class Latent:
    """The random vector that a noise-to-image model starts from."""

    size: int
    distribution: str
    """``normal`` (standard normal) or ``uniform`` (in [-1, 1))."""


@dataclass(frozen=True)
class WeightsFile:
    """One file with trained parameters, or with all that was published of a model."""

    role: str
    """What a runtime takes it for, such as ``network``; ``archive`` of published code."""
    file: str | None = None
    """Path in the plugin's package, or name of the file that is downloaded."""
    sha256: str | None = None
    md5: str | None = None
    record: str | None = None
    """Number of the Zenodo record."""
    member: str | None = None
    """Path of the parameters in the file, where that is an archive."""
    url: str | None = None
    """Where it is downloaded from; None of a file that is bundled in the plugin's package."""

    @property
    def is_remote(self) -> bool:
        """Whether it is downloaded."""
        return self.url is not None


@dataclass(frozen=True)
class Weights:
    """The trained parameters in the form that one runtime takes."""

    runtime: str
    """Name of the runtime, such as ``torch``."""
    format: str
    files: tuple[WeightsFile, ...]

    @property
    def sha256(self) -> str | None:
        """What tells these weights from all others; None where it is not known beforehand.

        The SHA-256 of the file, or of several files' roles and SHA-256 in lines.
        """
        sums = {file.role: file.sha256 for file in self.files}
        return combined(sums)


@dataclass(frozen=True)
class Archive:
    """How a model is called as medigan published it."""

    package: str
    """Folder of the package in the archive; its code may also lie at the top."""
    function: str
    arguments: Mapping[str, Any]
    """Arguments beside the usual ones, with their published defaults."""
    dependencies: tuple[str, ...]
    """What the package needs, as pip requirements."""


@dataclass(frozen=True)
class ModelMetadata:
    """What the hub needs to know of a model; ``document`` holds all of it."""

    name: str
    version: str
    plugin: str
    medigan_id: str | None
    title: str
    task: str
    architecture: str
    framework: str
    organ: tuple[str, ...]
    modality: tuple[str, ...]
    dataset: tuple[str, ...]
    """Names of the training data sets."""
    licence: str | None
    outputs: tuple[Output, ...]
    inputs: tuple[Input, ...]
    conditions: tuple[Parameter, ...]
    options: tuple[Parameter, ...]
    latent: Latent | None
    weights: tuple[Weights, ...]
    """A set for each runtime that can run the model, the default first."""
    archive: Archive | None
    document: Mapping[str, Any] = field(repr=False)

    @property
    def runtimes(self) -> tuple[str, ...]:
        """Names of the runtimes that it has weights for, the default first."""
        return tuple(entry.runtime for entry in self.weights)

    @property
    def files(self) -> tuple[WeightsFile, ...]:
        """Every file of its weights once, whichever runtimes take it."""
        return tuple({(f.url or f.file): f for entry in self.weights for f in entry.files}.values())

    @property
    def main_file(self) -> WeightsFile:
        """The first file of the weights that are taken by default."""
        return self.weights[0].files[0]

    def weights_for(self, runtime: str) -> Weights:
        """Return the weights that a runtime takes.

        Raises
        ------
        RequestError
            There are none.
        """
        for entry in self.weights:
            if entry.runtime == runtime:
                return entry
        known = " or ".join(("auto", *self.runtimes))
        raise RequestError(f"{self.name} has no runtime {runtime!r}; use {known}")

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> ModelMetadata:
        """Read a document that is valid (see ``validate``)."""
        latent = document.get("latent")
        archive = document.get("archive")
        return cls(
            **{
                key: document[key]
                for key in (
                    *("name", "version", "plugin", "title", "task"),
                    *("architecture", "framework", "licence"),
                )
            },
            medigan_id=document.get("medigan_id"),
            organ=tuple(document["organ"]),
            modality=tuple(document["modality"]),
            dataset=tuple(entry["name"] for entry in document["training_data"]),
            outputs=tuple(
                Output(
                    name=entry["name"],
                    kind=entry["kind"],
                    shape=tuple(entry["shape"]),
                    dtype=entry["dtype"],
                    range=(entry["range"][0], entry["range"][1]),
                    channels=tuple(entry.get("channels", ())),
                    classes=tuple(entry.get("classes", ())),
                    spacing=_tuple_or_none(entry.get("spacing_mm")),
                    orientation=_tuple_or_none(entry.get("orientation")),
                )
                for entry in document["outputs"]
            ),
            inputs=tuple(
                Input(
                    name=entry["name"],
                    kind=entry["kind"],
                    channels=tuple(entry["channels"]),
                    required=entry["required"],
                    files=tuple(Files(**files) for files in entry.get("files", ())),
                    trained=_trained(entry.get("trained")),
                )
                for entry in document.get("inputs", ())
            ),
            conditions=parameters_of(document.get("conditions", ())),
            options=parameters_of(document.get("options", ())),
            latent=Latent(latent["size"], latent["distribution"]) if latent else None,
            weights=tuple(
                Weights(
                    entry["runtime"],
                    entry["format"],
                    tuple(WeightsFile(**file) for file in entry["files"]),
                )
                for entry in document["weights"]
            ),
            archive=Archive(
                package=archive["package"],
                function=archive["function"],
                arguments=archive.get("arguments", {}),
                dependencies=tuple(archive.get("dependencies", ())),
            )
            if archive
            else None,
            document=document,
        )


def combined(sums: Mapping[str, str | None]) -> str | None:
    """Return one SHA-256 for files by their roles, or None where one of theirs is not known.

    >>> combined({"network": "12ab"})
    '12ab'
    """
    if None in sums.values():
        return None
    if len(sums) == 1:
        return next(iter(sums.values()))
    lines = "".join(f"{role} {sums[role]}\n" for role in sorted(sums))
    return hashlib.sha256(lines.encode()).hexdigest()


def _trained(entry: Mapping[str, Any] | None) -> Trained | None:
    if entry is None:
        return None
    return Trained(
        size=(entry["size"][0], entry["size"][1]),
        spacing=_tuple_or_none(entry.get("spacing_mm")),
        grey_range=_tuple_or_none(entry.get("grey_range")),
        one_scale=entry.get("one_scale", False),
    )


def _tuple_or_none(values: Sequence[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)
