"""The chart in several value sets: valid, safe, and consistent in itself."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml
from chart import CHART, GIVEN_CONFIG_MAPS, GIVEN_SECRETS, ROOT, SETS, changed, containers, render, rendered, values
from helm_python import HelmError

# The oldest that the chart allows, and the newest that there are schemas for.
KUBERNETES = ["1.30", "1.33", "1.37"]
# Custom resources: their schemas are not Kubernetes' own.
FOREIGN = {"HTTPRoute", "ServiceMonitor", "PrometheusRule"}
COMPONENT = "app.kubernetes.io/component"

every_set = pytest.mark.parametrize("name", SETS)


@every_set
def test_lint(name: str) -> None:
    report = helm_python.lint(CHART, values(name), strict=True, namespace="tools")
    assert report["errors"] == []
    # 1 is a hint: charts may have an icon.
    assert [message for message in report["messages"] if message["severity"] > 1] == []


@every_set
@pytest.mark.parametrize("version", KUBERNETES)
def test_objects_are_valid(name: str, version: str) -> None:
    for document in rendered(name).documents:
        if document["kind"] not in FOREIGN:
            kubernetes_validate.validate(document, version, strict=True)


def test_validation_would_find_a_mistake() -> None:
    deployment = yaml.safe_load(yaml.safe_dump(rendered("small").one("Deployment", "-broker")))
    deployment["spec"]["template"]["spec"]["readOnly"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, KUBERNETES[-1], strict=True)


@every_set
def test_pods_fulfil_the_restricted_standard(name: str) -> None:
    allowed_volumes = {"configMap", "secret", "projected", "persistentVolumeClaim", "emptyDir"}
    for owner, template in rendered(name).templates():
        spec = template["spec"]
        pod = spec["securityContext"]
        assert pod["runAsNonRoot"] is True, owner
        assert pod.get("runAsUser") != 0, owner
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, owner
        assert spec["automountServiceAccountToken"] is False, owner
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), owner
        for volume in spec["volumes"]:
            assert volume.keys() - {"name"} <= allowed_volumes, (owner, volume)
        for container in containers(template):
            context = container["securityContext"]
            assert context == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, owner
            assert all("hostPort" not in port for port in container.get("ports", [])), owner
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys(), owner
            assert "memory" in container["resources"]["limits"], owner
            assert not container["image"].endswith(":latest"), owner


@every_set
def test_serving_containers_are_probed_and_leave_in_time(name: str) -> None:
    for deployment in rendered(name).of("Deployment"):
        spec = deployment["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        ports = {port["name"] for port in container["ports"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] in ports
        # Liveness asks for nothing that another program could break.
        assert container["livenessProbe"]["httpGet"]["path"] == "/health/live"
        component = deployment["metadata"]["labels"][COMPONENT]
        server = config(name, component, {"broker": "broker.toml", "gateway": "mcp-gateway.toml"}[component])["server"]
        stopping = [int(server[key].removesuffix("s")) for key in ("shutdown_delay", "shutdown_grace")]
        assert all(stopping) and spec["terminationGracePeriodSeconds"] > sum(stopping)


@every_set
def test_what_is_named_is_there(name: str) -> None:
    manifests = rendered(name)
    config_maps = manifests.names("ConfigMap") | GIVEN_CONFIG_MAPS
    secrets = manifests.names("Secret") | GIVEN_SECRETS
    for owner, template in manifests.templates():
        spec = template["spec"]
        if "serviceAccountName" in spec:
            assert spec["serviceAccountName"] in manifests.names("ServiceAccount"), owner
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        assert len(volumes) == len(spec["volumes"]), f"{owner}: two volumes of one name"
        for volume in volumes.values():
            sources = volume.get("projected", {}).get("sources", [volume])
            for source in sources:
                if "configMap" in source:
                    assert source["configMap"]["name"] in config_maps, owner
                if "secret" in source:
                    assert source["secret"]["secretName"] in secrets, owner
                if "persistentVolumeClaim" in source:
                    claim = source["persistentVolumeClaim"]["claimName"]
                    assert claim in manifests.names("PersistentVolumeClaim"), owner
        for container in containers(template):
            paths = [mount["mountPath"] for mount in container["volumeMounts"]]
            assert len(paths) == len(set(paths)), owner
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes.keys(), owner
    for scaler in manifests.of("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        deployment = manifests.one(target["kind"], target["name"])
        assert "replicas" not in deployment["spec"], "the autoscaler decides"


def matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a label selector of the forms that the chart uses chooses these labels."""
    expressions = selector.get("matchExpressions", [])
    assert all(expression["operator"] == "In" for expression in expressions)
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        labels.get(expression["key"]) in expression["values"] for expression in expressions
    )


