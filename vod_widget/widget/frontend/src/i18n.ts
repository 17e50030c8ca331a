/**
 * Every word on the screen, in English and Chinese, and the choice of the language. The kernel sends codes;
 * sentences are made here. `{name}` is a fact; `{n|file|files}` chooses by the number n.
 */

const EN = {
  region: "VOD upload", upload: "Upload", files: "Files", file_list: "List of files",
  start: "Start", stop: "Stop", add: "Add files", clear: "Clear", credentials: "Credentials", details: "Details",
  from_computer: "From this computer", from_computer_sub: "Sent through this page; keep it open",
  from_kernel: "From the kernel's files", from_kernel_sub: "Goes on when this page is closed",
  from_address: "From an address", from_address_sub: "https link, read by the kernel",
  clear_done: "Clear done", clear_failed: "Clear failed and canceled", clear_all: "Clear all",
  clear_sub: "{n} {n|file|files}; the cloud is not touched",
  clear_all_sub: "{n} {n|file|files}; what is being sent is canceled",
  clear_sure: "Press again: {n} {n|upload|uploads} will be canceled",
  name: "Name", size: "Size", state: "State", speed: "Speed", time_left: "Time left", video_id: "VideoId",
  image_id: "ImageId", actions: "Actions", kind: "Kind",
  all: "All", uploading: "Uploading", ready: "Ready", stopped: "Stopped", failed: "Failed", done: "Done",
  canceled: "Canceled", expired: "Expired", paused: "Paused", refused: "Refused",
  permission: "getting permission", preparing: "preparing", sending: "sending", verifying: "verifying", verified: "verified",
  n_done: "done", n_failed: "failed", n_left: "left",
  find: "Search names", filter: "Show", no_files: "No files yet", no_match: "No file matches", show_all: "Show all",
  cancel: "Cancel", pause: "Pause", resume: "Resume", retry: "Retry", remove: "Remove", close: "Close",
  select: "Select", select_all: "Select all", open_of: "Open details of {name}", of_name: "{action} {name}",
  copy_id_of: "Copy {what} of {name}", copy: "Copy", copied: "{what} copied",
  copy_failed: "The browser did not allow copying", play: "Play", view: "View",
  this_computer: "This computer", kernel_files: "Kernel files", address: "Address", memory: "Memory",
  video: "video", audio: "audio", image: "image", file: "file",
  drop_title: "Drop video, audio or image files anywhere in this box",
  drop_sub: "Or choose where they are. Nothing is sent until you press Start.",
  drop_formats: "MP4, MOV, MKV, WebM, MP3, WAV, PNG, JPG and 40 more. An interrupted upload goes on from where it stopped.",
  empty_kernel: "Choose files on the kernel's machine",
  drop_now: "Drop to add {n} {n|file|files}", drop_now_any: "Drop to add the files",
  drop_now_sub: "They wait in the list until you press Start",
  drop_refused: "Files from this computer are not allowed here",
  emulator: "Built-in emulator (no account)", emulator_chip: "Emulator: no account, stays on this machine",
  enter_keys: "Enter keys for this session…", choose_profile: "Choose…", found: "Found",
  bytes_of: "{a} of {b}", left_suffix: "{time} left", took: "{time} at {speed}", took_all: "in {time}", waiting_word: "waiting", stopped_word: "stopped",
  all_files: "All files", progress_of: "Progress of {name}",
  wait_page: "Waiting: {cause}", wait: "Retrying in {time}: {cause}", wait_now: "Retrying: {cause}", colon: ": ", stop_mark: ".",
  next_keys: "New keys…", next_pick: "Pick file…", next_policy: "Show policy…",
  nothing_sent: "nothing was sent", kept: "{size} is kept", from_zero: "Retry starts from 0",
  new_keys_go_on: "{size} is kept; new keys go on from there", waits_for_keys: "new keys go on from here",
  selected: "{n} selected", selected_files: "Selected files", unselect: "Clear selection",
  position: "{a}–{b} of {n}",
  refused_add: "{n} {n|file was|files were} not added", dismiss: "Dismiss", and_more: "and {n} more",
  banner_done: "{n} {n|file is|files are} stored.", banner_done_sub: "{size}. Every file was verified.",
  banner_failed: "{done} done, {failed} failed.", banner_failed_sub: "What was sent of them is kept where it can be.",
  retry_failed: "Retry {n} failed", copy_ids: "Copy {n} {n|id|ids}", copy_table: "Copy as table",
  ids_copied: "{n} {n|id|ids} copied", table_copied: "Table of {n} {n|file|files} copied",
  kernel_gone: "The kernel restarted.",
  kernel_gone_sub: "What was sent is kept: run vw.resume().run(), and pick browser files again.",
  copy_resume: "Copy vw.resume().run()",
  lost: "Reconnecting…", lost_sub: "No answer from the kernel since {time}. The rows show what it said then.",
  no_kernel: "No kernel is connected.", no_kernel_sub: "Run the cell to go on.",
  live_connecting: "Connecting to the kernel…", live_empty: "Ready. Add files to begin.",
  live_ready: "{n} {n|file is|files are} ready. Press Start to send.",
  live_all_done: "{n|The file is|All {n} files are} done.",
  live_some: "{done} of {total} done, {failed} failed.",
  live_back: "The kernel answers again.", live_restarted: "The kernel restarted. Nothing is being sent.",
  note_done: "{name} is done.", note_failed: "{name} failed: {cause}.", note_many_done: "{n} files are done.",
  note_many_failed: "{n} files failed.",
  note_page: "{name} waits for this page.", note_keys: "New keys are needed to go on.",
  added: "{n} {n|file|files} added.", added_none: "No file was added.",
  removed_n: "{n} {n|file|files} cleared.", offering: "Adding {a} of {b} files…",
  timeout: "{action}: the kernel did not answer in 10 s. It may be busy with a cell.",
  offline: "{action}: the kernel is not connected.", refused_intent: "{action}: {cause}.",
  slow: "{action} is still running…", keys_missing: "{action}: no keys were found. Under Credentials, choose “Built-in emulator” or enter keys.",
  keys_taken: "Keys taken: {id}", keys_forgotten: "The keys of this session are forgotten.",
  profile_chosen: "Uploads now go through {name}.",
  tab_metadata: "Metadata", tab_transfer: "Transfer", details_of: "Details of {name}",
  title: "Title", description: "Description", tags: "Tags", add_tag: "Add a tag", category: "Category id",
  bytes_count: "{n} / {max} bytes", too_many: "{n} {n|byte|bytes} too many", tags_count: "{n} / {max}",
  tag_long: "A tag has at most 32 bytes", tag_many: "At most 16 tags", number_only: "Digits only",
  applies: "Applies to this file", only_ready: "Can be changed while the file is Ready",
  undo: "Undo", apply: "Apply", applied: "Metadata applied", unsaved: "Changes are not applied. Close again to drop them.",
  error_code: "Error code", request_id: "RequestId", attempts: "Attempts", source: "Source", sent: "Sent",
  reference_id: "ReferenceId", object: "Object", bucket: "Bucket", cause: "Cause", none: "–",
  loading: "Loading…", policy_title: "The least a policy must allow",
  keys_title: "Keys for this session", three_fields: "Three fields", paste_json: "Paste JSON",
  key_id: "AccessKey ID", key_secret: "AccessKey Secret", key_token: "Security token (for temporary keys)",
  key_region: "Region", optional: "optional", key_id_sub: "14 to 128 characters", json_label: "JSON with the keys",
  json_sub: "as the console or AssumeRole gives it", json_bad: "No AccessKeyId and AccessKeySecret found in it",
  keys_needed: "ID and secret are needed",
  keys_note: "Held in the kernel's memory until it stops. Never written to the notebook, to disk or to a log. The fields empty themselves once the keys are sent.",
  forget: "Forget", use_keys: "Use these keys", profiles_found: "Profiles found", where_from: "Where did this come from?",
  in_use: "in use", no_profiles: "No profile was found",
  place_inline: "This session", place_environment: "Environment", place_cli: "CLI profile", place_file: "Credentials file",
  place_role: "Instance role", mode_ak: "AccessKey", mode_sts: "temporary (STS)", mode_role: "by role",
  browse_title: "The kernel's files", path: "Path", path_sub: "A folder, a file, or a pattern such as ~/clips/*.mp4",
  up: "Parent folder", add_n: "Add {n}", add_this: "Add", open_folder: "Open folder {name}", folder_empty: "Nothing to upload here",
  address_title: "From an address", address_label: "https link", address_note: "The kernel reads it; no password may stand in it.",
  choose_hint: "Folders are added with the media files in them",
  unit_s: "{n} s", unit_min: "{n} min", unit_h: "{n} h", unit_d: "{n} d",
  c_changed: "the file changed while it was sent", c_missing: "the file is not there", c_irregular: "not a regular file", c_folder: "not a folder", c_no_media: "no media files in it",
  c_no_glob: "nothing matches", c_no_user: "no such user", c_slow: "the search took too long", c_read: "the file cannot be read",
  c_detached: "the page was reloaded, pick the file again", c_forbidden: "this account may not create videos",
  c_no_keys: "no keys were found", c_old_keys: "the keys ran out", c_bad_keys: "the keys are not accepted",
  c_kind: "the service does not take this kind of file", c_network: "connection lost", c_connect: "no connection",
  c_late: "no answer in time", c_tls: "the server's certificate is not good", c_rush: "too many calls at once",
  c_server: "the service has a fault", c_clock: "this machine's clock is wrong", c_integrity: "what arrived is not what was sent",
  c_locked: "another upload of this file is running", c_gone: "the asset was deleted", c_endpoint: "the upload address is not the vendor's",
  c_disk: "the checkpoint cannot be written", c_restart: "the upload starts over", c_protocol: "an answer that cannot be read",
  c_twice: "already in the list", c_too_large: "too large", c_empty: "empty", c_denied: "not allowed here", c_limit: "too many files",
  c_page: "this page does not answer", c_callback: "a callback failed", c_no_match: "no row waits for a file of this name, size and date",
  c_owner: "it belongs to another page", c_rate: "too many requests at once, wait a second",
  c_busy: "earlier requests are not done yet",
} as const;

