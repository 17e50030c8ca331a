"""May I upload here: the keys, the place, who they belong to, and which rights are missing, one finding each.

Asks STS whose keys they are, VOD for a video that nobody has, and each action of an upload with a call that cannot
succeed; nothing is created. Floor 4; blocks on the network, in the caller's thread; words are in `doctor_words`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .doctor_words import fix_words, label_words, text_words
from .errors import AccessDeniedError, MissingCredentialError, VODError

if TYPE_CHECKING:
    from .authority import Destination
    from .model import Credentials
    from .uploader import VODUpload
    from .vod_api import SdkVodApi

__all__ = ["Finding", "examine", "failed", "verdict"]

_PLACE_CODES = frozenset({"Region", "Endpoint", "Endpoint.Refused"})
_LATER = ("identity", "VOD access", "upload rights")
# Asked to learn whether keys may more than an upload needs; it changes assets, but does not destroy them.
_MORE = "vod:UpdateVideoInfo"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What: credentials, destination, identity, VOD access, upload rights.
        ok: True or False; None when an earlier finding made it pointless.
        key: Which sentence says it; see `doctor_words`.
        facts: What the sentence names; no secret.
        advice: Which sentence says what to do, "" when nothing is to be done.
        error: What went wrong, or None.
    """

    name: str
    ok: bool | None
    key: str
    facts: Mapping[str, str] = field(default_factory=dict)
    advice: str = ""
    error: VODError | None = None

    def label(self, language: str) -> str:
        """Say what was looked at, in "en" or "zh"."""
        return label_words(self.name, language)

    def text(self, language: str) -> str:
        """Say what was found, in "en" or "zh"."""
        return text_words(self.key, self.facts, self.error, language)

    def fix(self, language: str) -> str:
        """Say the one next step, "" when there is none."""
        return fix_words(self.advice, self.facts, self.error, language)


def failed(name: str, error: VODError, advice: str = "") -> Finding:
    """Return the finding for an error."""
    return Finding(name, ok=False, key="error", advice=advice or "error", error=error)


def _not_tried(names: Sequence[str]) -> list[Finding]:
    return [Finding(name, ok=None, key="not_tried") for name in names]


def verdict(findings: Sequence[Finding], language: str) -> str:
    """Say the whole in one sentence: ready, or the first thing that is wrong with its step."""
    bad = next((one for one in findings if one.ok is False), None)
    if bad is not None:
        return f"{bad.text(language)} {bad.fix(language)}".strip()
    facts = {name: value for one in findings for name, value in one.facts.items()}
    key = "ready" if "account" in facts else "application"
    return text_words(key, facts, None, language)


def examine(uploader: VODUpload, api: SdkVodApi | None = None) -> list[Finding]:
    """Look at everything that an upload needs of the cloud.

    Args:
        uploader: Its options decide keys, region and endpoint.
        api: The control plane to ask by; None is the uploader's.

    Returns:
        Findings in order; it does not raise for what it finds.
    """
    by_caller = uploader.get_auth is not None or uploader.on_upload_started is not None
    try:
        to = uploader._authority.resolve(required=not by_caller)
    except MissingCredentialError as error:
        return [failed("credentials", error), *_not_tried(("destination", *_LATER))]
    except VODError as error:
        is_place = error.code in _PLACE_CODES
        rest = _LATER if is_place else ("destination", *_LATER)
        return [failed("destination" if is_place else "credentials", error), *_not_tried(rest)]
    if to.provider is None:
        return [Finding("credentials", ok=True, key="application"), _destination(to)]
    try:
        keys = to.provider.credentials()
    except VODError as error:
        return [failed("credentials", error), _destination(to), *_not_tried(_LATER)]
    return [_keys(keys, to), _destination(to), *_access(api or uploader._authority.api(), keys, to)]


def _keys(keys: Credentials, to: Destination) -> Finding:
    is_temporary = keys.security_token is not None
    told = {getattr(notice, "code", "") for notice in getattr(to.provider, "notices", ())}
    advice = ""
    if "Auth.Typed" in told:
        advice = "typed"
    elif not is_temporary and not to.loopback:
        advice = "long_lived"
    facts = {"id": keys.masked_id, "place": keys.place}
    return Finding("credentials", ok=True, key="temporary" if is_temporary else "long", facts=facts, advice=advice)


def _destination(to: Destination) -> Finding:
    facts = {"region": to.region, "endpoint": to.endpoint or ""}
    is_default = to.region_from == "default"
    key = "region_default" if is_default else "region_at" if to.endpoint else "region"
    return Finding("destination", ok=True, key=key, facts=facts, advice="choose_region" if is_default else "")


def _access(api: SdkVodApi, keys: Credentials, to: Destination) -> list[Finding]:
    try:
        who = api.get_caller_identity(keys, to.region, to.endpoint)
    except VODError as error:
        advice = "network" if error.code.startswith("Network") else ""
        return [failed("identity", error, advice), *_not_tried(_LATER[1:])]
    arn = who.get("Arn", "")
    is_root = who.get("IdentityType") == "Account"
    name = arn.rpartition(":")[2] or arn
    facts = {"account": who.get("AccountId", "?"), "who": name}
    findings = [Finding("identity", ok=True, key="identity", facts=facts, advice="root" if is_root else "")]
    session = api.open(keys, to.region, to.endpoint)
    try:
        # An id that nobody has: the answer "there is none" shows that reading is allowed.
        session.find_video(reference_id=secrets.token_hex(16))
    except AccessDeniedError as error:
        findings.append(failed("VOD access", error, "allow_upload"))
    except VODError as error:
        return [*findings, failed("VOD access", error), *_not_tried(_LATER[2:])]
    else:
        findings.append(Finding("VOD access", ok=True, key="may_read"))
    return [*findings, _rights(session)]


def _rights(session: Any) -> Finding:
    """Compare what the keys may do with the upload policy that ships with the package."""
    from .credentials import policy_path, upload_actions

    wanted = upload_actions()
    try:
        missing = [action for action in wanted if not session.may(action)]
        has_more = not missing and session.may(_MORE)
    except VODError as error:
        return failed("upload rights", error)
    facts = {"missing": ", ".join(missing), "policy": str(policy_path("upload")), "more": _MORE}
    if missing:
        return Finding("upload rights", ok=False, key="missing", facts=facts, advice="allow_missing")
    return Finding("upload rights", ok=True, key="rights", facts=facts, advice="narrow" if has_more else "")
