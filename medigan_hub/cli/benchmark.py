"""The command that measures models side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medigan_hub.cli import arguments
from medigan_hub.cli.arguments import Json
from medigan_hub.cli.knobs import with_knobs
from medigan_hub.cli.progress import progress_bar
from medigan_hub.errors import RequestError, listed
from medigan_hub.hub import Hub
from medigan_hub.terminal import console, print_json

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from medigan_hub.generation import Knobs


@with_knobs()
def benchmark(
    real: arguments.Real,
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="Two or more: names of models, or folders or data sets with synthetic images "
            "(./NAME where a model has that name).",
            show_default=False,
        ),
    ],
    *,
    metrics: arguments.Metrics = None,
    extractors: arguments.Extractors = None,
    weights: arguments.Weights = None,
    normalize: arguments.Normalize = "none",
    protocol: arguments.Protocol = "hub",
    patients: arguments.Patients = None,
    table: arguments.Table = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for benchmark.json and a picture of it, written after each model: the "
            "same command goes on with what is finished there.",
            show_default=False,
        ),
    ] = None,
    num_samples: Annotated[
        int | None,
        typer.Option(
            "-n", help="Images of each model; by default as many as are real, or as one has."
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
    """Measure models side by side against the same real images, with the places each may have."""
    wishes: dict[str, Any] = {
        **arguments.wishes(inputs or [], condition, None, option),
        "seed": seed,
        "balance": balance,
        **knobs,
    }
    with progress_bar("measuring") as progress:
        found = Hub().benchmark(
            real,
            models,
            metrics=metrics or (),
            extractors=extractors or (),
            weights=arguments.weights_of(weights, extractors),
            normalize=normalize,
            protocol=protocol,
            num_samples=num_samples,
            patients=patients,
            table=table,
            output=output,
            progress=progress,
            **wishes,
        )
    if as_json:
        print_json([each.document() for each in found.ranks])
    else:
        from medigan_hub.evaluation.side_by_side import table as drawn

        console(pipe_width=100).print(drawn(found))
        if output is not None:
            print(f"\nthe figures are in {output}: benchmark.json, benchmark.svg")
    if found.missing:
        kept = "; the others are finished, and the same command tries again" if output else ""
        raise RequestError(
            f"{len(found.missing)} of {len(models)} models could not be measured: "
            f"{listed(found.missing)}{kept}"
        )
