"""Which files of a repository of the Triton Inference Server a configuration serves."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from placer.core.deployment import ModelRef, Place, Stated
from placer.manifests.containers import is_open
from placer.manifests.models import (
    everywhere,
    format_of,
    hidden_model,
    model_of,
    models_of_variable,
)
from placer.manifests.nodes import Field
from placer.manifests.triton_files import digests_of, why_unknown

_FILE_NAME = "config.pbtxt"
KINDS = ("KIND_AUTO", "KIND_GPU", "KIND_CPU", "KIND_MODEL")
"""By number. Source: triton-inference-server/common, protobuf/model_config.proto."""
_FORMATS = {
    "onnxruntime": "onnx",
    "onnxruntime_onnx": "onnx",
    "openvino": "openvino",
    "pytorch": "pytorch",
    "pytorch_libtorch": "pytorch",
    "tensorflow": "tensorflow",
    "tensorflow_graphdef": "tensorflow",
    "tensorflow_savedmodel": "tensorflow",
    "tensorrt": "tensorrt",
    "tensorrt_plan": "tensorrt",
}
"""Backend or platform -> format."""
_FILES = {
    "onnxruntime": "model.onnx",
    "onnxruntime_onnx": "model.onnx",
    "openvino": "model.xml",
    "pytorch": "model.pt",
    "pytorch_libtorch": "model.pt",
    "tensorflow_graphdef": "model.graphdef",
    "tensorflow_savedmodel": "model.savedmodel",
    "tensorrt": "model.plan",
    "tensorrt_plan": "model.plan",
}
"""Backend or platform -> name of the file. Source: Triton, docs/user_guide/model_repository.md."""
_LATEST = (None, "", "-1")
"""What a step of an ensemble says of the version where it takes what is served."""


Named = dict[tuple[str, str], list[Field]]
"""(directory of the repository, name) -> configurations that are no ensembles."""


def name_of(root: Field) -> str:
    """Return the name of a model: without one, it is that of its directory."""
    name = root.at("name").text()
    if name:
        return name
    path = root.document.path
    return Path(path).absolute().parent.name if path != "-" else "unnamed"


def repeated(holder: Field, name: str) -> Iterator[Field]:
    """Yield the values of a repeated field, each key one value or a list of them."""
    for one in holder.all_of(name):
        yield from one.items() if one.is_list else [one]


def kind_of(group: Field) -> str | None:
    """Return what an instance group runs on, said by name, by number or by its GPUs."""
    kind = group.at("kind")
    number = kind.integer() if kind.kind() == "number" else None
    said = kind.text()
    if number is not None:
        said = KINDS[number] if 0 <= number < len(KINDS) else None
    return "KIND_GPU" if said in (None, "KIND_AUTO") and group.at("gpus") else said


def models_of(root: Field, named: Named, version: Field | None = None) -> tuple[ModelRef, ...]:
    """Return the models of a configuration.

    Parameters
    ----------
    version
        The one that a step of an ensemble asks for; None: those that are served.
    """
    steps = [
        step
        for scheduling in root.all_of("ensemble_scheduling")
        for step in repeated(scheduling, "step")
    ]
    if steps:
        return everywhere(*(_models_of_step(step, root, named) for step in steps))
    given = [
        model
        for one in repeated(root, "parameters")
        if (value := one.at("value", "string_value").stated()) is not None
        for model in models_of_variable(one.at("key").text() or "", value)
    ]
    files = [*_files(root, version)]
    if given or files:
        return everywhere(files, given)
    stated = root.at("name").stated() or Stated(name_of(root), root.place())
    return (ModelRef(stated, format=_format(root)),)


def _models_of_step(step: Field, root: Field, named: Named) -> Iterator[ModelRef]:
    """Yield the models of a step: those of the configuration beside, else the name as it is."""
    stated = step.at("model_name").stated()
    if stated is None:
        return
    beside = named.get((repository_of(root), stated.value), [])
    if len(beside) == 1:
        version = step.at("model_version")
        yield from models_of(beside[0], named, version if version.text() not in _LATEST else None)
    else:
        yield model_of(stated)


def repository_of(root: Field) -> str:
    """Return the directory that holds the directories of models."""
    directory, _, file = root.document.path.rpartition("/")
    return directory.rpartition("/")[0] if file == _FILE_NAME else directory


def backend_of(root: Field) -> Stated[str] | None:
    """Return what runs the model: Triton looks at the platform where no backend is stated."""
    for name in ("backend", "platform"):
        stated = root.at(name).stated()
        if stated is not None and stated.value:
            return stated
    return None


def _format(root: Field) -> Stated[str] | None:
    stated = backend_of(root)
    known = None if stated is None else _FORMATS.get(stated.value)
    return None if stated is None or known is None else replace(stated, value=known)


def _files(root: Field, asked: Field | None) -> Iterator[ModelRef]:
    """Yield ``NAME/VERSION/FILE`` of the versions that lie beside the file and are served.

    Parameters
    ----------
    asked
        As `version` of `models_of`.
    """
    file = root.at("default_model_filename").stated()
    backend = backend_of(root)
    kind = "" if backend is None else backend.value
    file_name = file.value if file is not None else _FILES.get(kind)
    is_found = file_name is None and (not kind or is_open(kind))
    stated = file or root.at("name").stated()
    place = stated.place if stated is not None else root.place()
    of_gpus = _files_of_gpus(root)
    if file_name is None and not of_gpus and not is_found:
        return
    versions = _served(root, _versions(root))
    if asked is not None and versions:
        if asked.integer() not in versions:
            why = f"version {(asked.text() or '')[:40]}, which the step asks for, is not served"
            yield hidden_model(f"{name_of(root)}/<version>", asked.place(), why)
            return
        versions = [version for version in versions if version == asked.integer()]
    for version in versions:
        names = _lying(root, version) if is_found else [file_name] if file_name else []
        if len(names) > 1:
            why = f"{' and '.join(names)} lie there, and no backend says which of them is served"
            lying = [_file(root, version, name, place) for name in names]
            yield _one_of(root, version, lying, why)
            continue
        default = [_file(root, version, name, place) for name in names]
        others = [_file(root, version, one.value, one.place) for one in of_gpus]
        if others and len({one.sha256 for one in (*default, *others)}) + (not default) > 1:
            why = "the file is that of the GPU's compute capability (cc_model_filenames)"
            yield _one_of(root, version, [*others, *default], why)
        else:
            yield from everywhere(default, others)


def _one_of(root: Field, version: int, files: Sequence[ModelRef], why: str) -> ModelRef:
    """Return the model that is one of some files, at the first of them."""
    told = repr([(one.uri.value, one.sha256) for one in files])
    name = f"{name_of(root)}/{version}/<file>"
    return hidden_model(name, files[0].uri.place, why, told=told)


def _lying(root: Field, version: int) -> list[str]:
    """Return the files of a version by which Triton finds a backend where none is stated."""
    directory = os.path.join(_directory(root), str(version))  # noqa: PTH118  # text as typed
    try:
        lying = {*os.listdir(directory)}  # noqa: PTH208  # text as typed
    except OSError:
        return []
    return [name for name in dict.fromkeys(_FILES.values()) if name in lying]


def _directory(root: Field) -> str:
    return root.document.path.rpartition("/")[0] or "."


def _file(root: Field, version: int, file_name: str, place: Place) -> ModelRef:
    """Return a file of a version, with the digests of what lies there."""
    uri = Stated(f"{name_of(root)}/{version}/{file_name}", place)
    if is_open(file_name):
        why = f"the file is {file_name[:80]}, which is filled in later"
        return hidden_model(uri.value, place, why)
    directory = f"{_directory(root)}/{version}"
    files = digests_of(directory, file_name)
    last = file_name.rpartition("/")[2]
    sha256 = dict(files).get(last)
    kind = format_of(uri) or _format(root)
    if sha256 is None:
        is_saved_model = kind is not None and kind.value == "tensorflow"
        why = why_unknown(directory, file_name, may_be_directory=is_saved_model)
        if why:
            name = f"{name_of(root)}/{version}/<file>"
            return hidden_model(name, place, f"{file_name[:80]} {why}", told=file_name)
    beside = tuple(one for one in files if one[0] != last) if sha256 else ()
    return ModelRef(uri, sha256, kind, beside=beside)


def _files_of_gpus(root: Field) -> list[Stated[str]]:
    """Return the files that GPUs of some compute capability get in the place of the default one."""
    if {kind_of(group) for group in repeated(root, "instance_group")} == {"KIND_CPU"}:
        return []
    values = (one.at("value").stated() for one in repeated(root, "cc_model_filenames"))
    return [one for one in values if one is not None and one.value]


def _versions(root: Field) -> list[int]:
    """Return the versions that lie beside the file: directories with numbers for names."""
    directory, _, file = root.document.path.rpartition("/")
    if file != _FILE_NAME:
        return []
    try:
        with os.scandir(directory or ".") as entries:
            names = [one.name for one in entries if one.is_dir() or _is_dangling(one)]
    except OSError:
        return []
    return sorted(int(name) for name in names if re.fullmatch(r"[1-9][0-9]{0,17}", name))


def _is_dangling(entry: os.DirEntry[str]) -> bool:
    """Tell whether something is a link to what is not there, as before `dvc pull`."""
    return entry.is_symlink() and not os.path.exists(entry.path)  # noqa: PTH110  # text as typed


def _served(root: Field, versions: Sequence[int]) -> list[int]:
    policy = root.at("version_policy")
    if policy.at("all"):
        return [*versions]
    if policy.at("specific"):
        wanted = {one.integer() for one in repeated(policy.at("specific"), "versions")}
        return [version for version in versions if version in wanted]
    count = policy.at("latest", "num_versions").integer()
    return [*versions[-(count if count and count > 0 else 1) :]]
