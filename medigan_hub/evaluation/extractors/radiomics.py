"""Radiomic features, by frd-score over pyradiomics: those that FRD is defined on.

Source: Konz, Osuala et al., "Fréchet radiomic distance (FRD): a versatile metric for comparing
medical imaging datasets" (https://arxiv.org/abs/2412.01496); van Griethuysen et al.,
"Computational radiomics system to decode the radiographic phenotype", Cancer Research 2017
(https://doi.org/10.1158/0008-5472.CAN-17-0339).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from queue import SimpleQueue
from typing import IO

import numpy as np

from medigan_hub.errors import HubError, MissingDependencyError, shortened
from medigan_hub.evaluation.extractors.base import Extractor, ImageError
from medigan_hub.variables import for_others

NEEDED = {"frd-score": "1.0.1", "pyradiomics": "3.0.1"}
"""Features were measured with these; others may differ."""
INSTALL = (
    "pip install numpy 'setuptools>=70.1' versioneer && "
    "pip install --no-build-isolation 'medigan-hub[radiomics]'"
)
LEAST = 4
"""Pixels that height and width have at least: half of them are left once pyradiomics has resized
the image, and fewer than two make no texture."""
SECONDS = 5
"""That a process has to end by itself."""
PROCESSES = min(16, os.cpu_count() or 1)
"""One a processor; each takes 220 MB."""


class Radiomics(Extractor):
    """The 398 numbers of frd-score's version 1: of the image, and of its wavelets.

    frd-score's documents speak of 464; it sets filters by Laplacians of Gaussians, too, which
    pyradiomics leaves out of images of one slice. 13 of them are pyradiomics' diagnostics: of the
    grey levels before and after it resized the image, and how many pixels there are.

    Images come at their own size. Their grey levels are those of an 8-bit file, 0 to 255, with the
    steps between that 16 bits have. Each processor describes images by itself, in a process of
    its own.
    """

    name = "radiomics"
    title = "radiomic features of frd-score (pyradiomics)"
    version = ", ".join(f"{name} {number}" for name, number in NEEDED.items())
    scaling = "robust"
    batch = 4 * PROCESSES

    def __init__(self, weights: Path | None = None) -> None:
        super().__init__(weights)
        self._workers: list[subprocess.Popen[bytes]] = []
        weakref.finalize(self, _end, self._workers)

    @property
    def shape(self) -> tuple[int, ...]:
        return (398,)

    def missing(self) -> HubError | None:
        for name, needed in NEEDED.items():
            try:
                found = version(name)
            except PackageNotFoundError:
                return MissingDependencyError(
                    f"radiomic features need {name} {needed}, which is not installed: {INSTALL}"
                )
            if found != needed:
                return MissingDependencyError(
                    f"radiomic features need {name} {needed}, and {found} is installed: {INSTALL}"
                )
        return None

    def open(self) -> None:
        missing = self.missing()
        if missing is not None:
            raise missing
        self._workers[:] = [each for each in self._workers if each.poll() is None]
        new = [_start() for _ in range(PROCESSES - len(self._workers))]
        self._workers += new
        for worker in new:
            reason = _answer(worker)
            if reason != "":
                raise MissingDependencyError(
                    f"pyradiomics can't be used ({shortened(reason)}); install it anew: {INSTALL}"
                )

    def features(self, images: Sequence[np.ndarray]) -> np.ndarray:
        self.open()
        for place, image in enumerate(images):
            _check(place, image)
        idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        for worker in self._workers:
            idle.put(worker)

        def described(place: int) -> np.ndarray:
            worker = idle.get()
            try:
                return _ask(worker, place, images[place])
            finally:
                idle.put(worker)

        pool = ThreadPoolExecutor(len(self._workers))
        try:
            return np.stack(list(pool.map(described, range(len(images))))).astype(np.float32)
        finally:
            pool.shutdown(cancel_futures=True)


def _check(place: int, image: np.ndarray) -> None:
    height, width = image.shape[:2]
    if min(height, width) < LEAST:
        raise ImageError(
            place,
            f"has {height} x {width} pixels, and radiomic features are of {LEAST} x {LEAST} or "
            "more; leave it out",
        )
    if image.min() == image.max():
        raise ImageError(
            place, "shows one grey level alone, which has no radiomic features; leave it out"
        )


def _ask(worker: subprocess.Popen[bytes], place: int, image: np.ndarray) -> np.ndarray:
    """Return the features of an image, (398,) float64; see ``radiomics_worker``."""
    assert worker.stdin is not None  # noqa: S101 (for the type checker)
    # Whole steps of 16 bits, so that fractions of 8-bit values become just these again.
    grey = (np.rint(image[:, :, 0] * 65535.0) / 257).astype(np.float32)
    with suppress(BrokenPipeError):  # it has ended, which the missing answer tells
        worker.stdin.write(json.dumps(grey.shape).encode() + b"\n" + grey.tobytes())
        worker.stdin.flush()
    answer = _answer(worker)
    if answer is None:
        raise ImageError(
            place,
            f"could not be described: the process of pyradiomics ended ({worker.wait()}); memory "
            "may be short: leave it out, or give smaller images",
        )
    if isinstance(answer, str):
        raise ImageError(place, f"has no radiomic features: {shortened(answer)}; leave it out")
    if not np.isfinite(answer).all():
        raise ImageError(
            place, "has radiomic features that are no numbers (NaN or infinite); leave it out"
        )
    return np.array(answer)


def _answer(worker: subprocess.Popen[bytes]) -> list[float] | str | None:
    """Return what a process says next; None where it has ended."""
    assert worker.stdout is not None  # noqa: S101 (for the type checker)
    line = worker.stdout.readline()
    answer: list[float] | str | None = json.loads(line) if line else None
    return answer


def _start() -> subprocess.Popen[bytes]:
    """Start a process that finds what this one finds, and that no Ctrl-C reaches."""
    start = (
        f"import sys; sys.path[:] = {sys.path!r}; "
        "from medigan_hub.evaluation.extractors.radiomics_worker import main; main()"
    )
    one_thread = {"OMP_NUM_THREADS": "1", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"}
    return subprocess.Popen(  # noqa: S603 (this Python, with a program that stands here)
        [sys.executable, "-I", "-X", "utf8", "-c", start],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=for_others() | one_thread,
        start_new_session=True,
    )


def _end(workers: Sequence[subprocess.Popen[bytes]]) -> None:
    """Let processes end: without further images they do so by themselves."""
    streams: list[IO[bytes] | None] = [each.stdin for each in workers]
    streams += [each.stdout for each in workers]
    for stream in streams:
        if stream is not None:
            with suppress(OSError):
                stream.close()
    for worker in workers:
        with suppress(subprocess.TimeoutExpired):
            worker.wait(SECONDS)
        worker.kill()
        worker.wait()
