"""What a page hands out to be kept: made by the API's own writers, under a name to save it by."""

from __future__ import annotations

import re

from fastapi import Response

from zerosum.gateway.routing import HttpAnswer

_UNFIT = re.compile("[^A-Za-z0-9._-]+")


def as_file(answer: Response, name: str) -> HttpAnswer:
    headers = [(key, value) for key, value in answer.raw_headers if key != b"content-length"]
    saved = f'attachment; filename="{_UNFIT.sub("-", name)}"'
    body = bytes(answer.body)
    return HttpAnswer(answer.status_code, body, (*headers, (b"content-disposition", saved.encode("ascii"))))
