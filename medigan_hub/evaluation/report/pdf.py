"""A report as a PDF, printed by a Chromium that is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from medigan_hub.errors import MissingDependencyError, OutputError, shortened
from medigan_hub.evaluation.report.content import Report
from medigan_hub.evaluation.report.page import html
from medigan_hub.files import can_be_made, check_replaceable, write_atomically

BROWSERS = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
)
SECONDS = 120
FLAGS = (
    *("--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-default-apps"),
    *("--disable-extensions", "--disable-quic", "--no-pdf-header-footer"),
    # Whatever it would ask for, it finds nobody.
    "--proxy-server=127.0.0.1:9",
)


def browser() -> str:
    """Return the program that prints.

    Raises
    ------
    MissingDependencyError
        There is none.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise MissingDependencyError(
            "a PDF is printed by Chromium, and there is none; install it (on Debian: apt-get "
            "install chromium), or open the report in a browser and print it there"
        )
    return found


def place(path: str | Path) -> Path:
    """Return where a PDF is written; the program that prints it is there.

    Raises
    ------
    HubError
        It can't be written, or printed.
    """
    browser()
    path = Path(path)
    if path.suffix.lower() != ".pdf":
        raise OutputError(f"{path} is to be a PDF; give it a name as {path.stem}.pdf")
    check_replaceable(path)
    if not can_be_made(path):
        raise OutputError(f"{path} can't be written: {path.parent} is no folder of yours")
    return path


def write(report: Report, path: str | Path) -> Path:
    """Print a report to a file, whole or not at all, and return that.

    Raises
    ------
    HubError
        There is no Chromium, it fails, or the file can't be written.
    """
    path = place(path)
    program = browser()
    with tempfile.TemporaryDirectory(prefix="medigan-report-") as folder:
        source, printed = Path(folder, "report.html"), Path(folder, "report.pdf")
        source.write_text(html(report), "utf-8")
        command = [
            *(program, *FLAGS, f"--user-data-dir={folder}/profile", f"--print-to-pdf={printed}"),
            # As root it has no sandbox; the page has neither scripts nor links.
            *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
            source.as_uri(),
        ]
        try:
            done = subprocess.run(  # noqa: S603 (the program is found by a fixed name)
                command, capture_output=True, timeout=SECONDS, check=False, text=True
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise OutputError(
                f"{program} could not print the report: {shortened(error)}"
            ) from error
        if not printed.is_file():
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise OutputError(f"{program} could not print the report: {shortened(last)}")
        try:
            write_atomically(path, printed.read_bytes())
        except OSError as error:
            raise OutputError(
                f"{path} can't be written: {error.strerror}; name another file"
            ) from error
    return path
