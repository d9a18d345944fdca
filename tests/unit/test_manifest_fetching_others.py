"""What only looks as if it put a model somewhere: probes of the own host, files of other names."""

from __future__ import annotations

import json

import pytest

from tests.unit.test_manifest_fetching import OWN, by_itself, by_script, prepared

READY = "http://localhost:8001/v1/models/digits"


@pytest.mark.parametrize(
    "code",
    [
        f"import requests; requests.get('{READY}').raise_for_status()",
        "import requests; requests.get('http://127.0.0.1:8001/ready').raise_for_status()",
        "import urllib.request as u; u.urlopen('http://[::1]:8001/ready')",
        f"import urllib.request, sys; sys.exit(urllib.request.urlopen('{READY}').status != 200)",
    ],
)
def test_code_that_asks_its_own_host_fetches_no_model(code: str) -> None:
    probe = f"{{exec: {{command: [python, -c, {json.dumps(code)}]}}}}"
    assert prepared(f"livenessProbe: {probe}", key="containers") == [OWN]


@pytest.mark.parametrize(
    "code",
    [
        f"import requests; open('{OWN}', 'wb').write(requests.get('{READY}').content)",
        f"import urllib.request as u; u.urlretrieve('{READY}', '{OWN}')",
        f"import requests; requests.get('{READY}'); requests.get('https://h/x')",
        "import requests; requests.get('http://localhost.evil.example/x')",
        "import requests; requests.post('http://localhost:8000/v2/repository/models/x/load')",
    ],
)
def test_code_that_keeps_what_its_host_says_or_asks_others_may_fetch_one(code: str) -> None:
    probe = f"{{exec: {{command: [python, -c, {json.dumps(code)}]}}}}"
    assert prepared(f"livenessProbe: {probe}", key="containers") != [OWN]


@pytest.mark.parametrize(
    "script",
    [
        "cp /cfg/labels.txt /models/",
        "cp -f /cfg/labels.txt /cfg/a.json /models",
        "cp /cfg/*.yaml /models/",
        "cd /models && cp /cfg/labels.txt .",
        "mv /tmp/labels.txt /models/",
        "install -m644 /cfg/labels.txt /models/",
        "wget -qP /models https://conf/labels.txt",
        "wget -q -P /models https://conf/labels.txt https://conf/a.json",
    ],
)
def test_files_of_other_names_do_not_replace_a_model(script: str) -> None:
    assert by_script(script) == [OWN]


@pytest.mark.parametrize(
    "script",
    [
        "cp /cfg/labels.txt /models/model.onnx",
        "cp /cfg/labels.txt /cfg/* /models/",
        "cp /cfg/$NAME.txt /models/",
        "cp /cfg/{a.onnx,b.txt} /models/",
        "cp -r /cfg/labels.txt /models",
        "cp /cfg/labels.txt /cfg/model.onnx /models/",
        "cp /cfg/labels.txt $TO",
        "wget -qP /models https://conf/labels.txt https://h/x",
        "wget -qP /models https://conf/x?file=labels.txt",
        "wget -qP /models -i list.txt",
        "wget -rqP /models https://conf/labels.txt",
        "wget -qP /models -O model.onnx https://conf/labels.txt",
        "ln -s /models /m; cp /cfg/model.onnx /m/",
    ],
)
def test_files_whose_names_may_be_the_models_do(script: str) -> None:
    assert by_script(script) != [OWN]


STUCK = [
    "wget -qO{} https://h/x",
    "wget -nvO{} https://h/x",
    "wget -cqO{} https://h/x",
    "curl -sSLo{} https://h/x",
    "curl https://h/x -fsSLo{}",
    "curl -no{} https://h/x",
    "aria2c -qo{} https://h/x",
    "curl -s https://h/x | sort -uo{}",
]


@pytest.mark.parametrize("line", STUCK)
def test_a_value_behind_short_options_is_read_as_one_apart(line: str) -> None:
    download = line.format(OWN)
    assert by_script(download) == ["https://h/x"]
    assert by_itself("sh", "-c", f"{download}; exec serve --model {OWN}") == ["https://h/x"]
    hook = f"{{postStart: {{exec: {{command: [sh, -c, {json.dumps(download)}]}}}}}}"
    assert prepared(f"lifecycle: {hook}", key="containers") == ["https://h/x"]


@pytest.mark.parametrize(
    "line",
    [
        *(one.format("/tmp/x") for one in STUCK[:-1]),
        "wget -qO- https://h/x",
        "wget -qo/models/model.onnx --spider https://h/x",
        "curl -sSLo/dev/null https://h/x",
    ],
)
def test_a_value_behind_short_options_that_is_no_models_path_is_none(line: str) -> None:
    assert by_script(f"cd /tmp; {line}") == [OWN]
