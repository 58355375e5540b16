"""From medigan's own model list to the hub's metadata documents.

    python -m medigan_hub.contribution.convert global.json -o FOLDER

writes one document a model, valid against the schema. What a program can't
know is left for a person to complete: texts in words of our own, parameters
that the list describes but doesn't type, slips that need judgement. A document
that is already there is kept.

The list's form is that of ``config/global.json`` in medigan's repository
(https://github.com/RichardObi/medigan): ``execution`` says how a model is
called, ``selection`` what it is and how it scored, ``description`` the rest.
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from medigan_hub import metadata
from medigan_hub.errors import MetadataError
from medigan_hub.files import write_atomically

INCEPTION = "Inception v3 trained on ImageNet"
RADIMAGENET = "Inception v3 trained on RadImageNet"
SOURCE = "medigan's model list (https://github.com/RichardObi/medigan)"

LICENCES = {
    "mit": "MIT",
    "bsd": "BSD",
    "bsd license": "BSD",
    "gnu general public license": "GPL",
}
"""SPDX where the list is exact; it names neither the variant of BSD nor the version of GPL."""

ARCHITECTURES = {
    "wgangp": "WGAN-GP",
    "progressively-growing gan (pggan)": "PGGAN",
    "inpaint generator": "inpainting GAN",
}
DATASETS = {
    "optimam": "OPTIMAM",
    "node21": "NODE21",
    "brats": "BraTS",
    "duke": "Duke-Breast-Cancer-MRI",
}
ORGANS = {
    "breast": ("breast",),
    "brain": ("brain",),
    "polyps": ("colon",),
    "lung": ("lung", "chest"),
    "heart": ("heart",),
}
MODALITIES = {
    "mmg": ("mammography", "full-field digital mammography"),
    "endoscopy": ("endoscopy", "gastrointestinal endoscopy"),
    "cxr": ("x-ray", "chest x-ray"),
    "dce-mri": ("MRI", "DCE-MRI"),
    "mri": ("MRI",),
    "t1": ("MRI", "T1-weighted MRI"),
    "t2": ("MRI", "T2-weighted MRI"),
}
ACCESS = {"public": "public", "non-public": "restricted"}

HANDLED_BY_THE_HUB = {
    *("gpu_id", "num_fakes", "z", "input_path", "image_paths_input", "input_image_paths"),
    *("F_img_path", "T1_img_path", "T1c_img_path", "T2_img_path"),
    *("model_files", "checkpoint_ids", "translate_all_images"),
}
"""Arguments for which the hub has words of its own: --device, -n, --input, the latent vector."""

NO_FIGURES = ("FID_no_images", "number_radiologists", "years_experience")
"""What stands among the figures and says how others were taken."""


def convert(medigan_id: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of one model of medigan's list.

    Parameters
    ----------
    medigan_id
        Its key in the list, such as ``00005_DCGAN_MMG_MASS_ROI``.
    entry
        Its value: a mapping with ``execution``, ``selection`` and ``description``.

    Raises
    ------
    MetadataError
        The entry lacks a part that the conversion needs.
    """
    try:
        return _document(medigan_id, entry)
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        raise MetadataError(
            f"{medigan_id} can't be converted: {type(error).__name__} {error}; "
            "it must have the form of an entry of medigan's global.json"
        ) from error


def figures(performance: Mapping[str, Any], reference: str | None = None) -> list[dict[str, Any]]:
    """Return every figure of a ``performance`` section, nested names joined by dots.

    A list of values (one a reader) becomes one figure each. Null and empty
    entries are no figures. ``downstream_task`` is left out of names, as most
    of the list does.
    """
    count = performance.get("FID_no_images") or None
    experience = (performance.get("turing_test") or {}).get("years_experience") or []
    found = []
    for place, value in _leaves(performance):
        metric, _, reader = place.partition("#")
        figure: dict[str, Any] = {"metric": metric, "value": float(value), **_meaning(metric)}
        if reader:
            years = experience[int(reader)]
            figure["compares"] = (
                "real images with synthetic ones, told apart by a radiologist with "
                f"{years} years of experience; one of {len(experience)}"
            )
        if metric.startswith("FID"):
            figure["num_images"] = count
        if reference and not metric.startswith(("CLF", "SEG", "DET")):
            figure["reference"] = reference
        found.append({**figure, "source": SOURCE})
    _name_differences(found)
    return found


