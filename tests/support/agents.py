"""Whom a server under load turns away: Zenodo has refused the agent of a mere library so."""

from __future__ import annotations

from collections.abc import Mapping

PAGE = b"<!DOCTYPE html>\n<html><body>Unusual traffic from your network</body></html>"


def is_turned_away(headers: Mapping[str, str]) -> bool:
    """Tell whether who asks with such headers is answered 403, as all stand-ins do."""
    agent = headers.get("User-Agent", "")
    return not agent or agent.startswith(("python-requests", "python-urllib3"))
