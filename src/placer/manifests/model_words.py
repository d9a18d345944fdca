"""Whether a variable or an option says by its name and its value which model runs."""

from __future__ import annotations

import re

from placer.core.project import templates_in

_DOUBTFUL = re.compile(
    r"(?:.*_)?(?P<what>engine|weights|onnx|tflite)(?:_?(?P<of_it>[a-z_]+))?", re.IGNORECASE
)
_OF_THINGS = re.compile(
    r"(?:.*_)?(?:device|camera|hardware|hw|board|gpu|cpu|chip|printer|phone|vehicle|machine|lidar)_model",
    re.IGNORECASE,
)
"""The model of a thing, such as ``rpi4``."""
_OF_DATA = re.compile(
    r"(?:.*_)?(?:db|database|sql|storage|template|search|cache)_engine(?:_[a-z]+)?", re.IGNORECASE
)
"""An engine that runs no model, whatever fills it in."""
_BY_ITSELF = re.compile(r"(?:.*_)?(?:model|trt|tensorrt)[_a-z]*", re.IGNORECASE)
"""A name that says model, or the engine that one is built to."""
_FILE = re.compile(r"path|file|filename|dir|directory|location|root", re.IGNORECASE)
_SERVICE = re.compile(
    r"(?:https?://[^/\s]*/?"
    r"|(?:postgres(?:ql)?|mysql|mariadb|redis|rediss|mongodb|amqps?|grpcs?|wss?|tcp|udp|mqtts?|nats"
    r"|kafka|unix|sqlite)(?:\+\w+)?://.*)",
    re.IGNORECASE | re.DOTALL,
)
"""Where something answers, and no file lies."""
_STORED_NAME = re.compile(
    r"(?:\w*_)?models?_(?P<what>[a-z0-9_]+)_(?:uri|url|path|location|source)", re.IGNORECASE
)
_IN_A_STORE = re.compile(
    r"(?:s3|gcs|gs|blob|azure|minio|download|artifacts?|archive|storage|bucket)(?:_[a-z]+)?",
    re.IGNORECASE,
)
_BESIDE_MODELS = re.compile(
    r"(?:.*_)?(?:out|output|upload|export|save|logs?|metrics?|results?|reports?|data|dataset|cache"
    r"|backup|input|train|training|labels?|config|vocab|tokenizer|monitor|monitoring)(?:_.*)?",
    re.IGNORECASE,
)
"""What else lies in stores."""
_STORE = re.compile(
    r"(?!https?://)[a-z][a-z0-9+.-]*://.+|https?://[^/]+/.+\.(?:zip|tar|tgz|tar\.\w+)",
    re.IGNORECASE,
)
_FLAG = re.compile(r"true|false|yes|no|on|off|enabled?|disabled?|none|null|auto", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?%?", re.IGNORECASE)
_LISTED = re.compile(r"[,;:|\[({]")
_BETWEEN = re.compile(r"[\s,;:|\[\](){}\"']+")
_FAMILY = re.compile(
    r"yolo|ssd|rcnn|resnet|mobilenet|efficientnet|efficientdet|detr|vit\b|clip|unet|bert|gpt|llama"
    r"|qwen|gemma|mistral|phi-?\d|whisper|squeezenet|retinanet|nanodet|segformer|pose|onnx|tflite",
    re.IGNORECASE,
)
"""Words in the names of models that are known by one."""


def says_no_model(name: str, value: str) -> bool:
    """Tell whether a name that may speak of a model surely names none with this value.

    ``MODEL`` says model by itself, whatever the value. ``DB_ENGINE``, ``SCORE_WEIGHTS`` and
    ``CAMERA_MODEL`` are doubtful: there the value decides, and one that may be a path counts.

    Parameters
    ----------
    name
        Of a variable, or of an option with its dashes.
    """
    name = name.lstrip("-").replace("-", "_")
    value = value.strip()
    if _OF_DATA.fullmatch(name):
        return not (_is_place(value) and not templates_in(value))
    if _OF_THINGS.fullmatch(name):
        return not (may_be_model(value) or _FAMILY.search(value))
    doubtful = _DOUBTFUL.fullmatch(name)
    if doubtful is None or "model" in name.lower():
        return False
    is_file = _FILE.fullmatch(doubtful["of_it"] or "") is not None
    if doubtful["what"].lower() == "engine" and not (is_file or _BY_ITSELF.fullmatch(name)):
        return not may_be_model(value)
    return not may_be_model(value) and _is_setting(value)


def says_where_stored(name: str, value: str) -> bool:
    """Tell whether a variable such as ``MODEL_S3_URI`` says with this value where a model lies.

    A service that is asked for answers of a model (``MODEL_SERVER_URL``) is none, and neither is
    where something is written.
    """
    value = value.strip()
    match = _STORED_NAME.fullmatch(name)
    if match is None or _BESIDE_MODELS.fullmatch(match["what"]) or _SERVICE.fullmatch(value):
        return False
    is_named = _IN_A_STORE.fullmatch(match["what"]) is not None and "://" in value
    return is_named or _STORE.fullmatch(value) is not None


def may_be_model(value: str) -> bool:
    """Tell whether a value looks like a path, a URI, or what something else fills in."""
    return bool(templates_in(value)) or "$" in value or _is_place(value)


def _is_place(value: str) -> bool:
    return ("/" in value or "\\" in value) and _SERVICE.fullmatch(value) is None


def _is_setting(value: str) -> bool:
    """Tell whether a value is a switch, a number, or a list of numbers, with or without names."""
    if _FLAG.fullmatch(value) or _NUMBER.fullmatch(value):
        return True
    parts = [one for one in _BETWEEN.split(value) if one]
    numbers = sum(_NUMBER.fullmatch(one) is not None for one in parts)
    return _LISTED.search(value) is not None and numbers > 0 and 2 * numbers >= len(parts)