@every_set
def test_services_and_budgets_choose_one_deployment_each(name: str) -> None:
    manifests = rendered(name)
    deployments = manifests.of("Deployment")
    for chooser in manifests.of("Service") + manifests.of("PodDisruptionBudget") + deployments:
        selector = chooser["spec"]["selector"]
        if chooser["kind"] == "Service":
            selector = {"matchLabels": selector}
        chosen = [
            template for _, template in manifests.templates() if matches(selector, template["metadata"]["labels"])
        ]
        assert len(chosen) == 1, chooser["metadata"]["name"]
        ports = {port["name"] for port in chosen[0]["spec"]["containers"][0]["ports"]}
        if chooser["kind"] == "Service":
            assert {port["targetPort"] for port in chooser["spec"]["ports"]} <= ports


@every_set
def test_routes_lead_to_public_ports_only(name: str) -> None:
    manifests = rendered(name)
    reached = set()
    for ingress in manifests.of("Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                service = path["backend"]["service"]
                reached.add((rule["host"], service["name"], service["port"]["name"]))
    for route in manifests.of("HTTPRoute"):
        for rule in route["spec"]["rules"]:
            for backend in rule["backendRefs"]:
                ports = manifests.one("Service", backend["name"])["spec"]["ports"]
                (port,) = [port["name"] for port in ports if port["port"] == backend["port"]]
                reached |= {(host, backend["name"], port) for host in route["spec"]["hostnames"]}
    broker = manifests.one("Deployment", "-broker")["metadata"]["name"]
    gateway = manifests.one("Deployment", "-gateway")["metadata"]["name"]
    expected = {("login.example", broker, "http"), ("mcp.example", gateway, "http")}
    given = values(name)
    is_routed = any(given.get(kind, {}).get("enabled") for kind in ("ingress", "httpRoute"))
    assert reached == (expected if is_routed else set())


# --- Who may talk to whom ---------------------------------------------------------------------------

INGRESS = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}
MONITORING = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}


def labels_of(manifests: Any, component: str) -> dict[str, str]:
    return manifests.one("Deployment", f"-{component}")["spec"]["template"]["metadata"]["labels"]


def may_enter(manifests: Any, source: dict[str, Any], target: str, port: int) -> bool:
    """Whether the policies let a source in: labels of a pod of ours, or a peer from elsewhere."""
    labels = labels_of(manifests, target)
    policies = [
        policy
        for policy in manifests.of("NetworkPolicy")
        if "Ingress" in policy["spec"]["policyTypes"] and matches(policy["spec"]["podSelector"], labels)
    ]
    assert policies, f"nothing closes {target}"
    for policy in policies:
        for rule in policy["spec"]["ingress"]:
            assert rule.get("from"), "a rule without `from` lets everybody in"
            is_port = port in [entry["port"] for entry in rule["ports"]]
            is_peer = source in rule["from"] or any(
                peer.keys() == {"podSelector"} and matches(peer["podSelector"], source) for peer in rule["from"]
            )
            if is_port and is_peer:
                return True
    return False


def test_admin_and_metrics_are_closed_to_the_ingress() -> None:
    manifests = rendered("large")
    broker, gateway = labels_of(manifests, "broker"), labels_of(manifests, "gateway")
    allowed = {
        (source, target, port)
        for source, peer in [
            ("ingress", INGRESS),
            ("monitoring", MONITORING),
            ("broker", broker),
            ("gateway", gateway),
            ("stranger", {"app": "stranger"}),
        ]
        for target, port in PORTS
        if may_enter(manifests, peer, target, port)
    }
    assert allowed == {
        ("ingress", "broker", 4280),
        ("ingress", "gateway", 4282),
        ("gateway", "broker", 4280),
        ("monitoring", "broker", 4281),
        ("monitoring", "gateway", 4285),
    }


PORTS = [("broker", 4280), ("broker", 4281), ("gateway", 4282), ("gateway", 4285)]


