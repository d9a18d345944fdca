"""Programs that put files somewhere, and those that leave a model as it is."""

from __future__ import annotations

import re

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
COPYING = frozenset(_COPYING.split())
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
    "sort": re.compile(r"(?s).*(?<!\S)(?:-o|--output)"),
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
SAYS_SO = re.compile(
    r"(?i)(?:.*[-_.])?(?:download(?:er)?|fetch(?:er)?|puller|syncer|model-?(?:sync|pull))(?:[-_.].*)?"
)
"""Name of a program or an image that gets files from somewhere, and says so."""
_BY_IMAGE = {"aws-cli": "aws"}
"""Image -> the program that it runs, where that has another name."""


def tool_of(image: str) -> str | None:
    """Return the program that an image runs which is known to get files; None: it is none."""
    name = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    name = _BY_IMAGE.get(name, name)
    return name if name in FETCHING - COPYING or SAYS_SO.fullmatch(name) else None
