"""The demo's accounts: they must not look better than what happened."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from examples.scan.demo import EXPECTED
from examples.scan.demo_client import Api, Counts
from examples.scan.demo_stack import DemoFailed, until

Answers = dict[str, dict[str, Any]]


def view(job_id: str, state: str, attempt: int = 1, task: str = "analyse", **more: Any) -> Any:
    task = f"examples.scan.tasks.{task}"
    return {"id": job_id, "task": task, "state": state, "attempt": attempt} | more


@pytest.fixture
def answers() -> Answers:
    """What the API says, by method and path; a test fills it in."""
    return {}


@pytest.fixture
def api(answers: Answers) -> Api:
    def answer(request: httpx.Request) -> httpx.Response:
        found = answers.get(f"{request.method} {request.url.path}")
        return httpx.Response(200 if found else 404, content=json.dumps(found or {}))

    transport = httpx.MockTransport(answer)
    return Api(httpx.Client(transport=transport, base_url="http://api.example"), lambda: None)


def test_a_job_that_has_not_ended_is_lost(api: Api, answers: Answers) -> None:
    answers["GET /jobs/a"] = view("a", "SUCCESS")
    answers["GET /jobs/b"] = view("b", "RETRY", attempt=2)
    answers["GET /jobs/c"] = view("c", "FAILURE")
    for name in "abc":
        api.job(name)
    assert api.count(dead_lettered=1, replayed=0) == Counts(3, 1, 1, 1, 0, lost=1)


def test_the_attempts_before_a_replay_count(api: Api, answers: Answers) -> None:
    answers["GET /jobs/a"] = view("a", "FAILURE", attempt=4)
    api.job("a")
    answers["GET /jobs/a"] = view("a", "SUCCESS", attempt=1)
    assert api.count(1, 1) == Counts(1, 1, 1, 1, 1, lost=0)


def test_a_report_that_waited_was_not_retried(api: Api, answers: Answers) -> None:
    answers["GET /jobs/a"] = view("a", "SUCCESS", attempt=7, task="report")
    api.job("a")
    assert api.count(0, 0).retried == 0


def test_a_job_that_failed_ends_the_demo_with_its_reason(api: Api, answers: Answers) -> None:
    error = {"type": "SiteUnavailable", "message": "it answered 500"}
    answers["GET /jobs/a"] = view("a", "FAILURE", error=error)
    with pytest.raises(DemoFailed, match=r"ended FAILURE .SiteUnavailable: it answered 500"):
        api.succeed("a")


def test_a_job_is_shown_until_it_ends(api: Api, answers: Answers) -> None:
    progress = {"done": 3, "total": 9, "note": "page"}
    answers["GET /jobs/a"] = view("a", "SUCCESS", progress=progress)
    shown: list[float] = []
    api.succeed("a", lambda job: shown.append(job.progress.done if job.progress else 0))
    assert shown == [3]


def test_an_error_of_the_api_ends_the_demo(api: Api) -> None:
    with pytest.raises(DemoFailed, match="GET /jobs/a answered 404"):
        api.job("a")


@pytest.mark.parametrize("unready", [lambda: None, lambda: False])
def test_what_does_not_happen_ends_the_demo(unready: Callable[[], Any]) -> None:
    with pytest.raises(DemoFailed, match="the API gets ready: not within 0 s"):
        until("the API gets ready", unready, seconds=0.0)


def test_an_empty_answer_is_an_answer() -> None:
    assert until("a list comes", list, seconds=0.0) == []


def test_the_last_line_names_each_count() -> None:
    line = "submitted=20 succeeded=20 retried=2 dead-lettered=1 replayed=1 lost=0"
    assert str(EXPECTED) == line
