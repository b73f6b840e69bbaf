"""What deploy/kubernetes says is what Kubernetes takes, what the service takes, and what its other files say."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from zerosum.config import Settings

TOP = Path(__file__).parents[2]
FOLDER = TOP / "deploy" / "kubernetes"
OVERLAYS = ("trial", "production")
MADE_ELSEWHERE = {"zerosum-owner", "zerosum-servers", "zerosum-callers", "zerosum-tls"}
"""The secrets of production."""

Object = Mapping[str, Any]


def kustomization(folder: Path) -> Object:
    return dict(yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8")))


def objects(text: str) -> list[Object]:
    return [dict(found) for found in yaml.safe_load_all(text) if found]


def whole_files() -> list[Path]:
    """All that are objects as they stand: no patches, no lists of files."""
    return [folder / name for folder in folders() for name in kustomization(folder)["resources"] if ".." not in name]


def folders() -> list[Path]:
    return [FOLDER / "base", *(FOLDER / "overlays" / name for name in OVERLAYS)]


def pods(of: list[Object]) -> Iterator[Object]:
    for found in of:
        if found["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield found["spec"]["template"]["spec"]


def containers(pod: Object) -> list[Object]:
    return [*pod.get("initContainers", ()), *pod["containers"]]


def built(overlay: str, at: Path) -> list[Object]:
    """As `kubectl apply -k` would send it, in a copy with fresh secrets."""
    if shutil.which("kustomize") is None:
        pytest.skip("kustomize is not here: go install sigs.k8s.io/kustomize/kustomize/v5@v5.7.1")
    shutil.copytree(TOP / "deploy", at / "deploy", ignore=shutil.ignore_patterns("secrets"))
    folder = at / "deploy" / "kubernetes" / "overlays" / overlay
    if (folder / "make-secrets.sh").exists():
        subprocess.run(["sh", str(folder / "make-secrets.sh")], check=True, capture_output=True)
    done = subprocess.run(["kustomize", "build", str(folder)], check=True, capture_output=True, text=True)
    return objects(done.stdout)


def hold(found: Object) -> None:
    """Raises ValidationError of the library for what Kubernetes would refuse, or not know."""
    kubernetes_validate.validate(dict(found), kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("path", whole_files(), ids=lambda path: str(path.relative_to(FOLDER)))
def test_kubernetes_takes_it(path: Path) -> None:
    for found in objects(path.read_text("utf-8")):
        hold(found)


def test_the_schemas_would_find_a_fault() -> None:
    found = objects((FOLDER / "base" / "disruption.yaml").read_text("utf-8"))[0]
    with pytest.raises(kubernetes_validate.ValidationError):
        hold({**found, "spec": {**found["spec"], "maxUnavailabel": 1}})


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: folder.name)
def test_every_file_of_a_folder_is_named_and_every_named_one_is_there(folder: Path) -> None:
    listed = kustomization(folder)
    named = {name for name in listed["resources"] if ".." not in name}
    named |= {patch["path"] for patch in listed.get("patches", ()) if "path" in patch}
    assert named == {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}


@pytest.mark.parametrize("path", whole_files(), ids=lambda path: str(path.relative_to(FOLDER)))
def test_nothing_may_more_than_it_needs(path: Path) -> None:
    for pod in pods(objects(path.read_text("utf-8"))):
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["enableServiceLinks"] is False
        assert pod.get("serviceAccountName") == "zerosum" or pod["automountServiceAccountToken"] is False
        for container in containers(pod):
            allowed = container["securityContext"]
            assert allowed["allowPrivilegeEscalation"] is False
            assert allowed["capabilities"] == {"drop": ["ALL"]}
            # PostgreSQL's image writes beside its data.
            assert allowed.get("readOnlyRootFilesystem") or container["name"] == "postgres"
            assert container["resources"]["limits"]["memory"]
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}


def test_the_images_of_others_are_those_of_compose() -> None:
    compose = (TOP / "docker-compose.yml").read_text("utf-8")
    pinned = set(re.findall(r":-([^}\s]+@sha256:[0-9a-f]{64})", compose))
    trial = [found for path in whole_files() for found in objects(path.read_text("utf-8"))]
    others = {container["image"] for pod in pods(trial) for container in containers(pod)} - {"zerosum"}
    assert others
    assert others <= pinned


def test_all_settings_are_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of both overlays make a service that would start."""
    made = tmp_path / "deploy" / "kubernetes" / "overlays" / "trial"
    shutil.copytree(TOP / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns("secrets"))
    subprocess.run(["sh", str(made / "make-secrets.sh")], check=True, capture_output=True)
    secrets: dict[str, str] = {}
    for name in ("owner", "servers", "callers"):
        secrets |= dict(line.split("=", 1) for line in (made / "secrets" / f"{name}.env").read_text("utf-8").split())
    base = objects((FOLDER / "base" / "settings.yaml").read_text("utf-8"))[0]["data"]
    for overlay in OVERLAYS:
        own = objects((FOLDER / "overlays" / overlay / "settings.yaml").read_text("utf-8"))[0]["data"]
        given = {**base, **own, **secrets}
        assert {name.removeprefix("ZEROSUM_").lower() for name in given} <= Settings.model_fields.keys()
        with monkeypatch.context() as environment:
            for name, value in given.items():
                environment.setenv(name, value)
            settings = Settings()
        assert settings.metrics_port == 9464
        settings.installation_secrets()  # all are there, and long enough


