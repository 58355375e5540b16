"""PyTorch generator networks that several models share.

One file a family. Each network keeps the checkpoint layout of its published
implementation, so that published weights load as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from medigan_hub.errors import HubError

if TYPE_CHECKING:
    from torch import Tensor, nn

NAMES = ("resnet-translator",)


def build(name: str, state_dict: Mapping[str, Tensor]) -> nn.Module:
    """Build the network of family ``name`` that fits ``state_dict``, loaded and in eval mode.

    Widths, depths and channel counts are read off the tensors' shapes.

    Raises
    ------
    HubError
        ``name`` is not one of ``NAMES``.
    WeightsError
        The tensors are not those of such a network.
    """
    if name == "resnet-translator":
        from medigan_hub.networks.resnet_translator import ResnetTranslator

        return ResnetTranslator.from_state_dict(state_dict)
    raise HubError(f"there is no network {name!r}; the hub has {', '.join(NAMES)}")
