"""A client that is generated from the OpenAPI document: it submits, looks, and is told what is wrong."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import httpx
import pytest

from warrener.api_keys import Role
from warrener_api import create_app

from .place import Place
from .shop import app
from .test_access import make_key

NAME = "generated_shop"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of the generated package, which can be imported."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "openapi.json").write_text(json.dumps(create_app(app).openapi()))
    (folder / "config.yml").write_text("post_hooks: []\n")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"]
    command += ["--path", "openapi.json", "--config", "config.yml", "--meta", "none"]
    command += ["--output-path", NAME]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    try:
        yield NAME
    finally:
        sys.path.remove(str(folder))
        for name in [one for one in sys.modules if one.partition(".")[0] == NAME]:
            del sys.modules[name]


def _module(package: str, path: str) -> Any:
    found: ModuleType = importlib.import_module(f"{package}.{path}")
    return found


async def test_it_submits_with_a_right_and_is_refused_with_a_wrong_argument(
    package: str, place: Place
) -> None:
    _, token = await make_key(place, Role.SUBMIT)
    models, jobs = _module(package, "models"), _module(package, "api.jobs.submit_job")
    async with place.app() as served:
        reached = {"transport": httpx.ASGITransport(create_app(served))}
        where = {"base_url": "http://127.0.0.1", "httpx_args": reached}
        client = _module(package, "client").AuthenticatedClient(token=token, **where)
        right = models.ShopAddJob(task="shop.add", kwargs=models.ShopAddArguments(a=40, b=2))
        submitted = await jobs.asyncio(client=client, body=right, idempotency_key="order-17")
        assert isinstance(submitted, models.JobView), submitted
        assert submitted.state == "PENDING"
        again = await jobs.asyncio(client=client, body=right, idempotency_key="order-17")
        assert again.id == submitted.id
        look = _module(package, "api.jobs.get_job")
        assert (await look.asyncio(submitted.id, client=client)).task == "shop.add"

        wrong = models.ShopAddJob(task="shop.add", kwargs=models.ShopAddArguments(a="many"))
        answer = await jobs.asyncio_detailed(client=client, body=wrong)
        assert answer.status_code == 422
        assert isinstance(answer.parsed, models.Problem)
        assert answer.parsed.errors[0]["at"] == "a"
        stranger = _module(package, "client").Client(**where)
        refused = await jobs.asyncio(client=stranger, body=right)
        assert isinstance(refused, models.Problem)
        assert refused.status == 401
