"""The JSON passes the types that Grafana publishes, which come over the network, for the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dashboards.catalogue import files

from tests.generated_clients.conftest import node_folder, run

pytestmark = pytest.mark.campaign

SCHEMA = "@grafana/schema"
VERSION = "13.2.3"
"""Of the image that docker-compose.yml names."""

OPTIONS = {"timeseries": "TimeSeries", "stat": "Stat", "bargauge": "BarGauge", "text": "Text"}
_PLACE = "dist/esm/raw/composable/{kind}/panelcfg/x/{name}PanelCfg_types.gen"

PLAIN = """type Plain<T> = T extends string ? `${T}` : T extends (infer U)[] ? Plain<U>[]
  : T extends object ? {[K in keyof T]: Plain<T[K]>} : T;
"""
"""JSON has words where the types have enums."""


def _typescript(boards: list[dict[str, Any]]) -> str:
    lines = [f"import type {{ Dashboard, Panel, RowPanel }} from '{SCHEMA}';", PLAIN]
    for kind, name in OPTIONS.items():
        lines.append(f"import type * as {kind} from '{SCHEMA}/{_PLACE.format(kind=kind, name=name)}';")
    checked: list[tuple[Any, str]] = []
    for board in boards:
        for annotation in board["annotations"]["list"]:
            annotation["target"].pop("expr")  # It is the datasource's own, and no type knows it.
        checked.append((board, "Dashboard"))
        for panel in board["panels"]:
            kind = panel["type"]
            checked.append((panel, "RowPanel" if kind == "row" else "Panel"))
            if kind in OPTIONS:
                checked.append((panel["options"], f"{kind}.Options"))
            if kind == "timeseries":
                checked.append((panel["fieldConfig"]["defaults"]["custom"], "timeseries.FieldConfig"))
    lines += [
        f"export const v{number} = {json.dumps(value)} satisfies Plain<{name}>;"
        for number, (value, name) in enumerate(checked)
    ]
    return "\n".join(lines) + "\n"


def test_grafanas_types_take_every_dashboard_and_its_panels_and_no_misspelt_one(tmp_path: Path) -> None:
    folder = node_folder(tmp_path, f"{SCHEMA}@{VERSION}", "typescript@5")
    tsc = folder / "node_modules" / ".bin" / "tsc"
    options = ("--strict", "--noEmit", "--skipLibCheck", "--target", "es2022", "--module", "esnext")
    text = _typescript([json.loads(one) for one in files().values()])
    (folder / "boards.ts").write_text(text, encoding="utf-8")
    run(tsc, *options, "--moduleResolution", "bundler", "boards.ts", folder=folder)
    for right, wrong in (('"gridPos":', '"gridPoz":'), ('"colorMode": "background"', '"colorMode": "backgrund"')):
        assert right in text
        (folder / "boards.ts").write_text(text.replace(right, wrong), encoding="utf-8")
        with pytest.raises(AssertionError, match=r"gridPoz|backgrund"):
            run(tsc, *options, "--moduleResolution", "bundler", "boards.ts", folder=folder)
