"""The app calls nobody: no host is looked up, and nothing is sent off this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("gradio")
pytest.importorskip("requests")

# Starts the app, uses it as a page does, and writes down whom Python code would call.
USE = """
import contextlib, ipaddress, os, sys, time

if os.environ.get("ALONE"):  # in a network of its own, where even loopback is down at first
    import fcntl, socket, struct

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))

def is_here(host):
    if host in (None, "", "localhost", b"localhost"):
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host if isinstance(host, str) else host.decode()).is_loopback
    return False

def hear(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        called = arguments[0]
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        called = address[0] if isinstance(address, tuple) else None  # else a pipe of this machine
    else:
        return
    if not is_here(called):
        print("called:", event, called, flush=True)

sys.addaudithook(hear)

import numpy as np, PIL.Image
from pathlib import Path
from test_app import Client, compare, named

from medigan_hub import Hub
from medigan_hub.app.server import serve
from medigan_hub.app.settings import Settings

scan = Path("scan.png")
PIL.Image.fromarray(np.zeros((8, 8), np.uint8)).save(scan)
app = serve(Hub(), Settings(), port=0)
page = Client(app).open()
for path in ("/", "/theme.css", "/static/img/logo.svg"):
    assert page.http.get(page.url + path, timeout=60).status_code == 200
for name in ("search", "describe", "cancel"):
    page.send(page.fn(name), page.defaults(page.fn(name)))
(path,) = page.upload(scan).json()
assert "Real images" in compare(page, [named(path)])
time.sleep(2)  # what waits with its call until something else is done
app.close()
print("used", flush=True)
"""
STRACE = ("strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=connect,sendto,sendmsg,sendmmsg")
ALONE = ("unshare", "--map-root-user", "--net", "--")


def works(*command: str) -> bool:
    """Tell whether a program can be run in front of another here."""
    if shutil.which(command[0]) is None:
        return False
    tried = subprocess.run([*command, "true"], capture_output=True, check=False, timeout=30)
    return tried.returncode == 0


@pytest.mark.timeout(600)
def test_the_app_looks_up_nobody_and_calls_nobody(tmp_path: Path) -> None:
    around: list[str] = []
    variables = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "PYTHONWARNINGS": "ignore"}
    for name in ("GRADIO_ANALYTICS_ENABLED", "HF_HUB_DISABLE_TELEMETRY", "MEDIGAN_OFFLINE"):
        variables.pop(name, None)
    if works(*ALONE):  # it does without a network
        around += ALONE
        variables["ALONE"] = "1"
    traced = works(*STRACE, "-o", os.devnull)
    if traced:  # and what isn't Python is heard too
        around += [*STRACE, "-o", "calls"]
    done = subprocess.run(
        [*around, sys.executable, "-c", USE],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == "used\n"
    if traced:
        calls = (tmp_path / "calls").read_text("utf-8", "replace")
        hosts = re.findall(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"', calls)
        assert hosts, "the page's own requests are heard"
        assert {one or other for one, other in hosts} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
        assert "htons(53)" not in calls
