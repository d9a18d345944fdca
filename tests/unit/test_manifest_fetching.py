"""What containers put at the path of a model, however their command lines say it."""

from __future__ import annotations

import io
import json
import time

import pytest

from placer.manifests.nodes import Field
from placer.manifests.parsing import parse_yaml
from placer.manifests.pods import workers_of
from placer.manifests.reading import read_manifests
from placer.manifests.shell import commands_in

OWN = "/models/model.onnx"
FETCHED = "<initContainers.fetch>"
TOOLS = "r.example/tools:1"


def models_of(pod: str) -> list[str]:
    (document,) = parse_yaml(pod, "a.yaml").documents
    found = workers_of(Field(document, document.root))
    return sorted({one.uri.value for worker in found for one in worker.models})


def prepared(by: str, *, key: str = "initContainers", image: str = TOOLS) -> list[str]:
    """The models of a pod in which another container mounts the volume of the model."""
    return models_of(
        f"{key}:\n"
        f"  - {{name: fetch, image: {image}, {by},"
        " volumeMounts: [{name: v, mountPath: /models}]}\n"
        f"{'' if key == 'containers' else 'containers:'}\n"
        "  - name: s\n"
        "    image: r.example/s:1\n"
        "    args: [--model, /models/model.onnx]\n"
        "    volumeMounts: [{name: v, mountPath: /models}]\n"
        "volumes: [{name: v, emptyDir: {}}]\n"
    )


def by_script(script: str) -> list[str]:
    return prepared(f"command: [sh, -c, {json.dumps(script)}]")


def by_itself(*command: str) -> list[str]:
    """The models of a container that is given a command line."""
    served = ["--model", OWN] if OWN not in " ".join(command) else []
    return models_of(
        "containers:\n"
        f"  - {{name: s, image: r.example/s:1, command: {json.dumps([*command, *served])}}}\n"
    )


CURL = "curl -sSLo /models/model.onnx https://h/x"


@pytest.mark.parametrize(
    "script",
    [
        f"env HTTPS_PROXY=p {CURL}",
        f"env -i -u A HTTPS_PROXY=p {CURL}",
        f"HTTPS_PROXY=p {CURL}",
        f'case "$STAGE" in prod|live) {CURL};; *) echo none;; esac',
        f'case "$STAGE" in\n  (prod)\n    {CURL}\n    ;;\n  *) true\nesac',
        f"{CURL} | case a in b|c) true;; esac",
        f"case a in b) true;; c|d) {CURL};; esac",
        f"echo $({CURL})",
        f'echo "got $({CURL})"',
        f"echo `{CURL}`",
        f'echo "$(echo "$({CURL})")"',
        f"cat <({CURL})",
        f"get() {{ {CURL}; }}\nget",
        f"function get {{ {CURL}; }}; get",
        f"if [ -f /models/x ]; then true; else {CURL}; fi",
        f"until {CURL}; do sleep 1; done",
        f"[[ -f /models/x || $A =~ ^(b|c)$ ]] || {CURL}",
        f"(cd /tmp && {CURL})",
        f"time {CURL}",
        f"trap '{CURL}' EXIT",
        f"eval \"{CURL}\"",
        f"# don't\n{CURL}",
        f"echo it\\'s; {CURL}",
        f"bash -euo pipefail -c '{CURL}'",
        f"cu\\\nrl {CURL.removeprefix('curl ')}",
        f"c'u'rl {CURL.removeprefix('curl ')}",
        f"bash -s <<'EOF'\n{CURL}\nEOF",
        f"cat > /tmp/get.sh <<EOF\n{CURL}\nEOF\nsh /tmp/get.sh",
        "curl -sL https://h/x > /models/model.onnx",
        "URL=https://h/x; curl -sLo /models/model.onnx $URL",
        "export URL=https://h/x\ncurl -sLo /models/model.onnx ${URL}",
        "echo https://h/x | xargs -n1 -P4 curl -o /models/model.onnx",
        "find /urls -exec curl -o /models/model.onnx https://h/x \\;",
        "wget -O/models/model.onnx https://h/x",
        "cd /tmp; tar xz -C/models --url https://h/x",
    ],
)  # fmt: skip
def test_a_download_is_found_wherever_a_script_runs_it(script: str) -> None:
    assert by_script(script) == ["https://h/x"]


