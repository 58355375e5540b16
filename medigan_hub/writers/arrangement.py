"""How a data set is arranged: its format, shards, folders and splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict

from medigan_hub.errors import RequestError, named, shortened, whole_number
from medigan_hub.samples import GenerationRequest
from medigan_hub.writers import classes, splits
from medigan_hub.writers.base import EncodedFile, Writer
from medigan_hub.writers.classes import Classes

FOLDERS, CLASSES = "folders", "classes"
MAX_SAMPLES = 10**18
MAX_SHARD_SIZE = 1000
"""Samples in a shard, where nobody says how many."""
LEAST_SHARDS = 8
"""As many, where there are so many samples: each worker of a loader reads shards of its own."""


@dataclass(frozen=True)
class Arrangement:
    """How the samples of a data set lie in files and folders."""

    writer: type[Writer]
    """Of the format."""
    shard_size: int | None = None
    """Samples in a shard; None where the number of samples decides, or without shards."""
    classes: Classes | None = None
    """What tells the class of a sample, where each class has a folder."""
    root: str = "."
    """The array whose pictures lie in those folders; ``.`` where there is nothing else."""
    split: Mapping[str, float] = field(default_factory=dict)
    """The share of each split, as ``splits.checked`` returns it; none without splits."""

    def open(self, folder: Path, request: GenerationRequest) -> Writer:
        """Return the writer of a job's samples into a folder."""
        if self.writer.unit != "shard":
            return self.writer(folder, request)
        make: Any = self.writer  # a format of shards takes their size as well
        writer: Writer = make(folder, request, shard_size=self.samples_per_shard(request))
        return writer

    def samples_per_shard(self, request: GenerationRequest) -> int | None:
        """Return how many samples a shard has; None where the format has no shards."""
        if self.writer.unit != "shard" or self.shard_size is not None:
            return self.shard_size
        return max(1, min(MAX_SHARD_SIZE, len(request.indices) // LEAST_SHARDS))

    def header(self, request: GenerationRequest) -> dict[str, Any]:
        """Return what the header of the data set says of it."""
        return {
            "format": self.writer.format,
            "shard_size": self.samples_per_shard(request),
            "layout": FOLDERS if self.classes is None else CLASSES,
            "classes_from": self.classes and self.classes.name,
            "classes_in": self.classes and self.root,
            "split": dict(self.split) or None,
        }

    def as_in(self, header: Mapping[str, Any]) -> Arrangement:
        """Return this arrangement with the shards of a data set, if nothing was said of them."""
        size = header.get("shard_size")
        if self.writer.unit != "shard" or self.shard_size is not None:
            return self
        if header.get("format") != self.writer.format or type(size) is not int or size < 1:
            return self
        return replace(self, shard_size=size)

    def placed(
        self, files: Mapping[str, EncodedFile], facts: Mapping[str, Any]
    ) -> Mapping[str, EncodedFile]:
        """Return the files of a sample with these facts at the places where they are to lie.

        Without classes that is where the format puts them. With classes it is
        ``[split]/[array]/[class]/file``: the folder of an array is left out where there
        is nothing else, and that of a class is there for one array alone.
        """
        if self.classes is None:
            return files
        class_folder = classes.folder(self.classes.of(facts))
        placed = {}
        for name, file in files.items():
            folders = [facts["split"]] if self.split else []
            folders += [] if self.root == "." else [name]
            folders += [class_folder] if self.root in (".", name) else []
            path = "/".join((*folders, PurePosixPath(file.path).name))
            placed[name] = replace(file, path=path)
        return placed


class Wishes(TypedDict):
    """What a caller may ask for of an arrangement beside the format, checked by itself."""

    shard_size: int | None
    layout: tuple[str, str | None]
    split: Mapping[str, float]


def wishes(*, shard_size: int | None, layout: str, split: Mapping[str, float] | None) -> Wishes:
    """Check what a caller asks for, as far as that can be done before anything is read.

    Raises
    ------
    RequestError
        A value is not possible.
    """
    if shard_size is not None:
        shard_size = whole_number("the number of samples in a shard", shard_size, 1, MAX_SAMPLES)
    return {
        "shard_size": shard_size,
        "layout": _layout(layout),
        "split": splits.checked(split),
    }


def _layout(layout: Any) -> tuple[str, str | None]:
    """Return a layout, and what is to tell the classes if that was said."""
    name, colon, source = layout.partition(":") if isinstance(layout, str) else ("", "", "")
    if name not in (FOLDERS, CLASSES) or (colon and (name == FOLDERS or not source)):
        raise RequestError(
            f"there is no layout {shortened(repr(layout))}; use folders, classes, or classes:NAME "
            "with the name of a label or condition"
        )
    return name, source or None


def arrange(
    writer: type[Writer],
    request: GenerationRequest,
    *,
    shard_size: int | None = None,
    layout: tuple[str, str | None] = (FOLDERS, None),
    split: Mapping[str, float] | None = None,
) -> Arrangement:
    """Return the arrangement of a job's samples in a format that can hold them; see ``wishes``.

    Raises
    ------
    RequestError
        The format has no shards, or no folders; or nothing tells the class of each sample.
    """
    if shard_size is not None and writer.unit != "shard":
        raise RequestError(
            f"{writer.format} has no shards; leave {named('shard_size')} out, or use "
            f"{named('format', 'webdataset')}"
        )
    name, source = layout
    made = Arrangement(writer, shard_size, split=split or {})
    if name == FOLDERS:
        return made
    if writer.unit == "shard":
        raise RequestError(
            f"{writer.format} has shards, and no folder for each class: a sample's JSON file has "
            f"its class; use another format, or {named('layout', FOLDERS)}"
        )
    arrays = [output for output in request.metadata.outputs if output.kind != "label"]
    images = [output for output in arrays if output.kind == "image"]
    alone = writer.unit == "sample" or len(arrays) + len(request.metadata.inputs) == 1
    root = "." if alone else (images or arrays)[0].name
    return replace(made, classes=classes.find(request, source), root=root)
