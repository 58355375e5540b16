"""PyTorch generator networks that several models share.

One file a family. Each network keeps the checkpoint layout of its published
implementation, so that published weights load as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from medigan_hub.errors import HubError

if TYPE_CHECKING:
    from torch import Tensor, nn

_FAMILIES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "fastgan-polyp": ("fastgan", "FastGan", ("noise",)),
    "resnet-translator": ("resnet_translator", "ResnetTranslator", ()),
    "singan-scale": ("singan", "SinganScale", ()),
}
"""By name: the module here, its class, and the settings that the tensors can't tell."""

NAMES = tuple(_FAMILIES)


def build(name: str, state_dict: Mapping[str, Tensor], **settings: Any) -> nn.Module:
    """Build the network of family ``name`` that fits ``state_dict``, loaded and in eval mode.

    Widths, depths and channel counts are read off the tensors' shapes.

    ============================  =======  ==============================================
    family                        setting  meaning
    ============================  =======  ==============================================
    ``fastgan-polyp``             noise    whether features get normal noise from
                                           PyTorch's random state, as the published
                                           models have it; false by default, so that
                                           an image depends on its latent vector alone
    ``resnet-translator``
    ``singan-scale``
    ============================  =======  ==============================================

    Raises
    ------
    HubError
        ``name`` is not one of ``NAMES``, or it has no such setting.
    WeightsError
        The tensors are not those of such a network.
    """
    if name not in _FAMILIES:
        raise HubError(f"there is no network {name!r}; the hub has {', '.join(NAMES)}")
    module, kind, known = _FAMILIES[name]
    unknown = ", ".join(sorted(set(settings).difference(known)))
    if unknown:
        raise HubError(
            f"the network {name} has no setting {unknown}; it has {', '.join(known) or 'none'}"
        )
    network = getattr(import_module(f"{__name__}.{module}"), kind)
    return cast("nn.Module", network.from_state_dict(state_dict, **settings))
