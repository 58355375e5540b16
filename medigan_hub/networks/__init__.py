"""PyTorch generator networks that several models share.

One file a family. Each network keeps the checkpoint layout of its published
implementation, so that published weights load as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any, cast

from medigan_hub.errors import HubError
from medigan_hub.networks.settings import check

if TYPE_CHECKING:
    from torch import Tensor, nn

_NETWORKS = {
    "cdcgan128": ("dcgan", "ConditionalDcgan"),
    "dcgan128": ("dcgan", "Dcgan"),
    "dcgan128-leaky": ("dcgan", "LeakyDcgan"),
    "fastgan-polyp": ("fastgan", "FastGan"),
    "inpaint-multimodal": ("inpainting", "Inpainter"),
    "pggan-chest": ("pggan_chest", "PgganChest"),
    "pggan-polyp": ("pggan", "Pggan"),
    "pix2pixhd-global": ("resnet_translator", "ResnetTranslator"),
    "resnet-translator": ("resnet_translator", "ResnetTranslator"),
    "singan-pyramid": ("singan", "SinganPyramid"),
    "singan-scale": ("singan", "SinganScale"),
    "unet256": ("unet", "UnetTranslator"),
}
"""By name: the module here, and its class."""

NAMES = tuple(_NETWORKS)


def build(name: str, state_dict: Mapping[str, Tensor], **settings: Any) -> nn.Module:
    """Build the network ``name`` that fits ``state_dict``, loaded and in eval mode.

    Widths, depths and channel counts are read off the tensors' shapes; under
    their published names they can be settings too, which must then agree with
    the tensors. What shapes can't tell:

    ======================  ================  ===============================================
    network                 setting           meaning
    ======================  ================  ===============================================
    ``cdcgan128``,          leakiness         slope of the classes' embedding for negative
    ``dcgan128``                              numbers, 0.1
    ``dcgan128-leaky``      leakiness         slope of the features for negative numbers, 0.2
    ``fastgan-polyp``       noise             whether features get normal noise, as the
                                              published models have it; false by default, so
                                              that an image depends on its latent vector alone
    ``inpaint-multimodal``
    ``pggan-chest``         leakiness         slope of the features for negative numbers, 0.2
    ``pggan-chest``         mode              how features are enlarged: ``nearest`` (default)
                                              or ``bilinear``
    ``pggan-chest``         alpha             share of the enlarged image of the size before, 0
    ``pggan-chest``         norm_layers       whether features are normalised; true
    ``pggan-polyp``         tanh              whether the image is brought into [-1, 1]; false
    ``pggan-polyp``         step              how often 4 pixels are doubled; as often as can be
    ``pggan-polyp``         alpha             share of the last doubling in the image, 1
    ``pix2pixhd-global``,
    ``resnet-translator``
    ``singan-pyramid``      noise_amplitudes  what the noise of each scale is multiplied by
    ``singan-pyramid``      scale_factor      size of a scale as a fraction of the next one's
    ``singan-pyramid``      sizes             height and width of each scale in training
    ``singan-scale``
    ``unet256``             dropout           whether features are dropped in training; true
    ======================  ================  ===============================================

    They are called with latent vectors, images or both, as the class's
    ``forward`` says; ``dcgan128`` has classes where the tensors have them.

    Raises
    ------
    HubError
        ``name`` is not one of ``NAMES``, or it has no such setting or value.
    WeightsError
        The tensors are not those of such a network.
    """
    if name not in _NETWORKS:
        raise HubError(f"there is no network {name!r}; the hub has {', '.join(NAMES)}")
    module, kind = _NETWORKS[name]
    make = getattr(import_module(f"{__name__}.{module}"), kind).from_state_dict
    known = {
        key: parameter.default
        for key, parameter in signature(make).parameters.items()
        if parameter.kind is Parameter.KEYWORD_ONLY
    }
    network = make(state_dict, **{key: settings[key] for key in known if key in settings})
    check(name, settings, network.hyperparameters, known)
    return cast("nn.Module", network)
