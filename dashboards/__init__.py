"""The dashboards that come with the service, as code: `make dashboards` writes deploy/grafana/dashboards/*.json.

| module | holds |
| --- | --- |
| `parts` | what a dashboard is made of: stories, panels, queries |
| `grafana` | how that is written in Grafana's JSON |
| `catalogue` | which dashboards there are; each has a module of its own |
| `runbooks` | the pages of docs/RUNBOOKS.md, which panels and alerts lead to |
| `prometheus` | a Prometheus of our own, asked what each panel shows |
| `pictures` | the panels drawn from its answers, for docs/dashboards/ |
"""
