"""The keys of Greengrass recipes and deployments."""

from __future__ import annotations

from collections.abc import Iterator

from placer.core.deployment import Defect
from placer.manifests.containers import is_object, placeholder
from placer.manifests.levels import level, no_list, no_object, unknown_keys
from placer.manifests.nodes import Field

_ARTIFACT = level("Unarchive Permission Digest Algorithm", "Uri")
_MANIFEST = level(
    "Name Selections",
    "Lifecycle",
    {
        "Artifacts": _ARTIFACT,
        "Platform": level("architecture.detail", "os architecture runtime"),
    },
    {"os": "'Platform'", "architecture": "'Platform'", "Uri": "'Artifacts'"},
)
RECIPE = level(
    "ComponentDescription ComponentPublisher ComponentType ComponentSource ComponentDependencies",
    "RecipeFormatVersion ComponentName ComponentVersion Lifecycle",
    {
        "ComponentConfiguration": level(
            "", "DefaultConfiguration", elsewhere={"accessControl": "'DefaultConfiguration'"}
        ),
        "Manifests": _MANIFEST,
    },
    {
        **dict.fromkeys(("Artifacts", "Platform"), "an item of 'Manifests'"),
        "DefaultConfiguration": "'ComponentConfiguration'",
        "RecipeFormat": "'RecipeFormatVersion'",
        "accessControl": "'DefaultConfiguration' of 'ComponentConfiguration'",
    },
)
_LIMITS = level("", "cpus memory")
COMPONENT = level(
    "",
    "componentVersion",
    {
        "configurationUpdate": level("reset", "merge"),
        "runWith": level("posixUser windowsUser", "", {"systemResourceLimits": _LIMITS}),
    },
    {"systemResourceLimits": "'runWith'", "merge": "'configurationUpdate'"},
)
DEPLOYMENT = level(
    "deploymentName deploymentPolicies iotJobConfiguration parentTargetArn tags clientToken"
    " deploymentId revisionId deploymentStatus iotJobId iotJobArn isLatestForTarget"
    " creationTimestamp",
    "targetArn components",
)
"""Source: AWS IoT Greengrass V2 API reference, CreateDeployment, and the recipe reference."""


def bad_parts(recipe: Field) -> Iterator[Defect]:
    """Yield what of a recipe is of another kind than Greengrass reads, and artefacts of none."""
    manifests = recipe.at("Manifests")
    objects = [recipe.at("ComponentConfiguration"), recipe.at("Lifecycle"), *manifests.items()]
    objects.append(recipe.at("ComponentConfiguration", "DefaultConfiguration"))
    lists = [manifests]
    for manifest in manifests.items():
        objects += [manifest.at("Lifecycle"), manifest.at("Platform")]
        lists.append(manifest.at("Artifacts"))
        objects += manifest.at("Artifacts").items()
    for one in objects:
        if one and not (one.is_null or one.is_mapping or placeholder(one)):
            yield no_object(one)
    for one in lists:
        if one and not (one.is_null or one.is_list or placeholder(one)):
            yield no_list(one)
    for manifest in manifests.items():
        for artifact in manifest.at("Artifacts").items():
            if (
                is_object(artifact)
                and not artifact.at("Uri")
                and not any(unknown_keys(artifact, _ARTIFACT, reader="Greengrass"))
            ):
                message = "an artefact without 'Uri' brings nothing along"
                yield Defect("bad_value", message, "write its Uri", artifact.place(), "Uri")
