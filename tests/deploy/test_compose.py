"""The compose file: valid, hardened, and its services start with what it gives them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart import ROOT
from compose_spec import PyCompose
from pods import BINARIES, Container

FILE = ROOT / "deploy/compose.yaml"
PROGRAMS = {"broker": "broker", "mcp-gateway": "gateway"}


def variables() -> dict[str, str]:
    lines = (ROOT / "deploy/.env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def interpolated(text: str, given: dict[str, str]) -> str:
    """As compose does, for the forms that the file uses."""

    def value(match: re.Match[str]) -> str:
        name, operator, rest = match.groups()
        if name in given:
            return given[name]
        assert operator == ":-", f"{name} is not set: {rest}"
        return rest

    return re.sub(r"\$\{(\w+)(?:(:[-?])([^}]*))?\}", value, text)


def compose(given: dict[str, str]) -> dict[str, Any]:
    return yaml.safe_load(interpolated(FILE.read_text(), given))


def test_it_is_a_compose_file() -> None:
    text = interpolated(FILE.read_text(), variables())
    # Anchors are YAML's, resolved before the schema sees it.
    PyCompose.from_yaml(yaml.safe_dump(yaml.safe_load(text))).validate()


@pytest.mark.parametrize(
    "mistake",
    ["read_onl: true", "ports: [hello]", "networks: [none]", "secrets: [none]", "healthcheck: {interval: soon}"],
)
def test_the_schema_would_find_a_mistake(mistake: str) -> None:
    with pytest.raises(ValueError):
        PyCompose.from_yaml(f"services: {{a: {{image: x, {mistake}}}}}").validate()


def test_every_variable_is_in_the_example_or_has_a_default() -> None:
    assert compose(variables())["services"].keys() == {"broker", "mcp-gateway", "postgres"}
    with pytest.raises(AssertionError, match="the public URL of the broker"):
        compose({name: value for name, value in variables().items() if name != "ISSUER"})


@pytest.mark.parametrize("name", PROGRAMS)
def test_containers_are_hardened_and_reached_from_this_machine_only(name: str) -> None:
    service = compose(variables())["services"][name]
    assert service["user"] == "65532:65532"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service and "network_mode" not in service
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert all(volume.endswith(":ro") or not volume.startswith(".") for volume in service["volumes"])


def test_only_with_its_profile_is_there_a_postgres() -> None:
    services = compose(variables())["services"]
    assert services["postgres"]["profiles"] == ["postgres"]
    assert services["broker"]["depends_on"]["postgres"] == {"condition": "service_healthy", "required": False}


def container(name: str, folder: Path) -> Container:
    """A service as a process: its volumes and secrets are folders."""
    service = compose(variables())["services"][name]
    data = folder / "data"
    data.mkdir(exist_ok=True)
    contents = {
        "database-url": f"sqlite:{data}/broker.db",
        "encryption-key": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "upstream-client-secret": "change-me",
        "gateway-secret": "0123456789abcdef0123456789abcdef",
    }
    (folder / "secrets").mkdir(exist_ok=True)
    for secret in service["secrets"]:
        (folder / "secrets" / secret).write_text(contents[secret])
    paths = {"/run/secrets": str(folder / "secrets")}
    for volume in service["volumes"]:
        source, target, *_ = volume.split(":")
        paths[target] = str(ROOT / "deploy" / source) if source.startswith(".") else str(data)
    environment = {}
    for key, value in service["environment"].items():
        environment[key] = str(value)
        for path, place in paths.items():
            environment[key] = environment[key].replace(path, place)
    manifest = {"name": PROGRAMS[name], "ports": [{"name": "http"}, {"name": "admin"}]}
    return Container(manifest, service["command"], environment, folder)


@pytest.mark.skipif(not (BINARIES / "broker").exists(), reason="cargo build --workspace --bins")
def test_the_services_start_and_their_health_checks_end_well(tmp_path: Path) -> None:
    broker, gateway = container("broker", tmp_path), container("mcp-gateway", tmp_path)
    for service in (broker, gateway):
        service.manifest["startupProbe"] = {
            "httpGet": {"path": "/health/live", "port": "http"},
            "failureThreshold": 30,
            "periodSeconds": 1,
        }
    at = {
        f"BROKER__{name}__LISTEN": f"127.0.0.1:{broker.ports[port]}"
        for name, port in [("SERVER", "http"), ("ADMIN", "admin")]
    }
    try:
        broker.start(**at)
        broker.become("startupProbe")
        test = compose(variables())["services"]["broker"]["healthcheck"]["test"]
        assert test == ["CMD", "/usr/local/bin/broker", "health"]
        health = [broker.command[0], test[2]]
        done = subprocess.run(health, env={**broker.environment, **at}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done
        # One that cannot be asked is not healthy.
        done = subprocess.run(
            health,
            env={**broker.environment, **at, "BROKER__SERVER__LISTEN": "127.0.0.1:9"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1, done

        gateway.start(
            GATEWAY__SERVER__LISTEN=f"127.0.0.1:{gateway.ports['http']}", GATEWAY__BROKER__BACK_CHANNEL_URL=broker.url()
        )
        gateway.become("startupProbe")
        assert broker.stop(20) == 0 and gateway.stop(40) == 0
    finally:
        broker.kill()
        gateway.kill()
