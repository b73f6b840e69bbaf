"""A real Kafka: one KRaft node from the jars of Maven Central, fetched once into a folder of the user's cache."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import uuid
from pathlib import Path

from tests.ingest.broker_servers import BrokerServer, free_port

POM = Path(__file__).parent / "kafka-pom.xml"
JARS_SECONDS_MAX = 300
ONES = (
    "offsets.topic.num.partitions", "offsets.topic.replication.factor", "transaction.state.log.num.partitions",
    "transaction.state.log.replication.factor", "transaction.state.log.min.isr",
    "share.coordinator.state.topic.num.partitions", "share.coordinator.state.topic.replication.factor",
    "share.coordinator.state.topic.min.isr",
)  # fmt: skip
"""Of a cluster of one."""


def missing() -> str | None:
    """What stands in the way of a real Kafka here, and the way to it."""
    absent = [program for program in ("java", "mvn") if shutil.which(program) is None]
    return f"{' and '.join(absent)} missing: apt-get install openjdk-17-jre-headless maven" if absent else None


def jars() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "zerosum-tests" / "kafka-4.4.0"
    if not (folder / "complete").exists():
        folder.mkdir(parents=True, exist_ok=True)
        words = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
        subprocess.run(
            [*words, "-DincludeScope=runtime", f"-DoutputDirectory={folder}"], check=True, timeout=JARS_SECONDS_MAX
        )
        (folder / "complete").touch()
    return folder


def kafka(folder: Path) -> BrokerServer:
    port, words = _prepared(folder)
    return BrokerServer(f"127.0.0.1:{port}", port, words)


def _prepared(folder: Path) -> tuple[int, list[str]]:
    """Its port, and the command that starts it: again too, with what it has kept."""
    port, controller = free_port(), free_port()
    settings = folder / "server.properties"
    settings.write_text(
        "\n".join(
            [
                "process.roles=broker,controller",
                "node.id=1",
                f"controller.quorum.voters=1@127.0.0.1:{controller}",
                f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
                f"advertised.listeners=PLAINTEXT://127.0.0.1:{port}",
                "controller.listener.names=CONTROLLER",
                "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
                "inter.broker.listener.name=PLAINTEXT",
                f"log.dirs={folder / 'log'}",
                "num.partitions=1",
                "auto.create.topics.enable=false",
                "group.initial.rebalance.delay.ms=0",
                # One that was killed is otherwise believed to be there for nine seconds.
                "broker.session.timeout.ms=2000",
                "broker.heartbeat.interval.ms=500",
                *(f"{name}=1" for name in ONES),
            ]
        )
    )
    java = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{jars()}/*"]
    cluster = base64.urlsafe_b64encode(uuid.UUID(int=7).bytes).decode().rstrip("=")
    formatting = [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(settings)]
    subprocess.run(formatting, check=True, capture_output=True, timeout=60)
    return port, [*java, "kafka.Kafka", str(settings)]
