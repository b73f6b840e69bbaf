"""Everything that docker-compose.yml mounts is there, and its reader takes it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from dashboards.grafana import SOURCE
from dashboards.prometheus import HOW_TO_GET_IT
from dashboards.runbooks import TOP

COMPOSE: dict[str, Any] = yaml.safe_load((TOP / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
WATCHING = ("prometheus", "alertmanager", "collector", "grafana")
DEPLOY = TOP / "deploy"


def mounts(service: str) -> dict[str, str]:
    """By where it is seen: a path from here, or the name of a volume."""
    return {where.split(":")[1]: where.split(":")[0] for where in SERVICES[service].get("volumes", ())}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_every_file_that_is_mounted_is_there_and_can_be_read() -> None:
    for service in SERVICES:
        for source in mounts(service).values():
            if not source.startswith("."):
                assert source in COMPOSE["volumes"], source
                continue
            place = TOP / source
            assert place.exists(), source
            for path in [place] if place.is_file() else [one for one in place.rglob("*") if one.is_file()]:
                if path.suffix in (".yml", ".yaml"):
                    assert read(path), path
                elif path.suffix == ".json":
                    assert json.loads(path.read_text(encoding="utf-8")), path


def test_what_only_looks_on_can_write_to_its_volume_alone() -> None:
    for name in WATCHING:
        service = SERVICES[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert re.search(r":v?[0-9]+\.[0-9.]+@sha256:[0-9a-f]{64}\}$", service["image"]), service["image"]


def test_prometheus_finds_what_its_file_names() -> None:
    seen = mounts("prometheus")
    config = read(TOP / seen["/etc/prometheus/prometheus.yml"])
    assert seen["/etc/prometheus/rules"] == "./deploy/prometheus/rules"
    assert config["rule_files"] == ["/etc/prometheus/rules/*.yml"]
    script = SERVICES["prometheus"]["entrypoint"][-1]
    token = next(job["authorization"]["credentials_file"] for job in config["scrape_configs"] if "authorization" in job)
    assert f"> {token}" in script
    addresses = [one for job in config["scrape_configs"] for group in job["static_configs"] for one in group["targets"]]
    addresses += [one for group in config["alerting"]["alertmanagers"] for one in group["static_configs"][0]["targets"]]
    hosts = {address.split(":")[0] for address in addresses}
    assert hosts <= SERVICES.keys() | {"localhost"}


def test_the_worker_counts_where_the_api_counts() -> None:
    for service in ("api", "worker"):
        folder = SERVICES[service]["environment"]["ZEROSUM_METRICS_DIR"]
        assert mounts(service)[folder] == "metrics"


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("promtool", ("check", "config", "--syntax-only", str(DEPLOY / "prometheus" / "prometheus.yml"))),
        ("amtool", ("check-config", str(DEPLOY / "alertmanager" / "alertmanager.yml"))),
    ],
)
def test_its_own_checker_takes_it(program: str, arguments: tuple[str, ...]) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{HOW_TO_GET_IT} prometheus-alertmanager")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_grafana_finds_its_datasource_and_dashboards() -> None:
    seen = mounts("grafana")
    provisioning = TOP / seen["/etc/grafana/provisioning"]
    (sources,) = (provisioning / "datasources").glob("*.yml")
    named = {source["uid"]: source for source in read(sources)["datasources"]}
    assert named[SOURCE["uid"]]["type"] == SOURCE["type"]
    assert {source["url"].split("//")[1].split(":")[0] for source in named.values()} == {"prometheus", "alertmanager"}
    (provider,) = read(next((provisioning / "dashboards").glob("*.yml")))["providers"]
    folder = provider["options"]["path"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (TOP / seen[folder] / home.removeprefix(f"{folder}/")).is_file()


def test_the_collector_wires_what_it_declares() -> None:
    config = read(TOP / mounts("collector")["/etc/otelcol-contrib/config.yaml"])
    declared = {kind: set(config[kind]) for kind in ("receivers", "processors", "exporters")}
    joints = set(config["connectors"])
    batch = config["processors"]["batch"]
    assert batch["send_batch_size"] <= batch["send_batch_max_size"]  # else it does not start
    pipelines = config["service"]["pipelines"].values()
    for kind, names in declared.items():
        used = {name for pipeline in pipelines for name in pipeline[kind]}
        assert used - joints == names, kind
    assert SERVICES["api"]["environment"]["ZEROSUM_OTLP_ENDPOINT"].endswith("http://collector:4318}")
    assert config["receivers"]["otlp"]["protocols"]["http"]["endpoint"].endswith(":4318")
    assert joints <= {name for pipeline in pipelines for name in pipeline["receivers"]}