def test_a_variable_that_changes_on_the_way_is_not_known() -> None:
    twice = "URL=https://h/x; A=b && URL=https://h/y"
    assert by_script(f"{twice}; curl -o /models/model.onnx $URL") == [FETCHED]
    assert by_script("read URL < /u; curl -o /models/model.onnx $URL") == [FETCHED]
    changed = "curl -o /models/model.onnx $URL; URL=https://h/y"
    by = f"command: [sh, -c, '{changed}'], env: [{{name: URL, value: 'https://h/x'}}]"
    assert prepared(by) == [FETCHED]


@pytest.mark.parametrize("way", ["ln -s /models /data", "ln -sf /models/model.onnx /data/x"])
def test_a_link_is_another_way_to_the_model(way: str) -> None:
    assert by_script(f"{way}; curl -o /data/x https://h/x") == ["https://h/x"]
    assert by_script(f"{way}; cp /opt/x /data/x") == [TOOLS]
    assert by_script(f"{way}; ls /data") == [OWN]


STARTERS = [
    ["tini", "--"],
    ["/sbin/tini", "-s", "-g", "--"],
    ["dumb-init", "--"],
    ["/usr/bin/dumb-init"],
    ["timeout", "-k", "5", "300"],
    ["timeout", "--signal=KILL", "300"],
    ["nice", "-n", "10"],
    ["nohup"],
    ["busybox"],
    ["su-exec", "nobody"],
    ["gosu", "nobody:nobody"],
    ["exec"],
    ["xargs", "-a", "/urls"],
    ["env", "A=b"],
    ["sudo", "-E", "-u", "root"],
    ["wait-for-it.sh", "db:5432", "-t", "9", "--"],
    ["dockerize", "-wait", "tcp://db:5432"],
    ["/entrypoint.sh"],
    ["stdbuf", "-oL"],
]


@pytest.mark.parametrize("starter", STARTERS)
def test_a_program_behind_another_one_that_starts_it_is_found(starter: list[str]) -> None:
    assert by_itself(*starter, "wget", "-O", OWN, "https://h/x") == ["https://h/x"]
    assert prepared(f"command: {json.dumps([*starter, 'mkdir', '-p', '/models/x'])}") == [OWN]


@pytest.mark.parametrize(
    "command",
    [
        ["bash", "-euo", "pipefail", "-c", f"{CURL} && serve"],
        ["bash", "-ceuo", "pipefail", f"{CURL} && serve"],
        ["/bin/sh", "-c", "--", f"{CURL}; serve"],
        ["tini", "--", "sh", "-c", f"{CURL}; exec serve"],
        ["/run.sh", "bash", "-c", f"{CURL}; exec serve"],
        ["-c", f"{CURL}; exec serve"],
        ["sh", "-c", f"eval '{CURL}'; exec serve"],
        ["sh", "-c", f"test -f {OWN} || {{ {CURL}; }}; exec serve"],
        ["su", "app", "-c", f"{CURL}; exec serve"],
        ["sh", "-c", f"X=$({CURL}); exec serve"],
        ["env", "-S", f"sh -c '{CURL}'"],
        ["retry", "-t", "3", "--", *CURL.split()],
        ["/run.sh", *CURL.split()],
    ],
)
def test_a_script_that_a_shell_is_given_is_read(command: list[str]) -> None:
    assert by_itself(*command) == ["https://h/x"]


