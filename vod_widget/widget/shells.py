"""How messages reach a widget through the shells of ipykernel: two faults of its versions, set right from outside.

Both hooks touch private names, are guarded by them, and do nothing where they are absent. Imports the standard library;
called in the thread that makes a widget.
"""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["let_clicks_through", "let_requests_be_read"]


def let_clicks_through(comm: Any) -> None:
    """Keep a running cell from holding back the buttons.

    ipykernel 7.4.0 sends a front-end's message to the shell that last published on the comm; for a widget that a cell
    made this is the main shell, which the cell blocks. Its own default, the front-end's subshell, answers at once
    (measured: 4 ms against the rest of the cell). Private hook, absent in 6.x to 7.3; remove when ipykernel routes so
    by itself again.

    A page that was not told of a restart (another tab or the server did it) goes on naming a subshell of the kernel
    before. ipykernel refuses such messages: every request of the page would be lost until it is loaded again, so these
    go to the main shell, where 7.4 itself would have sent them.
    """
    if not hasattr(comm, "_reply_subshell_for"):
        return
    manager: Any = getattr(getattr(_kernel(), "shell_channel_thread", None), "manager", None)
    known = getattr(manager, "list_subshell", None)

    def route(_data: Any, default: str | None) -> str | None:
        return default if known is None or default in known() else None

    comm._reply_subshell_for = route


def _kernel() -> Any:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None)


def let_requests_be_read() -> None:
    """Keep ipykernel 7.0 to 7.3 from overlooking a request.

    They send replies past the stream that reads requests from the same socket, which can swallow the wake-up of one
    that comes at that moment: it and all that follow lie unread until another client connects, and neither a click nor
    a cell gets through. 7.4 sends through the stream (ipykernel's pull request 1529), and so do these from here on.
    Private names, absent in 6.x and from 7.4 on; remove when 7.3 is no longer met.
    """
    kernel = _kernel()
    manager: Any = getattr(getattr(kernel, "shell_channel_thread", None), "_manager", None)
    stream = getattr(kernel, "shell_stream", None)
    if hasattr(manager, "_shell_socket") and hasattr(stream, "send_multipart"):
        manager._shell_socket = stream
