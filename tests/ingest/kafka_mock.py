"""A process of its own around librdkafka's mock cluster, which can end or hang whoever holds it: lines in, lines out.

`topic NAME PARTITIONS`, `up` and `down` of its one broker. It ends with its input.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path


def main() -> None:
    import confluent_kafka  # noqa: PLC0415

    folder = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    (found,) = folder.glob("librdkafka*")
    library = ctypes.CDLL(str(found))
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
        getattr(library, name).restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    said = ctypes.create_string_buffer(512)
    client = ctypes.c_void_p(library.rd_kafka_new(0, ctypes.c_void_p(library.rd_kafka_conf_new()), said, 512))
    cluster = ctypes.c_void_p(library.rd_kafka_mock_cluster_new(client, 1))
    library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0)
    print(library.rd_kafka_mock_cluster_bootstraps(cluster).decode(), flush=True)
    for line in sys.stdin:
        match line.split():
            case ["topic", name, partitions]:
                code = library.rd_kafka_mock_topic_create(cluster, name.encode(), int(partitions), 1)
            case ["up"]:
                code = library.rd_kafka_mock_broker_set_up(cluster, ctypes.c_int32(1))
            case ["down"]:
                code = library.rd_kafka_mock_broker_set_down(cluster, ctypes.c_int32(1))
            case _:
                code = -1
        print(code, flush=True)


if __name__ == "__main__":
    main()
