"""``croissant.json``: the data set in MLCommons Croissant 1.0, for tools that read that.

Specification: https://docs.mlcommons.org/croissant/docs/croissant-spec.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from medigan_hub.dataset import description, manifest
from medigan_hub.dataset.header import to_json
from medigan_hub.files import write_atomically
from medigan_hub.hashes import sha256_inside, sha256_of
from medigan_hub.writers.arrangement import CLASSES

CROISSANT = "croissant.json"

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
SPLITS = {
    **dict.fromkeys(("train", "training"), "cr:TrainingSplit"),
    **dict.fromkeys(("val", "valid", "validation"), "cr:ValidationSplit"),
    **dict.fromkeys(("test", "testing"), "cr:TestSplit"),
}
"""What splits are for, by their usual names."""
PNG = "image/png"
MEDIA_TYPES = {
    ".png": PNG,
    ".npz": "application/zip",
    ".gz": "application/gzip",
    ".dcm": "application/dicom",
    ".tar": "application/x-tar",
}


def write(folder: Path, header: Mapping[str, Any]) -> None:
    """Describe the data set with this header, whose manifest is finished."""
    write_atomically(folder / CROISSANT, to_json(document(folder, header)))


def is_of(folder: Path, header: Mapping[str, Any]) -> bool:
    """Tell whether the description is there that the manifest gives the data set of this header."""
    if next(manifest.rows(folder, manifest.MANIFEST), None) is None:
        return False
    content = to_json(document(folder, header))
    return sha256_inside(folder, CROISSANT) == hashlib.sha256(content).hexdigest()


def document(folder: Path, header: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON-LD document: the files, and what records there are.

    The record set ``samples`` is the manifest. Where the files are pictures,
    there is one more of each array, by the samples' indices.
    """
    first = next(manifest.rows(folder, manifest.MANIFEST))
    file_sets = _file_sets(first, header)
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [
            "http://mlcommons.org/croissant/1.0",
            "http://mlcommons.org/croissant/RAI/1.0",
        ],
        "name": f"synthetic-{header['model']}-{header['seed']}",
        "description": f"{header['notice']} {header['count']} samples of {header['model']} "
        f"{header['version']} (seed {header['seed']}): {header['title']}.",
        "license": header["licence"] or "not stated",
        "version": header["version"],
        "citeAs": header["citation"],
        "keywords": ["synthetic", "medical imaging", header["model"]],
        "rai:dataCollection": f"{header['notice']} {description.warning(header)}".strip(),
        "rai:dataLimitations": [*header["limitations"], *header["not_intended_for"]],
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": manifest.MANIFEST,
                "name": manifest.MANIFEST,
                "description": "One row a sample.",
                "contentUrl": manifest.MANIFEST,
                "encodingFormat": "application/jsonlines",
                "sha256": sha256_of(folder / manifest.MANIFEST),
            },
            *file_sets.values(),
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "samples",
                "name": "samples",
                "description": "The rows of the manifest.",
                "key": {"@id": "samples/index"},
                "field": _fields(first),
            },
            *_splits(header["split"]),
            *(
                _pictures(entry, name)
                for name, entry in file_sets.items()
                if entry["encodingFormat"] == PNG
            ),
        ],
    }


def _file_sets(row: manifest.Row, header: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return a file set for each pattern of the rows' files, by an array that it is of.

    All rows name the same but for splits and classes.
    """
    patterns: dict[str, tuple[str, str | None]] = {}
    for name, file in row["files"].items():
        path = PurePosixPath(file["path"])
        folders = list(path.parent.parts)
        if header["layout"] == CLASSES:
            folders[0] = "*" if header["split"] else folders[0]
            folders[-1] = "*" if header["classes_in"] in (".", name) else folders[-1]
        pattern = "/".join((*folders, f"*{''.join(path.suffixes)}"))
        patterns.setdefault(pattern, (name, MEDIA_TYPES.get(path.suffix)))
    return {
        name: {
            "@type": "cr:FileSet",
            "@id": pattern,
            "name": pattern,
            "includes": pattern,
            "encodingFormat": media_type or "application/octet-stream",
        }
        for pattern, (name, media_type) in patterns.items()
    }


def _splits(shares: Mapping[str, float] | None) -> list[dict[str, Any]]:
    """Return the record set of the splits, if there are any; usual names are told in one word."""
    if not shares:
        return []
    usual = all(name.casefold() in SPLITS for name in shares)
    fields = [_field("splits/name", "sc:Text")]
    # The specification has cr:Split alone, which mlcroissant 1.1.1 takes for no field's type.
    fields += [_field("splits/url", ["sc:URL", "cr:Split"])] if usual else []
    return [
        {
            "@type": "cr:RecordSet",
            "@id": "splits",
            "name": "splits",
            "description": "What the samples are meant for.",
            "dataType": "cr:Split",
            "key": {"@id": "splits/name"},
            "field": fields,
            "data": [
                {"splits/name": name} | ({"splits/url": SPLITS[name.casefold()]} if usual else {})
                for name in shares
            ],
        }
    ]


def _pictures(file_set: Mapping[str, Any], array: str) -> dict[str, Any]:
    """Return the record set of one array's pictures; a file's name begins with its index."""
    pattern = file_set["@id"]
    name = f"{array}-pictures"
    index = {"extract": {"fileProperty": "filename"}, "transform": {"regex": "^([0-9]+)"}}
    content = {"extract": {"fileProperty": "content"}}
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"The pictures {pattern}, by the index of their sample.",
        "key": {"@id": f"{name}/index"},
        "field": [
            _field(f"{name}/index", "sc:Integer", {"fileSet": {"@id": pattern}, **index}),
            _field(f"{name}/content", "sc:ImageObject", {"fileSet": {"@id": pattern}, **content}),
        ],
    }


def _fields(row: manifest.Row) -> list[dict[str, Any]]:
    """Return a field for each fact in a row, named after its path there: ``labels.side``."""
    fields = [_fact("index", "sc:Integer")]
    for name, value in row.get("labels", {}).items():
        several = isinstance(value, list)
        number = value[0] if several else value
        data_type = "sc:Integer" if isinstance(number, int) else "sc:Float"
        fields.append({**_fact(f"labels.{name}", data_type), "repeated": several})
    for name, value in row.get("conditions", {}).items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        data_type = "sc:Float" if number else "sc:Boolean" if isinstance(value, bool) else "sc:Text"
        fields.append(_fact(f"conditions.{name}", data_type))
    if "split" in row:
        references = {"references": {"field": {"@id": "splits/name"}}}
        fields.append({**_fact("split", "sc:Text"), **references})
    for name, data_type in (
        ("input", "sc:Text"),
        ("frame", "sc:Integer"),
        ("input_class", "sc:Text"),
    ):
        if name in row:
            fields.append(_fact(name, data_type))
    for name, file in row["files"].items():
        for key, value in file.items():
            data_type = "sc:Integer" if isinstance(value, int) else "sc:Text"
            fields.append(_fact(f"files.{name}.{key}", data_type))
    return fields


def _fact(path: str, data_type: str) -> dict[str, Any]:
    column, _, rest = path.partition(".")
    source: dict[str, Any] = {
        "fileObject": {"@id": manifest.MANIFEST},
        "extract": {"column": column},
    }
    if rest:
        source["transform"] = {"jsonPath": rest}
    return _field(f"samples/{path}", data_type, source)


def _field(
    identity: str, data_type: str | list[str], source: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    name = identity.rpartition("/")[-1]
    field = {"@type": "cr:Field", "@id": identity, "name": name, "dataType": data_type}
    return field if source is None else {**field, "source": source}
