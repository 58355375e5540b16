"""What the project says of its models, in each place from the model's own ``metadata.json``.

    python docs/facts.py            # write it anew
    python docs/facts.py --check    # say where it differs, and fail

Of each model: the catalogue's copy of its document; the version and description of its
package; its row in the tables of README.md; and, of a published model, its package's README.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from medigan_hub import metadata, runtimes
from medigan_hub.card import readme
from medigan_hub.metadata import ModelMetadata

ROOT = Path(__file__).parents[1]
PLUGINS = ROOT / "plugins"
CATALOGUE = ROOT / "medigan_hub" / "catalogue"
TABLE = re.compile(r"(?P<head>\| [^\n]*\n\| ---[^\n]*\n)(?:\|[^\n]*\n)+")
"""A table of Markdown."""


def main(arguments: list[str]) -> int:
    """Write what differs, or only name it; return the exit code."""
    stale = {path: text for path, text in wanted() if not is_so(path, text)}
    extra = sorted(set(CATALOGUE.glob("*.json")) - {path for path, _ in wanted()})
    if "--check" in arguments:
        for path in (*stale, *extra):
            print(f"{path.relative_to(ROOT)} is not what the models' metadata.json say")
        if stale or extra:
            print("mend it: make facts")
        return 1 if stale or extra else 0
    for path, text in stale.items():
        path.write_text(text, "utf-8")
    for path in extra:
        path.unlink()
    return 0


def is_so(path: Path, text: str) -> bool:
    """Tell whether a file has this text."""
    return path.exists() and path.read_text("utf-8") == text


def wanted() -> Iterator[tuple[Path, str]]:
    """Yield the files that follow from the models' documents, each with its text."""
    models = {}
    for path in sorted(PLUGINS.glob("*/medigan_model_*/metadata.json")):
        model = metadata.load(path)
        models[model.name] = model
        yield CATALOGUE / f"{model.name}.json", path.read_text("utf-8")
        project = path.parents[1] / "pyproject.toml"
        yield project, project_of(model, project.read_text("utf-8"))
        if model.archive is not None:
            yield path.parents[1] / "README.md", readme(model)
    yield ROOT / "README.md", tables(models, (ROOT / "README.md").read_text("utf-8"))


def project_of(model: ModelMetadata, text: str) -> str:
    """Return a package's pyproject.toml with the model's version and title."""
    text = re.sub(r'(?m)^version = ".*"$', f'version = "{model.version}"', text, count=1)
    words = f'description = "medigan-hub model: {model.title}"'
    return re.sub(r'(?m)^description = ".*"$', lambda _: words, text, count=1)


def tables(models: Mapping[str, ModelMetadata], text: str) -> str:
    """Return the project's README with its two tables of models."""
    bundled = [model for model in models.values() if model.archive is None]
    published = [model for model in models.values() if model.medigan_id]
    published.sort(key=lambda model: str(model.medigan_id))
    for heading, rows in (
        ("### The bundled models\n", map(bundled_row, bundled)),
        ("### The published models\n", map(published_row, published)),
    ):
        before, found, after = text.partition(heading)
        body = "".join(f"| {' | '.join(cells)} |\n" for cells in rows)
        table = TABLE.search(after)
        assert table is not None, heading  # noqa: S101 (the README's own form)
        text = before + found + after[: table.end("head")] + body + after[table.end() :]
    return text


def bundled_row(model: ModelMetadata) -> tuple[str, ...]:
    """Return what the table of models with weights says of one."""
    runs = " or ".join(runtimes.title(name) for name in model.runtimes)
    return link(model), plain_title(model), runs, ", ".join(model.dataset), str(model.licence)


def published_row(model: ModelMetadata) -> tuple[str, ...]:
    """Return what the table of the models that medigan published says of one."""
    vector = re.search(r"reference vector (\S+)", model.document["weights"][0]["evidence"])
    return (
        str(int(str(model.medigan_id)[:5])),
        link(model),
        plain_title(model),
        ", ".join(model.runtimes),
        f"`{vector[1]}`, stand-in" if vector else "stand-in",
        model.licence or "not stated",
    )


def link(model: ModelMetadata) -> str:
    """Return a model's name, leading to its card."""
    return f"[`{model.name}`](plugins/{model.plugin}/README.md)"


def plain_title(model: ModelMetadata) -> str:
    """Return a title without what stands in brackets."""
    return re.sub(r" \(.*\)$", "", model.title)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
