"""Model metadata: the JSON document of a model, and the hub's view of it.

    python -m medigan_hub.metadata FILE...

validates documents, for whoever's CI.
"""

from medigan_hub.metadata.documents import checked, load, parse, read
from medigan_hub.metadata.model import (
    Archive,
    Files,
    Input,
    Latent,
    ModelMetadata,
    Output,
    Trained,
    Weights,
    WeightsFile,
    combined,
)
from medigan_hub.metadata.parameters import Parameter, parse_parameters
from medigan_hub.metadata.validation import validate

__all__ = [
    "Archive",
    "Files",
    "Input",
    "Latent",
    "ModelMetadata",
    "Output",
    "Parameter",
    "Trained",
    "Weights",
    "WeightsFile",
    "checked",
    "combined",
    "load",
    "parse",
    "parse_parameters",
    "read",
    "validate",
]
