"""What the hub asks of the network, and whether it may."""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urljoin, urlsplit

from medigan_hub._version import __version__
from medigan_hub.errors import HubWarning, NetworkError
from medigan_hub.secrecy import quieten_logs, without_secrets

Value = TypeVar("Value")

AGENT = f"medigan-hub/{__version__} (https://pypi.org/project/medigan-hub/)"
"""How the hub names itself to every server: some turn away what calls itself a mere library."""
TIMEOUT_SECONDS = 10.0
"""Seconds that a server may take to answer, and between two parts of its answer."""
WAITS_SECONDS = (1.0, 2.0, 4.0, 8.0)
"""Seconds before each further try."""
MAX_WAIT_SECONDS = 120.0
"""Seconds to wait at most where a server says how long."""
SILENT_WAIT_SECONDS = 10.0
"""Seconds that may be waited without a word."""
MAX_REDIRECTS = 10
DEADLINE_SECONDS = 60.0
"""Seconds that a whole answer may take."""
MAX_ANSWER_BYTES = 16 * 2**20
ENOUGH_BYTES = 2**20
"""Bytes that a try must bring, or the whole rest, to count as a success of its own."""
START_BYTES = 512
"""Bytes by which a page is told from a file."""


class Answer(NamedTuple):
    """What a server gave."""

    url: str
    """Where it came from in the end, after any redirects."""
    content: bytes


class Reply(NamedTuple):
    """What a server said to something that was sent."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        """Return the JSON value of the content, or None where it is none."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            return None

    @property
    def is_page(self) -> bool:
        """Whether it is a page for people, as of what stands before a server."""
        return is_page(self.content, self.headers)


class Unavailable(NetworkError):  # noqa: N818 (it may soon be there)
    """A server does not answer as it should, and may do so later."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait
        """Seconds after which the server wants to be asked again, where it said so."""


class Unwelcome(NetworkError):  # noqa: N818 (as its base of the same kind)
    """A server does not give programs what a browser may get."""


class Refused(NetworkError):  # noqa: N818 (as its base of the same kind)
    """A server does not do what it was asked to, and won't do so later."""

    def __init__(self, message: str, reply: Reply) -> None:
        super().__init__(message)
        self.reply = reply


def offline() -> bool:
    """Tell whether ``MEDIGAN_OFFLINE`` forbids the network."""
    no = ("", "0", "false", "no", "off", "n")
    return os.environ.get("MEDIGAN_OFFLINE", "").strip().lower() not in no


