"""What the OpenAPI document says, held against a running API with whatever schemathesis thinks of."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from warrener_api import create_app

from .place import Place
from .shop import app

# But for the stream of all events, which has no end.
SCHEMA = schemathesis.openapi.from_dict(create_app(app).openapi()).exclude(
    operation_id="follow_events"
)


@pytest.fixture(scope="module")
def key(place: Place, api: str) -> str:
    """A key for everything, of which the API has heard."""
    done = place.run("keys", "create", "schemathesis", "--role", "operate")
    assert done.returncode == 0, done.stderr
    while httpx.get(f"{api}/queues").status_code != 401:
        time.sleep(0.2)
    return done.stdout.strip()


@pytest.mark.timeout(300)
@SCHEMA.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_the_document_names(case: Any, api: str, key: str) -> None:
    # A schema cannot say what is a cursor of ours, or that only one of two fields may be given: what fits
    # it may be refused all the same.
    excluded = [positive_data_acceptance]
    if case.operation.path == "/jobs/batch":
        excluded.append(negative_data_rejection)  # each job of a batch is refused by itself
    case.call_and_validate(
        base_url=api,
        headers={"Authorization": f"Bearer {key}"},
        timeout=60,
        excluded_checks=excluded,
    )
