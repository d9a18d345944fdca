"""Programs that put files somewhere, and those that leave a model as it is."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

_COPYING = (
    "cp mv ln rsync install scp dd tar bsdtar unzip gunzip bunzip2 unxz unlz4 unzstd gzip pigz"
    " bzip2 xz lz4 zstd 7z 7za 7zr 7zz unar unrar cpio tee"
)
_CLOUD = (
    "aws awscli s3cmd s4cmd s5cmd gsutil gcloud az azcopy rclone mc mcli ossutil ossutil64 obsutil"
    " coscli b2 ibmcloud oci swift hdfs"
)
_OTHER = (
    "curl wget wget2 aria2c axel lftp sftp ftp http https xh gdown huggingface-cli hf hfd"
    " huggingface_hub.commands.huggingface_cli modelscope ollama kaggle git git-lfs git-sync dvc"
    " oras skopeo crane regctl mlflow wandb ipfs storage-initializer mount s3fs gcsfuse goofys"
    " mount-s3 blobfuse2 sshfs"
)
_HARMLESS = (
    "chown chmod chgrp mkdir rmdir ls stat test [ [[ echo printf sleep true false : cat cd pushd"
    " popd pwd set unset exit return break continue shift export local declare typeset readonly"
    " read umask ulimit trap alias hash type which wait kill let seq"
    " sha256sum md5sum sha1sum sha512sum b2sum cksum wc head tail sort uniq cut tr awk gawk grep"
    " egrep fgrep sed jq yq diff cmp file basename dirname readlink realpath xargs find"
    " du df id env date uname hostname whoami groups nproc free uptime ps top nvidia-smi ldconfig"
    " nc ncat netcat ping ping6 nslookup dig host getent telnet ip ifconfig sysctl setfacl getfacl"
    " pg_isready mysqladmin redis-cli mongosh kafka-topics.sh"
    " useradd adduser groupadd addgroup usermod apt apt-get apk yum dnf microdnf"
    " for select case fi done esac } rm touch"
)
_REPLACING = "patch bspatch xdelta3 hpatchz truncate"
COPYING = frozenset(f"{_COPYING} {_REPLACING}".split())
CLOUD = frozenset(_CLOUD.split())
"""They take a source and a target, of which one may be a URI."""
FETCHING = COPYING | CLOUD | frozenset(_OTHER.split())
TO_OUTPUT = frozenset({"curl", "wget", "wget2", "aria2c", "axel"})
"""They write to what an option says, else to the folder that they run in."""
TO_THE_LAST = frozenset({"cp", "mv", "ln", "rsync", "install", "scp"})
"""What they write to is named last."""
HARMLESS = frozenset(_HARMLESS.split())
"""Programs that leave a model's file as it is, unless their output is sent there."""
WRITES_IF = {
    "curl": re.compile(
        r"(?s).*(?<!\S)(?:-[#0-9:aBfgGiIjJklLMnNpqRsSvVZ]*[oOK]"
        r"|--out|--remote-n|--create-dirs|--conf)"
    ),
    "wget": re.compile(
        r"(?s)(?!.*(?:--spider|(?<!\S)-[A-Za-z]*O\s?(?:-|/dev/stdout)(?!\S)"
        r"|--output-document[= ]-(?!\S)))"
    ),
    "sed": re.compile(r"(?s).*(?<!\S)(?:-[a-zA-Z]*i|--in-place)"),
    "sort": re.compile(r"(?s).*(?<!\S)(?:-[a-zA-Z]*o|--output)"),
    "yq": re.compile(r"(?s).*(?<!\S)(?:-[a-zA-Z]*i|--inplace)"),
    "find": re.compile(r"(?s).*(?<!\S)-(?:fprint|fls)"),
    "kubectl": re.compile(r"(?s).*\s(?:cp|exec)\s"),
    "tar": re.compile(r"(?!\S+ (?:-?[A-Za-z]*t[A-Za-z]*|--list)(?!\S))"),
}
"""Program -> how its command line begins where it writes files; else it writes its output alone."""
OUTPUT = re.compile(
    r"(?<!\S)(?:-[A-Za-z0-9#:]*[oOPd]|--(?:out(?:p(?:u(?:t(?:-document|-dir)?)?)?)?"
    r"|directory-prefix|dir))"
    r"(?:[ =]|(?=/))(\S+)"
)
"""Option of a program that downloads, with the file or folder that it writes to."""
_TAKING = {
    "curl": "AbcCdDeEFHKmoPQrtTuUwxXyYz",
    **dict.fromkeys(("wget", "wget2"), "aABDeiIloOPQRtTUwX"),
    "aria2c": "dijklmMoOstTuUx",
    "axel": "HnosTU",
    **dict.fromkeys(("http", "https", "xh"), "aAops"),
    "gdown": "O",
    "sort": "kStTo",
}
"""Program -> its short options that take a value, which may stand right behind the letter."""
_PUT = re.compile(
    r"(?:-[A-Za-z]?[oO]|--?(?:out|output|dest)(?:[-_]?(?:file|path|name|dir))?)(?:=(?P<value>.+))?"
)
"""Option with which most programs say where they write."""
_STUCK = re.compile(r"-[A-Za-z]?[oO](?=/)")
_CLUSTERS = {
    program: re.compile(rf"-(?:n[a-zA-Z]|[a-zA-Z0-9#:](?<![{taking}]))*[{taking}](?=.)", re.DOTALL)
    for program, taking in _TAKING.items()
}
"""Program -> short options before a value: ``-qO``, ``-nvO`` (``-nv`` is one)."""
_TAR = re.compile(r"(?<!\S)(?:-[A-Za-z]*C|--directory)[ =]?(\S+)")
_SEVEN = re.compile(r"(?<!\S)-o(\S+)")
UNPACKED_TO = {
    **dict.fromkeys(("tar", "bsdtar"), _TAR),
    "unzip": re.compile(r"(?<!\S)-[A-Za-z]*d ?(\S+)"),
    **dict.fromkeys(("7z", "7za", "7zr", "7zz"), _SEVEN),
    "unar": re.compile(r"(?<!\S)(?:-o|-output-directory) ?(\S+)"),
    "unrar": re.compile(r"\s(\S+/)$"),
    "cpio": re.compile(r"(?<!\S)(?:-D|--directory)[ =]?(\S+)"),
}
"""Program that unpacks -> the option of the folder; without it that is the one that it runs in."""
OPEN = {
    "curl": re.compile(r"(?<!\S)(?:-[#0-9:aBfgGiIjJklLMnNOpqRsSvVZ]*K|--conf)"),
    "aria2c": re.compile(r"(?<!\S)(?:-[A-Za-z]*i(?![a-z])|--input-file|--conf-path)"),
}
"""Program -> the option of a file that says what it gets, and where it puts that."""
CODE = re.compile(
    r"snapshot_download|hf_hub_download|huggingface_hub|from_pretrained|urlretrieve|urlopen"
    r"|\b(?:urllib\d?|requests|httpx|aiohttp|boto3|gdown|wget|minio|fsspec|gcsfs|s3fs|ftplib)\b"
    r"|\bLWP\b|getstore|open-uri|Net::HTTP|file_get_contents|\bfetch\(|https?\.get\(|axios"
    r"|Invoke-WebRequest|Invoke-RestMethod|Start-BitsTransfer"
    r"|google\.cloud|azure\.storage|torch\.hub|\bshutil\b|\bsubprocess\b|os\.system"
    r"|(?i:download|fetch[-_]?(?:model|weights))"
)
"""What code says that gets a file from somewhere."""
_ITSELF = re.compile(
    r"https?://(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\]|0\.0\.0\.0)[:/]", re.IGNORECASE
)
_KEEPING = re.compile(
    r"(?<![a-z])open\(|Path|(?i:write|retrieve|download|sav(?:e|ing)|dump|cop(?:y|ie)|shutil|process"
    r"|system|spawn|exec|eval|import_|pretrained|hub|storage|store|boto|minio|fsspec|gcsfs|s3fs|ftp"
    r"|gdown|wget|put_contents|pipe|url=|/load\b|/repository|tofile|mmap|rename|replace|link)"
)
"""What code says that may keep what it got."""
_NO_MODELS = (".txt", ".yaml", ".yml", ".json", ".md", ".csv")
"""Suffixes of labels and settings."""
_NO_MODEL = re.compile(r"[^\s${}`()<>|;&?#]*\.(?:txt|yaml|yml|json|md|csv)")
_PLAIN_FOLDER = re.compile(r"/[\w./-]*|\./?")
_COPIED_AS_NAMED = re.compile(r"-[fvpnuiDL]+|-m[0-7]*")
"""Options of programs that copy which neither change a name nor take whole folders."""
_WGET_FOLDER = re.compile(r"-[qcNS]*P")
SAYS_SO = re.compile(
    r"(?i)(?:.*[-_.])?(?:download(?:er)?|fetch(?:er)?|puller|syncer|model-?(?:sync|pull))(?:[-_.].*)?"
)
"""Name of a program or an image that gets files from somewhere, and says so."""
_BY_IMAGE = {"aws-cli": "aws"}
"""Image -> the program that it runs, where that has another name."""


