"""The systemd units: understood by systemd, confined, and their programs accept what they give them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from chart import ROOT
from pods import BINARIES

UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))
every_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


def installed(unit: Path, folder: Path) -> Path:
    """The unit with a program that exists."""
    copy = folder / unit.name
    copy.write_text(re.sub(r"/usr/local/bin/[a-z-]+", shutil.which("true") or "/bin/true", unit.read_text()))
    return copy


@needs_systemd
@every_unit
def test_systemd_understands_it(unit: Path, tmp_path: Path) -> None:
    command = ["systemd-analyze", "verify", "--man=no", str(installed(unit, tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # What else is wrong on the machine is none of ours.
    assert [line for line in done.stderr.splitlines() if unit.name in line] == []


@needs_systemd
@every_unit
def test_it_is_confined(unit: Path, tmp_path: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=15", str(installed(unit, tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def settings(unit: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit.read_text(), re.MULTILINE)


@pytest.mark.skipif(not (BINARIES / "broker").exists(), reason="cargo build --workspace --bins")
@every_unit
def test_the_program_takes_its_credentials(unit: Path, tmp_path: Path) -> None:
    contents = {
        "database-url": "sqlite:broker.db",
        "encryption-key": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "upstream-client-secret": "change-me",
        "gateway-secret": "0123456789abcdef0123456789abcdef",
    }
    names = [credential.split(":")[0] for credential in settings(unit, "LoadCredential")]
    for name in names:
        (tmp_path / name).write_text(contents[name])
    environment = dict(entry.replace("%d", str(tmp_path)).split("=", 1) for entry in settings(unit, "Environment"))
    # Each credential has a use.
    assert {Path(value).name for value in environment.values() if value.startswith("/")} == set(names)
    (check,) = settings(unit, "ExecStartPre")
    (serve,) = settings(unit, "ExecStart")
    program, *arguments = shlex.split(check)
    assert shlex.split(serve)[0] == program
    arguments = [argument.replace("/etc/mcp-token-broker", str(ROOT / "deploy")) for argument in arguments]
    command = [str(BINARIES / Path(program).name), *arguments]

    def run(**environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert run(**environment).returncode == 0, run(**environment).stderr
    # They are read: without one the start is refused.
    os.unlink(tmp_path / "gateway-secret")
    assert "gateway-secret" in run(**environment).stderr