def shown(url: str) -> str:
    """Return a URL without what may be secret in it: user, password, query.

    >>> shown("https://user:password@models.example.org:8443/list.json?token=secret")
    'https://models.example.org:8443/list.json'
    >>> shown("https://user:pass/word@models.example.org/list.json")
    "a URL that can't be read"
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "a URL that can't be read"
    if not host or "@" in parts.path + parts.query + parts.fragment:
        return f"{parts.scheme}://..."  # where the secret ends can't be told
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path}"


def fetch(url: str) -> Answer:
    """Return what an ``http`` or ``https`` URL holds.

    Raises
    ------
    NetworkError
        The network is forbidden, the URL can't be read, the server can't be
        reached in time, answers with an error, or with too much.
    """
    with answer(url, within=DEADLINE_SECONDS) as response:
        content = _content(response, shown(url))
        if is_page(content):  # by itself: what makes JSON may forget to say so
            raise page_in_place(url)
        return Answer(response.url, content)


def is_page(start: bytes, headers: Mapping[str, str] | None = None) -> bool:
    """Tell whether what begins so, or what comes with such headers, is a page of HTML.

    >>> is_page(b"\\n<!DOCTYPE html>"), is_page(b"PK"), is_page(b"", {"Content-Type": "text/html"})
    (True, False, True)
    """
    kind = (headers or {}).get("Content-Type", "").partition(";")[0].strip().lower()
    head = start[:START_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return head.startswith((b"<!doctype html", b"<html")) or kind == "text/html"


def page_in_place(url: str) -> Unwelcome:
    """Return the error of a URL that shows a page, as for a login, in place of what it holds."""
    return Unwelcome(f"{shown(url)} can't be fetched: the server shows a page in place of the file")


@contextmanager
def answer(
    url: str,
    headers: Mapping[str, str] | None = None,
    accepted: Sequence[int] = (),
    within: float | None = None,
) -> Iterator[Any]:
    """Ask for a URL, and hand on the answer while it comes in: a ``requests.Response``.

    Parameters
    ----------
    accepted
        Codes that are no errors, beside those that never are.
    within
        Seconds in which all of the answer must be there, if it must be.

    Raises
    ------
    Unavailable
        The server can't be reached in time, sends too slowly, breaks off, is asked too much of or
        has a fault: another try may be better.
    Unwelcome
        It turns programs away.
    NetworkError
        The network is forbidden, the URL can't be read, or the answer is
        another error.
    """
    name = shown(url)
    if offline():
        raise NetworkError(f"{name} can't be fetched: MEDIGAN_OFFLINE forbids the network")
    import requests
    import urllib3

    try:
        with (
            _following(within) as session,
            session.get(
                url, stream=True, timeout=TIMEOUT_SECONDS, headers=dict(headers or {})
            ) as response,
        ):
            code = response.status_code
            if not response.ok and code not in accepted:
                message = f"{name} can't be fetched: {_status(code)}"
                if code in (403, 429):
                    message += ", and refuses programs for now"
                if code == 403:
                    raise Unwelcome(message)
                if code == 429 or code >= 500:
                    raise Unavailable(message, _wait(response.headers))
                raise NetworkError(message)
            yield response
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        lasting = (ValueError, requests.exceptions.SSLError, requests.exceptions.TooManyRedirects)
        kind = NetworkError if isinstance(error, lasting) else Unavailable
        raise kind(f"{name} can't be fetched: {_reason(error)}") from _cause(error)
    except ValueError as error:  # of parts of the URL that only the connection looks at
        raise NetworkError(f"{name} can't be fetched: it is no valid URL") from _cause(error)


def send(
    method: str,
    url: str,
    *,
    authorise: Callable[[Any], Any],
    headers: Mapping[str, str] | None = None,
    content: Any = None,
    timeout: float | None = None,
) -> Reply:
    """Ask a server to do something as a user of it, and return what it says.

    Parameters
    ----------
    authorise
        Adds to the request's headers who asks; ``requests`` calls it last of
        all, so that no ``.netrc`` of the user takes its place.
    content
        Bytes, or a stream with a length.
    timeout
        Seconds that the server may think before it answers; by default ``TIMEOUT_SECONDS``.

    Redirects are not followed: what says who asks is for this server alone.

    Raises
    ------
    Unavailable
        As for ``answer``; what was asked may have been done all the same.
    Refused
        The server answers with another error, or with a redirect.
    NetworkError
        The network is forbidden, or the URL can't be read.
    """
    name = shown(url)
    if offline():
        raise NetworkError(f"{name} can't be asked: MEDIGAN_OFFLINE forbids the network")
    import requests
    import urllib3

    try:
        with _session(requests.Session()) as session:
            # A proxy would read what goes to this machine by http.
            session.trust_env = url.lower().startswith("https:")
            with session.request(
                method,
                url,
                auth=authorise,
                headers=dict(headers or {}),
                data=content,
                timeout=(TIMEOUT_SECONDS, timeout or TIMEOUT_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                body = b"" if method == "HEAD" else _content(response, name)
                reply = Reply(response.status_code, response.headers, body)
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
        lasting = (ValueError, requests.exceptions.SSLError)
        kind = NetworkError if isinstance(error, lasting) else Unavailable
        raise kind(f"{name} can't be asked: {_reason(error, timeout)}") from _cause(error)
    except ValueError as error:
        raise NetworkError(f"{name} can't be asked: it is no valid URL") from _cause(error)
    return _accepted(reply, name)


def _accepted(reply: Reply, name: str) -> Reply:
    code = reply.status
    # GitHub says so with 403 where too much was asked.
    limited = code == 403 and reply.headers.get("X-RateLimit-Remaining") == "0"
    if code == 429 or code >= 500 or limited:
        wait = _wait(reply.headers)
        raise Unavailable(f"{name} can't be asked: {_status(code)}", wait)
    if code >= 300:
        raise Refused(f"{name} can't be asked: {_status(code)}", reply)
    return reply


def retry(
    ask: Callable[[], Value],
    say: Callable[[str], None] | None = None,
    progress: Callable[[], int] = lambda: 0,
) -> Value:
    """Return what ``ask`` returns, once it does; where it is ``Unavailable``, wait and ask again.

    ``say`` is told of each wait; without it, one that is long is a ``HubWarning``, the
    first time. ``progress`` tells how many bytes are there; a try that brought many more
    than there ever were doesn't count.

    Raises
    ------
    Unavailable
        The last try's.
    """
    tries, most, told = 0, progress(), False
    while True:
        try:
            return ask()
        except Unavailable as error:
            done = progress()
            tries = 1 if done >= most + ENOUGH_BYTES else tries + 1
            most = max(most, done)
            if tries > len(WAITS_SECONDS):
                raise
            seconds = (
                WAITS_SECONDS[tries - 1]
                if error.wait is None
                else min(error.wait, MAX_WAIT_SECONDS)
            )
            words = f"{error}; trying again in {seconds:.0f} seconds"
            if say is not None:
                say(words)
            elif seconds > SILENT_WAIT_SECONDS and not told:
                told = True
                warnings.warn(words, HubWarning, stacklevel=2)
            pause(seconds)


def pause(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)


def _content(response: Any, name: str) -> bytes:
    deadline = time.monotonic() + DEADLINE_SECONDS
    # Not read(), which would wait for a whole part however slowly it comes.
    content = bytearray()
    while part := response.raw.read1(2**16, decode_content=True):
        content += part
        if len(content) > MAX_ANSWER_BYTES:
            raise NetworkError(
                f"{name} can't be fetched: it has over {MAX_ANSWER_BYTES // 2**20} MiB"
            )
        if time.monotonic() > deadline:
            raise NetworkError(
                f"{name} can't be fetched: it takes over {DEADLINE_SECONDS:g} seconds"
            )
    return bytes(content)


def _wait(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to wait: in Retry-After, else until Zenodo's reset."""
    asked = headers.get("Retry-After", "")
    if asked.isdecimal():
        return float(asked)
    now = time.time()
    with suppress(ValueError, TypeError, OverflowError, IndexError):  # it is no date
        return max(0.0, parsedate_to_datetime(asked).timestamp() - now) + 1
    with suppress(ValueError):
        reset = float(headers.get("X-RateLimit-Reset", ""))
        if reset > now:  # a time in the past asks for no wait of its own
            return reset - now + 1
    return None


