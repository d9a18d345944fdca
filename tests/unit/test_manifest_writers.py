"""Which of the programs that write to the path of a model decide what lies there."""

from __future__ import annotations

import json
import time

import pytest

from placer.manifests.nodes import Field
from placer.manifests.parsing import parse_yaml
from placer.manifests.pods import workers_of

PATH = "/models/digits.onnx"
OWN = "s3://models.parcels.example/digits/digits.onnx"
OTHER = "https://other.example/v9.bin"
SERVE = f"exec serve --model {PATH}"
MOUNT = "volumeMounts: [{name: v, mountPath: /models}]"
VOLUMES = "volumes: [{name: v, emptyDir: {}}]"
FETCHED = "<initContainers.fetch>"
IMAGE, TOOLS = "r.example/s:1", "r.example/tools:1"


def models_of(pod: str) -> list[str]:
    (document,) = parse_yaml(pod, "a.yaml").documents
    found = workers_of(Field(document, document.root))
    return sorted({one.uri.value for worker in found for one in worker.models})


def before(script: str) -> list[str]:
    """The models of a pod whose init container runs a script."""
    command = f"command: [sh, -c, {json.dumps(script)}]"
    return models_of(
        f"initContainers: [{{name: fetch, image: {TOOLS}, {command}, {MOUNT}}}]\n"
        f"containers: [{{name: s, image: {IMAGE}, args: [--model, {PATH}], {MOUNT}}}]\n{VOLUMES}\n"
    )


def itself(script: str, env: str = "") -> list[str]:
    """The models of a pod whose container runs a script."""
    command = f"command: [sh, -c, {json.dumps(script)}], env: [{env}]"
    return models_of(f"containers: [{{name: s, image: {IMAGE}, {command}, {MOUNT}}}]\n{VOLUMES}\n")


@pytest.mark.parametrize(
    ("second", "brought"),
    [
        (f"; aws s3 cp s3://other/v9.bin {PATH}", "s3://other/v9.bin"),
        (f" || curl -fo {PATH} {OTHER}", OTHER),
        (f"; cp /opt/v9.bin {PATH}", TOOLS),
        ("; cp /opt/digits.onnx /models/", TOOLS),
        (f"; curl -fo /tmp/v9 {OTHER}; mv /tmp/v9 {PATH}", OTHER),
        (f"; cat /opt/v9.bin > {PATH}", TOOLS),
    ],
)
def test_each_that_writes_to_the_very_path_counts(second: str, brought: str) -> None:
    assert before(f"aws s3 cp {OWN} {PATH}{second}") == sorted([OWN, brought])


@pytest.mark.parametrize(
    "second",
    [
        "; aws s3 cp s3://models.parcels.example/digits/labels.txt /models/labels.txt",
        "; aws s3 cp s3://models.parcels.example/digits/labels.txt /models/",
        f"; sha256sum {PATH}; chmod 644 {PATH}",
        f"; /check --strict {PATH}",
        f"; cp {PATH} /models/backup.onnx",
    ],
)
def test_what_writes_beside_it_or_looks_at_it_does_not(second: str) -> None:
    assert before(f"aws s3 cp {OWN} {PATH}{second}") == [OWN]


@pytest.mark.parametrize(
    "script",
    [
        f'curl -fo {PATH} "$URL"   # e.g. {OWN}',
        f'curl -fo {PATH} "$URL" \\\n  # {OWN}',
        f'HTTPS_PROXY={OWN} curl -fo {PATH} "$URL"',
    ],
)
def test_a_comment_names_no_model(script: str) -> None:
    assert FETCHED in before(script)


@pytest.mark.parametrize(
    "script",
    [
        f"curl -f {OTHER} | tee {PATH}",
        f"(curl -f {OTHER}) | tee {PATH}",
        f"(echo; curl -f {OTHER} | gunzip) > {PATH}",
        f"curl -fo {PATH} $(echo {OTHER})",
        f"curl -fo {PATH} `echo {OTHER}`",
        f"xargs curl -fo {PATH} <<< {OTHER}",
        f"URL={OTHER}; curl -fo {PATH} $URL # s3://models.parcels.example/other",
        f"curl -fo {PATH} https://other.exa''mple/v9.bin",
    ],
)
def test_the_words_of_a_pipeline_and_of_what_is_put_into_them_name_it(script: str) -> None:
    assert before(script) == [OTHER]


@pytest.mark.parametrize("option", ["-#Lo", "-#o", "-1Lo", "-0o", "-:o", "--out", "--outp"])
def test_an_output_of_curl_is_found_however_its_option_is_written(option: str) -> None:
    assert before(f"curl {option} {PATH} {OTHER}") == [OTHER]
    assert itself(f"curl {option} {PATH} {OTHER}; {SERVE}") == [OTHER]
    assert itself(f"curl {option} /tmp/v9 {OTHER}; {SERVE}") == [PATH]


