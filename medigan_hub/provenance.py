"""Where a synthetic image comes from: the words that go with everything written."""

from __future__ import annotations

import hashlib
from typing import Any

from medigan_hub import __version__
from medigan_hub.samples import GenerationRequest

NOTICE = (
    "Synthetic image, made by a generative model. It shows no patient and is not fit for diagnosis."
)
GIVEN_INPUT = "Input of a synthetic image, as the user gave it. The model did not make it."


def header(job: GenerationRequest) -> dict[str, Any]:
    """Return what is true of every sample of a job.

    Two jobs with the same header make the same samples: nothing in it
    depends on when, where or how fast a job runs.
    """
    model = job.metadata
    latents = job.given_latents
    inputs = None
    if model.inputs:
        inputs = {
            "name": model.inputs[0].name,
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
        "weights_sha256": model.weights.sha256,
        "framework": model.framework,
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
        "inputs": inputs,
        "limitations": list(model.document["limitations"]),
    }


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
    if job.inputs is not None and any(entry.name == array for entry in job.metadata.inputs):
        words |= {"Synthetic": "no", "Description": GIVEN_INPUT}
        del words["Licence"]  # the model's licence says nothing about the user's image
    return words
