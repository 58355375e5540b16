"""Arguments and options that several commands take."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medigan_hub.errors import OutputError, RequestError
from medigan_hub.files import can_be_made, check_replaceable, write_atomically

if TYPE_CHECKING:
    import numpy as np

    from medigan_hub.generation import Wishes
    from medigan_hub.inputs import Source

Model = Annotated[str, typer.Argument(help="Name, medigan id or its number.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed: the same seed makes the same samples.")]
Indices = Annotated[
    str | None,
    typer.Option(
        "--index",
        metavar="I|FROM:TO",
        help="In place of -n, sample I alone, such as 37, or those before TO, such as 100:200.",
        show_default=False,
    ),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="[NAME=]PATH",
        help="Image, folder of images or volume to start from; by name where the model takes "
        "several. May be given several times.",
        show_default=False,
    ),
]
Conditions = Annotated[
    list[str] | None,
    typer.Option(
        "--condition",
        metavar="K=V[,V...]",
        help="Condition of the model: one value for all samples, or one for each.",
        show_default=False,
    ),
]
Balance = Annotated[
    bool,
    typer.Option(
        "--balance", help="Samples take turns in the values given of a condition, or in all."
    ),
]
Latents = Annotated[
    Path | None,
    typer.Option(
        "--latents", help="NumPy file with a latent vector a sample, (n, size).", show_default=False
    ),
]
Options = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="K=V", help="Option of the model.", show_default=False),
]
Real = Annotated[
    str,
    typer.Argument(
        metavar="REAL", help="Folder, file or data set with real images.", show_default=False
    ),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="NAME",
        help="Metric, such as KID; by default the usual ones. May be given several times.",
        show_default=False,
    ),
]
Protocol = Annotated[
    str,
    typer.Option(
        metavar="hub|medigan", help="medigan: images as medigan's own script prepares them."
    ),
]
Synthetic = Annotated[
    str,
    typer.Argument(
        metavar="SYNTHETIC",
        help="Folder or data set with synthetic images; or model:NAME, which makes them.",
        show_default=False,
    ),
]
Extractors = Annotated[
    list[str] | None,
    typer.Option(
        "--extractor",
        metavar="NAME|FILE.onnx",
        help="What describes images by numbers: texture, imagenet, inception, radimagenet, "
        "radiomics, random; by default texture, and imagenet where it is installed.",
        show_default=False,
    ),
]
Weights = Annotated[
    list[str] | None,
    typer.Option(
        "--weights",
        metavar="[EXTRACTOR=]FILE",
        help="File with the weights of an extractor.",
        show_default=False,
    ),
]
Normalize = Annotated[
    str,
    typer.Option(
        metavar="none|minmax|both",
        help="Whether each image's least and greatest value become black and white.",
    ),
]
Patients = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN|REGEX",
        help="What tells whose an image is: a column of --table or of the data set, or a "
        "regular expression with one group for names of files. Images of one patient are "
        "never split.",
        show_default=False,
    ),
]
Table = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.csv",
        help="What is known of the real images: the first column names their files.",
        show_default=False,
    ),
]
WriteMetadata = Annotated[
    Path | None,
    typer.Option(
        "--write-metadata",
        metavar="FILE",
        help="metadata.json of a plugin, whose figures these become.",
        show_default=False,
    ),
]
Report = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE.html",
        help="Report: one page that stands alone, in words, pictures and tables.",
        show_default=False,
    ),
]
Pdf = Annotated[
    Path | None,
    typer.Option(
        "--pdf",
        metavar="FILE.pdf",
        help="The report as a PDF, printed by a Chromium that is installed.",
        show_default=False,
    ),
]
ShowReal = Annotated[
    bool,
    typer.Option(
        "--show-real", help="Show real images in the report, which makes it confidential."
    ),
]
Card = Annotated[
    Path | None,
    typer.Option(
        "--card",
        metavar="FILE.md",
        help="Model card, such as a plugin's README.md, which gets the report as a section.",
        show_default=False,
    ),
]


def save_beside(output: Path, picture: str, name: str, save: Callable[[Path], object]) -> None:
    """Write a picture into a folder, which is made, and what it shows beside it.

    Raises
    ------
    OutputError
        It can't be written.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        write_atomically(output / name, picture.encode())
    except OSError as error:
        raise OutputError(f"{output} can't be written: {error.strerror}") from error
    save(output)


def wishes(
    inputs: list[str],
    conditions: list[str] | None,
    latents: Path | None,
    options: list[str] | None,
) -> Wishes:
    """Return what options of a command say of the samples that are wished for."""
    return {
        "inputs": _inputs(inputs),
        "conditions": pairs("--condition", conditions),
        "latents": None if latents is None else _read_latents(latents),
        "options": pairs("--option", options),
    }


def is_named(text: str) -> bool:
    """Tell whether an input is given by its name; a path may hold an equals sign, too."""
    return bool(re.match(r"[a-z][a-z0-9_]*=", text)) and not Path(text).exists()


def _inputs(texts: list[str]) -> Source | dict[str, Source] | None:
    """Return the paths that were given, or those of each input by its name."""
    if not texts:
        return None
    if not any(is_named(text) for text in texts):
        return texts[0] if len(texts) == 1 else list(texts)
    found: dict[str, list[str]] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"--input {text}: write it as NAME=VALUE, as the others")
        found.setdefault(name, []).append(path)
    return {name: paths[0] if len(paths) == 1 else list(paths) for name, paths in found.items()}


def _read_latents(path: Path) -> np.ndarray:
    import numpy as np

    try:
        array = np.load(path, allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError
    except Exception as error:  # NumPy raises many kinds for a file that is none of its own
        reason = getattr(error, "strerror", None) or "it is not a NumPy file of numbers (.npy)"
        raise RequestError(f"the latents {path} can't be read: {reason}") from error
    return array


def pairs(flag: str, texts: list[str] | None) -> dict[str, str]:
    """Return what is given as NAME=VALUE, by the names; ``flag`` is the option."""
    pairs: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{flag} {text}: write it as NAME=VALUE")
        if name in pairs:
            raise typer.BadParameter(f"{flag} {name} is given twice; give it once")
        pairs[name] = value
    return pairs


def weights_of(texts: list[str] | None, extractors: Sequence[str] | None) -> dict[str, str]:
    """Return the files with weights by the extractor: the only one, where its name is left out."""
    found: dict[str, str] = {}
    for text in texts or ():
        name, equals, path = text.partition("=")
        if not equals or Path(text).exists():
            if len(extractors or ()) != 1:
                raise typer.BadParameter(f"--weights {text}: write it as EXTRACTOR=FILE")
            name, path = (extractors or ("",))[0], text
        found[name] = path
    return found


def check_places(output: Path | None, names: Sequence[str], write_metadata: Path | None) -> None:
    """Look, before the work, at what is to be written: files in a folder, and a model's metadata.

    Raises
    ------
    HubError
        A place can't be written, or the metadata is not valid.
    """
    from medigan_hub import metadata

    if output is not None:
        if output.is_file() or not can_be_made(output / names[0]):
            raise OutputError(f"{output} can't be written into; name another folder")
        for name in names:
            check_replaceable(output / name)
    if write_metadata is not None:
        metadata.load(write_metadata)
        check_replaceable(write_metadata)
        if not can_be_made(write_metadata):
            raise OutputError(f"{write_metadata} can't be written; copy it to a folder of yours")
