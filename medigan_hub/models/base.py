"""Base classes of plugins: everything between a request and a network.

A plugin names its network, and how its values map to pixels; the classes here
do the rest. Values travel as float32 arrays, channels last; a runtime executes
the network on them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from medigan_hub import metadata, runtimes, weights
from medigan_hub.errors import PluginError, RequestError
from medigan_hub.hookspecs import hookimpl
from medigan_hub.metadata import ModelMetadata, Output
from medigan_hub.runtimes.base import Network, NetworkRuntime, Runtime, Session
from medigan_hub.samples import GenerationRequest, SampleBatch


class ModelPlugin(ABC):
    """What every plugin has in common.

    Parameters
    ----------
    module_file
        ``__file__`` of the plugin's package, beside which metadata.json lies.
    networks
        By the runtimes that the metadata has weights for, how the network is
        made: a ``Network``, or the function alone that builds it. A runtime of
        the plugin's own takes the place of the hub's. Nothing is needed where
        the file is the network (``onnx``), or for published code.
    """

    network_range = (-1.0, 1.0)
    """The network's values for the lowest and highest value of the image."""
    truncated = False
    """Whether values between two whole numbers become the lower one, not the nearer."""

    def __init__(
        self, module_file: str, **networks: Network | Callable[[Any], Any] | Runtime
    ) -> None:
        self.folder = Path(module_file).parent
        self._networks = networks
        self._runtimes: dict[str, Runtime] = {}

    @cached_property
    def metadata(self) -> ModelMetadata:
        """The plugin's metadata, from its metadata.json."""
        return metadata.load(self.folder / "metadata.json")

    @hookimpl
    def model_metadata(self) -> Mapping[str, Any]:
        """Return the metadata document, the same as in the package's metadata.json."""
        return self.metadata.document

    @hookimpl
    def generate(self, request: GenerationRequest) -> Iterator[SampleBatch]:
        """Yield the batches of a request, in order, as the runtime makes them that was chosen."""
        return self.runtime(request.execution.runtime).generate(self, request)

    def runtime(self, name: str) -> Runtime:
        """Return the runtime of a name, which has this plugin's network."""
        if name not in self._runtimes:
            given = self._networks.get(name)
            if isinstance(given, Runtime):
                self._runtimes[name] = given
            else:
                network = given if isinstance(given, Network) else Network(given)
                self._runtimes[name] = runtimes.find(name)(network)
        return self._runtimes[name]

    def open(self, request: GenerationRequest, index: int) -> Session:
        """Return the network that makes a sample, loaded when it is first asked for.

        Raises
        ------
        WeightsError
            The weights are missing, changed, or not those of the network.
        PluginError
            What runs the model has no network to open.
        """
        execution = request.execution
        runtime = self.runtime(execution.runtime)
        if not isinstance(runtime, NetworkRuntime):
            raise PluginError(f"{execution.runtime} opens no network")
        entry = self.metadata.weights_for(execution.runtime)
        files = weights.located(
            self.metadata, self.folder, entry, self.weights_file(request, index)
        )
        return runtime.open(files, execution.device, execution.precision)

    def weights_file(self, request: GenerationRequest, index: int) -> str | None:
        """Return which file of the published archive a sample is made with.

        None is the one that the metadata names. A model with several networks
        overrides this.
        """
        return None

    @abstractmethod
    def run(self, request: GenerationRequest) -> Iterator[SampleBatch]:
        """Yield the batches of a request."""

    def to_outputs(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Map what the network returned, (N, ..., channels), to images and masks.

        Each declared one takes its channels, in the order of the metadata: an
        image is mapped linearly from ``network_range`` to its value range, a
        mask is 1 above the middle. A plugin with another mapping overrides this.

        Raises
        ------
        PluginError
            The network returned another number of channels, or values that
            are not numbers.
        """
        declared = [output for output in self.metadata.outputs if output.kind != "label"]
        widths = [output.shape[-1] or values.shape[-1] for output in declared]
        if sum(widths) != values.shape[-1]:
            raise PluginError(
                f"the network returned {values.shape[-1]} channels; "
                f"the metadata of {self.metadata.name} declares {sum(widths)}"
            )
        parts = np.split(values, np.cumsum(widths)[:-1], axis=-1)
        return {
            output.name: to_pixels(part, self.network_range, output, truncated=self.truncated)
            for output, part in zip(declared, parts, strict=True)
        }

    def labels(self, request: GenerationRequest, indices: Sequence[int]) -> dict[str, np.ndarray]:
        """Return the labels with a condition's name: what the condition was for each sample.

        A condition in words becomes its position in the label's classes. Other
        labels are for ``to_outputs`` to make.
        """
        found = {}
        for output in self.metadata.outputs:
            if output.kind == "label" and output.name in request.conditions:
                values = request.condition(output.name, indices)
                numbers = [
                    output.classes.index(value) if isinstance(value, str) else value
                    for value in values
                ]
                found[output.name] = np.asarray(numbers, dtype=output.dtype)
        return found


class NoiseToImage(ModelPlugin):
    """A model that makes an image from random numbers, and from conditions where it has any."""

    def network_inputs(
        self, request: GenerationRequest, indices: Sequence[int]
    ) -> tuple[np.ndarray, ...]:
        """Return what goes into the network for some samples: float32, first axis N.

        Here: the latent vectors. A model with conditions, or with noise of
        another form, overrides this.
        """
        return (request.latents(indices),)

    def run(self, request: GenerationRequest) -> Iterator[SampleBatch]:
        for indices in request.batches():
            session = self.open(request, indices[0])
            values = session(*self.network_inputs(request, indices))
            arrays = {**self.to_outputs(values), **self.labels(request, indices)}
            yield SampleBatch(_int64(indices), arrays)


class ImageToImage(ModelPlugin):
    """A model that turns one image into another, of the size that the network sees."""

    multiple = 1
    """Height and width that the network takes are multiples of this; others are padded."""
    minimum = 1
    """The least height and width that the network takes; a multiple of ``multiple``."""

    def default_input(self, request: GenerationRequest, index: int) -> np.ndarray:
        """Return the input of a sample when the caller gave none.

        uint8 or uint16, (height, width, channels). A model whose metadata
        calls its input not required overrides this.
        """
        raise RequestError(
            f"{request.metadata.name} needs input images; name a file or folder of them"
        )

    def prepared(self, request: GenerationRequest, image: np.ndarray) -> np.ndarray:
        """Return what the network sees of an input image; a model of one size overrides this."""
        return image

    def run(self, request: GenerationRequest) -> Iterator[SampleBatch]:
        name = self.metadata.inputs[0].name

        def kind(pair: tuple[int, np.ndarray]) -> tuple[Any, ...]:
            index, image = pair
            return image.shape, image.dtype, self.weights_file(request, index)

        for indices in request.batches():
            images = [self._input(request, index) for index in indices]
            # Images of one size make one call of the network.
            for _, group in groupby(zip(indices, images, strict=True), kind):
                members, alike = zip(*group, strict=True)
                seen = np.stack([self.prepared(request, image) for image in alike])
                outputs = self.to_outputs(self._translate(self.open(request, members[0]), seen))
                outputs |= self.labels(request, members)
                yield SampleBatch(_int64(members), {**outputs, name: np.stack(alike)})

    def _input(self, request: GenerationRequest, index: int) -> np.ndarray:
        images = request.inputs.get(self.metadata.inputs[0].name)
        return self.default_input(request, index) if images is None else images[index]

    def _translate(self, session: Session, batch: np.ndarray) -> np.ndarray:
        low, high = self.network_range
        values = fractions(batch) * np.float32(high - low) + np.float32(low)
        height, width = batch.shape[1:3]
        # Mirrored, not blank: an edge of zeros would be one more structure to translate.
        padding = ((0, 0), (0, self._missing(height)), (0, self._missing(width)), (0, 0))
        return session(np.pad(values, padding, mode="symmetric"))[:, :height, :width]

    def _missing(self, size: int) -> int:
        """Return how many pixels a side of ``size`` lacks for the network."""
        return max(self.minimum - size, -size % self.multiple)


def to_pixels(
    values: np.ndarray, source: tuple[float, float], output: Output, *, truncated: bool = False
) -> np.ndarray:
    """Map network values linearly from ``source`` to an output's range and dtype.

    Whole-number types are rounded to the nearest value, or ``truncated`` to the
    lower one; what lies beyond the range is clipped. A mask of the range 0 to 1
    is so cut at the middle of ``source``.

    Raises
    ------
    PluginError
        A value is not a number.
    """
    if not np.isfinite(values).all():
        raise PluginError("the network returned values that are not numbers; try float32")
    low, high = output.range
    scale = (high - low) / (source[1] - source[0])
    pixels = (values - np.float32(source[0])) * np.float32(scale) + np.float32(low)
    if np.dtype(output.dtype).kind in "ui":
        (np.floor if truncated else np.rint)(pixels, out=pixels)
    return np.clip(pixels, low, high, out=pixels).astype(output.dtype)


def fractions(images: np.ndarray) -> np.ndarray:
    """Return 8- or 16-bit images as float32 from 0 to 1.

    8 bits and the same image in 16 bits give the very same fractions.
    """
    return np.asarray(images.astype(np.float32) / np.float32(np.iinfo(images.dtype).max))


def _int64(indices: Sequence[int]) -> np.ndarray:
    return np.asarray(indices, dtype=np.int64)
