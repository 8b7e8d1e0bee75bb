"""The containers of the rendered manifests, run as processes: the probes answer, the gateway proves itself
with its service account, a user's tool call arrives at Nextcloud, and everything leaves when it is told to.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from urllib.request import urlopen
from uuid import uuid4

import pytest
from agent import Internet, call, log_in
from chart import NAMESPACE, changed, containers, render, rendered, values
from pods import BINARIES, Container, Node
from standins import ApiServer, IdentityProvider, Nextcloud

ISSUER, PUBLIC = "https://login.example", "https://mcp.example"
IDP = "https://idp.example"
POSTGRES = os.environ.get("TEST_POSTGRES_URL")

pytestmark = pytest.mark.skipif(not (BINARIES / "broker").exists(), reason="cargo build --workspace --bins")


class Cluster:
    """A release of the chart, and everything that it talks to."""

    def __init__(self, folder: Path, name: str, changes: dict[str, Any], brokers: int) -> None:
        self.api = ApiServer(folder)
        self.idp = IdentityProvider(IDP, "alice")
        self.nextcloud = Nextcloud()
        self.containers: list[Container] = []
        at_loopback = {
            "cluster.jwksUrl": f"{self.api.url}/openid/v1/jwks",
            "nextcloud.url": self.nextcloud.url,
            "broker.config": {"upstream": {"back_channel_url": self.idp.url}},
        }
        self.manifests = render(changed(values(name), {**at_loopback, **changes}))
        self.node = Node(folder, self.manifests, {"kube-root-ca.crt": {"ca.crt": self.api.authority}}, self.sign)
        # The check before the installation.
        self.checked = [self.run_check(container) for container in self.job_containers()]
        self.brokers = [self.pod("broker", number) for number in range(brokers)]
        self.gateway = self.pod("gateway", 0)
        self.internet = Internet(
            {
                "login.example": [broker.url() for broker in self.brokers],
                "mcp.example": [self.gateway.url()],
                "idp.example": [self.idp.url],
            }
        )
        self.nextcloud.jwks_url = f"{self.brokers[0].url()}/oauth/jwks"

    def sign(self, account: str, audience: str | None) -> str:
        """A token of a service account. The broker's own is for the API server, which knows it."""
        if audience is None:
            return self.api.token
        subject = f"system:serviceaccount:{NAMESPACE}:{account}"
        return self.api.signer.sign(
            {"iss": "https://kubernetes.default.svc.cluster.local", "sub": subject, "aud": [audience]}
        )

    def job_containers(self) -> list[dict[str, Any]]:
        jobs = self.manifests.of("Job")
        return containers(jobs[0]["spec"]["template"]) if jobs else []

    def run_check(self, container: dict[str, Any]) -> str:
        template = self.manifests.of("Job")[0]["spec"]["template"]
        done = self.node.container("check", template, container).run()
        assert done.returncode == 0, done.stderr
        return done.stdout

    def pod(self, component: str, number: int) -> Container:
        template = self.manifests.one("Deployment", f"-{component}")["spec"]["template"]
        (manifest,) = template["spec"]["containers"]
        container = self.node.container(f"{component}-{number}", template, manifest)
        self.containers.append(container)
        return container

    def start_broker(self, broker: Container) -> None:
        broker.start(
            BROKER__SERVER__LISTEN=f"127.0.0.1:{broker.ports['http']}",
            BROKER__ADMIN__LISTEN=f"127.0.0.1:{broker.ports['admin']}",
        )

    def start(self) -> None:
        for broker in self.brokers:
            self.start_broker(broker)
        for broker in self.brokers:
            broker.become("readinessProbe")
        self.gateway.start(
            GATEWAY__SERVER__LISTEN=f"127.0.0.1:{self.gateway.ports['http']}",
            GATEWAY__SERVER__METRICS_LISTEN=f"127.0.0.1:{self.gateway.ports['metrics']}",
            # In place of the Service's name.
            GATEWAY__BROKER__BACK_CHANNEL_URL=self.brokers[0].url(),
        )
        self.gateway.become("readinessProbe")

    def who_am_i(self) -> dict[str, Any]:
        """A login and a tool call; what the tool said."""
        token = log_in(self.internet, ISSUER, f"{PUBLIC}/mcp")
        answer = call(self.internet, f"{PUBLIC}/mcp", token, "nc_whoami")
        assert answer.status == 200, answer.body
        return answer.json()["result"]

    def logs(self) -> str:
        return "".join(container.log.read_text() for container in self.containers)

    def stop(self) -> None:
        for container in self.containers:
            container.kill()
        for server in (self.api, self.idp, self.nextcloud):
            server.stop()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path, "small", {}, brokers=1)
    yield cluster
    cluster.stop()