export type Key = keyof typeof EN;

const ZH: Record<Key, string> = {
  region: "VOD 上传", upload: "上传", files: "文件", file_list: "文件列表",
  start: "开始", stop: "停止", add: "添加文件", clear: "清除", credentials: "凭证", details: "详情",
  from_computer: "从这台电脑", from_computer_sub: "经此页面发送，需保持页面打开",
  from_kernel: "从内核的文件", from_kernel_sub: "关闭页面后仍继续",
  from_address: "从网址", from_address_sub: "由内核读取的 https 链接",
  clear_done: "清除已完成", clear_failed: "清除失败和已取消", clear_all: "清除全部",
  clear_sub: "{n} 个文件，不影响云端",
  clear_all_sub: "{n} 个文件，正在发送的将被取消",
  clear_sure: "再按一次：将取消 {n} 个上传",
  name: "名称", size: "大小", state: "状态", speed: "速度", time_left: "剩余时间", video_id: "VideoId",
  image_id: "ImageId", actions: "操作", kind: "类型",
  all: "全部", uploading: "上传中", ready: "就绪", stopped: "已停止", failed: "失败", done: "完成",
  canceled: "已取消", expired: "凭证过期", paused: "已暂停", refused: "已拒绝",
  permission: "获取授权", preparing: "准备", sending: "发送", verifying: "校验", verified: "已校验",
  n_done: "完成", n_failed: "失败", n_left: "剩余",
  find: "搜索名称", filter: "显示", no_files: "还没有文件", no_match: "没有匹配的文件", show_all: "显示全部",
  cancel: "取消", pause: "暂停", resume: "继续", retry: "重试", remove: "移除", close: "关闭",
  select: "选择", select_all: "全选", open_of: "打开详情：{name}", of_name: "{action} {name}",
  copy_id_of: "复制 {what}：{name}", copy: "复制", copied: "{what} 已复制",
  copy_failed: "浏览器不允许复制", play: "播放", view: "查看",
  this_computer: "这台电脑", kernel_files: "内核文件", address: "网址", memory: "内存",
  video: "视频", audio: "音频", image: "图片", file: "文件",
  drop_title: "把视频、音频或图片拖到这个框里的任何位置",
  drop_sub: "也可以选择文件所在的位置。按“开始”之前不会发送任何内容。",
  drop_formats: "MP4、MOV、MKV、WebM、MP3、WAV、PNG、JPG 等 40 多种。中断的上传会从断点继续。",
  empty_kernel: "选择内核所在机器上的文件",
  drop_now: "松开即添加 {n} 个文件", drop_now_any: "松开即添加文件",
  drop_now_sub: "文件会在列表中等待，直到按“开始”",
  drop_refused: "此处不允许添加这台电脑的文件",
  emulator: "内置模拟器（无需账号）", emulator_chip: "模拟器：无需账号，数据不出本机",
  enter_keys: "为本次会话输入密钥…", choose_profile: "选择…", found: "已找到",
  bytes_of: "{a} / {b}", left_suffix: "剩余 {time}", took: "{time}，{speed}", took_all: "用时 {time}", waiting_word: "等待中", stopped_word: "已停止",
  all_files: "全部文件", progress_of: "进度：{name}",
  wait_page: "等待：{cause}", wait: "{time}后重试：{cause}", wait_now: "正在重试：{cause}", colon: "：", stop_mark: "。",
  next_keys: "更换密钥…", next_pick: "选择文件…", next_policy: "查看权限…",
  nothing_sent: "未发送", kept: "已保留 {size}", from_zero: "重试将从头开始",
  new_keys_go_on: "已保留 {size}，更换密钥后继续", waits_for_keys: "更换密钥后继续",
  selected: "已选 {n} 个", selected_files: "所选文件", unselect: "取消选择",
  position: "{a}–{b} / {n}",
  refused_add: "{n} 个文件未添加", dismiss: "关闭提示", and_more: "另有 {n} 个",
  banner_done: "{n} 个文件已存储。", banner_done_sub: "{size}，每个文件都已校验。",
  banner_failed: "完成 {done} 个，失败 {failed} 个。", banner_failed_sub: "已发送的部分会尽量保留。",
  retry_failed: "重试 {n} 个失败文件", copy_ids: "复制 {n} 个 ID", copy_table: "复制为表格",
  ids_copied: "已复制 {n} 个 ID", table_copied: "已复制 {n} 个文件的表格",
  kernel_gone: "内核已重启。",
  kernel_gone_sub: "已发送的部分已保留：运行 vw.resume().run()，浏览器文件需重新选择。",
  copy_resume: "复制 vw.resume().run()",
  lost: "正在重新连接…", lost_sub: "内核自 {time} 起没有应答，列表显示的是当时的状态。",
  no_kernel: "未连接内核。", no_kernel_sub: "运行单元格即可继续。",
  live_connecting: "正在连接内核…", live_empty: "就绪。先添加文件。",
  live_ready: "{n} 个文件就绪，按“开始”发送。",
  live_all_done: "{n} 个文件全部完成。",
  live_some: "共 {total} 个，完成 {done} 个，失败 {failed} 个。",
  live_back: "内核已恢复应答。", live_restarted: "内核已重启，当前没有在发送。",
  note_done: "{name} 已完成。", note_failed: "{name} 失败：{cause}。", note_many_done: "{n} 个文件已完成。",
  note_many_failed: "{n} 个文件失败。",
  note_page: "{name} 在等待此页面。", note_keys: "需要新密钥才能继续。",
  added: "已添加 {n} 个文件。", added_none: "未添加文件。",
  removed_n: "已清除 {n} 个文件。", offering: "正在添加 {a} / {b} 个文件…",
  timeout: "{action}：内核 10 秒内没有应答，可能正在运行单元格。",
  offline: "{action}：未连接内核。", refused_intent: "{action}：{cause}。",
  slow: "{action}：仍在进行…", keys_missing: "{action}：没有找到密钥。可在“凭证”中选择“内置模拟器”，或输入密钥。",
  keys_taken: "密钥已接收：{id}", keys_forgotten: "本次会话的密钥已清除。",
  profile_chosen: "现在通过 {name} 上传。",
  tab_metadata: "元数据", tab_transfer: "传输", details_of: "详情：{name}",
  title: "标题", description: "描述", tags: "标签", add_tag: "添加标签", category: "分类 ID",
  bytes_count: "{n} / {max} 字节", too_many: "超出 {n} 字节", tags_count: "{n} / {max}",
  tag_long: "每个标签最多 32 字节", tag_many: "最多 16 个标签", number_only: "仅限数字",
  applies: "应用于此文件", only_ready: "文件就绪时可以修改",
  undo: "撤销", apply: "应用", applied: "元数据已应用", unsaved: "更改尚未应用，再次关闭将放弃。",
  error_code: "错误码", request_id: "RequestId", attempts: "尝试次数", source: "来源", sent: "已发送",
  reference_id: "ReferenceId", object: "Object", bucket: "Bucket", cause: "原因", none: "–",
  loading: "正在加载…", policy_title: "权限策略至少需要允许",
  keys_title: "本次会话的密钥", three_fields: "三个字段", paste_json: "粘贴 JSON",
  key_id: "AccessKey ID", key_secret: "AccessKey Secret", key_token: "Security Token（临时密钥）",
  key_region: "地域", optional: "可选", key_id_sub: "14 到 128 个字符", json_label: "包含密钥的 JSON",
  json_sub: "控制台或 AssumeRole 给出的格式", json_bad: "其中没有 AccessKeyId 和 AccessKeySecret",
  keys_needed: "需要 ID 和 Secret",
  keys_note: "仅保存在内核内存中，内核停止即消失。不会写入笔记本、磁盘或日志。密钥发出后，输入框会自动清空。",
  forget: "清除", use_keys: "使用这些密钥", profiles_found: "已找到的配置", where_from: "这是从哪里来的？",
  in_use: "使用中", no_profiles: "没有找到配置",
  place_inline: "本次会话", place_environment: "环境变量", place_cli: "命令行配置", place_file: "凭证文件",
  place_role: "实例角色", mode_ak: "AccessKey", mode_sts: "临时凭证 (STS)", mode_role: "按角色",
  browse_title: "内核的文件", path: "路径", path_sub: "文件夹、文件或通配符，例如 ~/clips/*.mp4",
  up: "上级文件夹", add_n: "添加 {n} 个", add_this: "添加", open_folder: "打开文件夹 {name}", folder_empty: "这里没有可上传的文件",
  address_title: "从网址", address_label: "https 链接", address_note: "由内核读取，链接中不能包含密码。",
  choose_hint: "选中文件夹会添加其中的媒体文件",
  unit_s: "{n} 秒", unit_min: "{n} 分", unit_h: "{n} 小时", unit_d: "{n} 天",
  c_changed: "发送过程中文件被修改", c_missing: "文件不存在", c_irregular: "不是普通文件", c_folder: "不是文件夹", c_no_media: "其中没有媒体文件",
  c_no_glob: "没有匹配的文件", c_no_user: "没有此用户", c_slow: "搜索超时", c_read: "文件无法读取",
  c_detached: "页面已刷新，需重新选择文件", c_forbidden: "此账号无权创建视频",
  c_no_keys: "没有找到密钥", c_old_keys: "密钥已失效", c_bad_keys: "密钥未被接受",
  c_kind: "服务不接受此类文件", c_network: "连接中断", c_connect: "无法连接",
  c_late: "应答超时", c_tls: "服务器证书无效", c_rush: "调用过于频繁",
  c_server: "服务故障", c_clock: "本机时钟不准", c_integrity: "收到的内容与发送的不一致",
  c_locked: "此文件正由另一个上传发送", c_gone: "媒体已被删除", c_endpoint: "上传地址不属于阿里云",
  c_disk: "断点记录无法写入", c_restart: "上传将从头开始", c_protocol: "无法识别的应答",
  c_twice: "已在列表中", c_too_large: "文件过大", c_empty: "空文件", c_denied: "此处不允许", c_limit: "文件过多",
  c_page: "此页面没有应答", c_callback: "回调失败", c_no_match: "没有等待此文件的行（名称、大小、日期须相同）",
  c_owner: "属于另一个页面", c_rate: "请求过于频繁，稍等一秒",
  c_busy: "之前的请求尚未完成",
};