def test_the_policies_know_every_port() -> None:
    named = {
        (component, port["containerPort"])
        for component in ("broker", "gateway")
        for port in rendered("large").one("Deployment", f"-{component}")["spec"]["template"]["spec"]["containers"][0][
            "ports"
        ]
    }
    assert named == set(PORTS)


@pytest.mark.parametrize("name", [name for name in SETS if name != "open"])
def test_the_gateway_reaches_the_broker_nextcloud_and_dns_only(name: str) -> None:
    manifests = rendered(name)
    policy = manifests.one("NetworkPolicy", "-gateway")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert all(rule.get("to") for rule in policy["egress"]), "a rule without `to` leads everywhere"
    dns, broker, nextcloud = policy["egress"]
    assert {(port["protocol"], port["port"]) for port in dns["ports"]} == {("UDP", 53), ("TCP", 53)}
    (peer,) = broker["to"]
    assert matches(peer["podSelector"], labels_of(manifests, "broker"))
    assert not matches(peer["podSelector"], labels_of(manifests, "gateway"))
    assert [port["port"] for port in broker["ports"]] == [4280]
    given = values(name)["networkPolicy"]
    assert nextcloud["to"] == given["nextcloudTo"]
    assert [port["port"] for port in nextcloud["ports"]] == [given.get("nextcloudPort", 443)]


@pytest.mark.parametrize("name", [name for name in SETS if name != "open"])
def test_the_check_reaches_what_the_broker_reaches(name: str) -> None:
    manifests = rendered(name)
    check = manifests.one("NetworkPolicy", "-check")["spec"]
    assert matches(check["podSelector"], manifests.one("Job", "-check")["spec"]["template"]["metadata"]["labels"])
    assert check["ingress"] == []
    broker = manifests.one("NetworkPolicy", "-broker")["spec"]
    assert check["egress"] == broker["egress"]
    given = values(name)
    ports = [port["port"] for rule in broker["egress"] for port in rule["ports"]]
    assert (5432 in ports) == (given.get("database", {}).get("kind") != "sqlite")


def test_policies_can_be_left_out() -> None:
    assert rendered("open").of("NetworkPolicy") == []


# --- The configuration ------------------------------------------------------------------------------


def config(name: str, program: str, file: str) -> dict[str, Any]:
    return tomllib.loads(rendered(name).one("ConfigMap", f"-{program}")["data"][file])