def test_a_small_release_serves_from_the_first_probe_to_the_last_request(small: Cluster) -> None:
    assert small.checked == ["The configuration is good.\n"] * 2
    assert not small.brokers[0].probe("livenessProbe"), "nothing runs yet"
    small.start()
    for container in small.containers:
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container.probe(probe), probe

    said = small.who_am_i()
    assert said["structuredContent"]["user_id"] == "alice", said
    (seen,) = small.nextcloud.seen
    assert (seen["iss"], seen["sub"], seen["act"]["sub"]) == (ISSUER, "alice", "mcp-gateway")
    # The broker showed its token, and believed the API server's certificate.
    assert small.api.asked == [200]

    # Metrics are where the ServiceMonitor looks for them.
    (monitor,) = rendered("large").of("ServiceMonitor")
    for container in small.containers:
        (endpoint,) = [endpoint for endpoint in monitor["spec"]["endpoints"] if endpoint["port"] in container.ports]
        with urlopen(container.url(endpoint["port"]) + endpoint["path"], timeout=5) as answer:
            assert f"{container.manifest['name']}_build_info" in answer.read().decode()

    # Secrets are where they belong.
    for secret in (small.api.token, *small.manifests.secret("mcp-token-broker").values()):
        assert secret not in small.logs()
    for container in small.containers:
        assert container.stop(within=20) == 0, container.log.read_text()


def test_a_gateway_of_another_account_gets_nothing(small: Cluster) -> None:
    small.start()
    folder = small.node.folder / "gateway-0" / "token"
    (folder / "token").write_text(small.sign("somebody-else", ISSUER))
    said = small.who_am_i()
    assert said["isError"] is True, said
    assert small.nextcloud.seen == []
    # The kubelet puts the right one back; no restart is needed.
    gateway = small.manifests.one("ServiceAccount", "-gateway")["metadata"]["name"]
    (folder / "token").write_text(small.sign(gateway, ISSUER))
    assert small.who_am_i()["structuredContent"]["user_id"] == "alice"


def test_an_api_server_of_another_authority_is_not_believed(small: Cluster) -> None:
    other = small.node.folder / "other"
    other.mkdir()
    impostor = ApiServer(other)
    (small.node.folder / "broker-0" / "cluster" / "ca.crt").write_text(impostor.authority)
    impostor.stop()
    small.start()
    said = small.who_am_i()
    assert said["isError"] is True, said
    assert small.api.asked == [], "nobody got the broker's token"


def test_a_broker_that_is_killed_comes_back_with_its_sessions(small: Cluster) -> None:
    small.start()
    token = log_in(small.internet, ISSUER, f"{PUBLIC}/mcp")
    (broker,) = small.brokers
    broker.kill()
    assert not broker.probe("livenessProbe")
    small.start_broker(broker)
    broker.become("readinessProbe")
    answer = call(small.internet, f"{PUBLIC}/mcp", token, "nc_whoami")
    assert answer.json()["result"]["structuredContent"]["user_id"] == "alice", answer.body


def test_the_check_refuses_what_the_programs_cannot_use(tmp_path: Path) -> None:
    given = changed(values("small"), {"broker.config": {"tokens": {"access_token": "2h"}, "sever": {"x": 1}}})
    manifests = render(given)
    node = Node(tmp_path, manifests, {}, lambda *_: "")
    template = manifests.one("Job", "-check")["spec"]["template"]
    (container,) = template["spec"]["containers"]
    done = node.container("check", template, container).run()
    assert done.returncode != 0
    assert "tokens.access_token" in done.stderr and "sever" in done.stderr


def own_database(url: str) -> tuple[str, str]:
    """A database that nobody else uses: its name, and its URL."""
    name = f"deploy_{uuid4().hex}"
    return name, urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@pytest.mark.skipif(not POSTGRES, reason="TEST_POSTGRES_URL is not set")
def test_replicas_share_one_postgres_that_the_check_has_migrated(tmp_path: Path) -> None:
    name, url = own_database(POSTGRES)
    subprocess.run(["psql", POSTGRES, "-qc", f"CREATE DATABASE {name}"], check=True)
    changes = {
        "secret": {
            "data": {
                "upstream-client-secret": "change-me",
                "database-url": url,
                "encryption-key-2027-01": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
                "encryption-key-2026-11": "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=",
            }
        },
        "upstream.issuer": IDP,
        "upstream.uidClaim": "preferred_username",
    }
    cluster = Cluster(tmp_path, "large", changes, brokers=2)
    try:
        assert cluster.checked[0] == "The configuration is good.\n"
        assert cluster.checked[1].startswith("Migrations applied: ")
        assert cluster.run_check(cluster.job_containers()[-1]) == "The database is up to date.\n"
        cluster.start()
        # Every request of the login goes to the other replica than the one before.
        assert cluster.who_am_i()["structuredContent"]["user_id"] == "alice"
        assert cluster.brokers[1].stop(within=20) == 0
        cluster.internet.hosts["login.example"] = iter(lambda: cluster.brokers[0].url(), None)
        assert cluster.who_am_i()["structuredContent"]["user_id"] == "alice"
    finally:
        cluster.stop()
        subprocess.run(["psql", POSTGRES, "-qc", f"DROP DATABASE {name} WITH (FORCE)"], check=True)


def test_a_mount_that_is_missing_would_be_noticed(tmp_path: Path) -> None:
    """No path of the manifests means something on this machine by chance."""
    manifests = render(values("small"))
    template = manifests.one("Deployment", "-broker")["spec"]["template"]
    (container,) = template["spec"]["containers"]
    container = {
        **container,
        "args": [*container["args"][:-1], "check-config"],
        "volumeMounts": [mount for mount in container["volumeMounts"] if mount["name"] != "secrets"],
    }
    node = Node(tmp_path, manifests, {"kube-root-ca.crt": {"ca.crt": ""}}, lambda *_: "token")
    done = node.container("broker", template, container).run()
    assert done.returncode != 0
    assert "/etc/mcp-token-broker/secrets/" in done.stderr