def _session(session: Any, within: float | None = None) -> Any:
    """Return a session of ``requests`` made ready: the one way by which the hub asks anything."""
    from medigan_hub import pace

    quieten_logs()
    session.headers["User-Agent"] = AGENT
    for scheme in ("http://", "https://"):
        session.mount(scheme, pace.Adapter(within))
    return session


def _following(within: float | None) -> Any:
    """Return a session that is not led from https to http, nor held up by what leads on."""
    import requests

    class Session(requests.Session):
        def get_redirect_target(self, response: Any) -> str | None:
            target: str | None = super().get_redirect_target(response)
            if target is None:
                return None
            response.raw.close()  # else requests would read all that comes with it, without end
            full = urljoin(response.url, target)
            if response.url.lower().startswith("https:") and not full.lower().startswith("https:"):
                raise requests.exceptions.InvalidSchema("led from https to http")
            return target

    session = _session(Session(), within)
    session.max_redirects = MAX_REDIRECTS
    return session


def _cause(error: Exception) -> Exception:
    """Return what an error is raised from in place of one that may hold the whole URL."""
    return OSError(without_secrets(error))


def _too_slow(error: BaseException | None) -> BaseException | None:
    """Return what says that an answer came too slowly, if that is what an error comes from."""
    from medigan_hub.pace import TooSlowError

    while error is not None and not isinstance(error, TooSlowError):
        inner = next((each for each in error.args if isinstance(each, Exception)), None)
        error = inner or error.__cause__ or error.__context__
    return error


def _status(code: int) -> str:
    import http

    # Not the server's own words for it, which could hold anything.
    known = {status.value: status.phrase for status in http.HTTPStatus}
    return f"the server answers {code} {known.get(code, '')}".rstrip()


def _reason(error: Exception, timeout: float | None = None) -> str:
    """Say in a few words what went wrong; the library's own text may hold the whole URL."""
    slow = _too_slow(error)
    if slow is not None:
        return str(slow)
    kind = type(error).__name__
    if "Timeout" in kind:
        seconds = TIMEOUT_SECONDS if "Connect" in kind or timeout is None else timeout
        return f"no answer within {seconds:g} seconds"
    return {
        "ConnectionError": "the server can't be reached",
        "ChunkedEncodingError": "the connection broke off",
        "ProtocolError": "the connection broke off",
        "IncompleteRead": "the connection broke off",
        "SSLError": "the server's certificate is not trusted",
        "InvalidURL": "it is no valid URL",
        "InvalidSchema": "only https (from http also http) is followed",
        "LocationParseError": "it is no valid URL",
        "TooManyRedirects": "it redirects in a circle",
    }.get(kind, f"the answer can't be read ({kind})")
