"""What is deployed, where and with what: one model over all formats of manifests.

A reader of ``placer.manifests`` fills it from one document; it says nothing that the manifest does
not say. What a label or a model URI means is looked up later, in the user's ``placer.yaml``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")
_PROCESSOR = re.compile(
    r"(?<![a-z])(?:v?gpus?|npus?|tpus?|vpus?|fpgas?)(?![a-z])|nvidia|cuda|habana|gaudi|neuron|rocm"
    r"|hexagon|hailo|(?<![a-z])coral(?![a-z])|edgetpu|rknpu|ascend|qaic|tenstorrent|^amd$"
    r"|^/dev/(?:nv(?!me|ram)|dri|kfd|dxg|apex|mali|davinci|accel)",
    re.IGNORECASE,
)
"""Resources, runtimes and device files of processors that run models."""


def runs_models(accelerator: str) -> bool:
    """Tell whether an accelerator is known to run models; else it may be a camera."""
    return _PROCESSOR.search(accelerator) is not None


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands in a file: the smallest key or value that says it."""

    path: str
    """As given; ``-`` is standard input."""
    line: int
    """Lines and columns count from 1; a column counts characters."""
    column: int
    end_line: int
    end_column: int
    """One beyond the last character."""
    pointer: str = ""
    """JSON pointer (RFC 6901) from the root of the document."""
    document: int = 0
    """Index of the document in its file."""

    def __str__(self) -> str:
        """Return ``path:line:column``."""
        return f"{self.path}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Stated(Generic[T]):
    """A value of a manifest and where it stands."""

    value: T
    place: Place


class Tier(StrEnum):
    """Where something runs."""

    EDGE = "edge"
    CLOUD = "cloud"


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model that a manifest names, as it names it."""

    uri: Stated[str]
    """``s3://...``, ``oci://...``, a path in an image or a volume, or a name of another object."""
    sha256: str | None = None
    """Where the reference itself pins the bytes: hex; None: it does not."""
    format: Stated[str] | None = None
    """``onnx``, ``tflite``, ...; None: not stated."""
    hidden: str = ""
    """Why nobody can read which model it is, although one is named; empty: it can be read."""
    told: str = ""
    """Of a hidden one, all that the manifest says and that decides which it is: the words of a
    command, where a variable gets its value. Of other words it may be another model."""
    beside: tuple[tuple[str, str], ...] = ()
    """(file name, SHA-256) of what lies beside the model's file, as its external data."""
    is_mounted: bool = False
    """It lies on a volume or on the host, and not in the image."""


@dataclass(frozen=True, slots=True)
class Where:
    """What a manifest says of the place; nothing of it is looked up."""

    labels: tuple[Stated[tuple[str, str]], ...] = ()
    """(label, value) that the node must have; of several allowed values each is one of `any_of`."""
    any_of: tuple[Stated[tuple[str, tuple[str, ...]]], ...] = ()
    """(label, values): the node must have one of them; no values: the label, whatever its value.

    The label `NODE_NAME` is the node's name.
    """
    none_of: tuple[Stated[tuple[str, tuple[str, ...]]], ...] = ()
    """(label, values): the node must have none of them; no values: not the label at all."""
    node: Stated[str] | None = None
    """Name of the node."""
    group: Stated[str] | None = None
    """Target condition of IoT Edge, thing group of Greengrass, fleet of balena."""
    instance_type: Stated[str] | None = None
    platform: Stated[str] | None = None
    """Operating system and architecture as far as they are said: ``linux/arm64``, ``arm64``."""
    tier: Stated[Tier] | None = None
    """Where the format itself says edge or cloud; None: it can be either."""
    either: tuple[Stated[str], ...] = ()
    """What only some of several alternatives demand of the node, as messages tell it."""
    unread: tuple[Stated[str], ...] = ()
    """What is filled in later where words of the place belong: ``nodeSelector ${LABELS}``."""

    @property
    def is_silent(self) -> bool:
        """Tell whether the manifest says nothing of the place."""
        said = (self.node, self.group, self.instance_type, self.tier)
        return not self.labels and not self.any_of and all(one is None for one in said)


