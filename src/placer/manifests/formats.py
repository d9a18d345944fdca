"""The registry of formats: the first that claims a document reads it."""

from __future__ import annotations

from placer.manifests import compose, greengrass, iotedge, kserve, kubernetes, sedna, triton
from placer.manifests.format import Format

FORMATS: tuple[Format, ...] = (
    kubernetes.FORMAT,
    kserve.FORMAT,
    sedna.FORMAT,
    iotedge.FORMAT,
    greengrass.FORMAT,
    compose.FORMAT,
    triton.FORMAT,
)
