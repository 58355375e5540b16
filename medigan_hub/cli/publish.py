"""The command that publishes a model's package."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from medigan_hub import secrecy, terminal
from medigan_hub.cli.arguments import Json
from medigan_hub.errors import HubError, NetworkError, RequestError

if TYPE_CHECKING:
    from medigan_hub.contribution.publishing.steps import Plan, Publication


def publish(
    path: Annotated[
        Path, typer.Argument(help="Folder of the package's project.", show_default=False)
    ],
    production: Annotated[
        bool, typer.Option("--production", help="Publish on Zenodo itself, not in its sandbox.")
    ] = False,
    server: Annotated[
        str | None,
        typer.Option(help="Another server that runs Zenodo's software.", show_default=False),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Publish without asking; it can't be undone.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check, build and show; send nothing.")
    ] = False,
    detach_weights: Annotated[
        bool,
        typer.Option(
            "--detach-weights",
            help="Publish the weights beside the wheel, which downloads them when first used.",
        ),
    ] = False,
    catalogue_entry: Annotated[
        Path | None,
        typer.Option(
            help="Where the catalogue's entry goes; by default dist/NAME.json in the project.",
            show_default=False,
        ),
    ] = None,
    github: Annotated[
        str | None,
        typer.Option(
            metavar="OWNER/REPOSITORY",
            help="Propose the entry there, as a pull request or an issue.",
            show_default=False,
        ),
    ] = None,
    allow_archive_code: Annotated[
        bool,
        typer.Option("--allow-archive-code", help="Let the check run code published with it."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Publish a model's package and weights as a record with a DOI; by default in a sandbox.

    The package is checked and built, the files go into a draft, and are compared
    with what the server has. Then it is published, once you say so. What breaks off goes
    on when the command is run again. A published model becomes a new version of its record.
    """
    from medigan_hub.contribution.publishing import github as hub
    from medigan_hub.contribution.publishing import servers, steps, tokens

    order = steps.Order(
        project=path,
        server=servers.chosen(production=production, url=server),
        detached=detach_weights,
        entry=catalogue_entry,
        allow_archive_code=allow_archive_code,
    )
    repository = None if github is None else hub.repository(github)
    ask = _ask if sys.stdin is not None and sys.stdin.isatty() else None
    # With --json, standard output holds the result alone.
    words = sys.stderr if as_json else sys.stdout
    voice = steps.Voice(
        say=_say,
        status=terminal.status,
        show=lambda plan: _show(plan, words),
        confirm=lambda plan: _confirm(plan, yes=yes),
    )
    if dry_run:
        plan = steps.rehearse(order, voice)
        if as_json:
            terminal.print_json(_facts(plan))
        else:
            print("nothing was sent (--dry-run)")
        return
    # Asked for before anything is sent, so that nobody is asked again in the end.
    hub_token = None if repository is None else tokens.find(hub.server(), ask)
    done = steps.publish(order, lambda chosen: tokens.find(chosen, ask), voice)
    proposed, fault = None, None
    if repository is not None and hub_token is not None:
        entry = hub.Entry(
            model=done.model,
            version=done.version,
            document=done.document,
            doi=done.doi,
            record=done.url,
            trial=order.server == servers.SANDBOX,
        )
        try:
            proposed = hub.propose(entry, repository, hub_token, voice.say)
        except HubError as error:
            fault = error
    _report(done, proposed, as_json=as_json)
    if fault is not None:
        raise NetworkError(
            f"{done.model} is published as {done.doi}, but its entry is not proposed: {fault}; run "
            f"this again, or send {done.catalogue_entry} to {repository} by hand"
        ) from fault


def _report(done: Publication, proposed: str | None, *, as_json: bool) -> None:
    if as_json:
        terminal.print_json(
            {
                "model": done.model,
                "version": done.version,
                "doi": done.doi,
                "record": done.url,
                "server": done.server,
                "files": {name: each._asdict() for name, each in done.files.items()},
                "catalogue_entry": str(done.catalogue_entry),
                "github": proposed,
                "published": True,
            }
        )
        return
    lines = [
        f"{done.model} {done.version} is published: {done.doi}, {done.url}",
        f"its entry for the catalogue: {done.catalogue_entry}",
        f"proposed to the hub: {proposed}"
        if proposed
        else "to have it in the hub's catalogue, run this again with --github OWNER/REPOSITORY, or "
        "send it as medigan_hub/catalogue/" + done.catalogue_entry.name,
    ]
    print(terminal.printable("\n".join(lines)))


def _confirm(plan: Plan, *, yes: bool) -> None:
    """Return where the draft is to be published.

    Raises
    ------
    RequestError
        There is nobody to ask, or another word was typed.
    """
    if yes:
        return
    kept = f"the draft is kept, with its files, at {plan.draft}"
    if sys.stdin is None or not sys.stdin.isatty():
        raise RequestError(
            f"nothing is published: there is no terminal to confirm it at, and {kept}; look at it, "
            "and run this again with --yes"
        )
    name = plan.model.name
    typed = typer.prompt(
        f"Publishing is final. Type {name} to publish", default="", show_default=False, err=True
    )
    if typed.strip() != name:
        raise RequestError(f"nothing is published: {typed!r} is not {name}, and {kept}")


def _ask(words: str) -> str:
    answer: str = typer.prompt(words, hide_input=True, default="", show_default=False, err=True)
    return answer


def _show(plan: Plan, output: TextIO) -> None:
    """Show what goes where."""
    from rich.console import Console
    from rich.table import Table

    facts = _facts(plan)
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, value in facts.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        if name not in ("files", "published") and shown:
            table.add_row(terminal.text(name), terminal.text(shown))
    for name, size in plan.files:
        table.add_row(terminal.text("file"), terminal.text(f"{name} ({_size(size)})"))
    Console(file=output, width=None if output.isatty() else 200, highlight=False).print(table)


def _facts(plan: Plan) -> dict[str, Any]:
    metadata = plan.metadata
    return {
        "server": plan.server,
        "model": plan.model.name,
        "version": plan.model.version,
        "title": metadata["title"],
        "creators": [_creator(creator) for creator in metadata["creators"]],
        "licence": metadata["license"],
        "keywords": list(metadata["keywords"]),
        "related": [
            f"{each['relation']} {each['identifier']}" for each in metadata["related_identifiers"]
        ],
        "doi": plan.doi,
        "draft": plan.draft,
        "new_version_of": plan.replaces,
        "files": dict(plan.files),
        "published": False,
    }


def _creator(creator: dict[str, str]) -> str:
    more = ", ".join(creator[key] for key in ("affiliation", "orcid") if creator.get(key))
    name = creator["name"].rstrip(",")
    return f"{name} ({more})" if more else name


def _size(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.1f} KiB"


def _say(words: str) -> None:
    words = terminal.printable(" ".join(secrecy.struck(words).split()))
    print(words, file=sys.stderr, flush=True)
