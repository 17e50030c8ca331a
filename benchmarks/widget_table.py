"""The rows of the report that need a browser: a large file of the page, in JupyterLab in headless Chromium.

The widget's other measurements print only: `widget_rows` (frames, bytes and messages of long lists), `widget_crowd`
(many widgets), `tests.widget.measure` (clicks in each ipykernel).
"""

from __future__ import annotations

from .rows import Outcome, Setting, above, below, row
from .runner import Measured

_COLUMNS = (
    ("MB/s", "mb_s", 1.0, 0),
    ("kernel grew MiB", "kernel_mib", 1.0, 0),
    ("renderer grew MiB", "renderer_mib", 1.0, 0),
    ("click p95 ms", "p95_ms", 1.0, 0),
)

_CLICKED = (
    "The widget's time is from Start to a verified object. A filter of the widget is pressed about three times a "
    "second beside both, and those beside the widget are timed."
)


def _browser_file(setting: Setting, title: str, text: str, *, direct: bool) -> Outcome:
    # Playwright's and anywidget's packages are there in the tests' environment alone.
    from .widget_stream import PEER, SHARE, measure

    measured = Measured()
    ours, peer = "the widget", PEER[direct]
    for _ in range(setting.times(3)):
        found = measure(setting.pick(96, 2048), setting.pick(64, 1024), direct=direct)
        if not found.is_whole:
            raise RuntimeError("the object is not the file")
        measured.add(peer, {"mb_s": found.bare_mb_s})
        figures = ("mb_s", "kernel_mib", "renderer_mib", "p95_ms")
        measured.add(ours, {name: getattr(found, name) for name in figures})
    return Outcome(
        title,
        text,
        _COLUMNS,
        measured,
        [
            above(f"against {peer}", measured.ratio(ours, "mb_s", peer), SHARE[direct], "", " x"),
            below("kernel memory grew by", measured.median(ours, "kernel_mib"), 64, "", " MiB"),
            below("renderer grew by", measured.median(ours, "renderer_mib"), 200, "", " MiB"),
            below("click to screen meanwhile, p95", measured.median(ours, "p95_ms"), 500, "", " ms"),
        ],
    )


@row
def widget_stream(setting: Setting) -> Outcome:
    """A file of the browser through the kernel, against a bare stream of the same comm."""
    text = (
        "JupyterLab in headless Chromium, the kernel of this environment. The peer writes messages of 4 MiB to a file, "
        "half before and half after. " + _CLICKED
    )
    return _browser_file(setting, "A browser's file of 2 GiB through the kernel", text, direct=False)


@row
def widget_direct(setting: Setting) -> Outcome:
    """A file of the browser that the page sends itself, against a plain fetch PUT."""
    text = (
        "JupyterLab in headless Chromium. The peer PUTs parts of 8 MiB to the same storage, without a sum, half before "
        "and half after. " + _CLICKED
    )
    return _browser_file(setting, "A browser's file of 2 GiB straight to the storage", text, direct=True)
