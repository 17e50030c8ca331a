"""What happens to an intent: schema, rate, policy, act, and exactly one answer, whatever goes wrong.

The kernel decides which thread calls `handle` (ipykernel runs comm messages in subshells), so nothing here has
thread-bound state. Quick intents act at once; those that may touch a disk or start a service run in a worker and are
answered by a deadline when they hang. Nothing is raised to the caller: ipywidgets would print a traceback with local
variables, and one of them may be a key. No ipywidgets here.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vod_widget.crc64 import crc64
from vod_widget.errors import InvalidArgumentError, RestrictionError, VODError
from vod_widget.interfaces import Clock
from vod_widget.model import UploadState
from vod_widget.secret import redact
from vod_widget.sources.pace import LARGEST_SLICE_BYTES

from .accounts import Accounts
from .assets import asset
from .commands import Commands
from .details import Details
from .messages import MAX_VIEW_ROWS, PROTOCOL_VERSION, Intent, message_id, parse
from .pages import Pages
from .paths import KernelFiles
from .policy import Policy, RateLimit
from .presence import ROLL_S
from .publisher import Publisher
from .unfinished import Unfinished
from .view import Window, hint_zh, retry_helps
from .workers import Workers

if TYPE_CHECKING:
    from vod_widget.upload_info import UploadInfo
    from vod_widget.uploader import VODUpload

__all__ = ["Handler"]

_log = logging.getLogger(__name__)

# The page gives up after ten seconds; an answer in words comes before that.
ANSWER_S = 8.0
_DISK = frozenset({"list_dir", "complete_path", "add_paths", "thumbnail", "set_metadata"})
_DISK |= {"unfinished", "take_back", "asset"}
_SLOW = _DISK | {"hello", "clear", "offer_files", "reoffer_files", "add_addresses"}
# These ask the service.
_SLOW |= {"play", "list_categories"}
_SLOW |= {"list_profiles", "choose_profile", "set_credentials", "forget_credentials"}
_SLOW |= {"set_upload_auth", "test_credentials"}
# The first start finds the credentials, which may read files, ask STS or start the emulator.
_MAY_START = frozenset({"start", "resume", "retry", "retry_failed"})
_MANY = 200
# Bytes are governed by credit, and a heartbeat must pass: only what a person can do is counted.
_UNCOUNTED = frozenset({"bye", "slice", "slice_error", "put_progress", "put_done", "put_error", "ping"})


@dataclass(slots=True)
class _Reply:
    """What an intent leads to."""

    data: dict[str, Any]
    buffers: Sequence[Any] | None = None
    after: Callable[[], None] | None = None


class _Answer:
    """Answers one message once, from whichever thread is first."""

    def __init__(self, publisher: Publisher, number: int | None) -> None:
        self._publisher = publisher
        self._number = number
        self._lock = threading.Lock()
        self._given = False

    def _take(self) -> bool:
        with self._lock:
            first, self._given = not self._given, True
        return first

    def ok(self, reply: _Reply) -> None:
        if self._take():
            content = {"kind": "answer", "id": self._number, "ok": True, "data": reply.data}
            self._publisher.post(content, reply.buffers, after=reply.after)
        elif reply.after is not None:
            # The page was told that it took too long; what it asked for has happened all the same.
            reply.after()

    def no(self, code: str, message: str, **hints: str) -> None:
        if self._take():
            error = {"code": code, "message": redact(message), **{name: redact(hint) for name, hint in hints.items()}}
            self._publisher.post({"kind": "answer", "id": self._number, "error": error})

    def error(self, error: VODError) -> None:
        self.no(error.code, _sentence(error.message), hint=error.hint, hint_zh=hint_zh(error))


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text[-1] in ".!?。" else f"{text}."


class Handler:
    """Takes messages of pages.

    Args:
        uploader: The core.
        policy: Rights and limits of a page.
        publisher: Sends the answers.
        pages: Owners of browser files.
        accounts: Credentials.
        files: Files of the kernel's machine.
        commands: What both halves do.
        clock: Monotonic time.
        comm_id: Id of the widget's comm, by which a page tells a restarted kernel: that has no such.
        read_in: Takes the language of a page that comes.
        reload_ends: True when each load of the page is another kernel.
    """

    def __init__(
        self,
        uploader: VODUpload,
        *,
        policy: Policy,
        publisher: Publisher,
        pages: Pages,
        accounts: Accounts,
        files: KernelFiles,
        commands: Commands,
        clock: Clock,
        comm_id: str,
        read_in: Callable[[str], None],
        reload_ends: bool = False,
    ) -> None:
        self._uploader = uploader
        self._policy = policy
        self._publisher = publisher
        self._pages = pages
        self._accounts = accounts
        self._files = files
        self._commands = commands
        self._details = Details(uploader, files, policy, pages.owed, accounts.is_answered)
        self._unfinished = Unfinished(uploader)
        self._clock = clock
        self._comm_id = comm_id
        self._read_in = read_in
        self._reload_ends = reload_ends
        self._rate = RateLimit(policy.max_messages_per_s, clock)
        # Four browsers on a dead disk must not keep Stop from working.
        self._disk = Workers(4)
        self._others = Workers(8)
        self.refused_count = 0

    def handle(self, content: object, buffers: object) -> None:
        """Take one custom message; never raises, always leads to one answer.

        Args:
            content: What the page sent; anything at all.
            buffers: Its binary buffers, or None.
        """
        answer = _Answer(self._publisher, message_id(content))
        kind = content.get("kind") if isinstance(content, dict) else None
        counted = not isinstance(kind, str) or kind not in _UNCOUNTED
        token = content.get("token", "") if isinstance(content, dict) else ""
        speaker = token if isinstance(token, str) else ""
        self._pages.hear(speaker)
        self._publisher.hear(self._pages.number_of(speaker))
        try:
            if counted and not self._rate.take():
                self._refuse(answer, "RateLimit", "Too many messages at once; wait a second.")
                return
            intent = parse(content, buffers)
        except VODError as error:
            self._refuse(answer, error.code, error.message)
            return
        except Exception as error:
            _log.error("a message could not be read: %s", type(error).__name__)
            self._refuse(answer, "Message", "The message cannot be read.")
            return
        del content, buffers  # a traceback that shows local variables must not show a key
        if not self._policy.allows(intent.kind):
            self._refuse(answer, "Policy", "This is not allowed here; ask the author of the page.")
            return
        if self._is_slow(intent):
            self._run_beside(intent, answer)
        else:
            self._act(intent, answer)

    def _is_slow(self, intent: Intent) -> bool:
        if intent.kind in _MAY_START and self._uploader.provider is None:
            return True
        return intent.kind in _SLOW or len(intent.args.get("file_ids", ())) > _MANY

    def _refuse(self, answer: _Answer, code: str, message: str) -> None:
        self.refused_count += 1
        answer.no(code, message)

    def _run_beside(self, intent: Intent, answer: _Answer) -> None:
        workers = self._disk if intent.kind in _DISK else self._others
        if not workers.run(lambda: self._act(intent, answer)):
            answer.no("Busy", "Earlier requests are not done yet; wait a moment.")
            return
        self._publisher.call_later(
            self._clock.monotonic_s() + ANSWER_S,
            lambda: answer.no("Timeout", "This takes long and goes on; its result will show when it is there."),
        )

    def _act(self, intent: Intent, answer: _Answer) -> None:
        try:
            reply: _Reply = getattr(self, f"_on_{intent.kind}")(intent)
        except VODError as error:
            answer.error(error)
        except Exception as error:
            # The type only: the text of a foreign error may repeat what it was given.
            _log.error("%s failed: %s", intent.kind, type(error).__name__)
            answer.no("Internal", "The kernel failed at this request; the upload goes on. See the log of the kernel.")
        else:
            answer.ok(reply)

    def close(self) -> None:
        """Wait shortly for workers."""
        self._disk.join(0.5)
        self._others.join(2.0)

    # ---- the page ----------------------------------------------------------------------------------

    def _on_hello(self, intent: Intent) -> _Reply:
        if intent.args["version"] != PROTOCOL_VERSION:
            raise InvalidArgumentError(
                f"the page speaks version {intent.args['version']} of the protocol, the kernel {PROTOCOL_VERSION}",
                code="Version",
                hint="Reload the page; if it stays, update vod_widget on both sides.",
            )
        policy = self._policy
        profiles: dict[str, Any] = {"profiles": [], "current_profile": None, "origin": []}
        if policy.allows("list_profiles"):
            profiles = self._accounts.list_profiles()
        else:
            self._accounts.refresh()
        self._read_in(intent.args["locale"])
        token = self._pages.greet()
        page = self._pages.number_of(token)
        self._publisher.call_the_roll(page)
        self._publisher.call_later(self._clock.monotonic_s() + ROLL_S, self._publisher.refresh)
        data = {
            "comm_id": self._comm_id,
            "token": token,
            "page": page,
            "policy": policy.describe(),
            "reload_ends": self._reload_ends,
            "roots": self._files.roots if policy.allows_kernel_files else [],
            "limits": {
                "max_files": policy.max_files,
                "max_file_bytes": policy.max_file_bytes,
                "max_total_bytes": policy.max_total_bytes,
                "max_name_bytes": policy.max_name_bytes,
                "max_messages_per_s": policy.max_messages_per_s,
                "max_rows": MAX_VIEW_ROWS,
                "slice_bytes": LARGEST_SLICE_BYTES,
            },
            **profiles,
        }
        return _Reply(data, after=lambda: self._publisher.look_at(Window(), page))

    def _on_view(self, intent: Intent) -> _Reply:
        args = intent.args
        window = Window(**args)
        page = self._pages.number_of(intent.token)
        return _Reply({}, after=lambda: self._publisher.look_at(window, page))

    def _on_asset(self, intent: Intent) -> _Reply:
        return _Reply({"text": asset(intent.args["name"], intent.args["sha256"])})

    def _on_ping(self, intent: Intent) -> _Reply:
        held = self._pages.held_by_an_earlier_kernel()
        if held:
            self._disk.run(lambda: self._unfinished.go_on(held))
        return _Reply({"seq": self._publisher.seq(self._pages.number_of(intent.token))})

    def _on_bye(self, intent: Intent) -> _Reply:
        self._pages.leave(intent.token)
        return _Reply({}, after=self._publisher.refresh)

    def _on_probe(self, intent: Intent) -> _Reply:
        assert intent.buffer is not None  # the schema demands it
        # Files go up only: that a host brings no bytes back must not count against it.
        return _Reply({"size_bytes": intent.buffer.nbytes, "crc64": f"{crc64(intent.buffer):016x}"})

    # ---- the queue ---------------------------------------------------------------------------------

    def _on_start(self, _intent: Intent) -> _Reply:
        if self._uploader.provider is None:
            self._accounts.require_some()
        self._uploader.start_upload()
        return _Reply({})

    def _on_stop(self, _intent: Intent) -> _Reply:
        self._uploader.stop_upload()
        return _Reply({})

    def _allowed(self, infos: list[UploadInfo], intent: Intent) -> list[UploadInfo]:
        """Leave out what this page may not touch; refuse when nothing is left of what was asked for."""
        if not self._policy.own_files_only:
            return infos
        own = [info for info in infos if self._pages.owns(info.file_id, intent.token)]
        if infos and not own:
            raise RestrictionError("Another page or the notebook brought these files.", code="Owner", hint="")
        return own

    def _change(self, intent: Intent) -> _Reply:
        infos = self._commands.infos(intent.args["file_ids"])
        return _Reply({"changed": self._commands.apply(intent.kind, self._allowed(infos, intent))})

    def _on_move(self, intent: Intent) -> _Reply:
        infos = self._commands.infos(intent.args["file_ids"])
        return _Reply({"changed": self._commands.move(infos, intent.args["where"])})

    def _on_place(self, intent: Intent) -> _Reply:
        infos = self._commands.infos(intent.args["file_ids"])
        return _Reply({"changed": self._commands.place(infos, intent.args["before"])})

    def _on_unfinished(self, _intent: Intent) -> _Reply:
        return _Reply(dict(self._unfinished.count()))

    def _on_take_back(self, _intent: Intent) -> _Reply:
        return _Reply({"added": self._unfinished.take_back()})

    _on_cancel = _on_pause = _on_resume = _on_retry = _on_remove = _change

    def _on_clear(self, intent: Intent) -> _Reply:
        if not self._policy.own_files_only:
            return _Reply({"removed": self._commands.clear(intent.args["which"])})
        infos = self._allowed(self._commands.meant_by(intent.args["which"]), intent)
        return _Reply({"removed": self._commands.apply("remove", infos)})

    def _on_retry_failed(self, intent: Intent) -> _Reply:
        failed = [info for info in self._uploader.list_files() if info.state == UploadState.FAILURE]
        helped = [info for info in failed if info.error is None or retry_helps(info.error)]
        return _Reply({"changed": self._commands.apply("retry", self._allowed(helped, intent))})

    # ---- files -------------------------------------------------------------------------------------

    def _on_list_dir(self, intent: Intent) -> _Reply:
        return _Reply(self._files.list_dir(intent.args["path"]))

    def _on_complete_path(self, intent: Intent) -> _Reply:
        return _Reply({"paths": self._files.complete_path(intent.args["prefix"])})

    def _on_add_paths(self, intent: Intent) -> _Reply:
        return _Reply(self._commands.add_paths(intent.args["paths"]))

    def _on_add_addresses(self, intent: Intent) -> _Reply:
        return _Reply(self._commands.add_addresses(intent.args["urls"]))

    def _on_offer_files(self, intent: Intent) -> _Reply:
        again = intent.kind == "reoffer_files"
        data, after = self._pages.offer(intent.args["files"], intent.token, again=again)
        return _Reply(data, after=after)

    _on_reoffer_files = _on_offer_files

    def _on_reach(self, intent: Intent) -> _Reply:
        self._pages.take_reach(intent)
        return _Reply({})

    def _on_slice(self, intent: Intent) -> _Reply:
        self._pages.take_slice(intent)
        return _Reply({})

    def _on_slice_error(self, intent: Intent) -> _Reply:
        self._pages.take_error(intent)
        return _Reply({})

    def _on_put_progress(self, intent: Intent) -> _Reply:
        self._pages.take_put(intent)
        return _Reply({})

    _on_put_done = _on_put_error = _on_put_progress

    # ---- accounts ----------------------------------------------------------------------------------

    def _on_list_profiles(self, _intent: Intent) -> _Reply:
        return _Reply(self._accounts.list_profiles())

    def _on_choose_profile(self, intent: Intent) -> _Reply:
        return self._shown({"current_profile": self._accounts.choose(intent.args["name"])})

    def _on_set_credentials(self, intent: Intent) -> _Reply:
        return self._shown(self._accounts.use_keys(**intent.args))

    def _on_set_upload_auth(self, intent: Intent) -> _Reply:
        return self._shown(self._accounts.use_grant(**intent.args))

    def _on_test_credentials(self, _intent: Intent) -> _Reply:
        found = self._accounts.test()
        # Said by a message of its own, since a slow command or sign-in may outlast the page's patience.
        return _Reply({}, after=lambda: self._publisher.post({"kind": "tested", **found}))

    def _on_forget_credentials(self, _intent: Intent) -> _Reply:
        return self._shown({"current_profile": self._accounts.forget_keys()})

    def _shown(self, data: dict[str, Any]) -> _Reply:
        return _Reply(data, after=lambda: self._publisher.refresh(self._accounts.answered()))

    # ---- one file ----------------------------------------------------------------------------------

    def _one(self, intent: Intent) -> UploadInfo:
        infos = self._commands.infos([intent.args["file_id"]])
        if not infos:
            raise InvalidArgumentError("The file is not in the list any more.", code="NotFound", hint="")
        return infos[0]

    def _own(self, intent: Intent) -> UploadInfo:
        return self._allowed([self._one(intent)], intent)[0]

    def _on_detail(self, intent: Intent) -> _Reply:
        return _Reply(self._details.facts(self._one(intent)))

    def _on_set_metadata(self, intent: Intent) -> _Reply:
        info = self._own(intent)
        data = self._details.set_metadata(info, intent.args)
        return _Reply(data, after=lambda: self._publisher.refresh([info.file_id]))

    def _on_edit_files(self, intent: Intent) -> _Reply:
        infos = self._allowed(self._commands.infos(intent.args["file_ids"]), intent)
        data = self._details.edit_files(infos, intent.args)
        return _Reply(data, after=lambda: self._publisher.refresh([info.file_id for info in infos]))

    def _on_set_cover(self, intent: Intent) -> _Reply:
        assert intent.buffer is not None  # the schema demands it
        return _Reply(self._details.set_cover(self._own(intent), intent.args["name"], intent.buffer))

    def _on_thumbnail(self, intent: Intent) -> _Reply:
        data, picture = self._details.thumbnail(self._own(intent))
        return _Reply(data, [picture])

    def _on_play(self, intent: Intent) -> _Reply:
        return _Reply({"url": self._uploader.play_url(self._own(intent))})

    def _on_list_categories(self, _intent: Intent) -> _Reply:
        found = self._uploader.categories()
        return _Reply({"categories": [{"cate_id": one.cate_id, "path": one.path} for one in found]})
