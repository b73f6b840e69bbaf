"""`make dashboards`: write deploy/grafana/dashboards/ and the rules of what is promised anew."""

from __future__ import annotations

from dashboards.catalogue import files
from dashboards.objectives import rules_text
from dashboards.runbooks import TOP

OBJECTIVES_FILE = TOP / "deploy" / "prometheus" / "rules" / "objectives.yml"
FOLDER = TOP / "deploy" / "grafana" / "dashboards"


def main() -> None:
    made = files()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in FOLDER.glob("*.json"):
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    OBJECTIVES_FILE.write_text(rules_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