@pytest.mark.parametrize(
    "command",
    ["curl -K /cfg/rc", "curl -sK/cfg/rc", "curl --config /cfg/rc", "aria2c -i /cfg/list"],
)
def test_what_a_file_tells_to_download_is_not_known(command: str) -> None:
    assert before(command) == [FETCHED]
    assert itself(f"{command}; {SERVE}") == ["<containers.s>"]
    assert FETCHED in before(f"aws s3 cp {OWN} {PATH}; {command} {OWN}")


@pytest.mark.parametrize("options", ["-#sf", "-XPOSTo", "-H o", "-do", "-u o:K", "-Ho -sf"])
def test_curl_without_an_output_writes_none(options: str) -> None:
    assert before(f"curl {options} http://db/health") == [PATH]


@pytest.mark.parametrize(
    "script",
    [
        "cd /models && scp -i /keys/id u@host:/m/v9.bin digits.onnx",
        f"scp -P 22 -i /keys/id u@host:/m/v9.bin {PATH} -l 9",
        f"rclone copyto r:m/v9.bin {PATH} --bwlimit 10M:off",
        f"rclone --config /c.conf copyto -P r:m/v9.bin {PATH} --header a:b",
        f"aws s3 cp s3://other/v9.bin {PATH} --sse-c-key fileb:///k",
        f"aws s3 cp --no-progress s3://other/v9.bin {PATH}",
        f"rsync -a u@host:/m/v9.bin {PATH}",
    ],
)
def test_what_comes_last_beside_options_is_where_a_download_goes(script: str) -> None:
    assert before(script) not in ([PATH], [])
    assert itself(f"{script}; {SERVE}") not in ([PATH], [])


@pytest.mark.parametrize(
    "script",
    [
        f"aws s3 cp {PATH} s3://backup/ --quiet --region eu-north-1",
        f"aws s3 cp --quiet {PATH} s3://backup/",
        "rsync -az --delete /models/ host:/backup/ --exclude tmp",
        f"scp -i /keys/id {PATH} u@host:/m/",
        f"rclone copy {PATH} r:backup --bwlimit 10M",
        f"gsutil -m cp -r {PATH} gs://backup/m",
        f"cp {PATH} /backup/m -v",
    ],
)
def test_what_is_sent_away_leaves_the_model(script: str) -> None:
    assert before(script) == [PATH]
    assert itself(f"{script}; {SERVE}") == [PATH]


@pytest.mark.parametrize(
    "command",
    [
        "tar xzf /bundle/v9.tgz",
        "tar -xf /bundle/v9.tgz --no-same-owner",
        "bsdtar -xf /bundle/v9.zip",
        "unzip -o /in/m.zip",
        "7z x /b/v9.7z",
        "unrar x /b/v9.rar",
        "tar xzf /bundle/v9.tgz -C .",
        f"curl --cacert /etc/ca.pem -O {OTHER}",
        f"curl --cacert /etc/ca.pem -o digits.onnx {OTHER}",
        f"wget --ca-certificate=/etc/ca.pem {OTHER}",
        "aws s3 cp s3://other/v9.bin digits.onnx --ca-bundle /etc/ca.pem",
    ],
)
@pytest.mark.parametrize("change", ["cd /models", "cd /models/", "cd /; cd models; cd /models/."])
def test_what_runs_in_the_folder_of_the_model_writes_there(change: str, command: str) -> None:
    assert itself(f"{change} && {command}; {SERVE}") != [PATH]
    assert before(f"{change} && {command}") != [PATH]


@pytest.mark.parametrize(
    "command",
    [
        "tar xzf /bundle/v9.tgz -C /var/www",
        "tar xzf /bundle/v9.tgz --directory=/var/www",
        "unzip -o /in/m.zip -d /var/www",
        "7z x /b/v9.7z -o/var/www",
        f"curl --cacert /etc/ca.pem -o /tmp/v9 {OTHER}",
        "aws s3 cp s3://other/v9.bin /tmp/v9 --ca-bundle /etc/ca.pem",
        "cp /opt/v9.bin /tmp/v9",
        f"git clone {OTHER} /opt/v9",
        "hf download o/m --local-dir /opt/v9",
        "tar tf /bundle/v9.tgz",
    ],
)
def test_what_runs_there_and_writes_elsewhere_does_not(command: str) -> None:
    assert itself(f"cd /models && {command}; {SERVE}") == [PATH]


def test_what_unpacks_in_another_folder_does_not() -> None:
    assert itself(f"cd /var/www && tar xzf /bundle/v9.tgz; {SERVE}") == [PATH]
    assert itself(f"tar xzf /bundle/v9.tgz; {SERVE}") == [PATH]


def test_a_folder_that_is_fetched_keeps_its_slash() -> None:
    folder = "s3://models.parcels.example/digits/"
    assert before(f"aws s3 sync {folder} /models/") == [folder]


ENV = f"{{name: MODEL_PATH, value: {PATH}}}"


