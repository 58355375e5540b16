"""Extractors of features: one file each, all found through ``register_extractors``.

Beside those with a name, an ONNX file or a module of PyTorch can be one: ``custom``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from medigan_hub import plugins
from medigan_hub.errors import PluginError, RequestError, close_to, listed, shortened
from medigan_hub.evaluation.extractors.base import Extractor
from medigan_hub.hookspecs import hookimpl
from medigan_hub.weights import OwnerOfOne

__all__ = ["Extractor", "find", "names", "published"]


@hookimpl
def register_extractors() -> Iterable[type[Extractor]]:
    """Return the hub's own extractors."""
    from medigan_hub.evaluation.extractors.imagenet import Imagenet
    from medigan_hub.evaluation.extractors.inception import Inception
    from medigan_hub.evaluation.extractors.patches import Patches
    from medigan_hub.evaluation.extractors.pixels import Pixels
    from medigan_hub.evaluation.extractors.radimagenet import RadImageNet
    from medigan_hub.evaluation.extractors.radiomics import Radiomics
    from medigan_hub.evaluation.extractors.random_network import RandomNetwork
    from medigan_hub.evaluation.extractors.texture import Texture

    return [
        *(Texture, Imagenet, Inception, RadImageNet, Radiomics, RandomNetwork),
        *(Patches, Pixels),
    ]


def names() -> list[str]:
    """Return the names of all extractors: the hub's own, then those of extensions."""
    return list(_known())


def find(name: str, weights: Path | None = None) -> Extractor:
    """Return the extractor of a name, with a file of weights for one that takes it.

    A name that ends in ``.onnx`` is the path of a network, which is looked at at once.

    Raises
    ------
    RequestError
        There is none of this name, or it takes no weights.
    HubError
        The ONNX file can't be used.
    """
    if name.casefold().endswith(".onnx"):
        from medigan_hub.evaluation.extractors.custom import OnnxFile

        if weights is not None:
            raise RequestError(f"{name} holds its own weights; leave {weights} out")
        return OnnxFile(Path(name))
    known = _known()
    if name not in known:
        close = close_to(name, known)
        hint = f"did you mean {listed(close, ' or ')}? " if close else ""
        raise RequestError(
            f"there is no extractor {shortened(name)!r}; {hint}use {listed(known)}, or "
            "the path of an ONNX file"
        )
    kind = known[name]
    if weights is not None and not kind.takes_weights:
        raise RequestError(f"the extractor {name} takes no weights; leave {weights} out")
    return kind(weights)


def published() -> list[OwnerOfOne]:
    """Return the weights that extractors fetch, each as the commands for weights know it."""
    return [kind.published for kind in _known().values() if kind.published is not None]


def _known() -> Mapping[str, type[Extractor]]:
    return plugins.registered(sys.modules[__name__], "register_extractors", "extractor", _name)


def _name(extractor: Any) -> str:
    """Return the name of an extractor; a ``PluginError`` says why it is none."""
    if not (isinstance(extractor, type) and issubclass(extractor, Extractor)):
        raise PluginError("it is no subclass of Extractor")
    name = getattr(extractor, "name", None)
    if not isinstance(name, str) or plugins.FORMAT.fullmatch(name) is None:
        raise PluginError(f"its name is {shortened(name)!r}; a name is lower case, as texture is")
    if not isinstance(getattr(extractor, "title", None), str):
        raise PluginError("it has no title, which says in words what its features are")
    return name