def _name_differences(found: list[dict[str, Any]]) -> None:
    """Say of which metric a ``CLF_delta`` is the difference, where subtraction tells."""
    values = {figure["metric"]: figure["value"] for figure in found}
    for figure in found:
        task, delta, _ = figure["metric"].partition("_delta")
        if not delta:
            continue
        both = f"{task}.trained_on_real_and_fake."
        for metric in (metric for metric in values if metric.startswith(both)):
            name = metric.removeprefix(both)
            real = values.get(f"{task}.trained_on_real.{name}", math.nan)
            if math.isclose(values[metric] - real, figure["value"], abs_tol=1e-9):
                figure["compares"] += f", in {name}"


def _document(medigan_id: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    execution, selection = entry["execution"], entry["selection"]
    description = entry["description"]
    notes: list[str] = []
    name = medigan_id.partition("_")[2].lower().replace("_", "-")
    dataset = _dataset(selection["dataset"][0], description["title"], notes)
    notes += _history(description)
    architecture = ARCHITECTURES.get(selection["type"].lower(), selection["type"])
    organ = _first(selection["organ"], ORGANS)
    modality = _first(selection["modality"], MODALITIES)
    generates = _words(selection["generates"] or ["images"])
    task = _task(execution, selection, description)
    options = _options(execution, description, notes)
    document: dict[str, Any] = {
        "schema_version": 1,
        "name": name,
        "version": _version(description["version"], notes),
        "plugin": f"medigan-model-{name}",
        "medigan_id": medigan_id,
        "title": f"{architecture}: {generates[0]} ({modality[0]}), trained on {dataset}",
        "description": f"{architecture} for {modality[0]} of the {organ[0]}, from {task}, "
        f"trained on {dataset}.",
        "authors": [],
        "licence": _licence(selection["license"], notes),
        "publications": [
            {"doi": doi} for doi in map(_doi, description["doi"] or ()) if doi is not None
        ],
        "year": _year(selection["year"], description["trained_date"], notes),
        "task": task,
        "architecture": architecture,
        "framework": _framework(execution),
        "organ": organ,
        "modality": modality,
        "generates": generates,
        "training_data": [
            {"name": dataset, "access": ACCESS.get(selection["dataset_type"], "unknown")}
        ],
        "outputs": _outputs(execution, selection, generates, notes),
        "inputs": [],
        "conditions": [],
        "options": options,
        "latent": _latent(execution),
        "weights": _weights(execution),
        "archive": _archive(execution),
        "performance": _performance(selection["performance"], dataset, notes),
        "use_cases": _words(selection["use_cases"]),
        "tags": _words([*(selection["function"] or ()), *selection["tags"]]),
        "limitations": ["The images were not judged by the hub."],
        "intended_use": "Research on synthetic images.",
        "privacy": "Whether the model gives away training images is not known.",
        "notes": notes,
    }
    if task in ("image-to-image", "mask-to-image", "inpainting"):
        document["inputs"] = [
            {"name": "source", "kind": "image", "channels": ["intensity"], "required": False}
        ]
    if task == "class-to-image":
        document["conditions"] = [
            {
                "name": "label",
                "type": "string",
                "description": "Class of the image; by default the classes alternate.",
                "default": None,
            }
        ]
    return document


def _leaves(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the name and value of each figure; one of several values has its place after a #."""
    for key, value in section.items():
        if key in NO_FIGURES or value in (None, ""):
            continue
        if isinstance(value, Mapping):
            yield from _leaves(value, "" if key == "downstream_task" else f"{prefix}{key}.")
        elif isinstance(value, list):
            yield from ((f"{prefix}{key}#{place}", item) for place, item in enumerate(value))
        else:
            yield f"{prefix}{key}", value


def _meaning(metric: str) -> dict[str, Any]:
    """Return a metric's direction, what it compares, and what took the features."""
    task, _, rest = metric.partition(".")
    last = metric.rpartition(".")[2].lower()
    if metric.startswith("FID"):
        extractor = RADIMAGENET if "RADIMAGENET" in metric else INCEPTION
        ratio = metric.endswith("_ratio")
        return {
            "better": "higher" if ratio else "lower",
            "compares": "Fréchet distance between two sets of real images, divided by that "
            "between synthetic and real ones; 1 is the best"
            if ratio
            else "synthetic images with real ones",
            "extractor": extractor,
            "normalized": None,
        }
    if task == "turing_test":
        return {"better": None, "ideal": 0.5}
    judge = {"CLF": "classifier", "SEG": "segmentation model", "DET": "detector"}
    downstream = f"a {judge.get(task.partition('_')[0], 'model of the task')} trained on"
    if metric.endswith("_delta"):
        return {
            "better": "higher",
            "compares": f"{downstream} real and synthetic images, minus one trained on real alone",
        }
    trained = {
        "trained_on_fake": f"{downstream} synthetic images alone",
        "trained_on_real": f"{downstream} real images alone",
        "trained_on_real_and_fake": f"{downstream} real and synthetic images",
    }
    lower = last in ("mse", "nmse", "nsme") or last.endswith("loss")
    text = trained.get(rest.partition(".")[0])
    return {
        "better": "lower" if lower else "higher",
        "compares": f"{text}, judged on real ones" if text else "synthetic images with real ones",
    }


def _performance(
    section: Mapping[str, Any], dataset: str, notes: list[str]
) -> list[dict[str, Any]]:
    texts = [str(value) for _, value in _leaves(section) if isinstance(value, str)]
    if texts:
        notes.append(f"The list gives the figures {', '.join(texts)} as text; read as numbers.")
    if "downstream_task" in section:
        notes.append("The list has the figures of SEG below downstream_task.")
    return figures(section, dataset)


def _task(
    execution: Mapping[str, Any], selection: Mapping[str, Any], description: Mapping[str, Any]
) -> str:
    functions = " ".join(selection["function"] or ())
    arguments = execution["generate_method"]["args"]["custom"]
    if "inpainting" in functions:
        return "inpainting"
    if "mask to image" in functions:
        return "mask-to-image"
    if "image to image" in functions or any("input" in name for name in arguments):
        return "image-to-image"
    if any(text.startswith("condition:") for text in description["inputs"] or ()):
        return "class-to-image"
    return "noise-to-image"


def _outputs(
    execution: Mapping[str, Any],
    selection: Mapping[str, Any],
    generates: Sequence[str],
    notes: list[str],
) -> list[dict[str, Any]]:
    stated = execution["image_size"]
    if any(isinstance(size, str) for size in stated):
        notes.append(f"The list gives the image size as text, {stated}; read as numbers.")
    size = [int(number) for number in stated]
    field = [int(selection["height"]), int(selection["width"])]
    if field != size[:2]:
        notes.append(
            f"The list gives a height and width of {field[0]} x {field[1]} pixels in one place "
            f"and {size[0]} x {size[1]} in another; the latter is taken."
        )
    masked = any("mask" in word for word in generates)
    channels = size[2] if len(size) > 2 else 1
    if masked and channels == 4:
        channels = 3
    colour = ["red", "green", "blue"] if channels == 3 else ["intensity"]
    outputs = [_output("image", "image", [*size[:2], channels], colour)]
    if masked:
        outputs.append(_output("mask", "mask", [*size[:2], 1], ["mask"]))
    return outputs


def _output(name: str, kind: str, shape: list[int], channels: list[str]) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "shape": shape,
        "dtype": "uint8",
        "range": [0, 255],
        "channels": channels,
        "spacing_mm": None,
    }


def _options(
    execution: Mapping[str, Any], description: Mapping[str, Any], notes: list[str]
) -> list[dict[str, Any]]:
    """Return the custom arguments whose type their default tells."""
    arguments = dict(execution["generate_method"]["args"]["custom"])
    texts = {}
    for text in description["inputs"] or ():
        name, _, rest = text.partition(":")
        name = name.strip()
        default, _, help_text = rest.partition("help=")
        texts[name] = help_text.strip(" .,")
        found = re.search(r"default=(\[.*?\]|[^\s,]+)", default)
        value = _literal(found[1]) if found else None
        if name not in arguments:
            arguments[name] = value
        elif _literal(str(arguments[name])) != value and name not in HANDLED_BY_THE_HUB:
            notes.append(
                f"The list gives two defaults for {name}, {arguments[name]!r} for the call and "
                f"{value!r} in its description; the former is taken."
            )
    options = []
    for name, default in arguments.items():
        kind = {bool: "boolean", int: "integer", float: "number", str: "string"}.get(type(default))
        if name in HANDLED_BY_THE_HUB or kind is None:
            continue
        options.append(
            {
                "name": re.sub(r"[^a-z0-9_]", "_", name.lower()),
                "type": kind,
                "description": texts.get(name) or f"The argument {name} of the published model.",
                "default": default,
            }
        )
    return options


def _framework(execution: Mapping[str, Any]) -> str:
    needed = " ".join(execution["dependencies"]).lower()
    return "TensorFlow" if "tensorflow" in needed or "keras" in needed else "PyTorch"


def _weights(execution: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = re.search(r"/records?/(\d+)/files/([^?]+)", execution["package_link"])
    if found is None:
        raise ValueError(f"package_link {execution['package_link']!r} names no file of a record")
    record, file = found.groups()
    archive = {
        "role": "archive",
        "file": file,
        "record": record,
        "member": execution["model_name"] + (execution["extension"] or ""),
        "url": f"https://zenodo.org/records/{record}/files/{file}",
    }
    return [{"runtime": "archive", "format": _framework(execution).lower(), "files": [archive]}]


def _archive(execution: Mapping[str, Any]) -> dict[str, Any]:
    method = execution["generate_method"]
    return {
        "package": execution["package_name"],
        "function": method["name"],
        "arguments": method["args"]["custom"],
        "dependencies": execution["dependencies"],
    }


def _latent(execution: Mapping[str, Any]) -> dict[str, Any] | None:
    size = execution["generate_method"].get("input_latent_vector_size")
    return {"size": int(size), "distribution": "normal"} if size else None


def _history(description: Mapping[str, Any]) -> Iterator[str]:
    epochs = description.get("provided_after_epoch")
    if epochs:
        stated = " and ".join(map(str, epochs if isinstance(epochs, list) else [epochs]))
        yield f"The weights are those after {stated} epochs of training."
    trained, provided = description.get("trained_date"), description.get("provided_date")
    if trained or provided:
        yield f"Trained: {trained or 'not stated'}; given to medigan: {provided or 'not stated'}."


def _dataset(field: str, title: str, notes: list[str]) -> str:
    """Return the training set; where title and field differ, the title is the later word."""
    found = re.search(r"trained on (?:the )?(.+?)(?: dataset)?\)", title, re.IGNORECASE)
    if found and found[1].lower() != field.lower():
        notes.append(
            f"The list's field names {field} as the data set and its title {found[1]}; "
            "the latter is taken."
        )
        field = found[1]
    return DATASETS.get(field.lower(), field)


def _licence(text: str | None, notes: list[str]) -> str | None:
    if not text:
        notes.append("The list names no licence: ask the authors before you use the model.")
        return None
    licence = LICENCES.get(text.lower(), text)
    if licence in ("BSD", "GPL"):
        notes.append(f"The list gives the licence as {text!r}, without its variant or version.")
    return licence


def _version(text: str | None, notes: list[str]) -> str:
    if not text:
        notes.append("The list gives no version; 0.0.0 stands for that.")
        return "0.0.0"
    padded = ".".join([*text.split("."), "0", "0"][:3])
    if padded != text:
        notes.append(f"The list gives the version as {text}.")
    return padded


def _year(year: str | int, trained: str | None, notes: list[str]) -> int:
    found = re.search(r"\d{4}", trained or "")
    if found is None or int(found[0]) == int(year):
        return int(year)
    notes.append(f"The list gives the year {year} and the date of training {trained}.")
    return int(found[0])


def _doi(text: str) -> str | None:
    found = re.search(r"10\.\d{4,9}/\S+", text)
    return found[0] if found else None


def _first(words: Sequence[str], table: Mapping[str, Sequence[str]]) -> list[str]:
    """Return what the table has for the first of ``words`` that stands in it."""
    for word in words:
        if word.lower() in table:
            return list(table[word.lower()])
    return list(words)


def _words(words: Sequence[str]) -> list[str]:
    """Return each word once, whatever its case."""
    return list({word.lower(): word for word in reversed(words)}.values())[::-1]


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert a file of medigan's form; see the module's text."""
    parser = argparse.ArgumentParser(
        prog="python -m medigan_hub.contribution.convert", description=__doc__.split("\n")[0]
    )
    parser.add_argument("source", type=Path, help="medigan's global.json, or a part of it")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the documents")
    given = parser.parse_args(arguments)
    failed = False
    try:
        entries = metadata.read(given.source)
        if not isinstance(entries, dict):
            raise MetadataError(f"{given.source} is not a mapping from medigan ids to models")
        for medigan_id, entry in entries.items():
            try:
                _write(convert(medigan_id, entry), given.output / f"{medigan_id}.json")
            except MetadataError as error:
                print(f"error: {error}", file=sys.stderr)
                failed = True
    except (MetadataError, OSError) as error:
        sys.exit(f"error: {error}")
    if failed:
        sys.exit(1)


def _write(document: Mapping[str, Any], path: Path) -> None:
    faults = metadata.validate(document)
    if faults:
        raise MetadataError(
            f"{document['medigan_id']} gives no valid document: {'; '.join(faults)}"
        )
    if path.exists():
        print(f"{path} is there already and kept", file=sys.stderr)
        return
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    write_atomically(path, text.encode())
    print(path)


if __name__ == "__main__":
    main()