NODE_NAME = "metadata.name"
"""The label that stands for the node's name, as a term of node affinity calls it."""


def words_of_label(key: str, values: tuple[str, ...], *, is_wanted: bool = True) -> str:
    """Return what is demanded of a label, or of the node's name, as messages tell it."""
    key = "node" if key == NODE_NAME else key
    if is_wanted:
        return f"{key} in {'|'.join(values)}" if values else f"{key} with any value"
    return f"{key} not in {'|'.join(values)}" if values else f"no {key}"


@dataclass(frozen=True, slots=True)
class Resources:
    """What the manifest grants; None: not stated."""

    memory_limit_bytes: Stated[int] | None = None
    memory_limit_unread: Stated[str] | None = None
    """A limit is stated, but it is no amount: a template that was not rendered, or a mistake."""
    memory_request_bytes: Stated[int] | None = None
    cpus_limit: Stated[float] | None = None
    accelerators: tuple[Stated[tuple[str, int]], ...] = ()
    """(resource, number): ``nvidia.com/gpu``, a device file, a runtime such as ``nvidia``."""
    ep: Stated[str] | None = None
    """Execution provider that the manifest itself chooses; None: it leaves that open."""
    cpus_limit_unread: Stated[str] | None = None
    """As `memory_limit_unread`."""
    cpus_request: Stated[float] | None = None
    accelerators_unread: Stated[str] | None = None
    """What may grant or choose an accelerator and is filled in later: ``nvidia.com/gpu: ${N}``."""
    left_to_machine: Stated[str] | None = None
    """What takes an accelerator where the machine has one, and asks for none: ``privileged: true``,
    an instance group of Triton without a kind."""
    hiding: Stated[tuple[str, str]] | None = None
    """(name, value) of a variable that hides what is granted: ``CUDA_VISIBLE_DEVICES=-1``."""
    limit_with_model_bytes: int | None = None
    """Limit of the whole pod, where the model lies in one of its volumes in memory, which counts
    to that beside what the process takes; None: it lies in none, or nothing limits the pod."""

    @property
    def grants_accelerator(self) -> bool:
        """Whether an accelerator is granted; none of one is none."""
        return any(one.value[1] > 0 for one in self.accelerators)

    @property
    def processor(self) -> Stated[tuple[str, int]] | None:
        """The accelerator that is known to run models; None: none, or one that may be a camera."""
        granted = (one for one in self.accelerators if one.value[1] > 0)
        return next((one for one in granted if runs_models(one.value[0])), None)


@dataclass(frozen=True, slots=True)
class Container:
    """One of several containers that could be the one that runs a model."""

    name: str | None
    images: tuple[Stated[str], ...]
    resources: Resources
    uris: tuple[Stated[str], ...] = ()
    """As `Deployed.uris`."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How many run at a time; None: not stated."""

    least: Stated[int] | None = None
    most: Stated[int] | None = None


DEFAULT_LOGGER = "the default logger of the cluster"
"""Receiver of a logger that names none."""


@dataclass(frozen=True, slots=True)
class Egress:
    """A way by which data leaves the place where the model runs."""

    kind: str
    """``route``, ``logger``, ``service``, ``mqtt``, ``worker`` or ``transformer``: what of the
    format it is."""
    to: Stated[str]
    """URL, topic or object that receives it."""
    carries: str
    """``request`` (raw input), ``answer``, ``all`` (both), or ``messages`` (what the module
    sends: not known)."""
    through: tuple[str, ...] = ()
    """Modules that it passes on its way, in this order."""
    is_open: bool = False
    """`to` is filled in later: whether data leaves at all is not known."""
    where: Where | None = None
    """Of a part of the same deployment, what the manifest says of its place, until that is known;
    None: it is known, or a matter of `to`."""
    site: str | None = None
    """Name in ``placer.yaml`` of the other site where that is."""
    namespace: str | None = None
    """Of the object that opens it, as far as the manifest says it."""
    said: str = ""
    """Words of the manifest that say what it carries: ``mode: request``; empty: its format does."""


WHOLE_FILE = "*"
"""No JSON pointer: what a defect concerns that is wrong for all documents of its file."""


