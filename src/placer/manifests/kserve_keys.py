"""The keys of KServe's inference services, of both generations of its API, and of its graphs."""

from __future__ import annotations

from placer.manifests.levels import extended, level
from placer.manifests.pods import CONTAINER, MISPLACED_POD_KEYS, POD

FRAMEWORKS = {
    "sklearn": "sklearn",
    "xgboost": "xgboost",
    "lightgbm": "lightgbm",
    "tensorflow": "tensorflow",
    "pytorch": "pytorch",
    "onnx": "onnx",
    "pmml": "pmml",
    "paddle": "paddle",
    "huggingface": "huggingface",
    "triton": None,
    "tensorrt": "tensorrt",
}
"""Key of a predictor that names the framework -> format of the model; Triton serves several."""

EXPLAINERS = ("alibi", "art", "aix")
"""Keys of an explainer that KServe runs on a server of its own."""

_SCALE = "minReplicas maxReplicas"
_MISPLACED = (*MISPLACED_POD_KEYS, "minReplicas", "maxReplicas", "logger")
_SERVER = extended(
    CONTAINER,
    "runtime runtimeVersion protocolVersion",
    "modelFormat storageUri storage storageUris",
    elsewhere=dict.fromkeys(_MISPLACED, "'spec.predictor'"),
)
_COMPONENT = extended(
    POD,
    "scaleTarget scaleMetric scaleMetricType autoScaling containerConcurrency timeout"
    " canaryTrafficPercent batcher labels annotations deploymentStrategy workerSpec",
    f"{_SCALE} logger storageUris",
    dict.fromkeys(("model", *FRAMEWORKS), _SERVER),
    dict.fromkeys(("storageUri", "modelFormat", "resources", "runtime"), "'model'"),
)
_AROUND = extended(
    POD,
    "scaleTarget scaleMetric scaleMetricType autoScaling containerConcurrency timeout"
    " canaryTrafficPercent batcher labels annotations deploymentStrategy",
    f"{_SCALE} logger",
)
"""A transformer, or an explainer with containers of its own."""
_EXPLAINING = dict.fromkeys(
    EXPLAINERS,
    extended(
        CONTAINER,
        "type config runtimeVersion",
        "storageUri storage",
        elsewhere=dict.fromkeys(_MISPLACED, "the explainer"),
    ),
)
_EXPLAINER = extended(_AROUND, "type", "", {"model": _SERVER, **_EXPLAINING})
V1BETA1 = level(
    "apiVersion kind metadata status",
    "",
    {
        "spec": level(
            "",
            "",
            {"predictor": _COMPONENT, "transformer": _AROUND, "explainer": _EXPLAINER},
            {
                **dict.fromkeys(_MISPLACED, "'spec.predictor'"),
                **dict.fromkeys(("model", "storageUri", "storageUris"), "'spec.predictor'"),
                "default": "'spec.predictor'",
                "canary": "'spec.predictor', its share in 'predictor.canaryTrafficPercent'",
            },
        )
    },
    dict.fromkeys(_MISPLACED, "'spec.predictor'"),
)
_OLD_COMPONENT = level(
    "serviceAccountName parallelism batcher",
    f"{_SCALE} logger",
    {**dict.fromkeys(FRAMEWORKS, _SERVER), "custom": level("", "", {"container": CONTAINER})},
)
_VARIANT = level(
    "",
    "",
    {
        **dict.fromkeys(("predictor", "transformer"), _OLD_COMPONENT),
        "explainer": extended(_OLD_COMPONENT, "", "", _EXPLAINING),
    },
)
V1ALPHA2 = level(
    "apiVersion kind metadata status",
    "",
    {"spec": level("canaryTrafficPercent", "", {"default": _VARIANT, "canary": _VARIANT})},
)
_OF_GRAPHS = frozenset(
    {
        *("affinity", "maxReplicas", "minReplicas", "nodeName", "nodeSelector", "resources"),
        "tolerations",
    }
)
"""Keys of a pod that the specification of a graph has: for its router."""
_OF_SERVICES = dict.fromkeys(
    set(_MISPLACED) - _OF_GRAPHS, "the InferenceService that a step of the graph names"
)
_NOT_HERE = {**_OF_SERVICES, **dict.fromkeys(_OF_GRAPHS, "'spec' of the graph")}
GRAPH = level(
    "apiVersion kind metadata status",
    "",
    {
        "spec": level(
            "tolerations timeout scaleTarget scaleMetric routerTimeouts annotations labels"
            " serviceAccountName",
            f"nodes {_SCALE} nodeSelector nodeName affinity resources",
            elsewhere=_OF_SERVICES,
            objects="affinity nodeSelector resources",
        )
    },
    _NOT_HERE,
)

NODE = level(
    "routerType",
    "",
    {
        "steps": level(
            "name weight dependency",
            "serviceName serviceUrl nodeName data condition",
            elsewhere=_NOT_HERE,
        )
    },
    {**_NOT_HERE, "routes": "'steps' of the node"},
)
