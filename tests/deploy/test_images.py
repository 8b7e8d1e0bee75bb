"""The Dockerfiles, without a Docker: their rules, their build context, and what the chart expects of them."""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import subprocess
import sysconfig
import tomllib
from pathlib import Path

import pytest
import yaml
from chart import CHART, ROOT

DOCKERFILES = sorted((ROOT / "deploy/docker").glob("*.Dockerfile"))
every_image = pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)


def context(files: list[str]) -> list[str]:
    """What of these files a build gets to see, by `.dockerignore`: the last pattern that fits decides."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]

    def fits(path: str, pattern: str) -> bool:
        parts = Path(path).parts
        heads = ["/".join(parts[: end + 1]) for end in range(len(parts))]
        if pattern.startswith("**/"):
            return any(fnmatch.fnmatchcase(part, pattern[3:]) for part in parts)
        return any(fnmatch.fnmatchcase(head, pattern) for head in heads)

    seen = []
    for path in files:
        is_ignored = False
        for pattern in patterns:
            if fits(path, pattern.removeprefix("!")):
                is_ignored = not pattern.startswith("!")
        if not is_ignored:
            seen.append(path)
    return seen


def sources() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for path in listed.stdout.splitlines() if (ROOT / path).is_file()]


def copy_context(folder: Path) -> None:
    """Copies what a build gets to see."""
    for path in context(sources()):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, folder / path)


def test_the_context_has_what_cargo_needs_and_no_more(tmp_path: Path) -> None:
    copy_context(tmp_path)
    done = subprocess.run(
        ["cargo", "metadata", "--locked", "--offline", "--no-deps", "--format-version=1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    built = {
        target["name"]: Path(target["src_path"])
        for package in json.loads(done.stdout)["packages"]
        for target in package["targets"]
        if target["kind"] == ["bin"]
    }
    assert all(built[program].is_file() for program in ("broker", "mcp-gateway"))
    # Whatever the sources include at compile time is there too; unit tests are not built.
    for source in set(tmp_path.glob("*/src/**/*.rs")) - set(tmp_path.glob("**/tests.rs")):
        for path in re.findall(r'include_(?:str|bytes)!\(\s*"([^"]+)"', source.read_text()):
            assert (source.parent / path).is_file(), f"{source}: {path}"


def test_nothing_private_is_in_the_context() -> None:
    private = [".git/config", "broker.db", "broker/local.db", "broker.toml", "deploy/broker.toml", "key-1", ".env"]
    private += ["target/debug/broker", "tests/interop/node_modules/x/index.js", "mcp-gateway/target/x"]
    assert context(private) == []
    assert context(["broker/src/main.rs", "Cargo.lock"]) == ["broker/src/main.rs", "Cargo.lock"]


@every_image
def test_hadolint_finds_nothing(dockerfile: Path) -> None:
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    done = subprocess.run([hadolint, "--no-color", dockerfile], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@every_image
def test_the_image_is_what_the_chart_expects(dockerfile: Path) -> None:
    text = dockerfile.read_text()
    chart = yaml.safe_load((CHART / "values.yaml").read_text())
    user = chart["podSecurityContext"]
    assert f"USER {user['runAsUser']}:{user['runAsGroup']}" in text
    assert re.search(r"--locked --package (\S+) --bin (\S+)", text).groups() == (dockerfile.stem,) * 2
    # The tag and the name that the chart asks for.
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == version


@every_image
def test_the_builder_is_new_enough(dockerfile: Path) -> None:
    needed = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
    (used,) = re.findall(r"^ARG BUILDER=rust:(\d+\.\d+)\.\d+-bookworm$", dockerfile.read_text(), re.MULTILINE)
    assert [int(part) for part in used.split(".")] >= [int(part) for part in needed.split(".")]


def test_both_images_are_built_alike() -> None:
    broker, gateway = (
        [line for line in path.read_text().replace(path.stem, "PROGRAM").splitlines() if not line.startswith("#")]
        for path in DOCKERFILES
    )
    assert [line for line in broker if line.startswith(("ARG", "FROM", "ENV", "USER"))] == [
        line for line in gateway if line.startswith(("ARG", "FROM", "ENV", "USER"))
    ]
