"""How the command line spells parameters of Python."""

from __future__ import annotations

import re

OTHERWISE = {
    "num_samples": "-n",
    "indices": "--index",
    "inputs": "--input",
    "conditions": "--condition",
    "options": "--option",
    "masks": "--mask",
    "across": "--conditions",
    "every": "--all",
    "metrics": "--metric",
    "extractors": "--extractor",
    "probes": "--probe",
    "shares": "--share",
    "ratios": "--ratio",
}
ENTRY = re.compile(r"'([^']*)': ([^,}]*)")
"""One of a mapping, as ``errors.named`` writes it."""


def flag(parameter: str) -> str:
    """Return the option of a parameter.

    >>> flag("batch_size"), flag("conditions")
    ('--batch-size', '--condition')
    """
    return OTHERWISE.get(parameter) or "--" + parameter.replace("_", "-")


def spell(parameter: str, value: str | None) -> str:
    """Return the option of a parameter, with the value that a message gives it.

    >>> spell("balance", "True"), spell("fit", "False"), spell("inputs", "{'t1': PATH, 't2': PATH}")
    ('--balance', '--no-fit', '--input t1=PATH --input t2=PATH')
    """
    if value is None or value == "True":
        return flag(parameter)
    if value == "False":
        return f"--no-{flag(parameter)[2:]}"
    if value.startswith("{"):
        return " ".join(f"{flag(parameter)} {key}={each}" for key, each in ENTRY.findall(value))
    return f"{flag(parameter)} {value}"
