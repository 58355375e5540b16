"""What a runtime is: it executes a model's network, or the code that was published with it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from medigan_hub.errors import MissingDependencyError, PluginError, RequestError
from medigan_hub.processes.forks import Loaded

if TYPE_CHECKING:
    from medigan_hub.metadata import ModelMetadata
    from medigan_hub.samples import GenerationRequest, SampleBatch


class Session(Protocol):
    """A network opened on a device by a runtime, ready to be called."""

    def __call__(self, *arrays: np.ndarray, **more: Any) -> np.ndarray:
        """Return what the network makes of float32 arrays: a float32 array.

        The first axis counts samples, and images are channels last. What is
        given by name reaches the ``forward`` of a module of PyTorch as it is, such as
        ``step=request.step`` of a network that takes many steps.
        """
        ...


@dataclass(frozen=True)
class Network:
    """How a plugin's network is made for one runtime."""

    build: Callable[[Any], Any] | None = None
    """Makes the network: for ``torch`` a module from the tensors of the weights file, for
    ``tensorflow`` a ``keras.Model`` from its path. ``onnx`` needs none: the file is the network."""
    read: Callable[[Path], Any] | None = None
    """For ``torch``: reads the weights file, by default one of safetensors or a checkpoint of
    PyTorch, neither of which can run code."""
    most: int | None = None
    """How many networks stay in memory, where a model has many; by default all."""
    channels_first: bool = True
    """For ``onnx``: whether images in the graph are (N, channels, height, width), as exporters
    of PyTorch write them, or channels last."""


class Runnable(Protocol):
    """What a runtime needs of the plugin that it makes samples for; ``ModelPlugin`` has it."""

    folder: Path
    """Where the plugin's files lie."""

    @property
    def metadata(self) -> ModelMetadata:
        """What the plugin says of its model."""
        ...

    def open(self, request: GenerationRequest, index: int) -> Session:
        """Return the network that makes a sample."""
        ...

    def run(self, request: GenerationRequest) -> Iterator[SampleBatch]:
        """Yield the batches of a request."""
        ...

    def labels(self, request: GenerationRequest, indices: Sequence[int]) -> dict[str, np.ndarray]:
        """Return what the conditions were of some samples."""
        ...


class Runtime(ABC):
    """Makes the samples of models that have weights for it.

    Each plugin has an instance of its own, with its ``network``. Importing a
    runtime's module, and asking what is ``missing``, imports no framework.
    """

    name: ClassVar[str]
    """As it stands in the metadata's ``weights``, and as it is asked for."""
    title: ClassVar[str]
    """What executes the network, in words."""
    extra: ClassVar[str] = ""
    """Extra of the hub that brings what it needs, if one does."""
    module: ClassVar[str] = ""
    """Module that has to be there."""
    distributions: ClassVar[tuple[str, ...]] = ()
    """Distributions that may bring it: the first that is installed tells the version."""
    precisions: ClassVar[tuple[str, ...]] = ("float32",)

    def __init__(self, network: Network | None = None) -> None:
        self.network = network or Network()

    @classmethod
    def missing(cls) -> MissingDependencyError | None:
        """Return what is to be said where what it needs is not installed; nothing is imported."""
        if not cls.module or _is_there(cls.module):
            return None
        what = f"'medigan-hub[{cls.extra}]'" if cls.extra else cls.module
        return MissingDependencyError(
            f"running a model on {cls.title} needs {cls.module}, which is not installed: "
            f"pip install {what}"
        )

    @classmethod
    def prepare(cls) -> None:
        """Import the framework in its way, before a plugin's code, which may import it too."""
        if cls.module:
            import_module(cls.module)

    @classmethod
    def check(cls, device: str, precision: str) -> None:
        """Make sure that this machine can do what is asked.

        The framework is imported where a device other than the CPU is to be found.

        Raises
        ------
        RequestError
            It lacks the device, or the runtime the precision.
        MissingDependencyError
            The framework is not installed.
        """
        if precision not in cls.precisions:
            raise RequestError(f"{cls.title} runs models in float32, not in {precision}")
        if device not in ("auto", "cpu"):
            choose_device(device, cls.devices())

    @classmethod
    def devices(cls) -> Sequence[str]:
        """Return the devices that there are, the fastest first: ``cuda:0`` and so on, ``cpu``."""
        return ["cpu"]

    @abstractmethod
    def generate(self, plugin: Runnable, request: GenerationRequest) -> Iterator[SampleBatch]:
        """Return the batches that a plugin makes of a request.

        What is wrong with the weights is raised at once, not with the first batch.
        """


class NetworkRuntime(Runtime):
    """Executes networks of one framework."""

    def __init__(self, network: Network | None = None) -> None:
        super().__init__(network)
        self._loaded = Loaded(self.network.most)

    def _built(self, files: Mapping[str, Path], read: Callable[[Path], Any]) -> Any:
        """Build the network of what one file holds, or of what several hold by their roles."""
        if self.network.build is None:
            raise PluginError(
                f"the plugin says nothing of how its network is built for {self.name}"
            )
        held = {role: read(path) for role, path in files.items()}
        return self.network.build(next(iter(held.values())) if len(held) == 1 else held)

    @abstractmethod
    def open(self, files: Mapping[str, Path], device: str, precision: str) -> Session:
        """Return the network with the weights in these files, by their roles, on a device.

        A second call with the same arguments reuses what the first loaded.

        Raises
        ------
        RequestError
            This machine lacks the device.
        WeightsError
            The weights are not those of the network.
        """

    def generate(self, plugin: Runnable, request: GenerationRequest) -> Iterator[SampleBatch]:
        plugin.open(request, request.indices[0])
        return plugin.run(request)


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # of whatever importer there is
        return False


def choose_device(name: str, present: Sequence[str]) -> str:
    """Return the device of ``present`` that ``name`` means; ``auto`` is the first of them.

    Raises
    ------
    RequestError
        This machine, or this build of the framework, lacks the device.

    >>> choose_device("cuda", ["cuda:0", "cpu"])
    'cuda:0'
    """
    if name == "auto":
        return present[0]
    exact = "cuda:0" if name == "cuda" else name
    if exact not in present:
        raise RequestError(
            f"the device {name} is not available; this machine has {', '.join(present)}"
        )
    return exact


def out_of_memory(batch_size: int) -> RequestError:
    """Return the error that says what to do when a batch does not fit into memory."""
    return RequestError(
        f"a batch of {batch_size} does not fit into memory; "
        "ask for a smaller batch size or give smaller images"
    )
