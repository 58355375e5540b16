"""Makes variations of images of polyps with their masks, by SinGAN."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from medigan_hub.plugin import (
    PADDING,
    GenerationRequest,
    Network,
    PublishedNoise,
    RequestError,
    SampleBatch,
    Shell,
    SinganPyramid,
    WeightsError,
    build_pyramid,
    read_checkpoint,
    tensors_of,
)

FACTOR = 0.75
"""Size of a scale as a fraction of the next finer one's, as SinGAN is trained by default."""
CLASSES = {
    f"{folder}SinGAN.models.{name}": Shell
    for folder in ("", "singan_seg_polyp.")
    for name in ("GeneratorConcatSkip2CleanAdd", "ConvBlock")
}
"""What a checkpoint is pickled from, beside PyTorch's own modules: read as shells without code."""
MOST = 4
"""Checkpoints kept in memory."""


class SinganPolypMasks(PublishedNoise):
    """A checkpoint is a folder: generators (Gs), recorded noise (Zs) and its amplitudes."""

    def checkpoints(self) -> dict[int, str]:
        """Return the published checkpoints by their number: the file of the generators."""
        found = (re.search(r"(?:^|/)(\d+)/Gs\.pth$", name) for name in self.file_names())
        return {int(match[1]): match.string for match in found if match}

    def weights_file(self, request: GenerationRequest, index: int) -> str:
        known = self.checkpoints()
        number = request.options["checkpoint_id"]
        if number is None:
            # One for all samples is one that does not depend on the sample.
            sample = index if request.options["multiple_checkpoints"] else 0
            place = request.rng(sample, "checkpoint").integers(len(known)) if known else 0
            number = [*sorted(known), None][place]
        if number not in known:
            few = ", ".join(map(str, sorted(known)[:10])) or "none"
            raise RequestError(f"there is no checkpoint {number}; the archive has {few}")
        for name in ("Zs", "NoiseAmp"):
            self.extracted(known[number].replace("Gs.pth", f"{name}.pth"))
        return known[number]

    def noise(self, request: GenerationRequest, index: int) -> list[np.ndarray]:
        """Return the noise of each scale: the recorded one below the scale to start from."""
        path = self.extracted(self.weights_file(request, index))
        recorded = _recorded(path.with_name("Zs.pth"))
        start = request.options["gen_start_scale"]
        if start >= len(recorded):
            raise RequestError(
                f"gen_start_scale={start} is not possible: this checkpoint has the scales "
                f"0 to {len(recorded) - 1}"
            )
        rng = request.rng(index, "noise")
        maps = []
        for scale, noise in enumerate(recorded):
            height, width, channels = noise.shape
            drawn = rng.standard_normal((height, width, channels if scale else 1), np.float32)
            maps.append(noise if scale < start else drawn)
        return maps

    def run(self, request: GenerationRequest) -> Iterator[SampleBatch]:
        for index in request.indices:  # one by one: checkpoints differ in size
            maps = [each[np.newaxis] for each in self.noise(request, index)]
            values = np.clip(self.open(request, index)(*maps), -1, 1)
            yield SampleBatch(np.array([index], dtype=np.int64), self.to_outputs(values))

    def archive_arguments(self, request: GenerationRequest, index: int) -> dict[str, Any]:
        number = request.options["checkpoint_id"]
        arguments = super().archive_arguments(request, index)
        return arguments | {"checkpoint_ids": None if number is None else [number]}


@lru_cache(maxsize=MOST)
def _recorded(path: Path) -> Sequence[np.ndarray]:
    """Return the recorded noise of each scale without its padding: (height, width, channels)."""
    maps = [np.asarray(each)[0] for each in _list(path)]
    inner = slice(PADDING, -PADDING)
    return [np.moveaxis(each[:, inner, inner], 0, -1).astype(np.float32) for each in maps]


def _read(path: Path) -> SinganPyramid:
    scales = [tensors_of(each) for each in _list(path)]
    amplitudes = [float(each) for each in _list(path.with_name("NoiseAmp.pth"))]
    return build_pyramid(scales, amplitudes, FACTOR)


def _list(path: Path) -> Sequence[Any]:
    found = read_checkpoint(path, CLASSES)
    if not isinstance(found, (list, tuple)):
        raise WeightsError(f"{path.name} of the checkpoint holds no list, one item a scale")
    return found


plugin = SinganPolypMasks(__file__, torch=Network(lambda pyramid: pyramid, read=_read, most=MOST))
