"""Encoding and storing the samples of one batch while the next one is made."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from medigan_hub import provenance
from medigan_hub.dataset import header, manifest
from medigan_hub.errors import HubError, OutputError
from medigan_hub.samples import GenerationRequest, SampleBatch
from medigan_hub.writers import Arrangement, EncodedFile, Writer
from medigan_hub.writers.splits import Splits

MAX_ENCODERS = 4
"""Threads that encode samples."""


class Recorder:
    """Encodes and stores the samples of one batch while the next one is made."""

    def __init__(
        self,
        folder: Path,
        request: GenerationRequest,
        arrangement: Arrangement,
        writer: Writer,
        *,
        fresh: bool,
    ) -> None:
        self.stored = 0
        """Samples that are in the folder."""
        self._request = request
        self._arrangement = arrangement
        self._splits = Splits(arrangement.split, request) if arrangement.split else None
        self._writer = writer
        self._labels = {entry.name for entry in request.metadata.outputs if entry.kind == "label"}
        self._encoders = ThreadPoolExecutor(MAX_ENCODERS, "encode")
        self._storer = ThreadPoolExecutor(1, "store")
        self._pending: list[Future[None]] = []
        self._failed = False
        self._key = header.digest(header.header(request, arrangement))
        path = folder / manifest.UNFINISHED
        if fresh:
            path.unlink(missing_ok=True)  # whatever it is, it is not written through
        self._manifest = path.open("xb" if fresh else "ab")

    def put(self, batch: SampleBatch, wanted: Sequence[range]) -> int:
        """Take a batch, of which some samples are wanted; return how many are stored by now."""
        self._wait()
        stored = self.stored
        for index, arrays in batch:
            if any(index in part for part in wanted):
                # Copied, in case the plugin fills the same arrays again for its next batch.
                own = {name: np.array(array) for name, array in arrays.items()}
                encoded = self._encoders.submit(self._encode, index, own)
                self._pending.append(self._storer.submit(self._store, index, encoded))
        return stored

    def close(self) -> int:
        """Finish what is under way; return how many samples were stored."""
        try:
            self._wait()
        finally:
            self._encoders.shutdown()
            self._storer.shutdown()
            self._writer.close()
            self._manifest.close()
        return self.stored

    def _wait(self) -> None:
        pending, self._pending = self._pending, []
        for future in pending:
            future.result()

    def _encode(
        self, index: int, arrays: Mapping[str, np.ndarray]
    ) -> tuple[bytes, list[EncodedFile]]:
        labels = {name: arrays[name].tolist() for name in arrays if name in self._labels}
        images = {name: arrays[name] for name in arrays if name not in self._labels}
        facts = provenance.facts(self._request, index, labels)
        if self._splits is not None:
            facts["split"] = self._splits.of(index)
        try:
            encoded = self._arrangement.placed(self._writer.encode(index, images, facts), facts)
        except HubError:
            raise
        except Exception as error:
            reason = str(error).strip().split("\n")[0]
            raise OutputError(
                f"sample {index} can't be written as {self._writer.format}: "
                f"{type(error).__name__}: {reason}; use another format"
            ) from error
        unique = {(file.path, file.member): file for file in encoded.values()}
        entries = {key: _entry(file) for key, file in unique.items()}
        files = {name: entries[file.path, file.member] for name, file in encoded.items()}
        row = {"index": index, "files": files, **facts}
        return manifest.encode(row, self._key), list(unique.values())

    def _store(self, index: int, encoded: Future[tuple[bytes, list[EncodedFile]]]) -> None:
        if self._failed:
            return
        try:
            row, files = encoded.result()
            self._manifest.write(row)
            self._manifest.flush()
            self._writer.store(index, files)
            self.stored += 1
        except BaseException:
            self._failed = True
            raise


def _entry(file: EncodedFile) -> dict[str, Any]:
    """Return what a row says of a file."""
    digest = hashlib.sha256(file.content).hexdigest()
    entry = {"path": file.path, "sha256": digest, "size": len(file.content)}
    return entry if file.member is None else {**entry, "member": file.member}
