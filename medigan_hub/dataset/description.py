"""``README.md`` of a data set: what the header says, for a person."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medigan_hub import runtimes
from medigan_hub.dataset.header import digest
from medigan_hub.files import write_atomically
from medigan_hub.hashes import sha256_inside

README = "README.md"

READING = {
    "png": "PNG files, one for each array of a sample. Values are stored as they are: "
    "a mask of 0 and 1 looks black.",
    "npz": "NumPy files, one a sample: `numpy.load(path)` gives its arrays by name.",
    "nifti": "NIfTI files, one for each array of a sample: `nibabel.load(path)`.",
    "dicom": "DICOM files, one for each array of a sample: images as Secondary Capture, "
    "masks as Segmentation that refers to its image.",
    "webdataset": "Tar files of several samples each, for the library `webdataset`: `shard_size` "
    "in `dataset.json` says how many.",
}


def write(folder: Path, header: Mapping[str, Any]) -> None:
    """Write the README of the data set with this header."""
    write_atomically(folder / README, text(header).encode())


def is_of(folder: Path, header: Mapping[str, Any]) -> bool:
    """Tell whether a folder holds the README of the very data set with this header."""
    content = text(header).encode()
    return sha256_inside(folder, README) == hashlib.sha256(content).hexdigest()


def text(header: Mapping[str, Any]) -> str:
    """Return the README, as Markdown."""
    count = header["count"]
    parts = [
        f"# {count} synthetic sample{'s' if count != 1 else ''} of {header['model']}",
        _bold(header["notice"]),
        _bold(warning(header)),
        f"{header['title']}.",
        _list("What it must not be used for", header["not_intended_for"]),
        _list("Limitations", header["limitations"]),
        "## How it was made",
        _table(header),
        "The same job on the same machine makes the same files. `dataset.json` holds these facts "
        "for programs. `manifest.jsonl` has a row for each sample, with its files and their "
        "SHA-256; until the last sample is there it is called `manifest.jsonl.part`. `medigan "
        "verify` holds the folder against both.",
        "## How to read it",
        READING.get(header["format"], f"Files of the format {header['format']}."),
        _classes(header),
        _splits(header),
        _labels(header),
        "\n".join(_array(output) for output in header["outputs"]),
        f"## Licence\n\nLicence of the model: {header['licence'] or 'not stated'}. To cite it:",
        f"```bibtex\n{header['citation']}\n```",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def warning(header: Mapping[str, Any]) -> str:
    """Say which of the images are not synthetic; nothing where all are."""
    given = [entry for entry in header["inputs"] if entry["given"]]
    if not given:
        return ""
    names = ", ".join(entry["name"] for entry in given)
    return (
        f"The images named {names} were not made by the model: "
        f"they are inputs {given[0]['source']}, and may show patients."
    )


def _run(header: Mapping[str, Any]) -> str:
    """Say which samples there are, where they don't begin with the first."""
    first, stop = header["indices"]
    if first == 0:
        return ""
    return f"{first} alone" if stop == first + 1 else f"{first} to {stop - 1} alone"


def _classes(header: Mapping[str, Any]) -> str:
    """Say which folder a loader takes that knows classes by their folders."""
    root = header["classes_in"]
    if root is None:
        return ""
    folders = [f"{name}/" for name in header["split"] or [""]]
    roots = [f"`{folder}{'' if root == '.' else root}`".replace("/`", "`") for folder in folders]
    words = ", ".join(roots).replace("``", "that this file lies in")
    loaders = (
        "`torchvision.datasets.ImageFolder` or `keras.utils.image_dataset_from_directory`"
        if header["format"] == "png"
        else "`torchvision.datasets.DatasetFolder`, with a function that reads this format,"
    )
    several = "one of the folders" if len(roots) > 1 else "the folder"
    return (
        f"Each class has a folder: the class of a sample is its `{header['classes_from']}`. Give "
        f"{loaders} {several} {words}. They number the classes that they find in the order of "
        "the folders' names, which need not be the numbers of the model."
    )


def _splits(header: Mapping[str, Any]) -> str:
    if not header["split"]:
        return ""
    shares = ", ".join(f"{name} ({share:g})" for name, share in header["split"].items())
    return (
        f"The samples are split into {shares}; `split` in the manifest says which is in which. "
        "That follows from seed and index, and samples that were made from one file are in one "
        "split, so that the shares are kept but for a few."
    )


def _labels(header: Mapping[str, Any]) -> str:
    if not header["labels"]:
        return ""
    return (
        f"`{header['labels']}` is what the manifest says of the samples, as a table. A text in it "
        "that begins with =, +, - or @ has an apostrophe in front, for the sake of spreadsheets."
    )


def _bold(line: str) -> str:
    return f"**{line}**" if line else ""


def _list(title: str, lines: list[str]) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines) if lines else ""


def _table(header: Mapping[str, Any]) -> str:
    facts = {
        "model": f"{header['model']} {header['version']} ({header['plugin']})",
        "weights": f"SHA-256 {header['weights_sha256']}",
        "run by": f"{runtimes.title(header['runtime'])} {header['runtime_version'] or ''}".strip(),
        "software": f"medigan-hub {header['hub_version']}",
        "seed": header["seed"],
        "samples": _run(header),
        "conditions": _pairs(header["conditions"]),
        "latent vectors": header["latents_sha256"] and f"given, SHA-256 {header['latents_sha256']}",
        "options": _pairs(header["options"]),
        "inputs": "; ".join(map(_input, header["inputs"])),
        "precision": header["precision"],
        "batch size, device": f"{header['batch_size']}, {header['device']}",
        "header": f"SHA-256 {digest(header)}, without the seal",
    }
    rows = [
        f"| {name} | {_cell(value)} |" for name, value in facts.items() if value not in ("", None)
    ]
    return "\n".join(["| | |", "| --- | --- |", *rows])


def _input(entry: Mapping[str, Any]) -> str:
    words = [f"{entry['name']}, {entry['source']}", *entry.get("taken", ())]
    if entry.get("fitted"):
        words.append("brought to the scale that the model knows, and back")
    return "; ".join(words)


def _pairs(values: Mapping[str, Any]) -> str:
    """Say what was set; what was left open each sample drew for itself."""
    words = []
    for name, value in values.items():
        if isinstance(value, list):
            few = ", ".join(map(str, value[:8])) + (", ..." if len(value) > 8 else "")
            value = f"{few} (in turns)"
        words.append(f"{name}: {'drawn for each sample' if value is None else value}")
    return "; ".join(words)


def _cell(value: Any) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def _array(output: Mapping[str, Any]) -> str:
    classes = "".join(
        f"{', ' if number else ' ('}{number}: {name}"
        for number, name in enumerate(output.get("classes", ()))
    )
    low, high = output["range"]
    classes += ")" if classes else ""
    where = ", in the manifest" if output["kind"] == "label" else ""
    words = " ".join(output.get("description", "").split())
    return (
        f"- `{output['name']}`: {output['kind']}, {output['dtype']} from {low:g} to {high:g}"
        f"{classes}{where}. {words}".rstrip()
    )
