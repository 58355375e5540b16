"""What extractors have in common whose features a network makes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from medigan_hub.errors import HubError, MissingDependencyError, RequestError, WeightsError
from medigan_hub.evaluation.extractors.base import Extractor
from medigan_hub.hashes import sha256_once

if TYPE_CHECKING:
    from medigan_hub.runtimes import Session

Built = TypeVar("Built")


class NetworkExtractor(Extractor):
    """One whose features a network makes, on the fastest device that there is."""

    needs: ClassVar[tuple[str, ...]] = ("torch",)
    """Modules that have to be there."""
    extra: ClassVar[str] = "torch"
    """Extra of the hub that brings them."""
    _session: Session | None = None

    @abstractmethod
    def session(self) -> Session:
        """Load the network; what it returns, of several dimensions, is averaged over all places.

        Raises
        ------
        HubError
            Weights are missing or wrong.
        """

    def inputs(self, batch: np.ndarray) -> np.ndarray:
        """Return images, (n, height, width, channels) in [0, 1], in the network's own range."""
        return batch

    def missing(self) -> HubError | None:
        for module in self.needs:
            if find_spec(module) is None:
                return MissingDependencyError(
                    f"the extractor {self.name} needs {module}, which is not installed: "
                    f"pip install 'medigan-hub[{self.extra}]'"
                )
        return None

    def open(self) -> None:
        if self._session is None:
            missing = self.missing()
            if missing is not None:
                raise missing
            self._session = self.session()

    def features(self, images: Sequence[np.ndarray]) -> np.ndarray:
        self.open()
        return self._described(images)

    def _described(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return what the open network makes of images, once it is found to be numbers."""
        assert self._session is not None  # noqa: S101 (for the type checker)
        made = self._session(self.inputs(np.stack(images)))
        if made.ndim > 3:  # maps, channels last
            made = made.mean(axis=tuple(range(1, made.ndim - 1)))
        if not np.isfinite(made).all():
            raise RequestError(
                f"the extractor {self.name} gives features that are no numbers (NaN or infinite); "
                "check its weights, and that it takes images from 0 to 1"
            )
        return made


def channels_last(network: Built) -> Built:
    """Return a network of convolutions with its weights in the order that is fastest on CPUs."""
    import torch

    module: Any = network
    turned: Built = module.to(memory_format=torch.channels_last)
    return turned


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file of weights.

    Raises
    ------
    WeightsError
        It can't be read.
    """
    try:
        return sha256_once(path)
    except OSError as error:
        raise WeightsError(
            f"the weights {path} can't be read: {error.strerror or error}; name another file"
        ) from error
