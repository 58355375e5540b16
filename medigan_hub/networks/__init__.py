"""PyTorch generator networks that several models share.

One file a family. Each network keeps the checkpoint layout of its published
implementation, so that published weights load as they are, and says of itself
what others need to know: a file with a class of ``base.Generator`` is all that
a further one takes. ``inception`` and ``resnet50`` make no images, but features of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from medigan_hub.errors import HubError, require

if TYPE_CHECKING:
    from torch import Tensor

    from medigan_hub.networks.base import Generator


def by_name() -> dict[str, type[Generator]]:
    """Return the networks: the named classes in the modules of this package, sorted.

    Raises
    ------
    MissingDependencyError
        PyTorch is not installed.
    """
    require("torch", extra="torch", purpose="a network of the hub")
    from medigan_hub.networks.base import Generator

    modules = [import_module(f"{__name__}.{each.name}") for each in iter_modules(__path__)]
    classes = [each for module in modules for each in vars(module).values()]
    kinds = [each for each in classes if isinstance(each, type) and issubclass(each, Generator)]
    found = {kind.name: kind for kind in kinds if "name" in vars(kind)}
    return dict(sorted(found.items()))


def build(name: str, state_dict: Mapping[str, Tensor], **settings: Any) -> Generator:
    """Build the network ``name`` that fits ``state_dict``, loaded and in eval mode.

    Widths, depths and channel counts are read off the tensors' shapes; under
    their published names they can be settings too, which must then agree with
    the tensors. What shapes can't tell are its own ``settings``, which the
    docstring of ``by_name()[name]`` explains.

    Raises
    ------
    HubError
        There is no such network, or it has no such setting or value.
    WeightsError
        The tensors are not those of such a network.
    """
    known = by_name()
    if name not in known:
        raise HubError(f"there is no network {name!r}; the hub has {', '.join(known)}")
    return known[name].from_state_dict(state_dict, **settings)