@dataclass(frozen=True, slots=True)
class Defect:
    """Something that is declared and has no effect, or cannot be read."""

    kind: str
    """``duplicate_key``, ``ignored_level``, ``unknown_key``, ``unknown_place_key`` (it would have
    decided the place), ``unknown_model_key`` (the model), ``unknown_way_key`` (a way out) or
    ``bad_value``."""
    message: str
    remedy: str
    place: Place
    subject: str = ""
    """The key, or the text, that it is about."""
    concerns: str | None = None
    """JSON pointer: all that is deployed below it is meant; `WHOLE_FILE`: all of the file; None: as
    far as its place tells."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """One thing that runs a model: a pod template, a predictor, a module, a service."""

    id: str
    """``deployment/shop/counter``: kind, namespace if any, name, and container if there are
    several; unique within its file."""
    format: str
    """Key of the registry of formats."""
    kind: str
    name: str
    place: Place
    """Its name in the manifest."""
    models: tuple[ModelRef, ...]
    """Empty: the manifest names no model (its image may hold one)."""
    uris: tuple[Stated[str], ...] = ()
    """That it is told anywhere: a model where `models` of the project name one."""
    images: tuple[Stated[str], ...] = ()
    """What else it brings along and may hold a model: images of containers, archives."""
    is_server: bool = False
    """It is there to run a model: where the manifest names none, one of its images holds it."""
    pinned: frozenset[str] = frozenset()
    """Those of ``images`` whose bytes a digest beside them pins; one in their text does as well."""
    where: Where = Where()
    resources: Resources = Resources()
    """Of what runs the model; where `containers` are given, what all of them together state."""
    containers: tuple[Container, ...] = ()
    """Several of which the manifest does not say which runs the model; else empty."""
    scale: Scale = Scale()
    input_names: tuple[Stated[str], ...] = ()
    """Of each input that the manifest states."""
    inputs: tuple[Stated[tuple[str, tuple[int | None, ...]]], ...] = ()
    """(name, shape) of each input, where the manifest states them; None: any size."""
    input_types: tuple[Stated[tuple[str, str]], ...] = ()
    """(name, type as numpy calls it) of each input, where the manifest states them."""
    batching: Stated[int | None] | None = None
    """Most requests that the server gathers and runs as one; their number is None where it is
    filled in later. None: it runs each as it comes."""
    steps: Stated[int] | None = None
    """Models, or other services, that one request runs through; None: no more than one."""
    calls: tuple[tuple[str, str], ...] = ()
    """(path, id) of other things that are deployed and that a router passes requests on to."""
    egress: tuple[Egress, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    """Labels of the object itself, for selecting it in ``placer.yaml``."""
    annotations: tuple[Stated[tuple[str, str]], ...] = ()
    """Annotations whose key begins with ``placer/``."""
    beside: tuple[tuple[str, int], ...] = ()
    """(path, index) of other documents that say part of it, as the recipe of a component."""

    @property
    def is_router(self) -> bool:
        """Whether it runs no model itself: it calls services that do, wherever they run."""
        return self.kind == "InferenceGraph"

    @property
    def granted(self) -> tuple[Resources, ...]:
        """What each container that may run the model is granted; one, where it is known."""
        return tuple(one.resources for one in self.containers) or (self.resources,)


@dataclass(frozen=True, slots=True)
class Suppression:
    """A wish of the user that a rule be silent at a place."""

    rule: str
    """``PLCnnn``."""
    place: Place
    covers: str
    """``line`` (one line), ``object`` (annotation) or ``file``."""
    reason: str
    until: str | None
    """ISO date; None: for ever."""
    line: int | None = None
    """That it covers; None: that of its place."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file or document that looks like a manifest and cannot be read."""

    place: Place
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Manifests:
    """All that was read in one run."""

    deployed: tuple[Deployed, ...]
    defects: tuple[Defect, ...]
    unreadable: tuple[Unreadable, ...]
    suppressions: tuple[Suppression, ...]
    files: int
    """Files that hold a manifest."""
    skipped: int
    """Files that hold none."""
