"""What goes into a plugin and what comes out: requests and batches of samples."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medigan_hub.errors import RequestError
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
    """A job for one plugin; every value in it has been checked."""

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
    given_latents: np.ndarray | None = None
    """Row i is the latent vector of sample i, where the caller chose them: float32, (N, size)."""
    batch_size: int = 8
    device: str = "auto"
    precision: str = "float32"
    runtime: str = "native"
    """``native``, or ``archive`` for the published code."""
    allow_archive_code: bool = False
    """Whether the caller lets the published code run, where it has not been let before."""
    weights_sha256: str | None = None
    """Of the file with the parameters that the samples are made with."""

    def batches(self) -> Iterator[Sequence[int]]:
        """Yield the indices in runs of at most ``batch_size``."""
        for start in range(0, len(self.indices), self.batch_size):
            yield self.indices[start : start + self.batch_size]

    def rng(self, index: int, stream: str) -> np.random.Generator:
        """Return the random numbers of one sample, for one purpose.

        They depend on the seed, the sample's index and the purpose's name
        alone: Philox is keyed by seed and index, and the name sets the most
        significant word of its counter, so that streams never meet.
        """
        key = np.array([self.seed, index], dtype=np.uint64)
        counter = np.array([0, 0, 0, zlib.crc32(stream.encode())], dtype=np.uint64)
        return np.random.Generator(np.random.Philox(key=key, counter=counter))

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
