"""Keys that a service hands out over HTTP: a credentials URI, and the metadata service of an ECS instance.

Plain `http.client`: it follows no redirect and no proxy, both of which would carry keys elsewhere. What comes back is
read into `Credentials` inside functions that do not raise, so that no traceback shows an answer. Imports floor 0 and
this package; any thread; each request has a deadline.

Source: https://www.alibabacloud.com/help/en/ecs/user-guide/view-instance-metadata and the provider of
https://github.com/aliyun/credentials-python, read 2026-11.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from vod_widget.errors import CredentialError
from vod_widget.model import Credentials
from vod_widget.secret import Secret

from .taking import take

__all__ = ["METADATA_URL", "Metadata", "keys_from_uri", "uri_problem"]

METADATA_URL: Final = "http://100.100.100.200"
# The metadata service answers within milliseconds; on a laptop nobody does, and a person waits.
_METADATA_S: Final = 1.0
# A sidecar may ask another service first.
_URI_S: Final = 10.0
# How long an answer of "is this an ECS instance" is believed: a list of profiles asks several times a minute.
_BELIEVED_S: Final = 60.0
_LIMIT_BYTES: Final = 65_536
_ROLE_PATH: Final = "/latest/meta-data/ram/security-credentials/"
_TOKEN_LIFE_S: Final = 21_600
_ROLE_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True, repr=False)
class _Answer:
    """Status and text, or a problem in words; the text may hold keys."""

    status: int = 0
    text: str = ""
    problem: str = ""


def _request(url: SplitResult, method: str, path: str, headers: Mapping[str, str], *, wait_s: float) -> _Answer:
    """Ask once; never raises. The total time can be twice `wait_s`: to connect, and to answer."""
    try:
        connection = _connect(url, wait_s)
    except (OSError, ValueError) as exc:
        return _Answer(problem=f"the address cannot be used ({type(exc).__name__})")
    until_s = time.monotonic() + 2 * wait_s
    try:
        connection.request(method, path, headers={"Accept": "application/json", **headers})
        answer = connection.getresponse()
        pieces: list[bytes] = []
        left = _LIMIT_BYTES + 1
        while left and (piece := answer.read1(left)):
            pieces.append(piece)
            left -= len(piece)
            if time.monotonic() > until_s:
                return _Answer(problem="the answer does not end")
        if not left:
            return _Answer(problem="the answer is too long")
        return _Answer(answer.status, b"".join(pieces).decode("utf-8", "replace"))
    except TimeoutError:
        return _Answer(problem=f"no answer within {wait_s:g} s")
    except ssl.SSLError:
        return _Answer(problem="the server's certificate is not good")
    except (OSError, http.client.HTTPException, ValueError) as exc:
        return _Answer(problem=f"no answer ({type(exc).__name__})")
    finally:
        connection.close()


def _connect(url: SplitResult, wait_s: float) -> http.client.HTTPConnection:
    host = url.hostname or ""
    if url.scheme == "https":
        import requests

        # The same authorities as for every other request of this package.
        context = ssl.create_default_context(cafile=requests.utils.DEFAULT_CA_BUNDLE_PATH)
        return http.client.HTTPSConnection(host, url.port, timeout=wait_s, context=context)
    return http.client.HTTPConnection(host, url.port, timeout=wait_s)


def uri_problem(uri: str) -> str:
    """Say why keys are not fetched from an address, or return "".

    https goes anywhere; plain http only to this machine and to addresses that no router of the internet forwards, where
    sidecars and clusters serve keys. The address may hold a secret, so the text does not repeat it.
    """
    try:
        parts = urlsplit(uri)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        return "it is not a URL; write http://127.0.0.1:PORT/PATH or https://HOST/PATH"
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or "\\" in uri or _has_space(uri):
        return "it is not a plain http or https URL; write http://127.0.0.1:PORT/PATH or https://HOST/PATH"
    if parts.scheme == "http" and not _is_near(host):
        return "keys would travel unencrypted over the network; write https://"
    return ""


def _has_space(text: str) -> bool:
    return any(ord(letter) <= 32 for letter in text)


def _is_near(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_private or address.is_link_local


def keys_from_uri(uri: Secret, place: str) -> Credentials:
    """Ask a credentials URI.

    Args:
        uri: The address; it may hold a secret.
        place: What names the address, for people.

    Raises:
        CredentialError: Nobody answers, or the answer holds no keys.
    """
    outcome = _ask_uri(uri, place)
    if isinstance(outcome, Credentials):
        return outcome
    raise CredentialError(
        f"the credentials URI of {place} gave no keys: {outcome}",
        code="Auth.Uri",
        hint="Check that the service behind it runs and answers with AccessKeyId, AccessKeySecret and SecurityToken.",
    )


def _ask_uri(uri: Secret, place: str) -> Credentials | str:
    text = uri.reveal()
    problem = uri_problem(text)
    if problem:
        return problem
    parts = urlsplit(text)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _read(_request(parts, "GET", path, {}, wait_s=_URI_S), place)


def _read(answer: _Answer, place: str) -> Credentials | str:
    """Read the answer of either service: AccessKeyId, AccessKeySecret, SecurityToken, Expiration, Code."""
    if answer.problem:
        return answer.problem
    if answer.status != 200:
        return f"HTTP {answer.status}"
    try:
        data: Any = json.loads(answer.text)
    except (ValueError, RecursionError):
        return "the answer is not JSON"
    if not isinstance(data, dict):
        return "the answer is not a JSON object"
    code = data.get("Code", "Success")
    if code != "Success":
        return "the service says that it failed"
    return take(data, place)


class Metadata:
    """The metadata service of the ECS instance on which this runs, if it is one.

    Another base address is for tests and demonstrations, and only an argument of Python sets it: an environment
    variable would let whoever sets it hand out the keys by which files are uploaded.

    Args:
        url: Base address; the vendor's, or one of this machine.
        wait_s: Longest wait for one answer, s.
        monotonic_s: Clock for how long an answer is believed.

    Raises:
        CredentialError: The address is neither.
    """

    def __init__(
        self, url: str = METADATA_URL, *, wait_s: float = _METADATA_S, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        parts = urlsplit(url)
        if url != METADATA_URL and not _is_this_machine(parts.hostname or ""):
            raise CredentialError(
                "the metadata service has one address, and a stand-in runs on this machine",
                code="Auth.Metadata",
                hint=f"Remove the address, or give one like http://127.0.0.1:8080 instead of {METADATA_URL}.",
            )
        self._url = parts
        self._wait_s = wait_s
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()  # guards _seen; never held over a request
        self._seen: tuple[float, str, str] | None = None  # when, role or "", why there is none

    def __repr__(self) -> str:
        return f"Metadata({self._url.hostname})"

    def find_role(self, *, allow_v1: bool = True) -> tuple[str, str]:
        """Return the role of this instance, or "" and why there is none; asked at most once a minute.

        Args:
            allow_v1: Whether a service without tokens may be asked (the first version).
        """
        now_s = self._monotonic_s()
        with self._lock:
            seen = self._seen
        if seen is not None and now_s - seen[0] < _BELIEVED_S:
            return seen[1], seen[2]
        role, why = self._ask_role(allow_v1=allow_v1)
        with self._lock:
            self._seen = (now_s, role, why)
        return role, why

    def _ask_role(self, *, allow_v1: bool) -> tuple[str, str]:
        token, problem = self._token(allow_v1=allow_v1)
        if problem:
            return "", problem
        answer = self._get(_ROLE_PATH, token)
        name = answer.text.strip().partition("\n")[0].strip()
        if answer.problem:
            return "", answer.problem
        if answer.status == 404:
            return "", "no role is attached to this instance" if token else "this is no ECS instance, or it has no role"
        if answer.status != 200 or not _ROLE_NAME.fullmatch(name):
            return "", f"HTTP {answer.status} without the name of a role"
        return name, ""

    def _token(self, *, allow_v1: bool) -> tuple[Secret | None, str]:
        headers = {"X-aliyun-ecs-metadata-token-ttl-seconds": str(_TOKEN_LIFE_S)}
        answer = _request(self._url, "PUT", "/latest/api/token", headers, wait_s=self._wait_s)
        if answer.problem:
            return None, answer.problem
        text = answer.text.strip()
        if answer.status == 200 and text and not _has_space(text):
            return Secret(text), ""
        return (None, "") if allow_v1 else (None, f"it gives no token (HTTP {answer.status}), and version 1 is off")

    def _get(self, path: str, token: Secret | None) -> _Answer:
        headers = {"X-aliyun-ecs-metadata-token": token.reveal()} if token is not None else {}
        return _request(self._url, "GET", path, headers, wait_s=self._wait_s)

    def keys(self, role_name: str, place: str, *, allow_v1: bool = True) -> Credentials:
        """Fetch the keys of a role of this instance.

        Args:
            role_name: The role, or "" for the one that is attached.
            place: What asks, for people.
            allow_v1: Whether a service without tokens may be asked.

        Raises:
            CredentialError: No service answers, or it has no such role.
        """
        name, why = (role_name, "") if role_name else self._ask_role(allow_v1=allow_v1)
        outcome = self._keys(name, place, allow_v1=allow_v1) if name else why
        if isinstance(outcome, Credentials):
            return outcome
        raise CredentialError(
            f"the ECS metadata service gave no keys for {place}: {outcome}",
            code="Auth.Metadata",
            hint="Attach a RAM role to this instance in the ECS console, or choose another profile.",
        )

    def _keys(self, name: str, place: str, *, allow_v1: bool) -> Credentials | str:
        if not _ROLE_NAME.fullmatch(name):
            return "the name of the role has other characters than letters, digits and . _ -"
        token, problem = self._token(allow_v1=allow_v1)
        if problem:
            return problem
        answer = self._get(_ROLE_PATH + name, token)
        if answer.status == 404:
            return f"there is no role {name} on this instance"
        return _read(answer, place)


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