def test_a_second_run_changes_no_secret(tmp_path: Path) -> None:
    shutil.copytree(TOP / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns("secrets"))
    script = tmp_path / "deploy" / "kubernetes" / "overlays" / "trial" / "make-secrets.sh"
    subprocess.run(["sh", str(script)], check=True, capture_output=True)
    first = {path.name: path.read_text("utf-8") for path in (script.parent / "secrets").iterdir()}
    subprocess.run(["sh", str(script)], check=True, capture_output=True)
    assert {path.name: path.read_text("utf-8") for path in (script.parent / "secrets").iterdir()} == first
    assert all((script.parent / "secrets" / name).stat().st_mode & 0o077 == 0 for name in first)


def test_a_pod_ends_within_its_time() -> None:
    [pod] = pods(objects((FOLDER / "base" / "zerosum.yaml").read_text("utf-8")))
    [api] = [container for container in pod["containers"] if container["name"] == "api"]
    [_, rest] = api["lifecycle"]["preStop"]["exec"]["command"]
    assert pod["terminationGracePeriodSeconds"] > int(rest) + Settings.model_fields["shutdown_seconds"].default + 2


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_built_and_names_nothing_that_is_not_there(overlay: str, tmp_path: Path) -> None:
    found = built(overlay, tmp_path)
    there = {(one["kind"], one["metadata"]["name"]) for one in found}
    if overlay == "production":
        there |= {("Secret", name) for name in MADE_ELSEWHERE}
    scaled = {one["spec"]["scaleTargetRef"]["name"] for one in found if one["kind"] == "HorizontalPodAutoscaler"}
    assert not [one for one in found if one["metadata"]["name"] in scaled and "replicas" in one.get("spec", {})]
    for one in found:
        hold(one)
        assert one["kind"] == "Namespace" or one["metadata"]["namespace"] == "zerosum"
    for pod in pods(found):
        for container in containers(pod):
            assert container["image"] != "zerosum", "a tag, or a digest"
            for source in container.get("envFrom", ()):
                for member, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                    if member in source:
                        assert (kind, source[member]["name"]) in there
            folders_of_pod = {volume["name"] for volume in pod.get("volumes", ())} | {"data"}
            assert {mount["name"] for mount in container.get("volumeMounts", ())} <= folders_of_pod
        for volume in pod.get("volumes", ()):
            if "secret" in volume:
                assert ("Secret", volume["secret"]["secretName"]) in there
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in there
