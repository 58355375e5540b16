"""The command that tells whether synthetic images help a task."""

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

PICTURE = "utility.svg"
SETS = ("train", "test", "synthetic")


@with_knobs()
def utility(
    train: Annotated[
        str,
        typer.Argument(
            metavar="TRAIN",
            help="Folder or data set with real images to learn.",
            show_default=False,
        ),
    ],
    test: Annotated[
        str,
        typer.Argument(
            metavar="TEST",
            help="Folder or data set with other real images, of other patients.",
            show_default=False,
        ),
    ],
    synthetic: Annotated[
        str,
        typer.Argument(
            metavar="SYNTHETIC",
            help="Folder or data set with synthetic images; or model:NAME, which makes them.",
            show_default=False,
        ),
    ],
    *,
    label: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="What is to be learned: a column of --table or of data sets, an element of DICOM, "
            "or label, the folders that files lie in.",
            show_default=False,
        ),
    ] = None,
    masks: Annotated[
        list[str] | None,
        typer.Option(
            "--mask",
            metavar="[train|test|synthetic=]PATH|NAME",
            help="In place of --label, what is to be outlined: a folder of masks that are named as "
            "their images are, or the name of a mask of data sets and models. May be given for "
            "each set.",
            show_default=False,
        ),
    ] = None,
    learner: Annotated[
        str | None,
        typer.Option(
            metavar="probe|cnn|unet",
            help="What learns: a linear probe on features, a small network, or, of masks, a small "
            "U-Net; by default probe, or unet.",
            show_default=False,
        ),
    ] = None,
    extractors: arguments.Extractors = None,
    weights: arguments.Weights = None,
    shares: Annotated[
        list[float] | None,
        typer.Option(
            "--share",
            help="Of the training images, above 0 to 1; by default 0.1, 0.3 and 1. May be given "
            "several times.",
            show_default=False,
        ),
    ] = None,
    ratios: Annotated[
        list[float] | None,
        typer.Option(
            "--ratio",
            help="Synthetic images for each real one; by default 0.5, 1, 2 and 4. May be given "
            "several times.",
            show_default=False,
        ),
    ] = None,
    repeats: Annotated[
        int, typer.Option(help="How often each is learned, with other images drawn.")
    ] = 10,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Tell the gain for each group of test images, too.",
            show_default=False,
        ),
    ] = None,
    patients: arguments.Patients = None,
    table: arguments.Table = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for utility.json, and a picture of the curve of mixing.",
            show_default=False,
        ),
    ] = None,
    write_metadata: arguments.WriteMetadata = None,
    report: arguments.Report = None,
    pdf: arguments.Pdf = None,
    card: arguments.Card = None,
    num_samples: Annotated[
        int | None,
        typer.Option(
            "-n", help="Samples that model:NAME makes; by default as many as mixtures need."
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
    """Tell whether synthetic images help a task, for whom, and how many of them."""
    from medigan_hub.evaluation.utility import performance, picture, results
    from medigan_hub.evaluation.utility.table import table as drawn

    told = reports.Wanted(report, pdf, card)
    told.check()
    arguments.check_places(output, (results.FILE, PICTURE), write_metadata)
    numbers = {"shares": shares, "ratios": ratios}
    wishes: dict[str, Any] = {
        **arguments.wishes(inputs or [], condition, None, option),
        **{name: each for name, each in numbers.items() if each},
        "seed": seed,
        "balance": balance,
        **knobs,
    }
    with progress_bar("learning") as progress:
        found = Hub().utility(
            train,
            test,
            synthetic,
            label=label,
            masks=_masks(masks),
            learner=learner,
            extractors=extractors or (),
            weights=arguments.weights_of(weights, extractors),
            repeats=repeats,
            by=by,
            num_samples=num_samples,
            patients=patients,
            table=table,
            progress=progress,
            **wishes,
        )
    if output is not None:
        arguments.save_beside(output, picture.svg(found), PICTURE, found.save)
    if write_metadata is not None:
        command = reports.command()
        performance.write_metadata(write_metadata, found, command=command, reference=train)
    if told.is_any:
        told.write(found.content(), "utility", reports.command())
    if as_json:
        print_json(found.document())
        return
    console(pipe_width=150).print(drawn(found))
    if output is not None:
        print(f"\nthe figures are in {output}: {results.FILE}, {PICTURE}")
    told.tell()


def _masks(texts: list[str] | None) -> str | dict[str, str] | None:
    """Return where masks are: one for all sets, or one for each."""
    if not texts:
        return None
    if len(texts) == 1 and texts[0].partition("=")[0] not in SETS:
        return texts[0]
    return arguments.pairs("--mask", texts)
