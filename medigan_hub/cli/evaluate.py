"""The command that judges images."""

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

CASES = "cases.csv"
PICTURE = "evaluation.svg"


@with_knobs()
def evaluate(
    real: arguments.Real,
    synthetic: arguments.Synthetic,
    *,
    metrics: arguments.Metrics = None,
    extractors: arguments.Extractors = None,
    weights: arguments.Weights = None,
    normalize: arguments.Normalize = "none",
    protocol: arguments.Protocol = "hub",
    patients: arguments.Patients = None,
    table: arguments.Table = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Also each group of the real images: a column of --table or of the data set, or a "
            "DICOM keyword. May be given several times.",
            show_default=False,
        ),
    ] = None,
    probes: Annotated[
        list[str] | None,
        typer.Option(
            "--probe",
            metavar="COLUMN",
            help="Whether synthetic images show what they were asked for; by default, for each "
            "condition that the real images have as a column. May be given several times.",
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
    match: Annotated[
        str | None,
        typer.Option(
            "--match",
            metavar="COLUMN|name",
            help="With --paired: what names the real image of a synthetic one; by default the "
            "input that it was made from, or else its name.",
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
    write_metadata: arguments.WriteMetadata = None,
    report: arguments.Report = None,
    pdf: arguments.Pdf = None,
    show_real: arguments.ShowReal = False,
    card: arguments.Card = None,
    num_samples: Annotated[
        int | None,
        typer.Option("-n", help="Samples that model:NAME makes; by default as many as are real."),
    ] = None,
    seed: arguments.Seed = 0,
    inputs: arguments.Inputs = None,
    condition: arguments.Conditions = None,
    balance: arguments.Balance = False,
    option: arguments.Options = None,
    as_json: Json = False,
    **knobs: Unpack[Knobs],
) -> None:
    """Judge synthetic images: how far they are from real ones, with intervals and a baseline."""
    from medigan_hub.evaluation import results

    if masks is not None and not paired:
        raise typer.BadParameter("--mask goes with --paired: it says where pairs are compared")
    if match is not None and not paired:
        raise typer.BadParameter("--match goes with --paired: it says which images are pairs")
    if paired and (extractors or weights or (normalize, protocol) != ("none", "hub")):
        raise typer.BadParameter(
            "--paired compares images as they are; leave --extractor, --weights, --normalize and "
            "--protocol out"
        )
    if paired and (by or probes):
        raise typer.BadParameter(
            "--paired compares image with image, and no groups; leave --by and --probe out"
        )
    # Whatever is to be written is looked at before the work.
    told = reports.Wanted(report, pdf, card, show_real=show_real)
    told.check()
    arguments.check_places(output, (results.FILE, PICTURE, CASES), write_metadata)
    wishes: dict[str, Any] = {
        **arguments.wishes(inputs or [], condition, None, option),
        "seed": seed,
        "balance": balance,
        **knobs,
    }
    both: dict[str, Any] = {
        "metrics": metrics or (),
        "num_samples": num_samples,
        "patients": patients,
        "table": table,
        **wishes,
    }
    cases = None
    with progress_bar("judging") as progress:
        if paired:
            compared = Hub().compare(
                real, synthetic, masks=masks, match=match, progress=progress, **both
            )
            found, cases = compared.evaluation, compared.pairs
        else:
            found = Hub().evaluate(
                real,
                synthetic,
                extractors=extractors or (),
                weights=arguments.weights_of(weights, extractors),
                normalize=normalize,
                protocol=protocol,
                by=by or (),
                probes=probes or None,
                progress=progress,
                **both,
            )
    from medigan_hub.evaluation import performance, picture
    from medigan_hub.evaluation.table import table as drawn

    if output is not None:
        arguments.save_beside(output, picture.svg(found), PICTURE, found.save)
        if cases is not None:
            cases.write(output / CASES)
    if write_metadata is not None:
        performance.write_metadata(write_metadata, found, command=reports.command(), reference=real)
    if told.is_any:
        told.write(found.content(show_real=show_real), "evaluation", reports.command())
    if as_json:
        print_json(found.document())
        return
    console(pipe_width=100).print(drawn(found))
    if output is not None:
        also = f" and {CASES}" if paired else ""
        print(f"\nthe figures are in {output}: {results.FILE}, {PICTURE}{also}")
    told.tell()
