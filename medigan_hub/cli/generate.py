"""Commands that make images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medigan_hub.cli import arguments
from medigan_hub.cli.arguments import Json, Model
from medigan_hub.cli.knobs import with_knobs
from medigan_hub.cli.progress import progress_bar
from medigan_hub.errors import Interrupted, OutputError
from medigan_hub.files import can_be_made, write_atomically
from medigan_hub.hub import Hub
from medigan_hub.spelling import spell
from medigan_hub.terminal import Stopped, print_json

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from medigan_hub.generation import Knobs, Wishes

More = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[IMAGE]...",
        help="More images of the input, as a shell makes them of --input *.png.",
        show_default=False,
    ),
]

ARRANGED = ("indices", "format", "shard_size", "layout", "classes_from", "classes_in", "split")
"""What a data set's header says of its arrangement, and the printed JSON too."""


@with_knobs()
def generate(
    model: Model,
    more: More = None,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the data set.", show_default=False)
    ],
    num_samples: Annotated[
        int | None,
        typer.Option(
            "-n", help="Number of samples; by default one for each input, latent or value, or one."
        ),
    ] = None,
    seed: arguments.Seed = 0,
    indices: arguments.Indices = None,
    inputs: arguments.Inputs = None,
    condition: arguments.Conditions = None,
    balance: arguments.Balance = False,
    latents: arguments.Latents = None,
    option: arguments.Options = None,
    format_name: Annotated[
        str, typer.Option("--format", help="png, npz, nifti, dicom, webdataset, or an extension's.")
    ] = "png",
    shard_size: Annotated[
        int | None,
        typer.Option(
            "--shard-size",
            help="Samples in a file of webdataset; by default an eighth of all, at most 1000.",
            show_default=False,
        ),
    ] = None,
    layout: Annotated[
        str,
        typer.Option(
            "--layout",
            metavar="folders|classes[:NAME]",
            help="A folder for each array, or one for each class of the images, as ImageFolder "
            "and Keras read them; NAME is the label or condition that tells the class.",
        ),
    ] = "folders",
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="NAME=SHARE,...",
            help="Splits with their shares, such as train=0.8,val=0.1,test=0.1.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace another data set in the folder.")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with an interrupted job in the folder, or let its data set grow to -n.",
        ),
    ] = False,
    as_json: Json = False,
    **knobs: Unpack[Knobs],
) -> None:
    """Generate a data set of synthetic images, with its manifest."""
    wishes: Wishes = {
        **arguments.wishes([*(inputs or ()), *_more(inputs, more)], condition, latents, option),
        "seed": seed,
        "indices": indices,
        "balance": balance,
        **knobs,
    }
    with progress_bar("generating") as progress, _interrupts_in_words():
        saved = Hub().save(
            model,
            num_samples,
            output,
            format=format_name,
            shard_size=shard_size,
            layout=layout,
            split=None if split is None else arguments.pairs("--split", split.split(",")),  # type: ignore[arg-type]
            overwrite=overwrite,
            resume=resume,
            progress=progress,
            **wishes,
        )
    if as_json:
        result = {
            "model": saved.model,
            "count": saved.count,
            "made": saved.made,
            "seed": saved.seed,
            **{key: saved.header[key] for key in ARRANGED},
            "output": str(saved.output),
            "manifest": str(saved.manifest),
            "seconds": round(saved.seconds, 3),
            "samples_per_second": round(saved.samples_per_second, 3),
            "runtime": saved.runtime,
            "batch_size": saved.batch_size,
        }
        print_json(result)
    else:
        samples = "sample" if saved.count == 1 else "samples"
        kept = saved.count - saved.made
        now = f"{kept} kept, {saved.made} made now" if kept else ""
        rate = f"{saved.samples_per_second:.1f} a second" if saved.made else ""
        print(
            f"{saved.count} synthetic {samples} of {saved.model} in {saved.output} "
            f"({', '.join(filter(None, (now, rate)))}); they are listed in {saved.manifest}"
        )


@with_knobs()
def preview(
    model: Model,
    more: More = None,
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="PNG file; by default MODEL-preview.png."),
    ] = None,
    num_samples: Annotated[
        int | None,
        typer.Option(
            "-n", help="Number of samples; by default one for each input, latent or value, or six."
        ),
    ] = None,
    grid: Annotated[
        str | None,
        typer.Option(
            "--grid",
            metavar="ROWSxCOLUMNS",
            help="So many rows and columns of samples, such as 4x8.",
            show_default=False,
        ),
    ] = None,
    interpolate: Annotated[
        str | None,
        typer.Option(
            "--interpolate",
            metavar="SEED,SEED",
            help="A strip from the first sample of a seed to that of another, such as 7,8; "
            "-n pictures, by default eight.",
            show_default=False,
        ),
    ] = None,
    across: Annotated[
        str | None,
        typer.Option(
            "--conditions",
            metavar="CONDITION",
            help="The same samples at several values of a condition: those that --condition "
            "gives, or its choices, or six of its range; -n samples, by default three.",
            show_default=False,
        ),
    ] = None,
    seed: arguments.Seed = 0,
    indices: arguments.Indices = None,
    inputs: arguments.Inputs = None,
    condition: arguments.Conditions = None,
    balance: arguments.Balance = False,
    latents: arguments.Latents = None,
    option: arguments.Options = None,
    **knobs: Unpack[Knobs],
) -> None:
    """Draw one picture of several samples: a grid, a strip from seed to seed, or a comparison."""
    hub = Hub()
    path = output or Path(f"{hub.model(model).metadata.name}-preview.png")
    if path.suffix.lower() != ".png":
        raise OutputError(f"{path} is not a name of a PNG file; end it with .png")
    if path.is_dir():
        raise OutputError(f"{path} is a folder; name a file")
    if not can_be_made(path):
        raise OutputError(f"{path} can't be written; name a file in another folder")
    wishes: Wishes = {
        **arguments.wishes([*(inputs or ()), *_more(inputs, more)], condition, latents, option),
        "seed": seed,
        "indices": indices,
        "balance": balance,
        **knobs,
    }
    import numpy as np

    from medigan_hub.writers import png

    picture = hub.preview(
        model,
        num_samples,
        grid=_two("--grid", grid, "x", "ROWSxCOLUMNS, such as 4x8"),
        interpolate=_two("--interpolate", interpolate, ",", "two seeds, such as 7,8"),
        across=across,
        **wishes,
    )
    try:
        write_atomically(path, png.encode(np.asarray(picture), picture.info))
    except OSError as error:
        raise OutputError(f"{path} can't be written: {error.strerror}") from error
    print(f"a picture of synthetic samples of {model} is in {path}")


def _more(inputs: list[str] | None, more: list[str] | None) -> list[str]:
    """Return images that stand without an option, as they do where a shell expands a pattern."""
    if more and (not inputs or arguments.is_named(inputs[-1])):
        raise typer.BadParameter(
            f"{more[0]} stands without an option"
            + (": give each image or folder as --input NAME=PATH" if inputs else "")
        )
    return more or []


def _two(flag: str, text: str | None, mark: str, form: str) -> tuple[int, int] | None:
    """Return the two whole numbers of a text, which stand before and behind a mark."""
    if text is None:
        return None
    first, _, second = text.partition(mark)
    try:
        return int(first), int(second)
    except ValueError as error:
        raise typer.BadParameter(f"{flag} {text}: write it as {form}") from error


@contextmanager
def _interrupts_in_words() -> Iterator[None]:
    """Keep what an interrupt says: Typer takes it for one without words."""
    try:
        yield
    except Interrupted as error:
        raise Stopped(error.spelt(spell)) from error
