"""Licences by their SPDX identifiers."""

from __future__ import annotations

from medigan_hub.errors import require


def spdx(text: str) -> str | None:
    """Return an SPDX identifier in its usual spelling; None where it is none, or an expression.

    Raises
    ------
    MissingDependencyError
        The extra ``contribute`` is not installed.
    """
    licences = require("packaging.licenses", extra="contribute", purpose="checking a licence")
    try:
        found = str(licences.canonicalize_license_expression(text))
    except licences.InvalidLicenseExpression:
        return None
    return None if " " in found else found
