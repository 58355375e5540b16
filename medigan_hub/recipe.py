"""How to make the very same samples again: as lines of Python, and as a command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from medigan_hub.errors import RequestError
from medigan_hub.generation import DEFAULTS, run
from medigan_hub.metadata import ModelMetadata, Output, Parameter, parse_parameters
from medigan_hub.reading import READING, Reading
from medigan_hub.spelling import flag

if TYPE_CHECKING:
    from medigan_hub.generation import Wishes

WIDTH = 100
"""Columns that a line has at most; only a single value may be longer."""
LATENTS = "latents.npy"
"""File that the command takes latent vectors from; whoever shows the command provides it."""


@dataclass(frozen=True)
class Group:
    """Expressions in brackets: a call, a list or a dictionary."""

    opening: str
    items: tuple[tuple[str, Expression], ...]
    """Each with what stands before it, such as the name of an argument."""
    closing: str

    @property
    def is_call(self) -> bool:
        """Whether it is a call, and no list or table."""
        return self.opening.endswith("(")


Expression: TypeAlias = "str | Group"


def python(
    model: ModelMetadata,
    num_samples: int,
    wishes: Wishes,
    *,
    output: str = "out",
    format: str = "png",  # noqa: A002 (the name that callers of the hub know)
) -> str:
    """Return lines of Python that make samples again, and save them as a data set.

    They run as they are, once the inputs lie where they run: a file or folder
    goes by the last part of its path, or by more parts where two have the same
    last one. Only wishes that differ from the defaults are written. Latent
    vectors are written as numbers that read back as the same float32.

    Parameters
    ----------
    wishes
        As for ``Hub.generate``; each input is one path.
    output, format
        As for ``Hub.save``.

    Raises
    ------
    RequestError
        A condition or option is not one of the model's, or the inputs are not paths.
    """
    asked = _asked(model, wishes)
    vectors = asked.pop("latents", None)
    lines = ["from medigan_hub import Hub", ""]
    if vectors is not None:
        lines[:1] = ["import numpy as np", *lines[:1]]
        lines += [*_array("latents", vectors[: _stop(num_samples, asked)]), ""]
    arguments = [(f"{key}=", _expression(value)) for key, value in asked.items()]
    if vectors is not None:
        arguments.append(("latents=", "latents"))
    wanted: list[tuple[str, Expression]] = [("", _text(model.name)), ("", str(int(num_samples)))]
    place: list[tuple[str, Expression]] = [("", _text(output))]
    if format != "png":
        place.append(("format=", _text(format)))
    generate = Group("hub.generate(", (*wanted, *arguments), ")")
    save = Group("hub.save(", (*wanted, *place, *arguments), ")")
    lines += ["hub = Hub()", *_laid_out("for batch in ", generate, ":")]
    lines += [f"    {_named(each)}" for each in model.outputs]
    lines += ["", *_laid_out("", save, "")]
    return "\n".join(lines) + "\n"


def command(
    model: ModelMetadata,
    num_samples: int,
    wishes: Wishes,
    *,
    output: str = "out",
    format: str = "png",  # noqa: A002 (as above)
) -> str:
    """Return the command that makes samples again as a data set, for a POSIX shell.

    Takes what ``python`` takes. Latent vectors come from the file ``latents.npy``.
    What can't be said on the command line is left out, and a comment above the
    command says so.
    """
    asked = _asked(model, wishes)
    words = [["medigan", "generate", model.name], ["-n", str(int(num_samples))], ["-o", output]]
    comments = []
    if format != "png":
        words.append([flag("format"), format])
    for key, value in asked.items():
        if key == "latents":
            words.append([flag(key), LATENTS])
        elif key == "inputs":
            words += [[flag(key), text] for text in _input_texts(value)]
        elif key in ("conditions", "options"):
            declared = {each.name: each for each in getattr(model, key)}
            for parameter, wanted in value.items():
                text = _said(declared[parameter], wanted, several=key == "conditions")
                if text is None:
                    comments.append(
                        f"# {parameter}={wanted!r} can't be said on the command line; "
                        "only the lines of Python make the same samples"
                    )
                else:
                    words.append([flag(key), f"{parameter}={text}"])
        elif value is True:
            words.append([flag(key)])
        elif isinstance(value, tuple):
            words.append([flag(key), ",".join(f"{each:g}" for each in value)])
        elif isinstance(value, range):
            words.append([flag(key), f"{value.start}:{value.stop}"])
        else:
            words.append([flag(key), str(value)])
    return "\n".join([*comments, *_continued([shlex.join(each) for each in words])]) + "\n"


def _asked(model: ModelMetadata, wishes: Wishes) -> dict[str, Any]:
    """Return the wishes that differ from the defaults, in the form that they are written in."""
    asked: dict[str, Any] = {}
    reading = Reading(**{name: value for name, value in wishes.items() if name in READING})  # type: ignore[arg-type]
    for name, default in DEFAULTS.items():
        value: Any = getattr(reading, name) if name in READING else wishes.get(name, default)
        if value is None or (isinstance(value, Mapping) and not value):
            continue
        if name == "latents":
            asked[name] = np.asarray(value, dtype=np.float32)
        elif name == "inputs":
            asked[name] = _places(value)
        elif name == "indices":
            asked[name] = run(value)
        elif name in ("conditions", "options"):
            kind = name.removesuffix("s")
            parsed = parse_parameters(kind, getattr(model, name), value, model.name)
            asked[name] = {key: parsed[key] for key in value}
        elif value != default:
            asked[name] = value if isinstance(value, (str, bool, tuple)) else int(value)
    return asked


def _stop(num_samples: int, asked: Mapping[str, Any]) -> int:
    """Return how far the samples reach: the index after the last of them."""
    indices = asked.get("indices")
    return num_samples if indices is None else int(indices.stop)


def _places(source: Any) -> str | dict[str, str]:
    """Return the inputs by the last parts of their paths: as many as tell them apart."""
    given = source if isinstance(source, Mapping) else {"": source}
    for name, path in given.items():
        if not isinstance(path, (str, Path)):
            what = f"the input {name}" if name else "the input"
            raise RequestError(
                f"{what} is a {type(path).__name__}, which can't be written down; "
                "save it as a file, and give its path"
            )
    paths = {name: Path(path) for name, path in given.items()}
    length = 1
    while len({path.parts[-length:] for path in paths.values()}) < len(set(paths.values())):
        length += 1
    places = {name: Path(*path.parts[-length:]).as_posix() for name, path in paths.items()}
    return places if isinstance(source, Mapping) else places[""]


def _input_texts(places: str | dict[str, str]) -> list[str]:
    if isinstance(places, dict):
        return [f"{name}={place}" for name, place in places.items()]
    # A file whose name looks like NAME=PATH, or like an option, is meant as a file.
    return [f"./{places}" if re.match(r"-|[a-z][a-z0-9_]*=", places) else places]


def _said(parameter: Parameter, value: Any, *, several: bool) -> str | None:
    """Return what is read as a value on the command line, or None where nothing is."""
    values = value if isinstance(value, tuple) else (value,)
    text = ",".join(
        str(each).lower()
        if isinstance(each, bool)
        else each
        if isinstance(each, str)
        else repr(each)
        for each in values
    )
    try:
        read = (parameter.parse_several if several else parameter.parse)(text)
    except RequestError:
        return None
    return text if read == value else None


def _continued(words: Sequence[str]) -> list[str]:
    """Return a command on one line, or on several with a backslash at the end of each but one."""
    if len(" ".join(words)) <= WIDTH:
        return [" ".join(words)]
    lines = [words[0]]
    for word in words[1:]:
        if len(f"{lines[-1]} {word} \\") <= WIDTH:
            lines[-1] += f" {word}"
        else:
            lines.append(f"    {word}")
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]


def _named(output: Output) -> str:
    """Return the line that names an array of a batch."""
    sizes = ", ".join("any" if size is None else str(size) for size in ("n", *output.shape))
    line = f"batch.arrays[{_text(output.name)}]"
    remark = f"  # ({sizes if output.shape else 'n,'}) {output.dtype}"
    return line + remark if len(line + remark) <= WIDTH - 4 else line


def _expression(value: Any) -> Expression:
    """Return a Python literal of a value."""
    if isinstance(value, Mapping):
        items = tuple((f"{_text(key)}: ", _expression(each)) for key, each in value.items())
        return Group("{", items, "}")
    if isinstance(value, tuple):
        return Group("[", tuple(("", _expression(each)) for each in value), "]")
    if isinstance(value, float):
        return repr(value).replace("e+", "e")
    return _text(value) if isinstance(value, str) else repr(value)


def _text(text: str) -> str:
    """Return the literal of a text, in double quotes unless that takes more backslashes."""
    literal = repr(text)
    if literal.startswith('"') or text.count('"') > text.count("'"):
        return literal
    inside = literal[1:-1].replace("\\'", "'").replace('"', '\\"')
    return f'"{inside}"'


def _flat(expression: Expression) -> str:
    if isinstance(expression, str):
        return expression
    items = ", ".join(before + _flat(item) for before, item in expression.items)
    return f"{expression.opening}{items}{expression.closing}"


def _laid_out(before: str, expression: Expression, after: str, indent: str = "") -> list[str]:
    """Return the lines of an expression, broken where black and ruff break them.

    Source: https://black.readthedocs.io/en/stable/the_black_code_style/current_style.html
    """
    line = f"{indent}{before}{_flat(expression)}{after}"
    if isinstance(expression, str) or len(line) <= WIDTH:
        return [line]
    deeper = indent + "    "
    together = deeper + _flat(Group("", expression.items, ""))
    if expression.is_call and len(together) <= WIDTH:
        inside = [together]
    else:
        inside = [
            each for name, item in expression.items for each in _laid_out(name, item, ",", deeper)
        ]
    return [
        f"{indent}{before}{expression.opening}",
        *inside,
        f"{indent}{expression.closing}{after}",
    ]


def _array(name: str, rows: np.ndarray) -> list[str]:
    """Return the lines that give an array of float32 a name, filled as far as they go.

    A formatter would put each number on a line of its own, and is told not to.
    """
    texts = [[_number(value) for value in row] for row in rows]
    inside = ", ".join(f"[{', '.join(row)}]" for row in texts)
    line = f"{name} = np.array([{inside}], dtype=np.float32)"
    if len(line) <= WIDTH:
        return [line]
    lines = ["# fmt: off", f"{name} = np.array(["]
    for row in texts:
        filled = "    ["
        for text in row:
            if len(filled) + len(text) + 2 > WIDTH:  # with what may follow: "],"
                lines.append(filled.rstrip())
                filled = "     "
            filled += f"{text}, "
        lines.append(f"{filled.removesuffix(', ')}],")
    return [*lines, "], dtype=np.float32)", "# fmt: on"]


def _number(value: np.float32) -> str:
    """Return the shortest text that reads back as the same float32.

    Python reads a text as float64 first. Where that is rounded to another float32, as may
    happen halfway between two of them, all digits are written.
    """
    text = str(value).replace("e+", "e")
    return text if np.float32(float(text)) == value else repr(float(value))
