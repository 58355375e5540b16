"""Where a synthetic image comes from: the words that go with everything written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from importlib_metadata import PackageNotFoundError, version

from medigan_hub import __version__
from medigan_hub.citation import bibtex
from medigan_hub.samples import GenerationRequest

NOTICE = (
    "Synthetic image, made by a generative model. It shows no patient and is not fit for diagnosis."
)
FRAMEWORKS = {
    "PyTorch": ("torch",),
    "TensorFlow": ("tensorflow", "tensorflow-cpu"),
    "ONNX": ("onnxruntime", "onnxruntime-gpu"),
}
"""Distributions that bring what a framework's name in the metadata means."""
GIVEN_INPUT = (
    "Input of a synthetic image, given by the user and brought to the whole range of 8 or 16 bits. "
    "The model did not make it, and nothing is known of where it comes from."
)
SIMULATED_INPUT = (
    "Synthetic image, simulated as the input of a generative model. "
    "It shows no patient and is not fit for diagnosis."
)


def header(job: GenerationRequest) -> dict[str, Any]:
    """Return what is true of every sample of a job.

    Two jobs with the same header make the same samples, and on one machine the
    same bytes: batch size, the device that was asked for and the framework's
    version are in it because pixels may differ by rounding between them.
    Nothing in it depends on when a job runs.
    """
    model = job.metadata
    latents = job.given_latents
    inputs = None
    if model.inputs:
        inputs = {
            "name": model.inputs[0].name,
            "given": job.inputs is not None,
            "source": "given by the user"
            if job.inputs is not None
            else "simulated by the model's plugin",
            "sha256": job.inputs.sha256 if job.inputs is not None else None,
        }
    return {
        "synthetic": True,
        "notice": NOTICE,
        "model": model.name,
        "version": model.version,
        "plugin": model.plugin,
        "title": model.title,
        "licence": model.licence,
        "citation": bibtex(model),
        "weights_sha256": model.weights.sha256,
        "framework": model.framework,
        "framework_version": _framework_version(model.framework),
        "hub_version": __version__,
        "seed": job.seed,
        "count": len(job.indices),
        # Several values are those that the samples take turns in.
        "conditions": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in job.conditions.items()
        },
        "latents_sha256": None
        if latents is None
        else hashlib.sha256(latents.tobytes()).hexdigest(),
        "options": dict(job.options),
        "precision": job.precision,
        "batch_size": job.batch_size,
        "device": job.device,
        "inputs": inputs,
        "outputs": list(model.document["outputs"]),
        "limitations": list(model.document["limitations"]),
        "not_intended_for": list(model.document.get("not_intended_for", ())),
    }


def facts(job: GenerationRequest, index: int, labels: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is to be said of one sample beside its files: for the manifest, for writers."""
    found: dict[str, Any] = {"index": index}
    if labels:
        found["labels"] = dict(labels)
    if job.conditions:
        found["conditions"] = {
            parameter.name: job.condition(parameter.name, [index])[0]
            for parameter in job.metadata.conditions
            # What the model itself draws, by ways of its own, nobody else knows.
            if job.conditions[parameter.name] is not None or parameter.can_draw
        }
    if job.inputs is not None:
        found["input"] = job.inputs.name(index)
    return found


def text(job: GenerationRequest) -> dict[str, str]:
    """Return what is to be said inside every picture of a job."""
    model = job.metadata
    return {
        "Synthetic": "yes",
        "Description": NOTICE,
        "Model": f"{model.name} {model.version}",
        "Seed": str(job.seed),
        "Licence": model.licence or "not stated",
        "Software": f"medigan-hub {__version__}",
    }


def sample_text(job: GenerationRequest, index: int, array: str) -> dict[str, str]:
    """Return what is to be said inside the file of one array of one sample."""
    words = {**text(job), "Sample": str(index), "Array": array}
    if any(entry.name == array for entry in job.metadata.inputs):
        if job.inputs is None:
            return words | {"Description": SIMULATED_INPUT}
        words |= {"Synthetic": "not known", "Description": GIVEN_INPUT}
        del words["Licence"]  # the model's licence says nothing about the user's image
    return words


def _framework_version(framework: str) -> str | None:
    """Return the version of a framework that is installed, without importing it."""
    for distribution in FRAMEWORKS.get(framework, ()):
        try:
            return str(version(distribution))
        except PackageNotFoundError:
            continue
    return None