@pytest.mark.parametrize(
    "script",
    [
        "s3cmd get bucket:blob /models/model.onnx",
        "gdown 1AbC -O /models/model.onnx",
        "axel -o /models/model.onnx h/x",
        "aria2c -d /models -o blob h/x",
        "rclone copy remote:models /models --config /etc/rclone.conf",
        "gsutil cp b/blob /models/",
        "azcopy copy $SOURCE /models/",
        "mc mirror alias/bucket /models",
        "python -c \"import requests as r; open('/models/model.onnx', 'wb').write(r.get(u))\"",
        "python3 -c \"from urllib.request import urlopen as u; u(x, '/models/model.onnx')\"",
        "python3.12 -u -c 'from huggingface_hub import hf_hub_download as h; h(to=\"/models\")'",
        "perl -MLWP::Simple -e 'getstore(shift, shift)' h/x /models/model.onnx",
        "node -e 'fetch(u).then(save)' /models/model.onnx",
        "pwsh -Command 'Invoke-WebRequest h/x -OutFile /models/model.onnx'",
        "python -m gdown 1AbC -O /models/model.onnx",
        "python - /models <<EOF\nimport boto3\nboto3.client('s3')\nEOF",
        "python /app/download_model.py --to /models/model.onnx",
        "/app/model-fetch.sh /models",
        "sh -e /app/download.sh /models",
    ],
)  # fmt: skip
def test_what_gets_a_model_that_it_does_not_name_leaves_it_unknown(script: str) -> None:
    own = by_itself("sh", "-c", f"{script} && exec serve --model {OWN}")
    assert own == ["<containers.s>"]
    assert by_script(script) == [FETCHED]


@pytest.mark.parametrize(
    "script",
    [
        "zstd -d /opt/model.zst -o /models/model.onnx",
        "7z x /opt/models.7z -o/models",
        "bsdtar -xf /opt/models.tgz -C /models",
        "unzip -o /opt/models.zip -d /models",
        "gzip -dc /opt/model.gz > /models/model.onnx",
        "xz -dkc /opt/model.xz | tee /models/model.onnx",
    ],
)
def test_what_is_unpacked_is_of_the_image(script: str) -> None:
    own = by_itself("sh", "-c", f"{script} && exec serve --model {OWN}")
    assert own == ["r.example/s:1"]
    assert by_script(script) == [TOOLS]


@pytest.mark.parametrize("key", ["initContainers", "containers"])
@pytest.mark.parametrize(
    ("image", "args", "uris"),
    [
        ("amazon/aws-cli:2", "[s3, sync, 's3://b/m', /models]", ["s3://b/m"]),
        ("amazon/aws-cli:2", "[s3, cp, 's3://b/m', /models/, --endpoint-url, 'https://minio/']",
         ["s3://b/m"]),
        ("minio/mc", "[mirror, --watch, alias/bucket, /models]", None),
        ("r.example:5000/rclone/rclone:1@sha256:0", "[sync, 'remote:models', /models]", None),
        ("registry.k8s.io/git-sync/git-sync:v4", "[--repo, r, --root, /models]", None),
        ("curlimages/curl", "[-O, --output-dir, /models, 'https://h/x']", ["https://h/x"]),
        ("r.example/model-downloader", "[--to, /models]", None),
        ("r.example/tools", "[--from, 's3://b/m', --to, /models]", ["s3://b/m"]),
        ("amazon/aws-cli:2", "[s3, sync, /models, 's3://backup/m']", [OWN]),
        ("amazon/aws-cli:2", "[s3, sync, /models, 's3://backup/m', --region, eu-north-1]", [OWN]),
        ("amazon/aws-cli:2", "[s3, cp, 's3://b/labels', /models/labels/]", [OWN]),
    ],
)  # fmt: skip
def test_arguments_of_an_image_that_gets_files_count_without_a_command(
    key: str, image: str, args: str, uris: list[str] | None
) -> None:
    found = prepared(f"args: {args}", key=key, image=f"'{image}'")
    assert found == ([f"<{key}.fetch>"] if uris is None else uris)


