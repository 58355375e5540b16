"""The hub's view of a model: what a valid document says, in types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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
class Input:
    """An image that the model starts from."""

    name: str
    kind: str
    channels: tuple[str, ...]
    required: bool
    files: tuple[Files, ...] = ()
    """Where the published archive has images to start from: the first that fits is taken."""


@dataclass(frozen=True)
class Latent:
    """The random vector that a noise-to-image model starts from."""

    size: int
    distribution: str
    """``normal`` (standard normal) or ``uniform`` (in [-1, 1))."""


@dataclass(frozen=True)
class Weights:
    """Where the trained parameters are."""

    source: str
    """``bundled`` in the plugin's package, or ``remote``."""
    format: str
    file: str | None
    """Path in the plugin's package, or name of the file that is downloaded."""
    sha256: str | None
    md5: str | None = None
    record: str | None = None
    """Number of the Zenodo record."""
    member: str | None = None
    """Path of the parameters in the file, where that is an archive."""
    url: str | None = None


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
    weights: Weights
    archive: Archive | None
    runtimes: tuple[str, ...]
    """What can run it, the default first: ``native``, the plugin's own code, and
    ``archive``, the code that medigan published."""
    document: Mapping[str, Any] = field(repr=False)

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
                )
                for entry in document.get("inputs", ())
            ),
            conditions=parameters_of(document.get("conditions", ())),
            options=parameters_of(document.get("options", ())),
            latent=Latent(latent["size"], latent["distribution"]) if latent else None,
            weights=Weights(**{"file": None, "sha256": None, **document["weights"]}),
            archive=Archive(
                package=archive["package"],
                function=archive["function"],
                arguments=archive.get("arguments", {}),
                dependencies=tuple(archive.get("dependencies", ())),
            )
            if archive
            else None,
            runtimes=tuple(document.get("execution", {}).get("runtimes", ("native",))),
            document=document,
        )


def _tuple_or_none(values: Sequence[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)
