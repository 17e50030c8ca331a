"""The codes that an error of this package can have beside the one of its class, found in the source and explained."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

import vod_widget

__all__ = ["MEANINGS", "codes_in_source", "warnings_in_source"]

PACKAGE = Path(vod_widget.__file__).parent
# Words in the place of a class: helpers of a module that make the error.
_MAKERS = {"unexpected": "UnexpectedAnswerError", "error": "NotFoundError"}

MEANINGS = {
    "AlreadyQueued": "The same file is in the list, unfinished; the list is as it was.",
    "Auth.Callback": "The function given as `credentials=` failed, or returned no credentials.",
    "Auth.Expired": "A credential that you gave had ended already, or no new one came.",
    "Auth.External": "The command of a profile (mode External) gave no keys.",
    "Auth.Incomplete": "A part of the keys is missing, such as the secret.",
    "Auth.Metadata": "The ECS metadata service gave no keys, or its address is not the vendor's.",
    "Auth.Oidc": "The file of the OIDC token is missing, empty or cannot be read.",
    "Auth.Mismatch": "The UploadAuth given to an expired file is that of another file or region.",
    "Auth.RealKey": "A key that looks real is about to go to a local endpoint; nothing was sent.",
    "Auth.Refresh": "Asking for new keys was interrupted.",
    "Auth.SignIn": "A sign-in (mode CloudSSO or OAuth) has ended or gave no keys.",
    "Auth.Timeout": "Whoever gives the keys did not answer in time.",
    "Auth.Uri": "The credentials URI gave no keys.",
    "Batch.Failed": "`raise_for_failures`: files failed for different reasons; one reason gives its own code.",
    "Bucket": "The bucket of the upload address does not exist.",
    "Conflict": "Another program has stored other bytes under the VideoId of this file.",
    "Cover": "VOD gave no URL for the cover that was sent.",
    "Create.Unknown": "The answer to the creation was lost, and the keys may not look whether the asset exists.",
    "Demo.Missing": "JupyterLab or the files of the demo are not installed.",
    "EmptyFile": "The file has no bytes.",
    "Emulator.File": "The file named by VOD_WIDGET_EMULATOR cannot be used.",
    "Emulator.Start": "The built-in emulator could not be started.",
    "Endpoint.Bucket": "The upload address names a bucket that is not one.",
    "Endpoint.Refused": "`endpoint=` or VOD_WIDGET_ENDPOINT is not the address of an emulator on this machine.",
    "Endpoint.Region": "The upload address and its credential name different regions.",
    "FileTooLarge": "A browser's file is larger than the widget's policy allows.",
    "IllegalCharacters": "A field of metadata has a character that VOD refuses.",
    "Internal": "A mistake in this package; please report it.",
    "InvalidArgument": "A value in a row of a table has a type that cannot be used.",
    "InvalidUploadAuth": "An UploadAuth, UploadAddress or VideoId is not as VOD returned it.",
    "Journal.Secret": "A field that may hold a secret was kept out of the journal.",
    "Journal.Unsafe": "The journal's folder or a file in it is not yours alone.",
    "Journal.Value": "The journal was given a value that is not plain JSON.",
    "LengthExceededMax": "A field of metadata is too long.",
    "Limit": "More files than the widget's policy allows.",
    "Limit.Bytes": "More bytes in all than the widget's policy allows.",
    "Message": "The page sent a message that the kernel does not know.",
    "Name": "The object key is one that OSS does not take.",
    "Network.Dns": "The host has no address.",
    "Network.Refused": "The host refuses connections.",
    "NotFound": "The page named a file that is not in the list.",
    "Option": "An option or keyword is unknown, or its value is out of range or of the wrong type.",
    "Owner": "A page touched files that another page or the notebook brought.",
    "Parts": "The storage refused the parts when the object was completed.",
    "Path": "A path given by the page is not one.",
    "Path.NoUser": "A path begins with `~name`, and there is no such user here.",
    "Path.Slow": "Looking through a folder took too long.",
    "Picture": "The widget shows no small picture of this file: not an image of the kernel's, or too large.",
    "Play.NotReady": "`play_url`: the service has nothing to play yet, for instance before it is transcoded.",
    "Policy": "The widget's policy forbids this to a page.",
    "Profile.File": "A profile file cannot be read, is not valid, or can be changed by others.",
    "Profile.Unusable": "The profile exists and cannot be used as it stands; the text says why.",
    "Protocol.Auth": "An answer of VOD that should hold a credential does not hold a good one.",
    "Redirect": "The server answered with a redirect, which is never followed.",
    "Region": "The region is not a region id, or the service is not there.",
    "Removed": "The file left the queue before it was finished.",
    "Restriction.Cover": "An image cannot have a cover.",
    "Restriction.Extension": "VOD does not take files with this extension.",
    "Restriction.Field": "A field of metadata breaks its rule.",
    "Restriction.Size": "The file is too large, or too large for its part size.",
    "Slice.Range": "A browser sent other bytes than it was asked for.",
    "Slice.Unknown": "A browser sent bytes that nobody asked for.",
    "Source.Busy": "The file cannot be opened just now: too many files are open.",
    "Source.Closed": "The browser's file was let go.",
    "Source.NoMatch": "The pattern or folder has no file, or no row waits for the file that was picked.",
    "Source.NotAFile": "The path is a folder, a device or a socket.",
    "Source.Outside": "The path leads outside the folders that are allowed.",
    "Source.Permission": "This user may not read the file.",
    "Source.NoRange": "The server of an address sends no parts of a file, or does not say how long it is.",
    "Source.Private": "An address leads into this machine or a private network.",
    "Source.Scheme": "The file is given by an address of a kind that is not supported.",
    "Source.Stalled": "A read of the file did not come back: its disk or network mount hangs.",
    "TagsExceededMax": "There are more tags than VOD takes.",
    "Threads": "The process may not start a single thread.",
    "UserData.Json": "`user_data` is not JSON.",
    "UserData.Key": "`user_data` has a key that is nearly one of VOD's, which would be ignored.",
    "UserData.Size": "`user_data` is too large for the header it travels in.",
    "UserData.Vod": "`user_data` has no object under `Vod`, or that is not as VOD wants it.",
    "Version": "The page's script and the kernel's package are of different versions.",
    "Video.Gone": "The video was deleted while it was being uploaded.",
    # Warnings
    "Abort": "Parts of a canceled file could not be removed now, or stay until the storage drops them.",
    "Auth.Compatibility": "The keys were found under the variables of another program.",
    "Auth.Held": "The queue's own keys were refused, so no other file was started with them.",
    "Auth.Instance": "The keys are those of the role of this ECS instance, since nothing else was found.",
    "Auth.LongLived": "The keys in use do not end; a role's keys would.",
    "Clock.Skew": "The clock of this machine is wrong; the server's time is used.",
    "Cover.Lost": "A file that an earlier kernel had not begun came back without its cover, which was no file of this machine.",
    "Image.Again": "An image had to be created again; its former ImageId stays without bytes.",
    "Image.Unknown": "The answer to the creation of an image was lost; an ImageId without bytes may remain.",
    "Journal": "An entry was damaged and set aside, the journal's home cannot be used, or it has no locks.",
    "NoCrc": "The storage gave no CRC-64; only the length, or the state of the asset, was checked.",
    "Auth.Typed": "The key stands in the text of a notebook's cell and is saved with it.",
    "Profile.Readable": "Other users may read the profile file.",
    "Stored": "The file was stored before it could be canceled.",
}
"""What each means; tests hold the keys against the source."""


def codes_in_source() -> dict[str, tuple[str, ...]]:
    """Every code that is raised with an explicit text, with the classes that have it."""
    found: dict[str, set[str]] = {}
    for tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                for code in _texts(k.value for k in node.keywords if k.arg in ("code", "ours")):
                    found.setdefault(code, set()).add(_MAKERS.get(_name(node.func), _name(node.func)))
            elif isinstance(node, ast.Dict):  # rows of `_REFUSALS`: (class, our code)
                for value in node.values:
                    if isinstance(value, ast.Tuple) and len(value.elts) == 2 and _name(value.elts[0]).endswith("Error"):
                        for code in _texts(value.elts[1:]):
                            found.setdefault(code, set()).add(_name(value.elts[0]))
    return {code: tuple(sorted(classes)) for code, classes in sorted(found.items())}


def warnings_in_source() -> list[str]:
    """Every code of a warning: a note of the machine, or a notice about credentials."""
    found: set[str] = set()
    for tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _name(node.func) in ("_warn", "Warned", "Notice"):
                found.update(code for code in _texts(node.args[:1]) if " " not in code)
    return sorted(found)


def _trees() -> list[ast.AST]:
    return [
        ast.parse(path.read_text("utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] != "emulator"
    ]


def _texts(nodes: Iterable[ast.AST]) -> list[str]:
    return [
        constant.value
        for node in nodes
        for constant in _branches(node)
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
    ]


def _branches(node: ast.AST) -> list[ast.AST]:
    """The node, or what a condition chooses between; its test is not a code."""
    if isinstance(node, ast.IfExp):
        return [*_branches(node.body), *_branches(node.orelse)]
    return [node]


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
