"""What a LifecycleConfiguration may say.

What lives here: `check_lifecycle`. It imports `errors`; pure, any thread. The rules are kept and shown, never run.

Source: OSS "PutBucketLifecycle".
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from vod_widget.emulator.errors import OssError, malformed_xml, oss_invalid_argument

MAX_RULES = 1000
# From warm to cold: an object goes down only.
_COLDER = ("IA", "Archive", "ColdArchive", "DeepColdArchive")
_TAG = re.compile(r"[\w +\-=.:/]*")


def check_lifecycle(root: ET.Element) -> None:
    """Refuse rules that the service refuses.

    Raises:
        OssError: MalformedXML, InvalidArgument, or InvalidRequest for days and dates in one rule.
    """
    rules = root.findall("Rule")
    ids = [rule.findtext("ID") or "" for rule in rules]
    if not 1 <= len(rules) <= MAX_RULES or len(rules) != len(root):
        raise malformed_xml()
    for rule, name in zip(rules, ids, strict=True):
        if name and ids.count(name) > 1:
            raise oss_invalid_argument("Rule ID must be unique.", name="ID", value=name)
        _check_rule(rule)


def _check_rule(rule: ET.Element) -> None:
    if rule.findtext("Status") not in ("Enabled", "Disabled"):
        raise malformed_xml()
    for tag in rule.findall("Tag"):
        for text in (tag.findtext("Key") or "", tag.findtext("Value") or ""):
            if not _TAG.fullmatch(text):
                raise oss_invalid_argument("The tag of a rule is not valid.", name="Tag", value=text)
    timed = rule.findall("Expiration") + rule.findall("Transition")
    by_days = any(node.find("Days") is not None for node in timed)
    by_date = any(node.find("CreatedBeforeDate") is not None for node in timed)
    if by_days and by_date:
        raise OssError(400, "InvalidRequest", "Days and CreatedBeforeDate cannot be used in one rule.")
    _check_descent(rule, "Transition", "Days", _days(rule, "Expiration/Days"))
    name = "NoncurrentVersionTransition"
    _check_descent(rule, name, "NoncurrentDays", _days(rule, "NoncurrentVersionExpiration/NoncurrentDays"))


def _days(node: ET.Element, path: str) -> int | None:
    text = node.findtext(path)
    if text is None:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text.strip()):
        raise oss_invalid_argument("Days must be a positive number.", name=path.rpartition("/")[2], value=text)
    return int(text)


def _check_descent(rule: ET.Element, name: str, unit: str, end_days: int | None) -> None:
    steps = []
    for node in rule.findall(name):
        wanted = (node.findtext("StorageClass") or "").strip()
        if wanted not in _COLDER:
            raise oss_invalid_argument("The storage class of a transition is not valid.", name=name, value=wanted)
        days = _days(node, unit)
        if days is not None:
            steps.append((_COLDER.index(wanted), days))
    days_by_cold = [days for _, days in sorted(steps)]
    if days_by_cold != sorted(days_by_cold):
        raise oss_invalid_argument("A colder class must come later.", name=name, value=str(days_by_cold))
    if end_days is not None and days_by_cold and end_days <= days_by_cold[-1]:
        raise oss_invalid_argument("Expiration must come after transition.", name=unit, value=str(end_days))
