"""What is known of a model before anything is asked: from a checkpoint, or from medigan's list."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medigan_hub import metadata
from medigan_hub.catalogue import Catalogue
from medigan_hub.contribution import recognition
from medigan_hub.contribution.convert import convert
from medigan_hub.contribution.recognition import Recognised
from medigan_hub.contribution.scaffold.licences import spdx
from medigan_hub.errors import HubError, MetadataError, RequestError, close_to, named

if TYPE_CHECKING:
    from torch import Tensor

OWN = "own"
"""Stands for a network that the package has itself, among the hub's networks."""
AS_STATED = "LicenseRef-as-stated"
"""Stands for a licence of medigan's list that is no SPDX identifier, or none."""


@dataclass(frozen=True, eq=False)
class Start:
    """What is known before anything is asked."""

    fixed: Mapping[str, str] = field(default_factory=dict)
    """Answers that follow from it."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """Answers that it suggests."""
    tasks: tuple[str, ...] = ()
    """What the model can be for, where it isn't free."""
    network: Recognised | None = None
    """A network of the hub, with trained weights."""
    tensors: Mapping[str, Tensor] | None = None
    """Trained weights of a network that the hub doesn't have."""
    document: Mapping[str, Any] | None = None
    """A document with remote weights."""
    notes: tuple[str, ...] = ()
    """What the author is told of it."""


def from_checkpoint(path: Path, network: str | None = None) -> Start:
    """Return what a checkpoint of PyTorch tells; no code in it is run.

    Parameters
    ----------
    network
        The network that is to be taken, where its tensors fit several, or ``own``.

    Raises
    ------
    WeightsError
        It can't be read, or has no tensors.
    RequestError
        The tensors are not those of ``network``.
    """
    groups = recognition.read(path)
    found = None
    if network != OWN:
        if network is not None:
            recognition.kind_of(network)
        found = recognition.recognise(groups, network)
    if found is not None:
        return Start(
            fixed={"framework": "torch", "network": found.network},
            defaults={"task": found.facts.tasks[0]},
            tasks=found.facts.tasks,
            network=found,
            notes=tuple(_learnt(path, found)),
        )
    place, tensors = recognition.likeliest(groups)
    return Start(
        fixed={"framework": "torch", "network": OWN},
        tensors=tensors,
        notes=(
            f"{path.name} fits none of the hub's networks; it holds{_at(place)} "
            f"{_summary(tensors)}",
            "the package holds these weights and makes no images yet: write the network into "
            "network.py, and its sizes into metadata.json",
        ),
    )


def from_medigan(path: Path, model: str | None = None) -> Start:
    """Return the document of an entry of medigan's form, as in its ``global.json``.

    Parameters
    ----------
    model
        The entry's id, where the file holds several, or one without its id.

    Raises
    ------
    MetadataError
        The file can't be read, or the entry can't be converted.
    RequestError
        It is not said which entry is meant, or there is no such entry.
    """
    medigan_id, entry = _entry(path, metadata.read(path), model)
    document = convert(medigan_id, entry)
    notes = []
    with suppress(HubError):
        known = Catalogue().find(medigan_id).metadata
        notes.append(
            f"the catalogue has {medigan_id} as {known.name}; once this package is installed, it "
            "takes its place"
        )
    return Start(
        fixed={"framework": "archive", "network": OWN, "task": document["task"]},
        defaults={
            "name": document["name"],
            "title": document["title"],
            "organ": ", ".join(document["organ"]),
            "modality": ", ".join(document["modality"]),
            "licence": spdx(document["licence"] or "") or AS_STATED,
        },
        document=document,
        notes=(*notes, *(f"of the entry: {note}" for note in document["notes"])),
    )


def _entry(path: Path, value: Any, model: str | None) -> tuple[str, Mapping[str, Any]]:
    """Return the id and the entry that is meant."""
    if not isinstance(value, dict) or not value:
        raise MetadataError(f"{path} is not an entry of medigan's list, or a mapping of several")
    if "execution" in value:
        if model is None:
            raise RequestError(
                f"{path} holds an entry without its id; name it: "
                f"{named('model', '00005_DCGAN_MMG_MASS_ROI')}"
            )
        return model, value
    if model is None and len(value) == 1:
        return next(iter(value.items()))
    if model is None:
        listed = ", ".join([*value][:3])
        raise RequestError(
            f"{path} holds {len(value)} models; name one: {named('model', 'ID')} ({listed}, ...)"
        )
    if model not in value:
        close = close_to(model, value) or [*value][:3]
        raise RequestError(f"{path} has no model {model!r}; it has {', '.join(close)}")
    return model, value[model]


def _learnt(path: Path, found: Recognised) -> list[str]:
    facts = found.facts
    told = {
        "latent vector": facts.latent,
        "classes": facts.classes or None,
        "channels in": facts.input_channels if facts.multiple > 1 else None,
        "channels out": facts.channels,
        "height and width": None if facts.multiple > 1 else " x ".join(map(str, facts.size)),
    }
    words = ", ".join(f"{key} {value}" for key, value in told.items() if value is not None)
    lines = [f"{path.name} holds{_at(found.place)} the network {found.network}: {words}"]
    if found.others:
        lines.append(
            f"its tensors fit {', '.join(found.others)} as well; {found.network} is taken, "
            f"network={found.others[0]} takes another"
        )
    return lines


def _at(place: str) -> str:
    return f" in {place}" if place else ""


def _summary(tensors: Mapping[str, Tensor]) -> str:
    shapes = [
        f"{name} {'x'.join(map(str, tensor.shape)) or 'a number'}"
        for name, tensor in [*tensors.items()][:5]
    ]
    more = f" and {len(tensors) - 5} more" if len(tensors) > 5 else ""
    return f"{len(tensors)} tensors: {', '.join(shapes)}{more}"
