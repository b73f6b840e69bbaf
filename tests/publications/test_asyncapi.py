"""The page that describes messages for tools says what is published."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from tests.architecture.sources import TOP
from zerosum.api.schemas.events import EventResponse
from zerosum.domain.publications import DEFAULT_TOPIC, attributes_of

PAGE = yaml.safe_load((Path(TOP) / "docs" / "asyncapi.yaml").read_text())


def test_the_asyncapi_page_knows_the_members_of_an_event_and_its_attributes() -> None:
    schemas = PAGE["components"]["schemas"]
    required = [name for name, field in EventResponse.model_fields.items() if field.is_required()]
    assert schemas["Event"]["required"] == required
    assert schemas["Event"]["properties"].keys() == EventResponse.model_fields.keys()
    (example,) = PAGE["components"]["messages"]["event"]["examples"]
    event: dict[str, Any] = example["payload"]
    assert datetime.fromisoformat(event["created_at"]).tzinfo == UTC
    told = attributes_of(event, example["headers"]["partitionkey"])
    del told["datacontenttype"]
    assert example["headers"] == told
    assert schemas["EventAttributes"]["properties"].keys() == told.keys()


def test_it_is_sent_where_the_default_template_leads() -> None:
    assert PAGE["channels"]["events"]["address"] == DEFAULT_TOPIC
    assert PAGE["operations"]["publish"]["action"] == "send"
