"""The cookiecutter template of a package: where it is, what it asks, and rendering it."""

from __future__ import annotations

import json
import runpy
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from medigan_hub.errors import RequestError, require


def folder() -> Path:
    """Return the folder of the template."""
    installed = Path(__file__).parents[2] / "templates" / "model_package"
    checkout = Path(__file__).parents[3] / "templates" / "model_package"
    return installed if installed.exists() else checkout


@cache
def settings() -> dict[str, Any]:
    """Return what cookiecutter.json says: answers by default, and what the template is told."""
    found: dict[str, Any] = json.loads((folder() / "cookiecutter.json").read_text("utf-8"))
    return found


def render(answers: Mapping[str, str], facts: Mapping[str, Any], output: Path) -> Path:
    """Render the template into a folder, and return the package's."""
    purpose = "making a package"
    generate = require("cookiecutter.generate", extra="contribute", purpose=purpose)
    prompt = require("cookiecutter.prompt", extra="contribute", purpose=purpose)
    utils = require("cookiecutter.utils", extra="contribute", purpose=purpose)
    raw = {key: value for key, value in settings().items() if key != "__prompts__"}
    environment = utils.create_env_with_context({"cookiecutter": raw})
    context: dict[str, Any] = {}
    for key, value in raw.items():
        if key in answers:
            # As they are: in a template of their own, braces would be more than text.
            context[key] = answers[key]
        elif key.startswith("__"):
            context[key] = prompt.render_variable(environment, value, context)
        else:
            context[key] = value
    context |= {"_network": answers["network"], "_facts": facts}
    project = Path(
        generate.generate_files(
            str(folder()), {"cookiecutter": context}, str(output), accept_hooks=False
        )
    )
    hook = runpy.run_path(str(folder() / "hooks" / "post_gen_project.py"))
    try:
        hook["finish"](project)
    except ValueError as error:
        raise RequestError(str(error)) from error
    return project