def test_a_probe_that_downloads_is_a_program_too() -> None:
    probe = "{exec: {command: [wget, -P, /models, 'https://h/x']}}"
    assert prepared(f"livenessProbe: {probe}", key="containers") == ["https://h/x"]
    probe = "{exec: {command: [cat, /models/model.onnx]}}"
    assert prepared(f"livenessProbe: {probe}", key="containers") == [OWN]


def test_a_sidecar_that_is_told_a_bucket_and_another_place_is_left_alone() -> None:
    for args in ("[/models, 's3://b/m']", "['s3://b/m', /logs]", "[/models, --at, 'https://h/x']"):
        assert prepared(f"args: {args}", key="containers") == [OWN]


def test_an_image_that_only_serves_is_no_tool() -> None:
    assert prepared("args: [--port, '80']", key="containers", image="r.example/proxy") == [OWN]
    own = "{name: s, image: ollama/ollama, args: [serve, --model, /models/model.onnx]}"
    assert models_of(f"containers: [{own}]") == [OWN]


@pytest.mark.parametrize(
    "script",
    [
        "until pg_isready -h db; do sleep 1; done",
        "wait-for-it db:5432 -t 60 && echo up",
        "/wait-for-it.sh db:5432 --timeout=30",
        "while ! nc -z db 5432; do sleep 1; done",
        "until kubectl wait --for=condition=ready pod/db; do sleep 1; done",
        "until curl -sf http://db/health; do sleep 1; done",
        "find /models -type f -exec chmod 644 {} +",
        "find /models -name '*.tmp' -exec sh -c 'rm -f \"$1\"' _ {} \\;",
        "wc -c /models/model.onnx | tr -d ' '",
        "echo 'abc  /models/model.onnx' | sha256sum -c -",
        "sha256sum -c <<EOF\nabc  /models/model.onnx\nEOF",
        "[ $(stat -c %s /models/model.onnx) -gt 100 ] || { echo none >&2; exit 1; }",
        "i=0; while [ $i -lt 5 ]; do i=$((i+1)); ((j++)); sleep 1; done",
        'log() { echo "[init] $*"; }; log start; mkdir -p /models/logs; log done',
        "case $A in b) echo c;; *) true;; esac; esac",
        "command -v aws || true",
        "apk add --no-cache curl jq && curl -s http://db/health | jq .ok",
        'cat > /models/config.json <<EOF\n{"a": 1}\nEOF',
        "sed -i s/a/b/ /models/labels.txt; date > /models/.ready 2>&1",
        "wget -qO /etc/labels.txt https://h/labels.txt",
        "curl -sSo/etc/labels.txt https://h/labels.txt",
        "cat /models/model.onnx > /tmp/copy",
    ],
)
def test_what_waits_and_looks_changes_no_model(script: str) -> None:
    assert by_script(script) == [OWN]
    assert prepared(f"command: [bash, -euo, pipefail, -c, {json.dumps(script)}]") == [OWN]


@pytest.mark.parametrize(
    "script",
    [
        "serve --model /models/model.onnx > /var/log/x 2>&1",
        "serve --model /models/model.onnx 2>&1 | tee /var/log/x",
        "cd /models && exec serve --model /models/model.onnx",
        "aws s3 cp /models/model.onnx s3://backup/ && serve --model /models/model.onnx",
        "tar xzf /app/site.tgz -C /var/www; serve --model /models/model.onnx",
        "curl -XPOST http://h/ready -d @/tmp/x; serve --model /models/model.onnx",
        "python serve.py --download-dir /models --model /models/model.onnx",
    ],
)
def test_what_only_serves_a_model_changes_none(script: str) -> None:
    assert by_itself("sh", "-c", script) == [OWN]


def test_a_shell_with_options_makes_folders_and_nothing_else() -> None:
    script = "mkdir -p /models/logs"
    assert prepared(f"command: [bash, -euo, pipefail, -c, '{script}']") == [OWN]
    assert prepared(f"command: [bash, -c, '{script}', --, a]") == [OWN]


