"""The command that makes a package for a model."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medigan_hub.cli.arguments import Json
from medigan_hub.errors import RequestError
from medigan_hub.terminal import print_json, printable

if TYPE_CHECKING:
    from medigan_hub.contribution.scaffold import Question, Start

Ask = Callable[["Question", str], str]
"""Returns what somebody answers to a question with a default."""


def new(
    answers: Annotated[
        list[str] | None,
        typer.Argument(
            help="Answers: name, title, task, framework, network, organ, modality, licence, "
            "author, orcid, affiliation.",
            metavar="[KEY=VALUE]...",
            show_default=False,
        ),
    ] = None,
    no_input: Annotated[
        bool, typer.Option("--no-input", help="Ask nothing; name=NAME must be given.")
    ] = False,
    from_checkpoint: Annotated[
        Path | None,
        typer.Option(help="Begin with a checkpoint of PyTorch, or a safetensors file."),
    ] = None,
    from_medigan: Annotated[
        Path | None, typer.Option(help="Begin with an entry in the form of medigan's global.json.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Which entry, by its medigan id.", metavar="ID")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder of the package; by default medigan-model-NAME."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a package for a model: code, metadata, tests, model card, licence and CI."""
    from medigan_hub.contribution import scaffold

    given = _given(answers or [])
    start = _start(given, from_checkpoint, from_medigan, model)
    made = scaffold.create(_answered(given, start, None if no_input else _ask), output, start)
    if as_json:
        print_json({**asdict(made), "folder": str(made.folder)})
        return
    print(printable(f"{made.folder}: the package of {made.name}, {len(made.files)} files"))
    for note in made.notes:
        print(printable(f"- {note}"))
    print("Next:")
    for command in made.next:
        print(printable(f"  {command}"))
    print("medigan check lists what is left to be filled in, marked TODO.")


def _given(words: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise RequestError(f"{word!r} is no answer; give key=value, such as name=my-gan")
        if key in found:
            raise RequestError(f"{key} is given twice; give it once")
        found[key] = value
    return found


def _start(
    given: Mapping[str, str], checkpoint: Path | None, entry: Path | None, model: str | None
) -> Start:
    from medigan_hub.contribution import scaffold

    if checkpoint is not None and entry is not None:
        raise RequestError("--from-checkpoint and --from-medigan don't go together; give one")
    if model is not None and entry is None:
        raise RequestError("--model names an entry of --from-medigan; give that, too")
    if checkpoint is not None:
        return scaffold.from_checkpoint(checkpoint, given.get("network"))
    if entry is not None:
        return scaffold.from_medigan(entry, model)
    return scaffold.Start()


def _answered(given: Mapping[str, str], start: Start, ask: Ask | None) -> dict[str, str]:
    """Return an answer to each question: the one given, the one that follows, or the one asked."""
    from medigan_hub.contribution import scaffold

    found: dict[str, str] = {}
    known = {question.key for question in scaffold.questions()}
    for key in given:
        if key not in known:
            scaffold.check(key, given[key], found, start)  # which says what there is
    for question in scaffold.questions():
        key = question.key
        default = start.fixed.get(key, start.defaults.get(key, question.default))
        settled = key in start.fixed or (key == "network" and found["framework"] != "torch")
        if key in given:
            found[key] = scaffold.check(key, given[key], found, start)
        elif settled or ask is None:
            if key == "name" and key not in start.defaults:
                raise RequestError("the model has no name; give one: name=my-gan")
            found[key] = scaffold.check(key, default, found, start)
        else:
            found[key] = _asked(question, default, found, start, ask)
    return found


def _asked(
    question: Question, default: str, found: Mapping[str, str], start: Start, ask: Ask
) -> str:
    from medigan_hub.contribution import scaffold

    while True:
        try:
            return scaffold.check(question.key, ask(question, default), found, start)
        except RequestError as error:
            print(printable(str(error)), file=sys.stderr)


def _ask(question: Question, default: str) -> str:
    words = question.words
    if question.choices:
        words = f"{words} ({', '.join(question.choices)})"
    try:
        answer: str = typer.prompt(words, default=default, err=True)
    except typer.Abort:
        if sys.stdin is not None and sys.stdin.isatty():
            raise
        raise RequestError(
            f"nobody answers what the {question.key} is; give {question.key}=VALUE, and --no-input"
        ) from None
    return answer
