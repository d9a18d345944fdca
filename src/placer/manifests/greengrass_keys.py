"""The keys of Greengrass recipes and deployments."""

from __future__ import annotations

from placer.manifests.levels import level

_ARTIFACT = level("Unarchive Permission Digest Algorithm", "Uri")
_MANIFEST = level(
    "Name Lifecycle Selections",
    "",
    {
        "Artifacts": _ARTIFACT,
        "Platform": level("architecture.detail", "os architecture runtime"),
    },
    {"os": "'Platform'", "architecture": "'Platform'", "Uri": "'Artifacts'"},
)
RECIPE = level(
    "RecipeFormatVersion ComponentName ComponentVersion ComponentDescription ComponentPublisher"
    " ComponentType ComponentSource ComponentDependencies Lifecycle",
    "",
    {
        "ComponentConfiguration": level(
            "", "DefaultConfiguration", elsewhere={"accessControl": "'DefaultConfiguration'"}
        ),
        "Manifests": _MANIFEST,
    },
    {
        **dict.fromkeys(("Artifacts", "Platform"), "an item of 'Manifests'"),
        "DefaultConfiguration": "'ComponentConfiguration'",
        "accessControl": "'DefaultConfiguration' of 'ComponentConfiguration'",
    },
)
_LIMITS = level("", "cpus memory")
COMPONENT = level(
    "componentVersion",
    "",
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
