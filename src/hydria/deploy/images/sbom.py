"""The packages of an image as a CycloneDX bill of materials."""

from __future__ import annotations

from hydria.core.errors import MissingExtraError
from hydria.deploy.images.container import Facts


def sbom(facts: Facts) -> str:
    """CycloneDX 1.6 JSON; the same image gives the same components."""
    try:
        from cyclonedx.model.bom import Bom
        from cyclonedx.model.component import Component, ComponentType
        from cyclonedx.output.json import JsonV1Dot6
        from packageurl import PackageURL
    except ModuleNotFoundError as err:
        raise MissingExtraError("images", (err.name or "").split(".")[0]) from err
    image = Component(
        name=f"hydria-{facts.labels.get('org.hydria.stack', 'image')}",
        version=facts.packages.get("hydria"),
        type=ComponentType.CONTAINER,
    )
    parts = [
        Component(
            name=name,
            version=version,
            type=ComponentType.LIBRARY,
            purl=PackageURL("pypi", name=name, version=version),
            bom_ref=f"{name}=={version}",
        )
        for name, version in facts.packages.items()
    ]
    bom = Bom(components=parts)
    bom.metadata.component = image
    bom.register_dependency(image, parts)
    return str(JsonV1Dot6(bom).output_as_string(indent=2))
