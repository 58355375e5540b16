"""The command that looks for copies of training images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medigan_hub.cli import arguments, reports
from medigan_hub.cli.arguments import Json
from medigan_hub.cli.knobs import with_knobs
from medigan_hub.cli.progress import progress_bar
from medigan_hub.hub import Hub
from medigan_hub.terminal import console, print_json

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from medigan_hub.generation import Knobs


@with_knobs()
def privacy(
    train: Annotated[
        str,
        typer.Argument(
            metavar="TRAIN",
            help="Folder, file or data set with the images that the model was trained on.",
            show_default=False,
        ),
    ],
    heldout: Annotated[
        str,
        typer.Argument(
            metavar="HELDOUT",
            help="Others of the same kind that it never saw: 20 or more, better 100 or more.",
            show_default=False,
        ),
    ],
    synthetic: arguments.Synthetic,
    *,
    extractors: arguments.Extractors = None,
    weights: arguments.Weights = None,
    normalize: arguments.Normalize = "none",
    patients: arguments.Patients = None,
    table: arguments.Table = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for privacy.json, and for a picture and a table of the closest pairs, "
            "which show training images: they are confidential.",
            show_default=False,
        ),
    ] = None,
    write_metadata: Annotated[
        Path | None,
        typer.Option(
            "--write-metadata",
            metavar="FILE",
            help="metadata.json of a plugin, whose words on privacy these findings follow.",
            show_default=False,
        ),
    ] = None,
    report: arguments.Report = None,
    pdf: arguments.Pdf = None,
    show_real: arguments.ShowReal = False,
    card: arguments.Card = None,
    num_samples: Annotated[
        int | None,
        typer.Option(
            "-n",
            help="Samples that model:NAME makes; by default as many as are held out, and 500 at "
            "least.",
        ),
    ] = None,
    seed: arguments.Seed = 0,
    inputs: arguments.Inputs = None,
    condition: arguments.Conditions = None,
    balance: arguments.Balance = False,
    option: arguments.Options = None,
    as_json: Json = False,
    **knobs: Unpack[Knobs],
) -> None:
    """Look for copies of training images among synthetic ones, held against held-out images."""
    from medigan_hub.evaluation.privacy import statement
    from medigan_hub.evaluation.privacy.results import FILE
    from medigan_hub.evaluation.privacy.table import table as drawn
    from medigan_hub.preview import pairs

    # Whatever is to be written is looked at before the work.
    told = reports.Wanted(report, pdf, card, show_real=show_real)
    told.check()
    arguments.check_places(output, (FILE, pairs.PICTURE, pairs.TABLE), write_metadata)
    wishes: dict[str, Any] = {
        **arguments.wishes(inputs or [], condition, None, option),
        "seed": seed,
        "balance": balance,
        **knobs,
    }
    with progress_bar("describing") as progress:
        found = Hub().privacy(
            train,
            heldout,
            synthetic,
            extractors=extractors or (),
            weights=arguments.weights_of(weights, extractors),
            normalize=normalize,
            num_samples=num_samples,
            patients=patients,
            table=table,
            progress=progress,
            **wishes,
        )
    if output is not None:
        pairs.write(found, output)
        found.save(output)
    if write_metadata is not None:
        statement.write_metadata(write_metadata, found)
    if told.is_any:
        told.write(found.content(show_real=show_real), "privacy", reports.command())
    if as_json:
        print_json(found.document())
        return
    console(pipe_width=100).print(drawn(found.document()))
    if output is not None:
        print(
            f"\nthe findings are in {output}: {FILE}, and for you alone, as they show images of "
            f"real patients, {pairs.PICTURE} and {pairs.TABLE}"
        )
    told.tell()
