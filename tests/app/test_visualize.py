"""The app from Python: in a notebook beside the code, elsewhere in a browser."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

NOTEBOOK = """
import json, nbformat
from nbclient import NotebookClient

code = '''
from urllib.request import urlopen
from medigan_hub import Hub
running = Hub().visualize()
print(urlopen(running.url).status)
running.close()
print(running._thread.is_alive())
'''
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
print(json.dumps(notebook.cells[0].outputs))
"""


def test_a_notebook_shows_the_page_beside_the_code():
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", NOTEBOOK],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    outputs = json.loads(result.stdout)
    (shown,) = [output for output in outputs if output["output_type"] == "display_data"]
    assert "<iframe" in shown["data"]["text/html"]
    assert "http://127.0.0.1:" in shown["data"]["text/html"]
    printed = "".join(output["text"] for output in outputs if output.get("name") == "stdout")
    assert printed.split() == ["200", "False"]


def test_elsewhere_a_browser_is_opened_and_ctrl_c_ends_the_app():
    program = """
        import os, signal, threading, urllib.request, webbrowser
        from medigan_hub import Hub

        def open_page(url):
            print(url, urllib.request.urlopen(url).status, flush=True)
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()

        webbrowser.open = open_page
        running = Hub().visualize("cyclegan-dbt", port=0)
        print("ended", running._thread.is_alive())
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split()[-2:] == ["ended", "False"]
    assert " 200\n" in result.stdout