def apart(program: str, words: Sequence[str]) -> list[str]:
    """Return words with the value behind short options as a word: ``-qO/m/x`` is ``-qO /m/x``."""
    options = _CLUSTERS.get(program)
    if options is None:
        return [*words]
    found: list[str] = []
    for word in words:
        match = options.match(word)
        found += [word] if match is None else [match.group(), word[match.end() :]]
    return found


def outputs_of(words: Sequence[str]) -> list[str]:
    """Return the values of options with which a program that nobody knows may say its output."""
    found: list[str] = []
    for at, word in enumerate(words):
        option, stuck = _PUT.fullmatch(word), _STUCK.match(word)
        if option is not None:
            found += [option["value"]] if option["value"] else words[at + 1 : at + 2]
        elif stuck is not None:
            found.append(word[stuck.end() :])
    return found


def brings_other_names(program: str, words: Sequence[str], path: str) -> bool:
    """Tell whether a program surely puts files of other names than a model's beside it alone.

    All that it copies or downloads is written out, or ends as no model does (``/cfg/*.yaml``), and
    it goes into a folder that is named.
    """
    plain = [one for one in words if not _COPIED_AS_NAMED.fullmatch(one)]
    if program in ("cp", "mv", "install") and len(plain) > 1:
        *sources, folder = plain
    elif program == "wget" and (at := _into_folder(words)):
        folder = words[at]
        sources = [one for one in (*words[: at - 1], *words[at + 1 :]) if one != "-q"]
        if not all(one.startswith(("http://", "https://")) for one in sources):
            return False
    else:
        return False
    to, own = posixpath.normpath(folder), posixpath.basename(path)
    return (
        bool(sources)
        and posixpath.splitext(own)[1] not in ("", *_NO_MODELS)
        and _PLAIN_FOLDER.fullmatch(folder) is not None
        and to != path
        and all(_NO_MODEL.fullmatch(one) for one in sources)
    )


def _into_folder(words: Sequence[str]) -> int | None:
    """Return the index of the folder that wget is told to write to; None: of none, or unclear."""
    found = [at + 1 for at, one in enumerate(words[:-1]) if _WGET_FOLDER.fullmatch(one)]
    return found[0] if len(found) == 1 else None


def asks_itself(code: str, uris: Sequence[str]) -> bool:
    """Tell whether code gets something from its own host alone and keeps nothing, as a probe."""
    return bool(uris) and all(map(_ITSELF.match, uris)) and not _KEEPING.search(code)


def tool_of(image: str) -> str | None:
    """Return the program that an image runs which is known to get files; None: it is none."""
    name = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    name = _BY_IMAGE.get(name, name)
    return name if name in FETCHING - COPYING or SAYS_SO.fullmatch(name) else None
