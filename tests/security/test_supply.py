"""What comes from others is audited, and no rule of security is switched off without its reason."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from support import ROOT

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib  # type: ignore[import-not-found,no-redef]

SHIPPED = ("medigan_hub", "plugins", "benchmarks", "docs")
"""Folders with code that people run."""
SWITCHED_OFF = re.compile(r"#\s*(?:ruff:\s*)?noqa(?P<rules>[^(\n]*)(?P<reason>\(.{3,}\))?")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def without_reason(line: str) -> bool:
    """Tell whether a line switches off all rules, or one of security without saying why."""
    return any(
        not found["rules"].strip(": ")
        or (re.search(r"\bS(\d|\b)", found["rules"]) is not None and found["reason"] is None)
        for found in SWITCHED_OFF.finditer(line)
    )


def test_a_rule_of_security_is_switched_off_in_one_line_and_with_its_reason():
    assert without_reason("x  # noqa")
    assert without_reason("x  # noqa: S301")
    assert without_reason("# ruff: noqa: S")
    assert not without_reason("x  # noqa: S301, E501 (our own file)")
    bare = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in SHIPPED
        for path in (ROOT / folder).rglob("*.py")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if without_reason(line)
    ]
    assert bare == []


def test_the_rules_of_security_hold_for_all_that_is_shipped():
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]["lint"]
    assert "S" in lint["select"]
    assert not any(rule.startswith("S") for rule in lint.get("ignore", ()))
    for pattern, rules in lint["per-file-ignores"].items():
        switched_off = {rule for rule in rules if re.fullmatch(r"S\d*", rule)}
        tests = pattern.startswith("tests/") or "/tests/" in pattern or "conftest" in pattern
        assert switched_off <= ({"S101", "S603"} if tests else set()), pattern


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for request in workflow["jobs"].values() for step in request["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_read_alone_and_runs_nothing_that_others_can_word(path):
    workflow = yaml.safe_load(path.read_text("utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    for step in steps(workflow):
        assert "${{" not in step.get("run", ""), "what is put into a script would be code"
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@(v\d+|[0-9a-f]{40})", step["uses"])
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] is False


def test_dependencies_are_audited_each_week_and_when_they_change():
    path = ROOT / ".github" / "workflows" / "audit.yml"
    workflow = yaml.safe_load(path.read_text("utf-8"))
    when = workflow[True]  # as YAML reads the word "on"
    assert when["schedule"]
    assert when["push"]["branches"] == ["main"]
    for name in when["pull_request"]["paths"]:
        assert list(ROOT.glob(name)), name
    assert any("pip-audit --requirement" in step.get("run", "") for step in steps(workflow))
