"""Environment variables that a process is given which runs code of others: those listed here alone.

A list of what is secret could never be whole: any variable may hold a password. So
what such code needs is named, and everything else stays with the hub.
"""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit, urlunsplit

from medigan_hub.silence import SWITCHES

SYSTEM = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM"),
    *("TMPDIR", "TEMP", "TMP", "XDG_CACHE_HOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
    *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "USERPROFILE", "APPDATA"),
    *("LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES", "NUMBER_OF_PROCESSORS"),
    *("PROCESSOR_ARCHITECTURE", "CI", "SOURCE_DATE_EPOCH"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)
FRAMEWORKS = re.compile(
    r"LC_[A-Z]+"
    r"|(OMP|KMP|MKL|OPENBLAS|BLIS|NUMEXPR|VECLIB|GOMP)_[A-Z0-9_]+"
    r"|(CUDA|NVIDIA|CUBLAS|CUDNN|NCCL|HIP|ROCR)_[A-Z0-9_]+"
    r"|(TF|XLA|PYTORCH|TORCH|ORT|KERAS)_[A-Z0-9_]+"
)
"""How frameworks are told about threads, devices and precision."""
SECRET = re.compile(r"TOKEN|SECRET|PASS|KEY|CREDENTIAL|AUTH", re.IGNORECASE)
"""No setting of a framework is called so; whatever is, stays."""


def for_others(*also: str) -> dict[str, str]:
    """Return the variables for a process that runs code of others.

    ``also`` are names of further ones; a password in a URL is taken out of all.

    >>> "PATH" in for_others(), "SSH_AUTH_SOCK" in for_others()
    (True, False)
    """
    return {
        name: without_password(value)
        for name, value in os.environ.items()
        if _is_listed(name.upper()) or name in also
    }


def _is_listed(name: str) -> bool:
    return name in (*SYSTEM, *SWITCHES) or (
        FRAMEWORKS.fullmatch(name) is not None and SECRET.search(name) is None
    )


def without_password(value: str) -> str:
    """Return a setting whose URLs, separated by spaces, name no user and no password.

    >>> without_password("https://me:secret@index.example.org/simple /wheels")
    'https://index.example.org/simple /wheels'
    """
    if "@" not in value or "://" not in value:
        return value
    return " ".join(map(_bare, value.split()))


def _bare(word: str) -> str:
    if "://" not in word or "@" not in word:
        return word
    try:
        parts = urlsplit(word)
    except ValueError:
        return ""
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
