"""The widget: what a person sees of an uploader in a notebook, and the kernel's half of it.

`widget.py` is the thin ipywidgets shell; `publisher.py` alone speaks to the browser, `handler.py` alone listens to it,
under a `Policy`. Everything but the shell knows no ipywidgets. Floor 5; imports ipywidgets and anywidget, so nothing
imports it before it is asked for.
"""

from .policy import Policy
from .widget import VODUploadWidget

__all__ = ["Policy", "VODUploadWidget"]
