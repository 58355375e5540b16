"""The command ``medigan``: one file a group of commands, errors in one line."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import typer

from medigan_hub import secrecy, terminal
from medigan_hub._version import __version__
from medigan_hub.errors import HubError, HubNote, HubWarning, shortened
from medigan_hub.spelling import spell

# Typer's own errors of wrong usage, whichever copy of click it is built on.
USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[2]

INTERRUPTED = 130

COMMANDS = {
    "list": "catalogue:list_models",
    "search": "catalogue:search",
    "info": "catalogue:info",
    "install": "catalogue:install",
    "generate": "generate:generate",
    "verify": "dataset:verify",
    "preview": "generate:preview",
    "evaluate": "evaluate:evaluate",
    "privacy": "privacy:privacy",
    "utility": "utility:utility",
    "benchmark": "benchmark:benchmark",
    "app": "app:app",
    "new": "new:new",
    "check": "check:check",
    "publish": "publish:publish",
    "weights": "weights:app",
}
"""The module of this package that each command stands in, and its name there."""


def command_line(arguments: Sequence[str] = ()) -> typer.Typer:
    """Return the command line as far as ``arguments`` need it: the command that they begin with.

    Where they begin with none, that is every command. Loading them all, and reading their
    options, takes longer than many a command itself.
    """
    app = typer.Typer(
        name="medigan",
        help="Find, run and judge generative models of medical images.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    app.callback()(_common)
    called = arguments[0] if arguments else ""
    for name in [called] if called in COMMANDS else COMMANDS:
        module, _, attribute = COMMANDS[name].partition(":")
        command = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"medigan-hub {__version__}")
        raise typer.Exit


def _common(
    version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
    ),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exit with 0, 1 (an error) or 2 (wrong usage).

    With ``--debug``, an error is raised, and shown as a traceback without secrets.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    # Taken out here so that it may stand anywhere, and holds for every error.
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        terminal.prepare()
        with warnings.catch_warnings():
            warnings.filterwarnings("default", category=HubWarning)
            warnings.showwarning = _teller()
            code = command_line(arguments)(args=arguments, standalone_mode=False)
        sys.stdout.flush()  # here, where a reader that has gone away can be handled
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except terminal.Stopped as error:
        _complain(str(error))
        sys.exit(INTERRUPTED)
    except (HubError, USAGE_ERROR) as error:
        if debug:
            _raise(error)
        _complain(_words(error))
        code = 1 if isinstance(error, HubError) else 2
    except BrokenPipeError:  # whoever read the output, such as head, has seen enough
        terminal.give_up(sys.stdout)
        code = 1
    except Exception as error:
        if debug:
            _raise(error)
        if isinstance(error, OSError):
            _complain(f"{error.filename or 'the output'}: {error.strerror or error}")
            if error.filename is None:
                terminal.give_up(sys.stdout)
        else:
            words = f"{type(error).__name__}: {shortened(error, 1000)}"
            _complain(f"{words}; a fault of the hub, --debug shows where")
        code = 1
    if code == INTERRUPTED:  # Typer may hand the interrupt on, or make this code of it
        _complain("interrupted; what was finished is kept")
    sys.exit(code)


def _words(error: Exception) -> str:
    """Return what an error says, with parameters spelt as the options of a command."""
    if isinstance(error, HubError):
        return error.spelt(spell)
    return str(error.format_message()) if hasattr(error, "format_message") else str(error)


def _raise(error: Exception) -> NoReturn:
    sys.excepthook = secrecy.excepthook  # only now: Typer sets one of its own when it is called
    raise error


def _complain(message: str) -> None:
    _say(f"error: {message}")


def _teller() -> Callable[..., None]:
    """Return what tells each warning of the hub once.

    Python forgets what it has told whenever a library that is imported changes a filter.
    """
    told = set[str]()

    def tell(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        if not issubclass(category, HubWarning):
            return  # a library's word to its developers, not to the user
        words = message.spelt(spell) if isinstance(message, HubWarning) else str(message)
        if words not in told:
            told.add(words)
            _say(f"{'note' if issubclass(category, HubNote) else 'warning'}: {words}")

    return tell


def _say(message: str) -> None:
    try:
        print(terminal.printable(" ".join(secrecy.struck(message).split())), file=sys.stderr)
    except OSError:  # nobody reads it any more
        terminal.give_up(sys.stderr)
