"""The command that checks a model's package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medigan_hub import terminal
from medigan_hub.cli.arguments import Json
from medigan_hub.errors import OutputError, PluginError, RequestError
from medigan_hub.files import write_atomically

if TYPE_CHECKING:
    from medigan_hub.contribution.checking import Report

STYLES = {"passed": "green", "failed": "bold red", "skipped": "yellow"}


def check(
    source: Annotated[
        str,
        typer.Argument(
            metavar="PATH|NAME",
            help="A package's folder, its wheel, or an installed model.",
            show_default=False,
        ),
    ],
    timeout: Annotated[
        float, typer.Option(help="Seconds that each check of the running model may take.")
    ] = 300.0,
    memory: Annotated[
        float, typer.Option(help="GiB of memory that the running model may use.")
    ] = 8.0,
    allow_archive_code: Annotated[
        bool,
        typer.Option("--allow-archive-code", help="Let code that was published with it run."),
    ] = False,
    junit: Annotated[
        Path | None, typer.Option(help="Write a JUnit report to this file.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a model's package: its files, its metadata, and what it makes.

    Exit code 0 if all is well, 1 if not. The package's build runs here; the model
    runs in a process of its own, without the network. In GitHub Actions each
    fault is an annotation, too.
    """
    for name, value in (("--timeout", timeout), ("--memory", memory)):
        if not value > 0:
            raise RequestError(f"{name} is {value:g}; it must be above 0")
    from medigan_hub import actions
    from medigan_hub.contribution import checking

    with terminal.status() as say:
        report = checking.check(
            source,
            timeout=timeout,
            memory=memory,
            allow_archive_code=allow_archive_code,
            say=say,
        )
    if junit is not None:
        try:
            write_atomically(junit, report.as_junit())
        except OSError as error:
            raise OutputError(f"{junit} can't be written: {error.strerror}") from error
    if as_json:
        terminal.print_json(report.as_json())
        if not report.ok:
            raise typer.Exit(1)
        return
    with actions.quoted():
        _show(report)
    if actions.wanted():
        for line in report.annotations():
            print(line)
    name = report.model or terminal.one_line(report.source)
    checks = len({finding.check for finding in report.findings})
    if not report.ok:
        failed = len({finding.check for finding in report.failures})
        raise PluginError(
            f"{name} fails {failed} of {checks} checks; the last column says how to mend it"
        )
    print(f"{name} passes: {checks} checks in {report.seconds:.1f} seconds")


def _show(report: Report) -> None:
    from rich.table import Table

    table = Table("check", "result", "what was found, and how to mend it", box=None)
    for finding in report.findings:
        words = "; ".join(filter(None, (finding.message, finding.remedy)))
        table.add_row(
            terminal.text(finding.check),
            terminal.text(finding.status, style=STYLES[finding.status]),
            terminal.text(words),
        )
    terminal.console(200).print(table)
