"""What goes into a plugin and what comes out: requests and batches of samples."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from medigan_hub.errors import RequestError
from medigan_hub.execution import Execution
from medigan_hub.inputs import Images
from medigan_hub.metadata import ModelMetadata


@dataclass(frozen=True, eq=False)
class SampleBatch:
    """A few samples, as arrays whose first axis counts them."""

    indices: np.ndarray
    """Which samples of the job these are: (N,) int64."""
    arrays: Mapping[str, np.ndarray]
    """By the name of the output, or of the input that a sample was made from: (N, ...).

    Images are channels last, (N, height, width, channels) or (N, depth,
    height, width, channels), in the dtype and value range that the model's
    metadata declares. Inputs are uint8 or uint16 and use the whole range.
    """

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        """Yield each sample: its index, and its arrays without the first axis."""
        for position, index in enumerate(self.indices):
            yield int(index), {name: array[position] for name, array in self.arrays.items()}


@dataclass(frozen=True, eq=False)
class GenerationRequest:
    """What one job asks of one plugin; every value in it has been checked.

    Its content decides which samples are made; ``execution`` is how.
    """

    metadata: ModelMetadata
    indices: Sequence[int]
    """Which samples to make: a range, or any that are wanted, in this order."""
    seed: int
    """0 to 2**64 - 1."""
    conditions: Mapping[str, Any] = field(default_factory=dict)
    """For each declared condition one value, or a tuple that the samples take
    turns in, or None where each sample draws its own; see ``condition``."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """A value for each declared option."""
    inputs: Mapping[str, Images] = field(default_factory=dict)
    """By the input's name, where the caller gave them: item i is the input of sample i,
    uint8 or uint16, (height, width, channels)."""
    fitted: Mapping[str, bool] = field(default_factory=dict)
    """By the input's name, whether its images are brought to the scale that the model knows."""
    told: tuple[str, ...] = ()
    """What the caller was told of the inputs."""
    given_latents: np.ndarray | None = None
    """Row i is the latent vector of sample i, where the caller chose them: float32, (N, size)."""
    weights_sha256: str | None = None
    """Of the weights that the samples are made with; None as long as it is not known."""
    execution: Execution = field(default_factory=Execution)
    is_ready: bool = False
    """Whether the weights are there, and all else that samples are made from."""
    on_step: Callable[[int, int], None] | None = None
    """Is told of each step of a session that takes many; see ``step``."""

    def first(self, count: int) -> GenerationRequest:
        """Return the request of the first ``count`` samples, as if no more had been asked for."""
        stop, end = self.indices[count - 1] + 1, self.indices[-1] + 1
        conditions = {
            # As many values as samples are one for each; others the samples take turns in.
            name: value[:stop] if isinstance(value, tuple) and len(value) == end else value
            for name, value in self.conditions.items()
        }
        latents = self.given_latents
        return replace(
            self,
            indices=self.indices[:count],
            conditions=conditions,
            inputs={name: images[:stop] for name, images in self.inputs.items()},
            given_latents=None if latents is None else latents[:stop],
        )

    def rest(self, start: int) -> GenerationRequest:
        """Return the request of the samples from place ``start`` on."""
        return replace(self, indices=self.indices[start:])

    def batches(self) -> Iterator[Sequence[int]]:
        """Yield the indices in runs of at most the batch size."""
        size = self.execution.batch_size
        for start in range(0, len(self.indices), size):
            yield self.indices[start : start + size]

    def step(self, done: int, total: int) -> None:
        """Report that ``done`` of ``total`` steps are taken of the batch in hand.

        A session that takes many steps calls it after each, and lets through
        what it raises: an interrupt takes effect here, between two steps.
        """
        if self.on_step is not None:
            self.on_step(done, total)

    def rng(self, index: int, stream: str) -> np.random.Generator:
        """Return the random numbers of one sample, for one purpose.

        They depend on the seed, the sample's index and the purpose's name
        alone: Philox is keyed by seed and index, and the name sets the most
        significant word of its counter, so that streams never meet.
        """
        key = np.array([self.seed, index], dtype=np.uint64)
        counter = np.array([0, 0, 0, zlib.crc32(stream.encode())], dtype=np.uint64)
        return np.random.Generator(np.random.Philox(key=key, counter=counter))

    def noise(self, indices: Sequence[int], shape: Sequence[int], name: str) -> np.ndarray:
        """Return standard normal noise for some samples: (len(indices), *shape) float32.

        ``name`` tells it from other noise of the same samples; see ``rng``.
        """
        maps = np.empty((len(indices), *shape), dtype=np.float32)
        for noise, index in zip(maps, indices, strict=True):
            self.rng(index, name).standard_normal(out=noise, dtype=np.float32)
        return maps

    def condition(self, name: str, indices: Sequence[int]) -> list[Any]:
        """Return the value of a condition for each of some samples.

        Where the caller left the choice open and the metadata has no default,
        each sample draws its own value: uniformly among the choices, or
        between minimum and maximum.

        Raises
        ------
        RequestError
            The value is open, and there is nothing to draw it from.
        """
        value = self.conditions[name]
        if isinstance(value, tuple):
            return [value[index % len(value)] for index in indices]
        if value is not None:
            return [value] * len(indices)
        parameter = next(entry for entry in self.metadata.conditions if entry.name == name)
        if not parameter.can_draw:
            raise RequestError(
                f"{name} has no default; give it a value: {name} is {parameter.allowed}"
            )
        return [parameter.draw(self.rng(index, f"condition {name}")) for index in indices]

    def latents(self, indices: Sequence[int]) -> np.ndarray:
        """Return the latent vectors of some samples: float32, (len(indices), latent size)."""
        latent = self.metadata.latent
        if latent is None:
            raise ValueError(f"{self.metadata.name} declares no latent")
        if self.given_latents is not None:
            return self.given_latents[list(indices)]
        rows = np.empty((len(indices), latent.size), dtype=np.float32)
        for row, index in zip(rows, indices, strict=True):
            rng = self.rng(index, "latent")
            if latent.distribution == "normal":
                rng.standard_normal(out=row, dtype=np.float32)
            else:
                rng.random(out=row, dtype=np.float32)
                row *= 2
                row -= 1
        return rows