@every_set
def test_the_gateway_is_who_the_broker_expects(name: str) -> None:
    manifests = rendered(name)
    broker = config(name, "broker", "broker.toml")
    gateway = config(name, "gateway", "mcp-gateway.toml")
    spec = manifests.one("Deployment", "-gateway")["spec"]["template"]["spec"]
    account = broker["clients"][0]["service_account"]
    assert account["subject"] == f"system:serviceaccount:tools:{spec['serviceAccountName']}"
    (token,) = [volume for volume in spec["volumes"] if volume["name"] == "token"]
    (source,) = token["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == broker["server"]["issuer"] == gateway["broker"]["issuer"]
    (mount,) = [mount for mount in spec["containers"][0]["volumeMounts"] if mount["name"] == "token"]
    path = f"{mount['mountPath']}/{source['serviceAccountToken']['path']}"
    assert gateway["broker"]["client_assertion"] == {"file": path}
    assert "client_secret" not in gateway["broker"]
    service = manifests.one("Service", "-broker")["metadata"]["name"]
    assert gateway["broker"]["back_channel_url"] == f"http://{service}.tools.svc:4280"
    assert broker["clients"][0]["serves"] == [gateway["server"]["public_url"] + "/mcp"]


def test_the_operators_words_win_over_the_charts() -> None:
    broker = config("large", "broker", "broker.toml")
    assert broker["database"] == {
        "max_connections": 16,
        "url": {"file": "/etc/mcp-token-broker/secrets/database-url"},
    }
    assert broker["tokens"] == {"refresh_token": "14d"}, "null takes a key away"
    assert broker["downstreams"] == [
        {"name": "nextcloud", "uri": "https://cloud.example", "strategy": "mint", "offline": True}
    ]
    assert [key["id"] for key in broker["keys"]["encryption"]] == ["2027-01", "2026-11"]
    gateway = config("large", "gateway", "mcp-gateway.toml")
    assert gateway["server"]["requests_per_caller"] == 32


def test_texts_of_any_kind_reach_the_configuration_unchanged() -> None:
    text = 'a "quoted" \\ text, with = [signs] & <tags>,\n\ttwo lines and ünïcode'
    given = changed(values("small"), {"scopes": {"notes.read": text}, "broker.config": {"x": {"y z": [text, 1, True]}}})
    data = render(given).one("ConfigMap", "-broker")["data"]["broker.toml"]
    parsed = tomllib.loads(data)
    assert parsed["resources"][0]["scopes"]["notes.read"] == text
    assert parsed["x"] == {"y z": [text, 1, True]}


def test_the_scopes_are_those_of_the_example_configuration() -> None:
    example = tomllib.loads((ROOT / "deploy/broker.toml").read_text())
    chart = yaml.safe_load((CHART / "values.yaml").read_text())
    assert chart["scopes"] == example["resources"][0]["scopes"]


def test_secrets_stay_in_secrets() -> None:
    manifests = rendered("open")
    entries = manifests.secret("mcp-token-broker")
    assert entries == values("open")["secret"]["data"]
    others = yaml.safe_dump([document for document in manifests.documents if document["kind"] != "Secret"])
    for secret in entries.values():
        assert secret not in others


def test_a_changed_configuration_or_secret_makes_new_pods() -> None:
    def annotations(changes: dict[str, Any]) -> dict[str, str]:
        deployment = render(changed(values("small"), changes)).one("Deployment", "-broker")
        return deployment["spec"]["template"]["metadata"]["annotations"]

    before = annotations({})
    assert annotations({}) == before
    assert annotations({"broker.config": {"tokens": {"login": "5m"}}}) != before
    assert annotations({"secret.data.upstream-client-secret": "another"}) != before


def test_alerts_and_dashboards_are_those_of_the_repository() -> None:
    (rule,) = rendered("large").of("PrometheusRule")
    assert rule["spec"] == yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
    dashboards = rendered("large").one("ConfigMap", "-dashboards")["data"]
    files = {path.name: path.read_text() for path in (ROOT / "deploy/grafana").glob("*.json")}
    assert dashboards.keys() == files.keys() != set()
    assert all(json.loads(dashboards[name]) == json.loads(text) for name, text in files.items())


# --- Upgrades ---------------------------------------------------------------------------------------


@every_set
def test_the_check_looks_at_the_new_configuration_before_anything_is_replaced(name: str) -> None:
    manifests = rendered(name)
    hooks = [
        document for document in manifests.documents if "helm.sh/hook" in document["metadata"].get("annotations", {})
    ]
    if name == "open":
        assert hooks == []
        return
    assert all(hook["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade" for hook in hooks)
    job = manifests.one("Job", "-check")
    command = job["spec"]["template"]["spec"]["containers"][0]["args"][-1]
    # A volume that the running pod has cannot be had by the Job.
    assert command == ("check-config" if name == "small" else "migrate")
    # It needs nothing but what was there before or comes with it, and comes after it.
    weight = int(job["metadata"]["annotations"]["helm.sh/hook-weight"])
    own = {
        (hook["kind"], hook["metadata"]["name"])
        for hook in hooks
        if int(hook["metadata"]["annotations"]["helm.sh/hook-weight"]) < weight
    }
    for volume in job["spec"]["template"]["spec"]["volumes"]:
        if "configMap" in volume:
            named = volume["configMap"]["name"]
            assert ("ConfigMap", named) in own or named in GIVEN_CONFIG_MAPS
        if "secret" in volume:
            named = volume["secret"]["secretName"]
            assert ("Secret", named) in own or named in GIVEN_SECRETS
    data = manifests.one("ConfigMap", "-check")["data"]
    for program, file in [("broker", "broker.toml"), ("gateway", "mcp-gateway.toml")]:
        assert data[file] == manifests.one("ConfigMap", f"-{program}")["data"][file]


def test_an_upgrade_of_replicas_takes_none_away_and_one_of_sqlite_never_has_two() -> None:
    large = rendered("large").one("Deployment", "-broker")["spec"]["strategy"]
    assert large == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    assert rendered("small").one("Deployment", "-broker")["spec"]["strategy"] == {"type": "Recreate"}
    claim = rendered("small").one("PersistentVolumeClaim", "-broker")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


# --- What cannot work -------------------------------------------------------------------------------

WRONG = [
    ("small", {"broker.replicas": 2}, "broker.replicas is 2, but database.kind sqlite serves one replica"),
    ("small", {"broker.autoscaling": {"enabled": True}}, "does not go with database.kind sqlite"),
    ("small", {"issuer": ""}, "issuer is missing"),
    ("small", {"issuer": "http://login.example"}, "/issuer"),
    ("small", {"issuer": "https://login.example/"}, "/issuer"),
    ("small", {"publicUrl": "https://login.example"}, "host names of their own"),
    ("small", {"publicUrl": "https://mcp.example/mcp"}, "/publicUrl"),
    ("small", {"image.registry": ""}, "image.registry is missing"),
    ("small", {"image.brokerDigest": "sha256:abc"}, "/image/brokerDigest"),
    ("small", {"upstream.clientId": ""}, "upstream.clientId is missing"),
    ("small", {"upstream.kind": "saml"}, "/upstream/kind"),
    ("small", {"nextcloud.strategy": "basic"}, "/nextcloud/strategy"),
    ("small", {"secret.data": {}}, "secret.data.encryption-key-1 is missing"),
    ("small", {"encryptionKeys": []}, "/encryptionKeys"),
    ("small", {"encryptionKeys": ["1", "2"]}, "secret.data.encryption-key-2 is missing"),
    ("open", {"secret.data.database-url": ""}, "/secret/data/database-url"),
    ("open", {"secret.existing": "mine"}, "exclude each other"),
    ("small", {"httpRoute.enabled": True}, "ingress.enabled and httpRoute.enabled exclude each other"),
    ("gateway-api", {"httpRoute.parentRefs": []}, "httpRoute.parentRefs is missing"),
    ("small", {"networkPolicy.nextcloudTo": []}, "networkPolicy.nextcloudTo is missing"),
    ("small", {"networkPolicy.ingressFrom": []}, "networkPolicy.ingressFrom is missing"),
    ("small", {"networkPolicy.ingressFrom": [{}]}, "/networkPolicy/ingressFrom/0"),
    ("large", {"gateway.autoscaling.minReplicas": 30}, "minReplicas is larger than maxReplicas"),
    ("large", {"gateway.replicas": 0}, "/gateway/replicas"),
    ("large", {"gateway.replica": 2}, "replica"),
    ("large", {"cluster.tokenSeconds": 60}, "/cluster/tokenSeconds"),
    ("large", {"cluster.jwksUrl": "http://kubernetes.default.svc/keys"}, "/cluster/jwksUrl"),
    ("large", {"podSecurityContext.runAsUser": 0}, "/podSecurityContext/runAsUser"),
    ("large", {"broker.config": {"server": "x"}}, "/broker/config/server"),
    ("large", {"trustedProxies": ["everybody"]}, "/trustedProxies/0"),
    ("large", {"broker.config": {"admin": {"tls": {"key": "/k"}}}}, "broker.config.admin.tls is set"),
    ("large", {"gateway.config": {"server": {"tls": {"key": "/k"}}}}, "gateway.config.server.tls is set"),
]


@pytest.mark.parametrize(("name", "changes", "message"), WRONG)
def test_what_cannot_work_is_refused_in_words(name: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(HelmError) as refusal:
        render(changed(values(name), changes))
    assert message in str(refusal.value)


def test_everything_that_is_missing_is_said_at_once() -> None:
    with pytest.raises(HelmError) as refusal:
        render({})
    for key in ("image.registry", "issuer", "publicUrl", "nextcloud.url", "upstream.issuer", "upstream.clientId"):
        assert f"{key} is missing" in str(refusal.value)


def test_the_schema_knows_every_value_and_no_other() -> None:
    chart = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())

    def compare(default: Any, described: dict[str, Any], path: str) -> None:
        if "$ref" in described:
            described = schema["definitions"][described["$ref"].rsplit("/", 1)[1]]
        if "properties" not in described or not isinstance(default, dict):
            return
        known = described["properties"].keys() - ({"global"} if path == "" else {"claims"})
        if path.endswith(".resources"):
            return
        assert default.keys() == known, path
        for key, value in default.items():
            compare(value, described["properties"][key], f"{path}.{key}")

    compare(chart, schema, "")


def test_every_value_is_explained() -> None:
    """Each top-level value has a comment above it or inside it."""
    text = (CHART / "values.yaml").read_text()
    for block in re.split(r"\n\n+", text):
        if re.search(r"^\w+:", block, re.MULTILINE):
            assert "# " in block, block
