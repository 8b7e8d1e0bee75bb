"""The chart: its value sets, and what they render to."""

from __future__ import annotations

import base64
import copy
import functools
from pathlib import Path
from typing import Any

import helm_python
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/helm/mcp-token-broker"
RELEASE = "mcp"
NAMESPACE = "tools"
SETS = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))

# What clusters have before the chart comes.
GIVEN_CONFIG_MAPS = {"kube-root-ca.crt", "authorities"}
GIVEN_SECRETS = {"mcp-token-broker-secrets", "registry", "login-tls", "mcp-tls"}


def values(name: str) -> dict[str, Any]:
    """A value set of the chart's `ci` folder."""
    return yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text())


def changed(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy of values with some of them replaced: `{"broker.replicas": 2}`."""
    result = copy.deepcopy(base)
    for path, value in changes.items():
        *parents, last = path.split(".")
        table = result
        for parent in parents:
            table = table.setdefault(parent, {})
        table[last] = value
    return result


def render(given: dict[str, Any]) -> Manifests:
    """Renders as `helm template` does."""
    with helm_python.Chart.load(CHART) as chart:
        files = chart.render(given, name=RELEASE, namespace=NAMESPACE)
    documents = []
    for path, text in files.items():
        if path.endswith(".yaml"):
            documents += [document for document in yaml.safe_load_all(text) if document]
    return Manifests(documents)


@functools.cache
def rendered(name: str) -> Manifests:
    """What a value set renders to. Not to be changed."""
    return render(values(name))


class Manifests:
    """Rendered objects."""

    def __init__(self, documents: list[dict[str, Any]]) -> None:
        self.documents = documents

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [document for document in self.documents if document["kind"] == kind]

    def one(self, kind: str, name: str) -> dict[str, Any]:
        """The object whose name ends so."""
        found = [document for document in self.of(kind) if document["metadata"]["name"].endswith(name)]
        assert len(found) == 1, f"{len(found)} {kind} {name}"
        return found[0]

    def names(self, kind: str) -> set[str]:
        return {document["metadata"]["name"] for document in self.of(kind)}

    def templates(self) -> list[tuple[str, dict[str, Any]]]:
        """The pod templates, with the names of what has them."""
        owners = self.of("Deployment") + self.of("Job")
        return [(owner["metadata"]["name"], owner["spec"]["template"]) for owner in owners]

    def secret(self, name: str) -> dict[str, str]:
        """The entries of a Secret, readable."""
        data = self.one("Secret", name)["data"]
        return {key: base64.b64decode(value).decode() for key, value in data.items()}


def containers(template: dict[str, Any]) -> list[dict[str, Any]]:
    spec = template["spec"]
    return spec.get("initContainers", []) + spec["containers"]
