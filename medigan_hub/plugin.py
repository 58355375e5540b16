"""What authors of models and extensions import: all that they need of the hub, and stable.

A plugin, an extension and a training script import from here, and nothing else of
the hub; what lies behind may move. Names are resolved when they are first asked
for, so that a plugin brings in the framework that it uses, and no other.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medigan_hub.errors import (
        HubError,
        HubNote,
        HubWarning,
        OutputError,
        PluginError,
        RequestError,
        WeightsError,
        named,
    )
    from medigan_hub.evaluation.extractors import (
        Extractor,
    )
    from medigan_hub.evaluation.extractors.custom import (
        of_module,
    )
    from medigan_hub.evaluation.metrics import (
        Groups,
        Metric,
    )
    from medigan_hub.evaluation.pairs import (
        Pair,
        PairMetric,
        Undefined,
    )
    from medigan_hub.hookspecs import (
        hookimpl,
    )
    from medigan_hub.hub import (
        Hub,
    )
    from medigan_hub.inputs import (
        Decoder,
        Frames,
        NoImage,
        NoPixels,
        Picture,
        resized,
    )
    from medigan_hub.metadata import (
        ModelMetadata,
        validate,
    )
    from medigan_hub.models.base import (
        ImageToImage,
        ModelPlugin,
        NoiseToImage,
        fractions,
        to_pixels,
    )
    from medigan_hub.models.published import (
        ArchiveOnly,
        ConditionalDcgan,
        Dcgan,
        Published,
        PublishedNoise,
        Translator,
        entry,
    )
    from medigan_hub.networks import (
        build,
    )
    from medigan_hub.networks.fastgan import (
        FastGan,
        fold_spectral_norm,
    )
    from medigan_hub.networks.resnet_translator import (
        ResnetTranslator,
    )
    from medigan_hub.networks.singan import (
        PADDING,
        ConvBlock,
        SinganPyramid,
        SinganScale,
        build_pyramid,
        level_sizes,
        refine,
        resize,
        scale_inputs,
    )
    from medigan_hub.provenance import (
        sample_text,
    )
    from medigan_hub.reading import (
        Reading,
    )
    from medigan_hub.runtimes.base import (
        Network,
        NetworkRuntime,
        Runtime,
        Session,
    )
    from medigan_hub.samples import (
        GenerationRequest,
        SampleBatch,
    )
    from medigan_hub.weights import (
        Shell,
        bundled,
        read_checkpoint,
        read_tensors,
        tensors_of,
    )
    from medigan_hub.writers import (
        EncodedFile,
        Writer,
    )

_HOMES = {
    "ArchiveOnly": "models.published",
    "ConditionalDcgan": "models.published",
    "ConvBlock": "networks.singan",
    "Dcgan": "models.published",
    "Decoder": "inputs",
    "EncodedFile": "writers",
    "Extractor": "evaluation.extractors",
    "FastGan": "networks.fastgan",
    "Frames": "inputs",
    "GenerationRequest": "samples",
    "Groups": "evaluation.metrics",
    "Hub": "hub",
    "HubError": "errors",
    "HubNote": "errors",
    "HubWarning": "errors",
    "ImageToImage": "models.base",
    "Metric": "evaluation.metrics",
    "ModelMetadata": "metadata",
    "ModelPlugin": "models.base",
    "Network": "runtimes.base",
    "NetworkRuntime": "runtimes.base",
    "NoImage": "inputs",
    "NoPixels": "inputs",
    "NoiseToImage": "models.base",
    "OutputError": "errors",
    "PADDING": "networks.singan",
    "Pair": "evaluation.pairs",
    "PairMetric": "evaluation.pairs",
    "Picture": "inputs",
    "PluginError": "errors",
    "Published": "models.published",
    "PublishedNoise": "models.published",
    "Reading": "reading",
    "RequestError": "errors",
    "ResnetTranslator": "networks.resnet_translator",
    "Runtime": "runtimes.base",
    "SampleBatch": "samples",
    "Session": "runtimes.base",
    "Shell": "weights",
    "SinganPyramid": "networks.singan",
    "SinganScale": "networks.singan",
    "Translator": "models.published",
    "Undefined": "evaluation.pairs",
    "WeightsError": "errors",
    "Writer": "writers",
    "build": "networks",
    "build_pyramid": "networks.singan",
    "bundled": "weights",
    "entry": "models.published",
    "fold_spectral_norm": "networks.fastgan",
    "fractions": "models.base",
    "hookimpl": "hookspecs",
    "level_sizes": "networks.singan",
    "named": "errors",
    "of_module": "evaluation.extractors.custom",
    "read_checkpoint": "weights",
    "read_tensors": "weights",
    "refine": "networks.singan",
    "resize": "networks.singan",
    "resized": "inputs",
    "sample_text": "provenance",
    "scale_inputs": "networks.singan",
    "tensors_of": "weights",
    "to_pixels": "models.base",
    "validate": "metadata",
}

__all__ = [
    "PADDING",
    "ArchiveOnly",
    "ConditionalDcgan",
    "ConvBlock",
    "Dcgan",
    "Decoder",
    "EncodedFile",
    "Extractor",
    "FastGan",
    "Frames",
    "GenerationRequest",
    "Groups",
    "Hub",
    "HubError",
    "HubNote",
    "HubWarning",
    "ImageToImage",
    "Metric",
    "ModelMetadata",
    "ModelPlugin",
    "Network",
    "NetworkRuntime",
    "NoImage",
    "NoPixels",
    "NoiseToImage",
    "OutputError",
    "Pair",
    "PairMetric",
    "Picture",
    "PluginError",
    "Published",
    "PublishedNoise",
    "Reading",
    "RequestError",
    "ResnetTranslator",
    "Runtime",
    "SampleBatch",
    "Session",
    "Shell",
    "SinganPyramid",
    "SinganScale",
    "Translator",
    "Undefined",
    "WeightsError",
    "Writer",
    "build",
    "build_pyramid",
    "bundled",
    "entry",
    "fold_spectral_norm",
    "fractions",
    "hookimpl",
    "level_sizes",
    "named",
    "of_module",
    "read_checkpoint",
    "read_tensors",
    "refine",
    "resize",
    "resized",
    "sample_text",
    "scale_inputs",
    "tensors_of",
    "to_pixels",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"medigan_hub.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
