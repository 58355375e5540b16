"""What the hub asks of the network, and as whom."""

from __future__ import annotations

import http.client
from contextlib import closing
from urllib.parse import urlsplit

import pytest
import requests

import medigan_hub
from medigan_hub import web
from support.deposits import Zenodo as Deposits
from support.zenodo import Zenodo

FILE = "/records/1/files/a.bin"


@pytest.fixture
def server():
    with Zenodo() as zenodo:
        zenodo.add("1", "a.bin", b"content")
        yield zenodo


def test_it_names_itself_and_its_project_to_every_server(server):
    server.redirects["/elsewhere"] = f"{server.url}{FILE}"
    assert web.fetch(f"{server.url}/elsewhere").content == b"content"
    with web.answer(f"{server.url}{FILE}", {"Range": "bytes=1-"}) as response:
        assert response.content == b"ontent"
    assert web.send("GET", f"{server.url}{FILE}", authorise=lambda r: r).content == b"content"
    agent = f"medigan-hub/{medigan_hub.__version__} (https://pypi.org/project/medigan-hub/)"
    assert [request.headers["User-Agent"] for request in server.requests] == [agent] * 4


@pytest.mark.parametrize("headers", [{}, {"User-Agent": requests.utils.default_user_agent()}])
def test_the_servers_of_these_tests_turn_away_who_does_not(server, headers):
    with Deposits({}) as deposits:
        for url, path in ((server.url, FILE), (deposits.url, "/api/deposit/depositions")):
            with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)) as asking:
                asking.request("GET", path, headers=headers)
                assert asking.getresponse().status == 403
