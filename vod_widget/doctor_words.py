"""What the doctor says, in English and Chinese, from one table. Pure.

English errors keep their own words; Chinese has a cause and a step for each code that credentials and the two services
can have. A code without words of its own is shown with its English text, which is better than none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

from .errors import VODError

__all__ = ["choose_language", "fix_words", "label_words", "reason_words", "step_words", "text_words"]

_LABELS: Final = {
    "credentials": "凭证",
    "destination": "目的地",
    "identity": "身份",
    "VOD access": "VOD 访问",
    "upload rights": "上传权限",
    "journal": "断点记录",
    "files": "文件",
}
# Key: English, Chinese.
_TEXTS: Final[dict[str, tuple[str, str]]] = {
    "not_tried": ("An earlier check failed.", "前一项检查未通过，未尝试。"),
    "application": (
        "None of its own: the application gives authority for each file.",
        "没有自己的凭证：由应用为每个文件授权。",
    ),
    "temporary": ("{id}, temporary, from {place}.", "{id}，临时凭证，来自 {place}。"),
    "long": ("{id}, long-lived, from {place}.", "{id}，长期密钥，来自 {place}。"),
    "region": ("{region}.", "{region}。"),
    "region_at": ("{region} at {endpoint}.", "{region}，{endpoint}。"),
    "region_default": (
        "{region}, by default: neither region= nor the profile names one.",
        "{region}，默认地域：region= 和配置都没有指定。",
    ),
    "identity": ("Account {account}, {who}.", "账号 {account}，{who}。"),
    "may_read": (
        "The keys may read VOD in this region (vod:GetVideoInfo).",
        "这些密钥可以读取此地域的 VOD（vod:GetVideoInfo）。",
    ),
    "rights": ("Nothing that an upload needs is missing.", "上传所需的权限都有。"),
    "missing": ("RAM does not allow {missing}.", "RAM 没有允许 {missing}。"),
    "journal": ("{folder} can be written{left}.", "{folder} 可以写入{left}。"),
    "left": ("; {count} unfinished, see vod_widget.resume()", "；有 {count} 个未完成，见 vod_widget.resume()"),
    "files": ("{count}, {size}, can be sent.", "{count} 个文件，{size}，可以发送。"),
    "more_files": ("{count} more cannot be sent.", "另有 {count} 个不能发送。"),
    "told": ("{told}", "{told}"),
    "ready": ("Account {account}, {who}, {region}: ready.", "账号 {account}，{who}，{region}：可以上传。"),
}
_FIXES: Final[dict[str, tuple[str, str]]] = {
    "long_lived": (
        "A profile with a role gives keys that end within an hour and can only upload.",
        "建议使用带角色的配置：密钥一小时内失效，且只能上传。",
    ),
    "typed": (
        "These keys stand in the text of a cell and are saved with the notebook: move them into a profile.",
        "密钥写在单元格里，会随笔记本保存：把它移到配置中。",
    ),
    "choose_region": (
        "Pass region= or write region_id into the profile if your videos live elsewhere.",
        "如果视频在其他地域，传入 region= 或在配置中写 region_id。",
    ),
    "journal": ("Pass checkpoint_dir=, or set VOD_WIDGET_HOME.", "传入 checkpoint_dir=，或者设置 VOD_WIDGET_HOME。"),
    "files": ("Pass at least one file.", "至少传入一个文件。"),
    "more_files": ("See above.", "见上。"),
    "network": (
        "Check the network, proxies and the region; nothing reaches the service.",
        "检查网络、代理和地域：无法到达服务。",
    ),
    "root": (
        "These are keys of the root account, which may do everything: make a RAM user or a role for uploads.",
        "这是主账号的密钥，可以做任何事：为上传新建 RAM 用户或角色。",
    ),
    "allow_upload": (
        "Allow vod:GetVideoInfo, vod:CreateUploadVideo, vod:RefreshUploadVideo and vod:CreateUploadImage in RAM.",
        "在 RAM 中允许 vod:GetVideoInfo、vod:CreateUploadVideo、vod:RefreshUploadVideo 和 vod:CreateUploadImage。",
    ),
    "allow_missing": (
        "Attach the policy {policy} to the user or role in RAM, then check again.",
        "在 RAM 中给用户或角色添加策略 {policy}，然后重新检查。",
    ),
    "narrow": (
        "They may do more ({more}): the policy {policy} would be enough.",
        "权限多于所需（{more}）：策略 {policy} 就够了。",
    ),
}
# Pattern of codes: cause, step; both Chinese, for English errors bring their own words.
_ERRORS: Final[tuple[tuple[str, str, str], ...]] = (
    (r"Auth\.Missing", "没有找到凭证。", '选择一个配置、输入密钥，或者使用内置模拟器（profile="emulator"）。'),
    (r"Auth\.Incomplete", "密钥不完整：ID 和 Secret 须成对出现。", "补上缺少的一半，或者两个都删除。"),
    (r"Auth\.Expired|InvalidSecurityToken\.Expired", "临时凭证已失效。", "换上新的密钥和 Token，再试一次。"),
    (r"Auth\.RealKey", "真实账号的密钥不会发给本机的模拟器。", "使用模拟器自己的密钥，或者去掉 endpoint。"),
    (r"Auth\.Timeout", "提供密钥的一方没有按时应答。", "检查网络和提供密钥的一方，再试一次。"),
    (r"Auth\.Callback", "提供密钥的函数失败了。", "修正 credentials= 传入的函数，再试一次。"),
    (r"Auth\.External", "配置中的命令没有给出密钥。", "在终端运行 process_command，按提示修正，再试一次。"),
    (r"Auth\.Uri", "凭证 URI 没有给出密钥。", "检查该服务是否在运行，再试一次。"),
    (r"Auth\.Metadata", "ECS 元数据服务没有给出密钥。", "在 ECS 控制台给实例绑定 RAM 角色，或者换一个配置。"),
    (r"Auth\.Oidc|AuthenticationFail\..*", "OIDC Token 不能使用。", "检查集群是否挂载并更新 Token，再试一次。"),
    (r"Auth\.SignIn", "登录已失效。", "运行 aliyun configure 重新登录，再试一次。"),
    (r"Profile\.NotFound", "没有这个配置。", "换一个名称，或者用 vod_widget.explain() 查看找到了什么。"),
    (r"Profile\.Unusable", "这个配置不能使用。", "按原因修正配置，或者换一个配置。"),
    (r"Profile\.File", "配置文件不能使用。", "修正配置文件，再试一次。"),
    (r"InvalidAccessKeyId(\..+)?", "AccessKey ID 不存在或已停用。", "检查 AccessKey ID 和账号，再试一次。"),
    (
        r"SignatureDoesNotMatch|IncompleteSignature|InvalidAccessKeySecret",
        "AccessKey Secret 不正确。",
        "检查 AccessKey Secret，再试一次。",
    ),
    (r"(Missing|Invalid)SecurityToken(\..+)?|Auth\.Refused", "密钥未被接受。", "检查 ID、Secret 和 Token，再试一次。"),
    (r"Forbidden(\.RAM)?|NoPermission|Permission", "RAM 没有允许这个操作。", "在 RAM 中给这些密钥授权，再试一次。"),
    (r"EntityNotExist\.Role", "没有这个角色。", "检查角色的 ARN。"),
    (r"Clock\.Skew|InvalidTime[Ss]tamp\..+|IllegalTimestamp", "本机时钟不准。", "校准本机时钟，再试一次。"),
    (r"Network(\..+)?", "无法到达服务。", "检查网络、代理和地域，再试一次。"),
    (r"Tls", "服务器证书无效。", "检查本机时钟、代理和证书，切勿忽略。"),
    (r"Throttling(\..+)?", "调用过于频繁。", "稍等片刻，再试一次。"),
    (
        r"OperationDenied\.Suspended",
        "此账号的视频点播已暂停。",
        "在控制台恢复视频点播（欠费会使其暂停），再试一次。",
    ),
    (r"OperationDenied(\..+)?", "此账号尚未开通视频点播。", "在控制台开通视频点播，再试一次。"),
    (r"Region", "没有这个地域。", "换一个 VOD 支持的地域，例如 cn-shanghai。"),
    (r"Endpoint(\.Refused)?", "不允许这个服务地址。", "去掉 endpoint，或者使用阿里云的地址。"),
    (r"Server\.Fault|InternalError|ServiceUn[aA]vailable", "服务故障。", "稍后再试一次。"),
    (r"Service", "服务报告了错误。", "在阿里云错误中心查询错误码，再试一次。"),
    (r"Request\.Refused", "服务拒绝了请求。", "按错误信息修正，再重新添加文件。"),
    (r"Journal\.Write", "断点记录不能写入。", "释放磁盘空间，或者传入另一个 checkpoint_dir，再试一次。"),
    (r"Journal\..+", "断点记录不能写入。", "传入 checkpoint_dir=，或者设置 VOD_WIDGET_HOME。"),
    # What ends one file.
    (r"Auth\.Mismatch", "上传凭证不属于这个文件或地域。", "使用此文件的 VideoId 调用 RefreshUploadVideo。"),
    (r"InvalidUploadAuth|Protocol\.Auth", "上传凭证或上传地址无效。", "原样传入 VOD 返回的凭证和地址。"),
    (r"AccessDenied|Auth", "没有权限。", "检查密钥和 RAM 权限，再试一次。"),
    (r"Bucket|NoSuchBucket", "存储空间不存在。", "检查 VOD 账号的存储设置，再试一次。"),
    (r"Callback", "回调失败。", "修正回调函数，再试一次。"),
    (r"Conflict", "此 VideoId 下已有其他内容。", "在控制台查看该视频；移除文件后重新添加，会存为新视频。"),
    (r"Create\.Unknown", "不清楚媒体是否已创建。", "在控制台按 ReferenceId 查找；没有该视频时，移除文件后重新添加。"),
    (r"Integrity", "收到的内容与发送的不一致。", "再试一次；若再次发生，检查本机的内存、磁盘和代理。"),
    (r"Internal", "内部错误。", "请附上错误码报告此问题。"),
    (r"Locked", "此文件正由另一个上传发送。", "等待另一个上传结束或将其停止，再试一次。"),
    (r"NoSuchUpload", "上传将从头开始。", "再试一次；文件会以同一 ID 重新发送。"),
    (r"NotFound|Video\.Gone", "媒体已被删除。", "移除文件后重新添加，会创建新的媒体。"),
    (r"Protocol|Redirect", "无法识别的应答。", "检查代理和服务地址，再试一次。"),
    (r"Reference\.Conflict|ReferenceIdExists", "ReferenceId 已被使用。", "换一个 reference_id 重新添加，或者不指定。"),
    (r"Restriction(\..+)?|EmptyFile", "文件或元数据不符合规则。", "修改后重新添加。"),
    (r"Source\.Outside", "此处不允许。", "选择允许的文件夹内的文件，或者用 root= 指定其他文件夹。"),
    (r"Source\.Busy", "打开的文件过多。", "关闭一些文件，或提高 ulimit -n，再试一次。"),
    (r"Source\.Changed", "发送过程中文件被修改。", "文件写完后再重试；将从头开始。"),
    (r"Source\.Detached", "页面已刷新。", "重新选择同一个文件，会从断点继续。"),
    (r"Source\.Expired", "网址可能已失效。", "用新的网址重新添加。"),
    (r"Source\.Length|Source\.NoRange", "服务器没有给出完整的文件。", "下载文件后添加其路径。"),
    (r"Source\.Missing", "文件不存在。", "检查路径；文件恢复后再试一次。"),
    (r"Source\.Permission", "没有读取文件的权限。", "授予此用户读取权限，再试一次。"),
    (r"Source\.Stalled", "文件的磁盘没有应答。", "检查存放文件的磁盘或网络挂载，再试一次。"),
    (r"Source(\..+)?", "文件无法读取。", "确认文件可以读取，再试一次。"),
    (r"Threads", "无法启动线程。", "关闭其他程序，或提高 ulimit -u，再试一次。"),
)
# What to do about a fault that is tried again by itself: beginning of its code, English, Chinese.
_WAITS: Final[tuple[tuple[str, str, str], ...]] = (
    ("Journal", "Free some disk space; the file then goes on by itself.", "释放磁盘空间，文件随后会自动继续。"),
    ("Source", "Close other files; this one then goes on by itself.", "关闭其他文件，此文件随后会自动继续。"),
    ("Clock", "Set the clock of this machine; the file then goes on by itself.", "校准本机时钟，文件随后会自动继续。"),
    ("", "It goes on by itself; what was sent is kept.", "会自动继续，已发送的部分已保留。"),
)
# What a step of a search says: pattern of the English, Chinese.
_STEPS: Final[tuple[tuple[str, str], ...]] = (
    (r"nothing", "无"),
    (r"set", "已设置"),
    (r"not set", "未设置"),
    (r"no such file", "没有这个文件"),
    (r"not looked at", "未查找"),
    (r"(?:the search had ended|not needed: the search has ended)", "查找已结束"),
    (r"not read", "未读取"),
    (r"not asked", "未询问"),
    (r"built-in", "内置"),
    (r"unusable", "不能使用"),
    (r"environment \((.+)\)", r"环境变量（\1）"),
    (r"environment", "环境变量"),
    (r"ECS metadata", "ECS 元数据"),
    (r"emulator", "模拟器"),
    (r"there is no home folder", "没有主目录"),
    (r"it is gone", "它已不存在"),
    (r"keys are not needed", "不需要密钥"),
    (r"HTTP (\d+) without the name of a role", r"HTTP \1，没有角色名称"),
    (r"it gives no token \(HTTP (\d+)\), and version 1 is off", r"没有给出 Token（HTTP \1），且版本 1 已停用"),
    (r"(.+) says that its current profile is (.+), and holds no such profile", r"\1 的当前配置 \2 不存在"),
    (r"profiles (.+)", r"配置 \1"),
    (r"profile (\S+) of (.+)", r"\2 中的配置 \1"),
    (r"profile (.+)", r"配置 \1"),
    (r"no profile named (.+)", r"没有名为 \1 的配置"),
    (r"no profile of that name", "没有这个名称的配置"),
    (r"(\S+) is set", r"已设置 \1"),
    (r"it is set", "已设置"),
    (r"profile= names it", "因你选择而使用"),
    (r"(\S+) names it", r"由 \1 指定"),
    (r"the first place that holds keys", "第一个有密钥的地方"),
    (r"it names no current profile", "没有指定当前配置"),
    (r'"current" of the file', "文件中的 current"),
    (r"the section named default", "名为 default 的一节"),
    (r"an earlier place won", "前面的地方优先"),
    (r"(.+) wins", r"\1 优先"),
    (r"nothing else was found", "没有找到其他密钥"),
    (r"this instance has the role (.+)", r"此实例的角色是 \1"),
    (r"(\S+) beats the variables", r"\1 优先于环境变量"),
    (r"never taken by itself; .+", "不会自动使用"),
    (r"no role is attached to this instance", "此实例没有绑定角色"),
    (r"this is no ECS instance, or it has no role", "不是 ECS 实例，或没有角色"),
    (r"no answer.*", "没有应答"),
    (r"Code in this notebook", "本笔记本的代码"),
    # Why a profile cannot be used, and the step that helps.
    (r"no key is filled in; run: (.+)", r"没有填写密钥；运行：\1"),
    (r"nobody is signed in; run: (.+)", r"尚未登录；运行：\1"),
    (r"its token has ended; run: (.+)", r"临时凭证已过期；运行：\1"),
    (
        r"the sign-in has ended; run: (.+); or let it renew itself: (.+)",
        r"登录已过期；运行：\1；或让它自动续期：\2",
    ),
    (r"source_profile is missing; run: (.+)", r"缺少 source_profile；运行：\1"),
    (r"(\S+) names (\S+), and there is no such file; .+", r"\1 指定的文件 \2 不存在；请更正，或等到它被挂载"),
    (r"source_profile names (\S+), which is not in (.+)", r"source_profile 指定的 \1 不在 \2 中"),
    (r"source_profile leads in a circle through (\S+); .+", r"source_profile 经过 \1 成环；改用其他配置"),
    (r"mode (\S+) cannot be used to upload; .+", r"模式 \1 不能用于上传；选择含 AccessKey、STS Token 或角色的配置"),
    (r"the ARN of the role is missing; add it in (.+)", r"缺少角色的 ARN；在 \1 中补上"),
    (r"the line `type = access_key` is missing; add it in (.+)", r"缺少一行 type = access_key；在 \1 中补上"),
    (r"it is switched off; remove `enable = false` in (.+)", r"已停用；删除 \1 中的 enable = false"),
    (r"(\S+) and (\S+) is missing; add it in (.+)", r"缺少 \1 和 \2；在 \3 中补上"),
    (r"(\S+) is missing; add it in (.+)", r"缺少 \1；在 \2 中补上"),
    (r"(.+) is not set; set all three or none", r"未设置 \1；三者都设置，或都不设置"),
    (r"(.+) is set but (.+) is not; set both or neither", r"设置了 \1，但未设置 \2；两者都设置，或都不设置"),
    (r"(\S+) is set; remove it", r"设置了 \1；将其删除"),
    (r"(\S+) names (.+), which does not exist", r"\1 指定的 \2 不存在"),
    (r"it is not a (?:plain http or https )?URL; write (.+) or (.+)", r"不是 http 或 https 地址；写成 \1 或 \2"),
    (r"keys would travel unencrypted over the network; write https://", "密钥会在网络上明文传输；改用 https://"),
    (r"(.+) is not valid JSON \(line (\d+)\)", r"\1 不是有效的 JSON（第 \2 行）"),
    (r"(.+) is not valid JSON", r"\1 不是有效的 JSON"),
    (r"(.+) is not a JSON object", r"\1 不是 JSON 对象"),
    (r"(.+) is not UTF-8 text", r"\1 不是 UTF-8 文本"),
    (r"(.+) is larger than 1 MiB, so it is no profile file", r"\1 超过 1 MiB，不是配置文件"),
    (r"(.+) cannot be read: (.+)", r"\1 无法读取：\2"),
    (r"(.+) is not a regular file", r"\1 不是普通文件"),
    (r"(.+) belongs to another user; make it yours", r"\1 属于其他用户；请改为自己所有"),
    (r"(.+) may be (?:changed|read) by other users; run: (.+)", r"其他用户可以访问 \1；运行：\2"),
    (r"(.+) is a symbolic link, which is not followed; .+", r"\1 是符号链接，不会跟随；请放置文件本身"),
    (r"a quote in process_command is not closed", "process_command 的引号没有闭合"),
    (r"process_command is empty", "process_command 为空"),
    (r"the name belongs to the built-in emulator; rename the profile", "此名称属于内置模拟器；请给配置改名"),
    (r"(.+) has a profile of that name and wins; rename one", r"\1 中有同名的配置，优先使用；请给其中一个改名"),
    (r"line (\d+) of (.+) is not `key = value`", r"\2 第 \1 行不是 key = value"),
    (r"line (\d+) of (.+) stands before the first \[section\]", r"\2 第 \1 行在第一个 [section] 之前"),
    (r"line (\d+) of (.+) is not a \[section\]", r"\2 第 \1 行不是 [section]"),
    (r"(.+) is no name of a file", r"\1 不是文件名"),
    # Why a command or a service gave no keys.
    (r"there is no such program on this machine", "本机没有这个程序"),
    (r"it cannot be split into words", "命令无法拆分"),
    (r"it cannot be run \((.+)\)", r"无法运行（\1）"),
    (r"it did not end within (.+) s", r"\1 秒内没有结束"),
    (r"it prints too much", "输出过多"),
    (r"it ended with status (.+)", r"退出状态为 \1"),
    (r"it does not print JSON", "输出不是 JSON"),
    (r"it does not print a JSON object", "输出不是 JSON 对象"),
    (r"the address cannot be used \((.+)\)", r"地址不能使用（\1）"),
    (r"the answer is too long", "应答过长"),
    (r"the answer does not end", "应答没有结束"),
    (r"the server's certificate is not good", "服务器证书无效"),
    (r"the answer is not JSON", "应答不是 JSON"),
    (r"the answer is not a JSON object", "应答不是 JSON 对象"),
    (r"the service says that it failed", "服务报告失败"),
    (r'"profiles" of (.+) is not a list', r"\1 的 profiles 不是列表"),
)
# Sentences about something, for a reason that the table above knows.
_LINKED: Final[tuple[tuple[str, str], ...]] = (
    (r"its source_profile (\S+) cannot be used: (.+)", "它的 source_profile {} 不能使用：{}"),
    (r"source_profile (\S+ of \S+) cannot be used: (.+)", "source_profile {} 不能使用：{}"),
    (r"(profile \S+ of .+) cannot be used: (.+)", "{} 不能使用：{}"),
    (r"the OIDC token of (.+) cannot be used: (.+)", "{} 的 OIDC Token 不能使用：{}"),
    (r"the command of (.+) gave no keys: (.+)", "{} 的命令没有给出密钥：{}"),
    (r"the credentials URI of (.+) gave no keys: (.+)", "{} 的凭证 URI 没有给出密钥：{}"),
    (r"the sign-in of (.+) gave no keys: (.+)", "{} 的登录没有给出密钥：{}"),
    (r"the ECS metadata service gave no keys for (.+): (.+)", "ECS 元数据服务没有为 {} 给出密钥：{}"),
)


def choose_language(wish: str | None = None) -> str:
    """Return "zh" or "en": the wish, else what the locale of this process says."""
    tag = wish or next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "") or ""
    return "zh" if re.match(r"zh\b|zh_", tag, re.IGNORECASE) else "en"


def _fill(template: str, facts: Mapping[str, str]) -> str:
    # One pass, so that a fact which looks like a template stays as it is.
    return re.sub(r"\{(\w+)\}", lambda found: facts.get(found[1], ""), template)


def label_words(name: str, language: str) -> str:
    """Return the label of a finding."""
    return _LABELS.get(name, name) if language == "zh" else name


def text_words(key: str, facts: Mapping[str, str], error: VODError | None, language: str) -> str:
    """Return the sentence that says what was found."""
    if error is None:
        return _fill(_TEXTS[key][language == "zh"], facts)
    if language != "zh":
        return f"{error.message} [{error.code}]"
    known = _known(error.code)
    if known:
        return f"{known[0]}（{error.code}）{_named(error)}"
    # A code of the cloud's that no table knows: what kind of error it is, and the cloud's own words.
    kind = _known(error.default_code)
    return f"{kind[0]}（{error.code}）：{error.message}" if kind else f"{error.message}（{error.code}）"


def fix_words(advice: str, facts: Mapping[str, str], error: VODError | None, language: str) -> str:
    """Return the sentence that says what to do, or ""."""
    if advice and advice != "error":
        return _fill(_FIXES[advice][language == "zh"], facts)
    if error is None or not error.hint:
        return ""
    if language != "zh":
        return error.hint
    known = _known(error.code) or _known(error.default_code)
    actions = re.findall(r"\b(?:vod|sts):[A-Za-z]+", error.hint)
    if actions:
        return f"在 RAM 中允许 {'、'.join(actions)}，再试一次。"
    return known[1] if known and known[1] else error.hint


def wait_words(code: str) -> tuple[str, str]:
    """Say in English and in Chinese what helps a file that waits because of this code; empty texts without one."""
    return next(((english, chinese) for begin, english, chinese in _WAITS if code and code.startswith(begin)), ("", ""))


def step_words(place: str, found: str, why: str, language: str) -> str:
    """Say one step of the search for keys in a line."""
    if language != "zh":
        return f"{place}: {found}; {why}" if found else f"{place}: {why}"
    said = [reason_words(text, language) for text in (place, found, why)]
    return f"{said[0]}：{'，'.join(text for text in said[1:] if text)}"


def reason_words(reason: str, language: str) -> str:
    """Say why a profile cannot be used; what no table knows stays in English, which names the file."""
    if language != "zh":
        return reason
    for pattern, chinese in _LINKED:
        linked = re.fullmatch(pattern, reason)
        if linked:
            return chinese.format(_in_chinese(linked[1]), reason_words(linked[2], language))
    return _in_chinese(reason)


def _in_chinese(text: str) -> str:
    for pattern, chinese in _STEPS:
        found = re.fullmatch(pattern, text)
        if found:
            return found.expand(chinese)
    return text


def _known(code: str) -> tuple[str, str] | None:
    return next(((cause, step) for pattern, cause, step in _ERRORS if re.fullmatch(pattern, code)), None)


def _named(error: VODError) -> str:
    """The text holds names (of files, profiles, actions), which a code does not."""
    return f"：{reason_words(error.message, 'zh')}" if error.code.startswith(("Profile.", "Auth.")) else ""
