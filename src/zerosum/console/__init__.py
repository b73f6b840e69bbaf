"""The operators' console: pages over the same services that the API speaks to, for a browser and without a build step.

    gateway -> Console (door: session, cross-site) -> a page or an act (pages/) -> services -> a template

Begin with `console.py`; docs/changing/console-page.md says how a page is added.
"""