@pytest.mark.parametrize("script", ["eval " * 30 + CURL, "$(" * 60 + CURL + ")" * 60])
def test_a_script_that_nobody_reads_leaves_the_model_unknown(script: str) -> None:
    assert by_script(script) == [FETCHED]


@pytest.mark.parametrize(
    "part",
    ["$(", "`", "(", ")", "'", '"', "{ ", "case x in ", "a) b;; ", "<<A ", "<<A\n", "[[ ", "((a ",
     "A=(", "$A", "\\", "#", "sh -c ", "find -exec ", "if ", "A=b ", "sh ", "x | ", "x;", "f()",
     "<(", "${", "{{ ", "-o ", "/a ", "é "],
)  # fmt: skip
@pytest.mark.parametrize("is_argument", [False, True])
def test_a_long_script_takes_linear_time(part: str, is_argument: bool) -> None:
    script = json.dumps((part * 90_000)[:90_000])
    variables = "env: [{name: A, value: '" + "a" * 5000 + "'}]"
    words = f"[x, {script}]" if is_argument else f"[sh, -c, {script}]"
    start = time.process_time()
    prepared(f"command: {words}, {variables}")
    assert time.process_time() - start < 5


def test_many_models_read_a_long_script_once() -> None:
    script = json.dumps("x;" * 40_000)
    served = ", ".join(f"/models/{n}.onnx" for n in range(50))
    start = time.process_time()
    models_of(f"containers: [{{name: s, command: [sh, -c, {script}, {served}]}}]")
    assert time.process_time() - start < 10


def copying(n: int) -> str:
    return "".join(f"cp /opt/{n}_{at}.bin /out/{at}.bin; " for at in range(550))  # 18 kB


def test_many_scripts_and_many_models_are_read_once_and_followed_only_so_often() -> None:
    inits = "".join(
        f"  - {{name: f{n}, image: i, command: [sh, -c, {json.dumps(copying(n))}],"
        " volumeMounts: [{name: v, mountPath: /models}]}\n"
        for n in range(20)
    )
    served = ", ".join(f"--model, /models/{n}.onnx" for n in range(300))
    start = time.process_time()
    found = models_of(
        f"initContainers:\n{inits}containers:\n  - {{name: s, image: s, args: [{served}],"
        " volumeMounts: [{name: v, mountPath: /models}]}\nvolumes: [{name: v, emptyDir: {}}]\n"
    )
    assert time.process_time() - start < 10
    assert "/models/0.onnx" in found
    assert "<initContainers.f0>" in found  # more than is followed: not known


def test_a_script_that_is_shared_by_many_manifests_of_a_recipe_is_read_once() -> None:
    manifests = [
        {"Name": f"m{n}", "Lifecycle": {"Run": " ".join(f"--model /m/{n}_{at}.onnx" for at in r)}}
        for n in range(25)
        for r in [range(200)]
    ]
    recipe = {"ComponentName": "a", "ComponentVersion": "1.0.0", "Manifests": manifests}
    text = json.dumps({**recipe, "Lifecycle": {"Install": copying(0)}}).encode()
    start = time.process_time()
    found = read_manifests(["-"], stdin=io.BytesIO(text)).deployed
    assert time.process_time() - start < 10
    assert [len(one.models) for one in found][:1] == [200]
    assert {one.uri.value for one in found[-1].models} == {"<script>"}


def test_many_files_in_one_command_take_linear_time() -> None:
    words = " ".join(f"/m/{n}.onnx" for n in range(5000))
    start = time.process_time()
    assert by_itself("sh", "-c", f"serve {words}")[:1] == ["/m/0.onnx"]
    assert by_itself("sh", "-c", f"curl -o /models {words}") == ["<containers.s>"]
    assert time.process_time() - start < 10


def test_the_parts_of_a_pipeline_share_the_text_of_its_line() -> None:
    found = commands_in("cat ${A}|" * 20_000, {"A": "a"})  # a copy each would be 4 GB
    assert len(found) == 20_000
    assert len({id(one.line) for one in found}) == 1
