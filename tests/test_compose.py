"""compose.yaml, the image's lock and the broker's settings agree with each other and the code."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.core
import typer.main
from ruamel.yaml import YAML

from warrener_workers.cli.commands import app

ROOT = Path(__file__).resolve().parent.parent
LONGEST_JOB = 3600  # seconds: the longest time limit that the documents promise room for
STAGES = {"discovery": "scan.discovery", "analysis": "scan.analysis", "report": "scan.report"}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    compose = YAML(typ="safe").load(ROOT / "compose.yaml")
    services: dict[str, Any] = compose["services"]
    return services


def test_it_is_valid_by_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run(
        [*command, ROOT / "compose.yaml"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_broker_waits_longer_than_the_longest_job() -> None:
    settings = broker_settings()
    assert int(settings["consumer_timeout"]) / 1000 > LONGEST_JOB


def test_the_broker_reads_the_checked_in_settings(services: dict[str, Any]) -> None:
    mounts = [volume.split(":") for volume in services["rabbitmq"]["volumes"]]
    assert ["./deploy/rabbitmq.conf", "/etc/rabbitmq/conf.d/20-warrener.conf", "ro"] in mounts
    assert ["./deploy/advanced.config", "/etc/rabbitmq/advanced.config", "ro"] in mounts


def test_redis_keeps_what_it_acknowledged(services: dict[str, Any]) -> None:
    command = " ".join(services["redis"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


def test_every_stage_has_a_named_worker(services: dict[str, Any]) -> None:
    for service, queue in STAGES.items():
        command = services[service]["command"]
        assert command[:3] == ["warrener", "worker", queue]
        assert command[command.index("--name") + 1] == f"{service}-1"
        assert f"{service}-1" in services[service]["healthcheck"]["test"]


def test_the_command_line_takes_every_command(services: dict[str, Any]) -> None:
    commands = [service.get("command", []) for service in services.values()]
    commands += [service["healthcheck"]["test"][1:] for service in services.values()]
    ours = [command[1:] for command in commands if command[:1] == ["warrener"]]
    assert len(ours) == 9
    command_line = typer.main.get_command(app)
    assert isinstance(command_line, typer.core.TyperGroup)
    for name, *arguments in ours:
        command_line.commands[name].make_context(name, arguments)


def test_every_service_is_checked_and_comes_back(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["healthcheck"]["test"], name
        assert service["restart"] == "unless-stopped", name


def test_the_brokers_check_leaves_it_its_cookie(services: dict[str, Any]) -> None:
    check = services["rabbitmq"]["healthcheck"]["test"]
    assert check[:4] == ["CMD", "gosu", "rabbitmq", "rabbitmq-diagnostics"]


def test_an_init_collects_orphans_and_passes_signals_on(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if service["image"].startswith("warrener"):
            assert service["init"] is True, name


def test_what_needs_the_servers_waits_until_they_are_healthy(services: dict[str, Any]) -> None:
    healthy = {"condition": "service_healthy"}
    for name in ("api", *STAGES):
        assert services[name]["depends_on"] == {"rabbitmq": healthy, "redis": healthy}


def test_docker_waits_longer_than_a_stopping_worker(services: dict[str, Any]) -> None:
    for name in STAGES:
        assert int(services[name]["stop_grace_period"].removesuffix("s")) > 30


def test_only_the_loopback_interface_is_published(services: dict[str, Any]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_images_lock_is_a_subset_of_the_checkouts() -> None:
    image = pins(ROOT / "deploy" / "requirements.lock")
    assert image.items() <= pins(ROOT / "requirements.lock").items()
    assert {"fastapi", "typer", "uvloop", "httpx"} <= image.keys()
    assert "pytest" not in image


def broker_settings() -> dict[str, str]:
    lines = (ROOT / "deploy" / "rabbitmq.conf").read_text().splitlines()
    pairs = [line.split("=", 1) for line in lines if line.strip() and not line.startswith("#")]
    return {key.strip(): value.strip() for key, value in pairs}


def pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(), re.MULTILINE))
