"""What a check found, and the forms in which that is read by people and by programs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any
from xml.etree import ElementTree

from medigan_hub.actions import annotation
from medigan_hub.terminal import one_line

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
UNFIT_FOR_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd]")


@dataclass(frozen=True)
class Fault:
    """What is wrong, and how to mend it."""

    message: str
    remedy: str


@dataclass(frozen=True)
class Finding:
    """The result of one check; a check that finds several faults has one for each.

    Its texts are brought to one printable line each: they quote what others have written.
    """

    check: str
    """Name of the check, such as ``metadata is valid``."""
    status: str
    """``passed``, ``failed`` or ``skipped``."""
    message: str = ""
    """What is wrong, or why the check was left out."""
    remedy: str = ""
    """How to mend it."""

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, one_line(getattr(self, field.name)))


@dataclass(frozen=True)
class Report:
    """What all checks of one package found."""

    source: str
    """What was checked, as it was named."""
    model: str | None
    """Name of the model, where it could be told."""
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return not self.failures

    @property
    def failures(self) -> tuple[Finding, ...]:
        """What went wrong."""
        return tuple(each for each in self.findings if each.status == FAILED)

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON's types."""
        return {"ok": self.ok, **asdict(self)}

    def as_junit(self) -> bytes:
        """Return the report in the XML form that began with JUnit, a test case for each check."""
        checks: dict[str, list[Finding]] = {}
        for finding in self.findings:
            checks.setdefault(finding.check, []).append(finding)
        statuses = [{each.status for each in found} for found in checks.values()]
        suite = ElementTree.Element(
            "testsuite",
            name="medigan check",
            tests=str(len(checks)),
            failures=str(sum(FAILED in status for status in statuses)),
            skipped=str(sum(status == {SKIPPED} for status in statuses)),
            errors="0",
            time=f"{self.seconds:.3f}",
        )
        for check, found in checks.items():
            case = ElementTree.SubElement(
                suite, "testcase", name=check, classname=_xml(self.model or self.source)
            )
            for finding in found:
                if finding.status != PASSED:
                    tag = "failure" if finding.status == FAILED else "skipped"
                    part = ElementTree.SubElement(case, tag, message=_xml(finding.message))
                    part.text = _xml(finding.remedy)
        return bytes(ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True))

    def annotations(self) -> Iterator[str]:
        """Yield what makes GitHub Actions show each fault."""
        for finding in self.failures:
            yield annotation(f"{finding.message}; {finding.remedy}", title=finding.check)


def _xml(text: str) -> str:
    return UNFIT_FOR_XML.sub("?", text)
