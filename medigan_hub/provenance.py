"""Where a synthetic image comes from: the words that go with everything written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from importlib_metadata import PackageNotFoundError, version

from medigan_hub import runtimes
from medigan_hub._version import __version__
from medigan_hub.citation import bibtex
from medigan_hub.errors import RequestError
from medigan_hub.execution import KNOBS
from medigan_hub.samples import GenerationRequest

NOTICE = (
    "Synthetic image, made by a generative model. It shows no patient and is not fit for diagnosis."
)
GIVEN_INPUT = (
    "Input of a synthetic image, brought to the whole range of 8 or 16 bits: {origin}. "
    "The model did not make it, and nothing is known of where it comes from."
)
SIMULATED_INPUT = (
    "Synthetic image, simulated as the input of a generative model. "
    "It shows no patient and is not fit for diagnosis."
)


def header(request: GenerationRequest) -> dict[str, Any]:
    """Return what is true of every sample of a job.

    Two jobs with the same header make the same samples, and on one machine the
    same bytes: batch size, the device that was asked for and the version of
    what runs the model are in it because pixels may differ by rounding between them.
    Nothing in it depends on when a job runs.
    """
    model = request.metadata
    latents = request.given_latents
    return {
        "synthetic": True,
        "notice": NOTICE,
        "model": model.name,
        "version": model.version,
        "plugin": model.plugin,
        "title": model.title,
        "licence": model.licence,
        "citation": bibtex(model),
        "weights_sha256": request.weights_sha256,
        "framework": model.framework,
        **{
            name: getattr(request.execution, name)
            for name, each in KNOBS.items()
            if each.metadata["recorded"]
        },
        "runtime_version": _version(request.execution.runtime),
        "hub_version": __version__,
        "seed": request.seed,
        "count": len(request.indices),
        # The first, and the one after the last.
        "indices": [request.indices[0], request.indices[-1] + 1],
        # Several values are those that the samples take turns in.
        "conditions": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in request.conditions.items()
        },
        "latents_sha256": None if latents is None else _sha256(latents),
        "options": dict(request.options),
        "inputs": [_input(request, entry.name) for entry in model.inputs],
        "outputs": list(model.document["outputs"]),
        "limitations": list(model.document["limitations"]),
        "not_intended_for": list(model.document.get("not_intended_for", ())),
    }


def facts(request: GenerationRequest, index: int, labels: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is to be said of one sample beside its files: for the manifest, for writers."""
    found: dict[str, Any] = {"index": index}
    if labels:
        found["labels"] = dict(labels)
    if request.conditions:
        found["conditions"] = {
            parameter.name: request.condition(parameter.name, [index])[0]
            for parameter in request.metadata.conditions
            # What the model itself draws, by ways of its own, nobody else knows.
            if request.conditions[parameter.name] is not None or parameter.can_draw
        }
    names = {name: images.file(index) for name, images in request.inputs.items()}
    frames = {name: images.frame(index) for name, images in request.inputs.items()}
    if len(names) == 1:
        (found["input"],) = names.values()
    elif names:
        found["inputs"] = names
    spacings = [images.spacing(index) for images in request.inputs.values()]
    if spacings and spacings[0] is not None:
        found["spacing_mm"] = list(spacings[0])
    if any(frame is not None for frame in frames.values()):
        found["frame"] = next(iter(frames.values())) if len(frames) == 1 else frames
    labels_of_inputs = {images.label(index) for images in request.inputs.values()} - {None}
    if len(labels_of_inputs) == 1:
        (found["input_class"],) = labels_of_inputs
    return found


def text(request: GenerationRequest) -> dict[str, str]:
    """Return what is to be said inside every picture of a job."""
    model = request.metadata
    words = {
        "Synthetic": "yes",
        "Description": NOTICE,
        "Model": f"{model.name} {model.version}",
        "Seed": str(request.seed),
        "Licence": model.licence or "not stated",
        "Software": f"medigan-hub {__version__}",
    }
    if request.given_latents is not None:  # the seed alone does not make it again
        words["Latent vectors"] = f"given, SHA-256 {_sha256(request.given_latents)}"
    return words


def sample_text(request: GenerationRequest, index: int, array: str) -> dict[str, str]:
    """Return what is to be said inside the file of one array of one sample."""
    words = {**text(request), "Sample": str(index), "Array": array}
    if request.given_latents is not None:  # its own alone: what others there are changes nothing
        del words["Latent vectors"]
        words["Latent vector"] = f"given, SHA-256 {_sha256(request.given_latents[index])}"
    if any(entry.name == array for entry in request.metadata.inputs):
        if array not in request.inputs:
            return words | {"Description": SIMULATED_INPUT}
        origin = request.inputs[array].origin
        words |= {"Synthetic": "not known", "Description": GIVEN_INPUT.format(origin=origin)}
        del words["Licence"]  # the model's licence says nothing about the user's image
    return words


def _sha256(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


def _input(request: GenerationRequest, name: str) -> dict[str, Any]:
    images = request.inputs.get(name)
    if images is None:
        source = "simulated by the model's plugin"
        return {"name": name, "given": False, "source": source, "sha256": None}
    return {
        "name": name,
        "given": True,
        "source": images.origin,
        "sha256": images.sha256,
        "reading": images.reading.asked,
        "fitted": request.fitted.get(name, False),
        "taken": images.notes,
    }


def _version(runtime: str) -> str | None:
    """Return the version of what runs a model, without importing it; published code has its own."""
    try:
        distributions = runtimes.find(runtime).distributions
    except RequestError:
        return None
    for distribution in distributions:
        try:
            return str(version(distribution))
        except PackageNotFoundError:
            continue
    return None