export type Locale = "en" | "zh-CN";
export const TABLE: Record<Locale, Record<Key, string>> = { en: EN, "zh-CN": ZH };

/** The trait wins, then the page, then the browser; every Chinese is zh-CN, all else English. */
export function choose_locale(trait: unknown, page = document.documentElement.lang, browser = navigator.language): Locale {
  const wanted = [trait, page, browser].find((tag) => typeof tag === "string" && tag !== "") as string | undefined;
  return /^zh\b/i.test(wanted ?? "") ? "zh-CN" : "en";
}

export type Facts = Record<string, string | number>;
export type Translate = ((key: Key, facts?: Facts) => string) & { readonly locale: Locale };

export function translator(locale: Locale): Translate {
  const table = TABLE[locale];
  const translate = (key: Key, facts: Facts = {}): string => fill(table[key], facts);
  return Object.assign(translate, { locale });
}

/** One pass over the template, so a fact that looks like a template stays as it is. */
function fill(template: string, facts: Facts): string {
  let out = "";
  let at = 0;
  while (at < template.length) {
    const open = template.indexOf("{", at);
    if (open < 0) return out + template.slice(at);
    const close = matching_brace(template, open);
    out += template.slice(at, open);
    const [name = "", one, many] = split_choice(template.slice(open + 1, close));
    if (one === undefined) out += fact(facts[name]);
    else out += fill((plain_number(facts[name]) === 1 ? one : many) ?? "", facts);
    at = close + 1;
  }
  return out;
}

