"""Volumes of a pod that are one storage: what is written by one of them lies in the other."""

from __future__ import annotations

import pytest

from placer.manifests.nodes import Field
from placer.manifests.parsing import parse_yaml
from placer.manifests.pods import workers_of

OWN = "/models/model.onnx"
PUT = "<initContainers.fetch>"
FETCH = "command: [hf, download, o/m, --local-dir, /out]"


def served(
    volumes: str,
    *,
    own: str = "mountPath: /models",
    other: str = "mountPath: /out",
    by: str = FETCH,
    model: str = OWN,
    more: str = "",
) -> list[str]:
    """The models of a pod whose server mounts volume `a`, and an init container volume `b`."""
    (document,) = parse_yaml(
        "initContainers:\n"
        f"  - {{name: fetch, image: f, {by}, volumeMounts: [{{name: b, {other}}}]}}\n"
        "containers:\n"
        "  - name: s\n"
        "    image: s\n"
        f"    args: [--model, {model}]\n"
        f"    volumeMounts: [{{name: a, {own}}}]\n"
        f"{more}"
        f"volumes: {volumes}\n",
        "a.yaml",
    ).documents
    found = workers_of(Field(document, document.root))
    return sorted({one.uri.value for worker in found for one in worker.models})


def volumes(a: str, b: str) -> str:
    return f"[{{name: a, {a}}}, {{name: b, {b}}}]"


def claim(name: str, more: str = "") -> str:
    return f"persistentVolumeClaim: {{claimName: {name}{more}}}"


def host(path: str) -> str:
    return f"hostPath: {{path: {path}}}"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (claim("m"), claim("m")),
        (claim("m", ", readOnly: true"), claim("m")),
        (claim("m"), claim("'{{ .Values.claim }}'")),
        (host("/srv/models"), host("/srv/models/")),
        (host("/srv/models"), "hostPath: {path: /srv/../srv/models, type: Directory}"),
        ("nfs: {server: n, path: /m}", "nfs: {server: n, path: /m}"),
        ("csi: {driver: d, volumeAttributes: {b: c, e: f}}",
         "csi: {driver: d, volumeAttributes: {e: f, b: c}}"),
    ],
)  # fmt: skip
def test_what_is_downloaded_into_another_volume_of_one_storage_is_the_model(a: str, b: str) -> None:
    assert served(volumes(a, b)) == [PUT]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (claim("m"), claim("other")),
        (claim("m"), claim("m", ", readOnly: true")),
        (claim("m"), host("/srv")),
        (host("/srv/models"), host("/srv/logs")),
        (host("/srv/models"), host("/srv/models-b")),
        ("nfs: {server: n, path: /m}", "nfs: {server: o, path: /m}"),
        ("emptyDir: {}", "emptyDir: {}"),
    ],
)
def test_volumes_that_are_apart_share_nothing(a: str, b: str) -> None:
    assert served(volumes(a, b)) == [OWN]


@pytest.mark.parametrize(
    ("a", "b", "by", "uris"),
    [
        ("/srv/models", "/srv", "command: [cp, /x, /out/models/model.onnx]", ["f"]),
        ("/srv/models", "/srv", "command: [cp, /x, /out/model.onnx]", [OWN]),
        ("/srv/models", "/", "command: [cp, /x, /out/srv/models/model.onnx]", ["f"]),
        ("/srv", "/srv/models", FETCH, [OWN]),
    ],
)
def test_a_folder_of_the_host_lies_in_those_above_it(
    a: str, b: str, by: str, uris: list[str]
) -> None:
    assert served(volumes(host(a), host(b)), by=by) == uris


def test_a_file_of_the_host_that_is_bound_may_be_written_by_its_folder() -> None:
    both = volumes(host("/srv/models/x.bin"), host("/srv/models"))
    own, put = "mountPath: /models/model.onnx", "command: [%s, /x, /out/x.bin]"
    assert served(both, own=own, by=put % "cp") == ["/srv/models/x.bin", "f"]
    assert served(both, own=own, by=put % "ls") == ["/srv/models/x.bin"]


def test_a_folder_of_models_holds_what_is_written_to_a_part_of_it() -> None:
    both = volumes(host("/srv"), host("/srv/v1"))
    assert served(both, model="/models") == [PUT]


def test_parts_of_one_claim_are_told_apart() -> None:
    both = volumes(claim("m"), claim("m"))
    own = "mountPath: /models, subPath: v1"
    assert served(both, own=own, other="mountPath: /out, subPath: v1") == [PUT]
    assert served(both, own=own, other="mountPath: /out, subPath: logs") == [OWN]
    script = "command: [cp, /x, /out/%s/model.onnx]"
    assert served(both, own=own, by=script % "v1") == ["f"]
    assert served(both, own=own, by=script % "v2") == [OWN]


@pytest.mark.parametrize(
    ("expression", "uris"),
    [
        ("$(POD)", [PUT]),
        ("v$(N)", [PUT]),
        ("v1", [PUT]),
        ("$(POD)/x", [OWN]),
        ("logs/$(POD)", [OWN]),
    ],
)
def test_nobody_knows_what_lies_where_a_part_is_filled_in_later(
    expression: str, uris: list[str]
) -> None:
    both = volumes(claim("m"), claim("m"))
    other = f"mountPath: /out, subPathExpr: {expression}"
    assert served(both, own="mountPath: /models, subPath: v1", other=other) == uris
    one = "[{name: a, persistentVolumeClaim: {claimName: m}}]"
    other = f"mountPath: /in, readOnly: true}}, {{name: a, {other}"
    assert served(one, own="mountPath: /models, subPath: v1", other=other) == uris


def test_what_only_logs_to_an_unknown_part_changes_no_model() -> None:
    both = volumes(claim("m"), claim("m"))
    other = "mountPath: /logs, subPathExpr: $(POD)"
    assert served(both, other=other, by="command: [mkdir, -p, /logs/x]") == [OWN]


def test_a_container_that_mounts_its_model_twice_may_write_to_it_by_either_way() -> None:
    own = "mountPath: /models}, {name: b, mountPath: /data"
    more = "    command: [sh, -c, 'hf download o/m --local-dir %s; exec serve']\n"
    both = volumes(claim("m"), claim("m"))
    there, elsewhere = (
        served(both, own=own, by="command: ['true']", more=more % folder)
        for folder in ("/data", "/tmp")
    )
    assert (there, elsewhere) == (["<containers.s>"], [OWN])


def test_the_hook_of_another_container_writes_as_well() -> None:
    hook = "lifecycle: {postStart: {exec: {command: [hf, download, o/m, --local-dir, /out]}}}"
    both = volumes(claim("m"), claim("m"))
    by = f"restartPolicy: Always, command: [proxy], {hook}"
    assert served(both, by=by) == ["<postStart.fetch>"]
