"""A network of the user's own as extractor: a module of PyTorch, or an ONNX file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medigan_hub.errors import HubError, RequestError, shortened
from medigan_hub.evaluation.extractors.base import Extractor
from medigan_hub.evaluation.extractors.networks import NetworkExtractor, hash_of
from medigan_hub.runtimes.base import Network

if TYPE_CHECKING:
    from torch.nn import Module

    from medigan_hub.runtimes import Session

FREE_SIDE = 64
"""Height and width of the image that is tried, where a network takes any."""


def of_module(
    module: Module,
    *,
    size: tuple[int, int] | None = (224, 224),
    channels: int = 3,
    name: str | None = None,
    version: str = "1",
) -> Extractor:
    """Return an extractor whose features a module of PyTorch makes.

    Parameters
    ----------
    module
        It takes images, (N, channels, height, width) float32 from 0 to 1, and returns features,
        (N, d), or maps, (N, d, height, width), which are averaged over all places. It is set to
        eval mode, and moved to a GPU where there is one.
    size
        Height and width that images are brought to; None: they stay as they are.
    channels
        1 or 3.
    name
        What figures call it, by default the module's class.
    version
        To be changed with the module's code, which its tensors and settings don't tell: features
        are kept by all of these.

    Raises
    ------
    RequestError
        The size or the channels can't be those of images.

    >>> of_module(object(), channels=4)
    Traceback (most recent call last):
    ...
    medigan_hub.errors.RequestError: channels is 4; images have 1 (grey) or 3
    """
    if channels not in (1, 3):
        raise RequestError(f"channels is {shortened(channels)}; images have 1 (grey) or 3")
    if size is not None and not (len(size) == 2 and all(side > 0 for side in size)):
        raise RequestError(f"size is {size}; it must be height and width, or None")
    return _OfModule(module, size, channels, name or type(module).__name__, version)


class _Custom(NetworkExtractor):
    """One of which nothing is known before it has described an image."""

    _length: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        self.open()
        assert self._length is not None  # noqa: S101 (for the type checker)
        return (self._length,)

    def open(self) -> None:
        if self._length is None:
            super().open()
            # Of this it is known that it is no constant image, of which some networks make NaN.
            height, width = self.size or (FREE_SIDE, FREE_SIDE)
            ramp = np.linspace(0, 1, height * width * self.channels, dtype=np.float32)
            self._length = self._described([ramp.reshape(height, width, self.channels)]).shape[1]

    def features(self, images: Sequence[np.ndarray]) -> np.ndarray:
        self.open()
        shapes = {image.shape for image in images}
        at_once = self.batch if len(shapes) == 1 else 1
        return np.concatenate(
            [self._described(images[n : n + at_once]) for n in range(0, len(images), at_once)]
        )

    def _described(self, images: Sequence[np.ndarray]) -> np.ndarray:
        try:
            made = super()._described(images)
        except HubError:
            raise
        except Exception as error:  # of whatever the network consists of
            size = "x".join(map(str, images[0].shape))
            raise RequestError(
                f"the extractor {self.name} can't take images of {size} (height, width, channels): "
                f"{type(error).__name__}: {' '.join(shortened(error).split())}; mend the network, "
                "or say which images it takes"
            ) from error
        if made.ndim != 2 or len(made) != len(images) or made.shape[1] == 0:
            raise self._useless(f"an array of shape {made.shape} of {len(images)} images")
        if self._length not in (None, made.shape[1]):
            raise self._useless(
                f"{made.shape[1]} features of some images, {self._length} of others"
            )
        return made

    def _useless(self, what: str) -> RequestError:
        return RequestError(
            f"the extractor {self.name} gives {what}; it must give as many features, (N, d), of "
            "each, or maps, (N, d, height, width)"
        )


class _OfModule(_Custom):
    title = "features of the user's own module"

    def __init__(
        self,
        module: Module,
        size: tuple[int, int] | None,
        channels: int,
        name: str,
        version: str,
    ) -> None:
        super().__init__()
        self.size, self.channels, self.name, self.version = size, channels, name, version
        self._module = module

    @property
    def weights(self) -> str:
        import torch

        digest = hashlib.sha256(repr(self._module).encode())
        state = self._module.state_dict()
        for key in sorted(key for key, value in state.items() if isinstance(value, torch.Tensor)):
            values = state[key].detach().cpu().contiguous()
            digest.update(f"{key} {values.dtype} {tuple(values.shape)}\n".encode())
            digest.update(values.reshape(-1).view(torch.uint8).numpy())
        return digest.hexdigest()

    def session(self) -> Session:
        from medigan_hub.runtimes.torch import TorchRuntime

        network = Network(lambda _: _checked(self._module, self.name))
        return TorchRuntime(network).open({}, "auto", "float32")


def _checked(module: Module, name: str) -> Module:
    """Return the module, with a word on what else than a tensor it returns."""
    from torch import Tensor, nn

    class Checked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, images: Tensor) -> Tensor:
            made = self.inner(images)
            if not isinstance(made, Tensor):
                raise RequestError(
                    f"the extractor {name} returns {type(made).__name__}, and not a tensor; let "
                    "its forward return the features alone"
                )
            return made

    return Checked()


class OnnxFile(_Custom):
    """A graph that takes images, N at a time or one, from 0 to 1, and returns features.

    Their size and channels are read off the graph. The first of its results is taken; maps have
    their channels where the images have them.

    Raises
    ------
    WeightsError
        There is no such file, or it is no readable ONNX file.
    RequestError
        It takes something else than such images.
    MissingDependencyError
        ONNX Runtime is not installed.
    """

    title = "features of an ONNX file"
    needs = ("onnxruntime",)
    extra = "onnx"

    def __init__(self, path: Path) -> None:
        from medigan_hub.runtimes.onnx import OnnxRuntime

        super().__init__(path)
        self.name = path.name
        self._files = {"network": path}
        _ = self.weights
        missing = self.missing()
        if missing is not None:
            raise missing
        self._runtime = OnnxRuntime()
        taken = self._runtime.inputs(self._files, "auto")
        if len(taken) != 1:
            raise self._refused(f"{len(taken)} arrays, and not images alone")
        ((kind, shape),) = taken
        if kind != "tensor(float)" or len(shape) != 4:
            raise self._refused(f"{kind} of {len(shape)} dimensions, and not float of 4")
        count, *sides = (each if isinstance(each, int) else None for each in shape)
        if count not in (None, 1):
            raise self._refused(f"{count} images at a time, and not any number, or one")
        first = sides[0] in (1, 3)
        channels, height, width = sides if first else (sides[2], sides[0], sides[1])
        if channels not in (1, 3):
            raise self._refused(f"images of shape {shape[1:]}, of which none is 1 or 3 channels")
        self.channels = channels
        self.size = None if height is None or width is None else (height, width)
        self.batch = 1 if count == 1 else self.batch
        self._runtime.network = Network(channels_first=first)

    @property
    def weights(self) -> str:
        return hash_of(self._files["network"])

    def session(self) -> Session:
        return self._runtime.open(self._files, "auto", "float32")

    def _refused(self, what: str) -> RequestError:
        return RequestError(
            f"the extractor {self.name} takes {what}; export it with one input, "
            "(N, channels, height, width) float32"
        )