function split_choice(inner: string): string[] {
  const name = inner.indexOf("|");
  if (name < 0) return [inner];
  const rest = inner.slice(name + 1);
  const middle = rest.indexOf("|");
  return [inner.slice(0, name), rest.slice(0, middle), rest.slice(middle + 1)];
}

function matching_brace(template: string, open: number): number {
  let depth = 0;
  for (let k = open; k < template.length; k++) {
    if (template[k] === "{") depth++;
    else if (template[k] === "}" && --depth === 0) return k;
  }
  return template.length;
}

const NUMBER = new Intl.NumberFormat("en-US");
function fact(value: string | number | undefined): string {
  return typeof value === "number" ? NUMBER.format(value) : value ?? "";
}

function plain_number(value: string | number | undefined): number {
  return typeof value === "number" ? value : Number(String(value ?? "").replace(/,/g, ""));
}

/** A table is asked for its own entries only: "constructor" is a word, too. */
export function own<T>(table: Record<string, T>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

/** Causes in words, each with its codes of the error tree and of the cloud. */
const CAUSES: Record<string, Key> = Object.fromEntries([
  "c_changed Source.Changed", "c_missing Source.Missing", "c_irregular Source.NotAFile", "c_folder Path.NotAFolder",
  "c_no_media Source.NoMedia", "c_no_glob Path.NoMatch", "c_no_user Path.NoUser", "c_slow Path.Slow", "c_read Source.Read Source.Permission",
  "c_detached Source.Detached", "c_no_keys Auth.Missing",
  "c_old_keys Auth.Expired InvalidSecurityToken.Expired SecurityTokenExpired",
  "c_bad_keys Auth InvalidAccessKeyId.NotFound InvalidAccessKeyId SignatureDoesNotMatch",
  "c_forbidden Forbidden.RAM Permission", "c_kind InvalidFileName.Extension Restriction.Extension",
  "c_network Network Network.Lost", "c_connect Network.Connect Network.Dns Network.Refused", "c_late Network.Timeout",
  "c_tls Tls", "c_rush Throttling Throttling.User", "c_server Server.Fault InternalError ServiceUnavailable",
  "c_clock Clock.Skew", "c_integrity Integrity", "c_locked Locked", "c_gone NotFound Video.Gone",
  "c_endpoint Endpoint.Refused", "c_disk Journal.Write", "c_restart NoSuchUpload", "c_protocol Protocol",
  "c_callback Callback", "c_twice AlreadyQueued", "c_too_large FileTooLarge File.TooLarge Source.TooLarge",
  "c_empty Source.Empty EmptyFile", "c_denied Policy Denied Policy.Denied Source.Outside", "c_limit Limit",
  "c_no_match Source.NoMatch", "c_owner Owner", "c_rate RateLimit", "c_busy Busy",
  "c_page Source.Stalled Source.Waiting",
].flatMap((line) => {
  const [key, ...codes] = line.split(" ");
  return codes.map((code) => [code, key as Key]);
}));

/** A cause in words, as part of a sentence: our own for a code that we know, else the kernel's text. */
export function cause_of(t: Translate, code: string, message: string): string {
  const key = own(CAUSES, code);
  if (key) return t(key);
  const plain = message.trim().replace(/[.。]$/, "");
  return plain || code;
}
