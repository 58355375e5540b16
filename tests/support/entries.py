"""Entries of models, in the form of medigan's own list."""

from __future__ import annotations

from typing import Any


def entry(**changes: Any) -> dict[str, Any]:
    """Return an entry of a toy model; ``changes`` are of its sections."""
    sections: dict[str, Any] = {
        "execution": {
            "package_name": "00099_TOY",
            "package_link": "https://zenodo.org/record/123/files/TOY.zip?download=1",
            "model_name": "weights",
            "extension": ".pt",
            "image_size": [64, 32],
            "dependencies": ["torch"],
            "generate_method": {
                "name": "generate",
                "args": {"base": [], "custom": {"strength": 0.5, "gpu_id": 0}},
                "input_latent_vector_size": 10,
            },
        },
        "selection": {
            "performance": {"FID": 12.5, "FID_no_images": 30, "SEG": {"trained_on_real": {}}},
            "use_cases": ["segmentation"],
            "organ": ["breast", "chest"],
            "modality": ["MMG"],
            "function": ["noise to image"],
            "dataset": ["Toys"],
            "generates": ["mass", "Mass", "mass mask"],
            "height": 64,
            "width": 32,
            "type": "DCGAN",
            "license": "MIT",
            "dataset_type": "public",
            "tags": [],
            "year": "2022",
        },
        "description": {
            "title": "A toy (Trained on Toys)",
            "trained_date": "2022",
            "version": "1.0",
            "doi": ["https://doi.org/10.1000/toy"],
            "inputs": ["strength: default=0.5, help=How strong it is."],
        },
    }
    for section, values in changes.items():
        sections[section] |= values
    return sections
