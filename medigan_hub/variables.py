"""Environment variables that a process is given which runs code of others: those listed here alone.

A list of what is secret could never be whole: any variable may hold a password. So
what such code needs is named, and everything else stays with the hub.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
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
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY")
"""Where the network is reached."""
PYTHON = ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "VIRTUAL_ENV")
"""What this Python consists of, for a process that runs in it."""
COMPILERS = (
    *("CC", "CXX", "AR", "LD", "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "MAKEFLAGS"),
    *("CPATH", "LIBRARY_PATH", "PKG_CONFIG_PATH", "CMAKE_PREFIX_PATH", "CMAKE_ARGS"),
    *("MACOSX_DEPLOYMENT_TARGET", "SETUPTOOLS_SCM_PRETEND_VERSION"),
)
FRAMEWORKS = re.compile(
    r"LC_[A-Z]+"
    r"|(OMP|KMP|MKL|OPENBLAS|BLIS|NUMEXPR|VECLIB|GOMP)_[A-Z0-9_]+"
    r"|(CUDA|NVIDIA|CUBLAS|CUDNN|NCCL|HIP|ROCR)_[A-Z0-9_]+"
    r"|TF_(?!VAR_|CLI_|HTTP_|CLOUD_)[A-Z0-9_]+"  # those are of Terraform
    r"|(XLA|PYTORCH|TORCH|ORT|KERAS)_[A-Z0-9_]+"
)
"""How frameworks are told about threads, devices and precision."""
INSTALLERS = re.compile(r"(PIP|UV)_[A-Z0-9_]+")
"""Settings of pip and uv."""
LOCAL = re.compile(r"(PIP|UV)_(?!NO_)(.*_)?(FIND_LINKS|CONSTRAINT|CONFIG_FILE|CERT|DIR|INDEX|URL)")
"""Those of them that may name files and folders, from the current one on."""
SECRET = re.compile(r"TOKEN|SECRET|PASS|KEY(?!RING)|CREDENTIAL|AUTH|USERNAME", re.IGNORECASE)
"""No setting of a framework or installer is called so; whatever is, stays."""
USER = re.compile(r"(?<=://)[^\s/?#]*@")
"""User and password, in a URL."""


def for_others(*also: str) -> dict[str, str]:
    """Return the variables for a process that runs code of others.

    ``also`` are names of further ones; a password in a URL is taken out of all.

    >>> "PATH" in for_others(), "SSH_AUTH_SOCK" in for_others()
    (True, False)
    """
    return _chosen(lambda name: name in also or _is_listed(name))


def for_installers(*, passwords: bool = False) -> dict[str, str]:
    """Return the variables for pip or uv, which may build packages: with their own settings.

    Paths in these settings are whole, so that they hold in any current folder.

    Parameters
    ----------
    passwords
        Whether users and passwords stay in the addresses of indexes and proxies.
    """
    found = _chosen(
        lambda name: (
            _is_listed(name)
            or name in (*PROXIES, *PYTHON, *COMPILERS)
            or (INSTALLERS.fullmatch(name) is not None and SECRET.search(name) is None)
        ),
        passwords=passwords,
    )
    return {
        name: _absolute(value) if LOCAL.fullmatch(name.upper()) else value
        for name, value in found.items()
    }


def _chosen(wanted: Callable[[str], bool], *, passwords: bool = False) -> dict[str, str]:
    found = {name: value for name, value in os.environ.items() if wanted(name.upper())}
    if passwords:
        return found
    return {
        name: without_password(_of_proxy(value) if name.upper().endswith("PROXY") else value)
        for name, value in found.items()
    }


def _is_listed(name: str) -> bool:
    return name in (*SYSTEM, *SWITCHES) or (
        FRAMEWORKS.fullmatch(name) is not None and SECRET.search(name) is None
    )


def without_password(value: str) -> str:
    """Return a setting whose URLs name no user, no password and no query.

    A word in which the end of a password can't be told is left out.

    >>> without_password("https://me:secret@index.example.org/simple /wheels")
    'https://index.example.org/simple /wheels'
    >>> without_password("https://me:sec/ret@index.example.org/simple /wheels")
    ' /wheels'
    """
    if "://" not in value:
        return value
    return "".join(map(_bare, re.split(r"(\s+)", USER.sub("", value))))


def _bare(word: str) -> str:
    if "://" not in word:
        return word
    try:
        parts = urlsplit(word)
    except ValueError:
        return ""
    return "" if "@" in word else urlunsplit(parts._replace(query=""))


def _of_proxy(value: str) -> str:
    # me:secret@proxy:3128, without a scheme, is one too.
    return value if "://" in value else value.rpartition("@")[2]


def _absolute(value: str) -> str:
    """Return a setting with whole paths in place of those from the current folder on."""
    words = re.split(r"([\s,]+)", value)
    return "".join(str(Path(word).absolute()) if _is_path(word) else word for word in words)


def _is_path(word: str) -> bool:
    return bool(word.strip(" \t\r\n,")) and "://" not in word and Path(word).exists()
