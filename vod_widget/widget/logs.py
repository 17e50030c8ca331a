"""Keeps what a person types into the page out of the logs of the kernel.

`comm`, `ipykernel` and `traitlets` write each message that they carry at DEBUG, the one with the typed keys included.
Those loggers are not ours, so a filter cleans their records. Imports floor 0; any thread.
"""

from __future__ import annotations

import logging
import re

import traitlets.log

from vod_widget.secret import RedactingFilter

__all__ = ["guard_kernel_logs"]

# Who logs messages: comm/base_comm.py ("Comm"), ipykernel/kernelbase.py through its application ("IPKernelApp"),
# and traitlets for a kernel without one.
_CARRIERS = ("Comm", "comm", "ipykernel", "IPKernelApp", "traitlets", "tornado", "ipywidgets", "anywidget")
# A field in the repr of a dict or in JSON: the whole quoted value, whatever is in it. Somebody may paste a key with a
# space, or the secret into the field of the id.
_FIELD = re.compile(
    r"""(['"](?:access_key_id|access_key_secret|security_token|upload_auth|upload_address)\\?['"]\s*:\s*)"""
    r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""",
    re.DOTALL,
)


class _MessageFilter(RedactingFilter):
    """Empties the key fields of a message, then does what the filter for foreign texts does."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite one record in place; always lets it through."""
        try:
            text = record.getMessage()
        except Exception:
            return True
        clean = _FIELD.sub(r"\1'***'", text)
        if clean != text:
            record.msg, record.args = clean, None
        return super().filter(record)


def guard_kernel_logs() -> None:
    """Put the filter on every logger that may write a message of a page; may be called again.

    A filter of a parent logger does not see its children's records, so each logger gets its own.
    """
    names = {*_CARRIERS, *(n for n in tuple(logging.root.manager.loggerDict) if n.split(".")[0] in _CARRIERS)}
    # A kernel's application of another name logs under that name.
    own = traitlets.log.get_logger()
    names.add(getattr(own, "logger", own).name)
    for name in names:
        logger = logging.getLogger(name)
        if not any(isinstance(f, _MessageFilter) for f in logger.filters):
            logger.addFilter(_MessageFilter())