@pytest.mark.parametrize(
    ("script", "model"),
    [
        ("export MODEL_PATH=/models/v9; exec python serve.py", "/models/v9"),
        ("MODEL_PATH=/models/v9; exec python serve.py", "/models/v9"),
        ("MODEL_PATH=/models/v9 exec python serve.py", "/models/v9"),
        ("exec env -i A=b MODEL_PATH=/models/v9 python serve.py", "/models/v9"),
        ("sh -c 'export MODEL_PATH=/models/v9 && python serve.py'", "/models/v9"),
        ("if true; then declare -x MODEL_PATH=/models/v9; fi; python serve.py", "/models/v9"),
        ("V=v9; export MODEL_PATH=/models/$V; exec python serve.py", "/models/v9"),
        ("export MODEL_PATH=$(cat /cfg/current); exec python serve.py", "$(MODEL_PATH)"),
        ("export MODEL_PATH=`cat /cfg/current`; exec python serve.py", "$(MODEL_PATH)"),
        ("export MODEL_PATH=$1; exec python serve.py", "$1"),
    ],
)
def test_a_variable_that_a_script_gives_another_value_names_that_model(
    script: str, model: str
) -> None:
    assert itself(script, ENV) == sorted([PATH, model])


def test_a_variable_of_an_exec_form_names_a_model() -> None:
    command = "command: [env, MODEL_PATH=/models/v9, python, serve.py]"
    assert models_of(f"containers: [{{name: s, image: s, {command}}}]\n") == ["/models/v9"]


@pytest.mark.parametrize(
    "script",
    [
        f"export MODEL_PATH={PATH}; exec python serve.py",
        "export MODEL_PATH=${MODEL_PATH:-/models/v9}; exec python serve.py",
        "export LOG_PATH=/logs; model=$(hostname); exec python serve.py",
        "get() { local model=$1; echo $model; }; get a; exec python serve.py",
        "python serve.py",
    ],
)
def test_a_variable_that_stays_what_it_is_names_no_other_model(script: str) -> None:
    assert itself(script, ENV) == [PATH]


@pytest.mark.parametrize(
    "script",
    [
        f'OPTS="-fsSL -o {PATH}"; curl $OPTS {OTHER}',
        f"C=curl; $C -o {PATH} {OTHER}",
        f'CMD="curl -o {PATH} {OTHER}"; $CMD',
        f'TO={PATH}; FROM={OTHER}; curl -o "$TO" "$FROM"',
        f'A="-o {PATH}"; B=$A; export C="curl $B"; $C {OTHER}',
        f"D=/models; cd $D && curl -O {OTHER}",
    ],
)
def test_variables_of_a_script_are_put_into_its_words(script: str) -> None:
    assert before(script) == [OTHER]
    assert itself(f"{script}; {SERVE}") == [OTHER]


def test_values_are_put_in_only_so_often() -> None:
    start = time.process_time()
    itself(f"A='{'a ' * 400}'; " + "$A" * 30_000)
    assert time.process_time() - start < 5


WRITING = [
    "gpg -o {} -d /x.gpg",
    "gpg -do {} /x.gpg",
    "gpg --batch -o{} -d /x.gpg",
    "gpg --output {} --decrypt /x.gpg",
    "gpg --output={} --decrypt /x.gpg",
    "openssl enc -d -in /x -out {}",
    "age -d -o {} /x.age",
    "sops -d --output {} /x.enc",
    "python3 /opt/convert.py --output_file {}",
    "env A=b timeout 9 gpg -o {} -d /x.gpg",
    "cd /models; gpg -o digits.onnx -d /x.gpg",
    "cd /tmp; gpg -o {} -d /x.gpg",
    "patch {} < /x.patch",
    "patch -o {} /opt/v1.onnx /x.patch",
    "bspatch /opt/v1.onnx {} /x.patch",
    "truncate -s 0 {}",
]


@pytest.mark.parametrize("line", WRITING)
def test_an_output_at_the_very_path_is_a_model_that_nobody_knows(line: str) -> None:
    written = line.format(PATH)
    hook = f"lifecycle: {{postStart: {{exec: {{command: [sh, -c, {json.dumps(written)}]}}}}}}"
    served = f"args: [--model, {PATH}]"
    hooked = f"containers: [{{name: s, image: {IMAGE}, {served}, {hook}, {MOUNT}}}]\n{VOLUMES}\n"
    for models in (before(written), itself(f"{written}; {SERVE}"), models_of(hooked)):
        assert PATH not in models


@pytest.mark.parametrize(
    "line",
    [
        "gpg -o /tmp/x -d /x.gpg",
        "cd /tmp; gpg -o x.bin -d /x.gpg",
        "openssl enc -d -in /models/digits.onnx -out /tmp/x",
        "grep -o /models/digits.onnx /etc/list",
        "cd /app; patch -p1 < /fixes.patch",
        "prepare --config /etc/x --output /var/out",
    ],
)
def test_an_output_elsewhere_leaves_the_model(line: str) -> None:
    assert itself(f"{line}; {SERVE}") == [PATH]
    assert itself(f"{line}; {SERVE} --output /var/out -o json -O3") == [PATH]
