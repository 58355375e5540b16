"""The command that judges images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medigan_hub.cli import generate
from medigan_hub.cli.arguments import Json
from medigan_hub.cli.knobs import with_knobs
from medigan_hub.errors import OutputError
from medigan_hub.files import can_be_made
from medigan_hub.hub import Hub
from medigan_hub.terminal import print_json

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from medigan_hub.generation import Knobs, Wishes


@with_knobs()
def evaluate(
    real: Annotated[
        str, typer.Argument(help="Folder, file or data set with real images.", show_default=False)
    ],
    synthetic: Annotated[
        str,
        typer.Argument(
            help="Folder or data set with synthetic images; or model:NAME, which makes them.",
            show_default=False,
        ),
    ],
    *,
    metrics: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="NAME",
            help="Metric, such as KID; by default the usual ones. May be given several times.",
            show_default=False,
        ),
    ] = None,
    extractors: Annotated[
        list[str] | None,
        typer.Option(
            "--extractor",
            metavar="NAME|FILE.onnx",
            help="What describes images by numbers: texture, imagenet, inception, radimagenet, "
            "radiomics, random; by default texture, and imagenet where it is installed.",
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weights",
            metavar="[EXTRACTOR=]FILE",
            help="File with the weights of an extractor.",
            show_default=False,
        ),
    ] = None,
    normalize: Annotated[
        str,
        typer.Option(
            metavar="none|minmax|both",
            help="Whether each image's least and greatest value become black and white.",
        ),
    ] = "none",
    protocol: Annotated[
        str,
        typer.Option(
            metavar="hub|medigan", help="medigan: images as medigan's own script prepares them."
        ),
    ] = "hub",
    patients: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN|REGEX",
            help="What tells whose an image is: a column of --table or of the data set, or a "
            "regular expression with one group for names of files. Images of one patient are "
            "never split.",
            show_default=False,
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv",
            help="What is known of the real images: the first column names their files.",
            show_default=False,
        ),
    ] = None,
    paired: Annotated[
        bool, typer.Option("--paired", help="Compare image with image, matched by their names.")
    ] = False,
    masks: Annotated[
        str | None,
        typer.Option(
            "--mask",
            metavar="PATH",
            help="With --paired: masks, inside which images are compared, too.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for evaluation.json, a picture of it, and with --paired a table of all "
            "cases.",
            show_default=False,
        ),
    ] = None,
    write_metadata: Annotated[
        Path | None,
        typer.Option(
            "--write-metadata",
            metavar="FILE",
            help="metadata.json of a plugin, whose figures these become.",
            show_default=False,
        ),
    ] = None,
    num_samples: Annotated[
        int | None,
        typer.Option("-n", help="Samples that model:NAME makes; by default as many as are real."),
    ] = None,
    seed: generate.Seed = 0,
    inputs: generate.Inputs = None,
    condition: generate.Conditions = None,
    balance: generate.Balance = False,
    option: generate.Options = None,
    as_json: Json = False,
    **knobs: Unpack[Knobs],
) -> None:
    """Judge synthetic images: how far they are from real ones, with intervals and a baseline."""
