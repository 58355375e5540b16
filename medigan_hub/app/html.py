"""HTML from templates; every value that goes into one is escaped."""

from __future__ import annotations

from functools import cache
from typing import Any

from medigan_hub.errors import require

require("jinja2", extra="app", purpose="the app")
from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: E402 (see above)


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("medigan_hub.app"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, **values: Any) -> str:
    """Return a template of this package, filled in."""
    return _templates().get_template(template).render(values)
