"""Secrets and how they are kept off every screen, log and file.

`Secret` is the only thing in this package that holds a key or a token. It refuses repr, str, format, pickle, copy and
JSON; the value leaves it only by `reveal()`, which the two modules that sign call. `mask` and `redact` clean texts that
come from elsewhere. Floor 0: standard library only, no I/O; safe in any thread.
"""

from __future__ import annotations

import hmac
import logging
import re
import weakref
from typing import Any, NoReturn, TypeVar

__all__ = ["RedactingFilter", "Secret", "bare", "mask", "redact"]

E = TypeVar("E", bound=BaseException)

_live: weakref.WeakSet[Secret] = weakref.WeakSet()

# Fields of the vendor's error texts that repeat what was signed. "StringToSign" of OSS holds the token itself
# (seen with oss2 2.19.1: str(exception) prints it), so the whole element goes.
_ECHOES = re.compile(
    r"(?is)<(StringToSign|StringToSignBytes|CanonicalRequest|CanonicalRequestBytes|SignatureProvided|SecurityToken)>"
    r".*?</\1>"
)
_STRING_TO_SIGN = re.compile(r"(?is)[\s,;]*(?:server )?string to sign is\b.*")
_PAIRS = re.compile(
    r"(?i)((?:x-oss-)?security-?token|signature|access_?key_?secret|authorization|policy|secret|token|password)"
    r"(['\"]?\s*[=:]\s*['\"]?)((?:OSS\s|OSS4-HMAC-SHA256\s|Bearer\s|Basic\s)?[^\s&'\",<>}]+)"
)
_STS_TOKEN = re.compile(r"\bCAIS[A-Za-z0-9+/=]{16,}")
_KEY_ID = re.compile(r"\b((?:LTAI|STS\.|TMP\.)[A-Za-z0-9]{4})[A-Za-z0-9]{4,}([A-Za-z0-9]{4})\b")


class Secret:
    """A value that is never shown.

    Args:
        value: The key or token; must not be empty.
    """

    __slots__ = ("__value", "__weakref__")

    def __init__(self, value: str) -> None:
        if not isinstance(value, str) or not value:
            raise ValueError("a secret must be a text that is not empty")
        self.__value = value
        _live.add(self)

    def reveal(self) -> str:
        """Return the value, for signing only."""
        return self.__value

    def matches(self, other: Secret) -> bool:
        """Tell whether both hold the same value, in constant time."""
        return hmac.compare_digest(self.__value.encode(), other.reveal().encode())

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __format__(self, _spec: str) -> str:
        return "***"

    def __reduce_ex__(self, _protocol: Any) -> NoReturn:
        raise TypeError("a Secret is never pickled or copied; pass a profile's name instead")

    def __copy__(self) -> NoReturn:
        raise TypeError("a Secret is never copied")

    def __deepcopy__(self, _memo: Any) -> NoReturn:
        raise TypeError("a Secret is never copied")


def bare(error: E) -> E:
    """Take the frames off an error before it is raised anew: their local variables may be keys, and are printed.

    Whoever calls this deletes such variables of its own first.
    """
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error


def mask(value: str) -> str:
    """Shorten an access key id for display: first and last four characters.

    Args:
        value: The id. Shorter than twelve characters gives only its first two.
    """
    return f"{value[:4]}…{value[-4:]}" if len(value) >= 12 else f"{value[:2]}…"


def redact(text: str) -> str:
    """Take every secret that we know, and every field that usually holds one, out of a foreign text."""
    for secret in list(_live):
        value = secret.reveal()
        if len(value) >= 6 and value in text:
            text = text.replace(value, "***")
    text = _ECHOES.sub(r"<\1>***</\1>", text)
    text = _STRING_TO_SIGN.sub("", text)
    text = _PAIRS.sub(r"\1\2***", text)
    text = _STS_TOKEN.sub("***", text)
    return _KEY_ID.sub(r"\1…\2", text)


class RedactingFilter(logging.Filter):
    """Cleans the records of loggers that are not ours: oss2, urllib3 and the vendor's core print tokens at DEBUG."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite one record in place; always lets it through."""
        try:
            text = record.getMessage()
        except Exception:
            return True
        clean = redact(text)
        if clean != text:
            record.msg, record.args = clean, None
        if record.exc_info:
            # The traceback of a foreign error repeats the server's text; its type is enough here.
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return True
