"""Runs the containers of rendered manifests as processes, as the kubelet would run them.

Their volumes are folders; the mount paths, wherever they are named, become paths of these folders.
Nothing else is changed: arguments, environment and configuration are the manifests'.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from chart import ROOT, Manifests

BINARIES = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "debug"
DOCKERFILES = {"broker": "broker.Dockerfile", "gateway": "mcp-gateway.Dockerfile"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def entry_point(container: str) -> list[str]:
    """The program of the image, by its Dockerfile, where cargo has put it."""
    text = (ROOT / "deploy/docker" / DOCKERFILES[container]).read_text()
    (program,) = re.findall(r'^ENTRYPOINT \["/usr/local/bin/([a-z-]+)"\]$', text, re.MULTILINE)
    return [str(BINARIES / program)]


class Node:
    """Where pods run: the folders of their volumes, and what the kubelet puts into them."""

    def __init__(self, folder: Path, manifests: Manifests, given: dict[str, dict[str, str]], sign: Any) -> None:
        """`given`: the data of ConfigMaps that the cluster has. `sign`: makes a token of a service account,
        from its name and the audience."""
        self.folder, self.manifests, self.given, self.sign = folder, manifests, given, sign

    def mounts(self, pod: str, template: dict[str, Any]) -> dict[str, Path]:
        """The folder of each volume, filled."""
        folders = {}
        for volume in template["spec"]["volumes"]:
            folder = self.folder / pod / volume["name"]
            folder.mkdir(parents=True, exist_ok=True)
            for source in volume.get("projected", {}).get("sources", [volume]):
                for name, content in self.files(template, source).items():
                    (folder / name).write_text(content)
            folders[volume["name"]] = folder
        return folders

    def files(self, template: dict[str, Any], source: dict[str, Any]) -> dict[str, str]:
        if "serviceAccountToken" in source:
            token = source["serviceAccountToken"]
            return {token["path"]: self.sign(template["spec"]["serviceAccountName"], token.get("audience"))}
        if "secret" in source:
            return self.manifests.secret(source["secret"]["secretName"])
        if "configMap" not in source:
            return {}
        name = source["configMap"]["name"]
        data = self.given.get(name) or self.manifests.one("ConfigMap", name)["data"]
        items = source["configMap"].get("items")
        return {item["path"]: data[item["key"]] for item in items} if items else data

    def container(self, pod: str, template: dict[str, Any], container: dict[str, Any]) -> Container:
        """A container that can be started. Its configuration is rewritten where it names mounts."""
        folders = self.mounts(pod, template)
        paths = {mount["mountPath"]: folders[mount["name"]] for mount in container["volumeMounts"]}

        def mapped(text: str) -> str:
            # Longer ones first: one mount may be inside another.
            for path in sorted(paths, key=len, reverse=True):
                text = text.replace(path, str(paths[path]))
            return text

        for file in folders["config"].iterdir():
            file.write_text(mapped(file.read_text()))
        arguments = [mapped(argument) for argument in container["args"]]
        environment = {entry["name"]: mapped(entry["value"]) for entry in container["env"]}
        return Container(container, arguments, environment, self.folder / pod)


class Container:
    """A container as a process."""

    def __init__(self, manifest: dict[str, Any], arguments: list[str], environment: dict[str, str], folder: Path):
        self.manifest, self.arguments, self.environment = manifest, arguments, environment
        self.log = folder / f"{manifest['name']}.log"
        # Pods have addresses of their own; here they share one, so each port becomes a free one.
        self.ports = {port["name"]: free_port() for port in manifest.get("ports", [])}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def command(self) -> list[str]:
        return [*entry_point(self.manifest["name"]), *self.arguments]

    def run(self) -> subprocess.CompletedProcess[str]:
        """Runs it to its end, as in a Job."""
        return subprocess.run(
            self.command, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )

    def start(self, **more: str) -> None:
        """Starts it with more environment than the manifest's: the addresses that stand for the pod's."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, env={**self.environment, **more}, stdout=log, stderr=log)

    def url(self, port: str = "http") -> str:
        return f"http://127.0.0.1:{self.ports[port]}"

    def probe(self, name: str) -> bool:
        """One probe, as its manifest says."""
        probe = self.manifest[name]
        get = probe["httpGet"]
        try:
            with urllib.request.urlopen(
                self.url(get["port"]) + get["path"], timeout=probe.get("timeoutSeconds", 1)
            ) as answer:
                return 200 <= answer.status < 400
        except (urllib.error.URLError, OSError):
            return False

    def become(self, probe: str) -> None:
        """Waits until a probe succeeds, as long as the startup probe would."""
        startup = self.manifest["startupProbe"]
        end = time.monotonic() + startup["failureThreshold"] * startup["periodSeconds"]
        while not self.probe(probe):
            assert self.process and self.process.poll() is None, f"it ended:\n{self.log.read_text()}"
            assert time.monotonic() < end, f"{probe} does not succeed:\n{self.log.read_text()}"
            time.sleep(0.05)

    def stop(self, within: float) -> int:
        """Asks it to leave; its exit code."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within)

    def kill(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
