"""`make dashboard-pictures`: docs/dashboards/, drawn from a service under a little load (needs Prometheus; minutes)."""

from __future__ import annotations

import sys
import time

from benchmarks.service import fresh_folder

from dashboards.asking import lately
from dashboards.catalogue import DASHBOARDS
from dashboards.drawing import picture
from dashboards.ground import TOKEN, running_ground
from dashboards.load import running_load
from dashboards.prometheus import running_prometheus
from dashboards.runbooks import TOP

FOLDER = TOP / "docs" / "dashboards"
SECONDS = 180.0
SCRAPE_SECONDS = 1.0
RATE_SECONDS = 10
STEPS = 60


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    FOLDER.mkdir(parents=True, exist_ok=True)
    with fresh_folder() as folder:
        series = folder / "prometheus"
        series.mkdir()
        with (
            running_ground(folder) as ground,
            running_prometheus(series, {"zerosum": ground.target}, TOKEN, seconds=SCRAPE_SECONDS) as prometheus,
            running_load(ground),
        ):
            time.sleep(seconds)
            says = f"{seconds:.0f} seconds of a service under a little load, some of it broken on purpose"
            for dashboard in DASHBOARDS:
                answers = {
                    panel.title: lately(prometheus, panel, RATE_SECONDS, seconds, seconds / STEPS)
                    for panel in dashboard.panels()
                }
                (FOLDER / f"{dashboard.name}.svg").write_text(picture(dashboard, answers, says), encoding="utf-8")


if __name__ == "__main__":
    main()
