"""Metrics and traces, on real nodes: what they count, and that a trace is one."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import orjson
import promql_parser
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from tests.support import PATIENCE
from warrener_workers.nodes.ports import free_ports

from . import yard as tasks
from .conftest import QUEUE, Yard, until, until_true

TRACED = "tests.integration.traced_yard:app"
T = tasks.__name__
DEPLOY = Path(__file__).parents[2] / "deploy"


def _read(text: str) -> dict[tuple[str, ...], float]:
    """Samples, by name and the values of their labels in alphabetic order."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def _metrics(port: int) -> Mapping[tuple[str, ...], float]:
    async with httpx.AsyncClient(timeout=PATIENCE) as http:
        return _read((await http.get(f"http://127.0.0.1:{port}/metrics")).text)


async def test_a_worker_counts_what_it_does(yard: Yard) -> None:
    [port] = free_ports(1)
    async with yard.worker("--metrics-port", str(port), "--name", "one"):
        done = [await tasks.run.send(f"job-{n}") for n in range(3)]
        retried = await tasks.fails.send("retried", 1)
        broken = await tasks.broken.send("dead")
        await yard.publish(b"{}", type=f"{T}.run", headers={"attempt": "x"})
        await yard.letters(2)
        await yard.ended(*done, retried, broken)
        held = await tasks.wait.send("held", "gate")
        await yard.noted("start held")

        letters = ("warrener_dead_letters_total", QUEUE)

        async def settled() -> bool:
            seen = await _metrics(port)
            buried = {(*letters, "error"), (*letters, "malformed")} <= seen.keys()
            return buried and seen[("warrener_settle_seconds_count",)] >= 6

        await until_true(settled, "six settled runs, and two dead letters")
        seen = await _metrics(port)
        assert seen["warrener_jobs_total", "succeeded", QUEUE, f"{T}.run"] == 3
        assert seen["warrener_jobs_total", "retried", QUEUE, f"{T}.fails"] == 1
        assert seen["warrener_jobs_total", "succeeded", QUEUE, f"{T}.fails"] == 1
        assert seen["warrener_jobs_total", "failed", QUEUE, f"{T}.broken"] == 1
        assert seen["warrener_dead_letters_total", QUEUE, "error"] == 1
        assert seen["warrener_dead_letters_total", QUEUE, "malformed"] == 1, "no run of a job"
        assert seen["warrener_run_seconds_count", QUEUE, f"{T}.run"] == 3
        assert seen["warrener_wait_seconds_count", QUEUE, f"{T}.fails"] == 2
        assert seen["warrener_published_total", "delayed", "confirmed", QUEUE] == 1
        assert seen["warrener_published_total", "dead_letter", "confirmed", QUEUE] == 2
        assert seen[("warrener_publish_seconds_count",)] == 3
        assert seen["warrener_in_flight", "true", QUEUE] == 1
        assert seen[("warrener_reconnects_total",)] == 0
        await until(lambda: bool(_connections(yard)), "its connection in the management API")
        [name] = _connections(yard)
        yard.rabbit.manage("DELETE", f"/api/connections/{quote(name)}")

        async def reconnected() -> bool:
            return (await _metrics(port))[("warrener_reconnects_total",)] == 1

        await until_true(reconnected, "a reconnect")
        yard.open("gate")
        await yard.ended(held)


def _connections(yard: Yard) -> list[str]:
    """The consumer's; the API tells of it some seconds after it was opened."""
    found = yard.rabbit.manage("GET", "/api/connections")
    return [
        one["name"]
        for one in found
        if one.get("vhost") == yard.vhost
        and one["client_properties"].get("connection_name") == "warrener worker one"
    ]


async def test_a_port_that_is_taken_ends_the_worker(yard: Yard) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = ("worker", QUEUE, "--app", "tests.integration.yard:app", "--metrics-port")
        async with yard.running(*command, str(port)) as worker:
            assert await worker.ended() == 2
    assert f"metrics cannot be served on port {port}" in worker.log


async def test_one_trace_from_http_to_what_follows(yard: Yard) -> None:
    [port] = free_ports(1)
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    api = yard.running("api", "--app", TRACED, "--port", str(port))
    async with yard.running("worker", QUEUE, "--app", TRACED) as worker, api as serving:
        await worker.says(" ready: ")
        await serving.says("the API answers")
        async with httpx.AsyncClient(timeout=PATIENCE) as http:
            root, headers = f"http://127.0.0.1:{port}", {"traceparent": parent}
            job = {"task": "traced.first", "kwargs": {"number": 1}}
            answer = await http.post(f"{root}/jobs", json=job, headers=headers)
            assert answer.status_code == 202, answer.text
            steps = [{"task": "traced.second", "args": [1]}, {"task": "traced.third"}]
            body = {"workflow": {"chain": steps}}
            answer = await http.post(f"{root}/workflows", json=body, headers=headers)
            assert answer.status_code == 202, answer.text
        wanted = {"run traced.first": 2, "run traced.second": 2, "run traced.third": 1}
        await until(lambda: all(_named(yard, n) >= many for n, many in wanted.items()), str(wanted))
        for process in (worker, serving):
            process.kill(15)
            await process.ended()
    spans = _spans(yard)
    assert {span["context"]["trace_id"] for span in spans} == {"0x0af7651916cd43dd8448eb211c80319c"}
    by_id = {span["context"]["span_id"]: span for span in spans}

    def path(span: Any) -> list[str]:
        above = by_id.get(span["parent_id"])
        own = [] if span["name"].startswith("fastapi.") else [span["name"]]
        return [*(path(above) if above else []), *own]

    paths = {" > ".join(path(span)) for span in spans}
    sent = "POST /jobs > send traced.first"
    assert {
        sent,
        f"{sent} > wait traced.first",
        f"{sent} > run traced.first",
        f"{sent} > run traced.first > send traced.second > run traced.second",
        "POST /workflows > run traced.second",
        "POST /workflows > run traced.third",
    } <= paths
    failed = [span for span in spans if span["status"]["status_code"] == "ERROR"]
    assert [span["name"] for span in failed] == ["run traced.first"]
    assert failed[0]["attributes"]["warrener.attempt"] == 1


def _spans(yard: Yard) -> list[Any]:
    file = yard.folder / "spans"
    return [orjson.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def _named(yard: Yard, name: str) -> int:
    return sum(span["name"] == name for span in _spans(yard))


SCRAPED = {"instance", "job"}
"""Labels that Prometheus itself adds."""


async def _labels(*ports: int) -> dict[str, set[str]]:
    """The series there are, each with the names of its labels, as Prometheus keeps them."""
    async with httpx.AsyncClient(timeout=PATIENCE) as http:
        texts = [(await http.get(f"http://127.0.0.1:{port}/metrics")).text for port in ports]
    families = [one for text in texts for one in text_string_to_metric_families(text)]
    found: dict[str, set[str]] = {}
    for one in families:
        for sample in one.samples:
            found.setdefault(sample.name, set(SCRAPED)).update(sample.labels)
    return found


def _told(expression: Any, series: Mapping[str, set[str]]) -> set[str]:
    """The labels that an expression of PromQL has in the end. It asks for none that is not there."""
    match expression:
        case promql_parser.VectorSelector():
            known = series[expression.name or "none"]
            assert {matcher.name for matcher in expression.matchers.matchers} <= known
            return set(known)
        case promql_parser.MatrixSelector():
            return _told(expression.vector_selector, series)
        case promql_parser.AggregateExpr():
            below, by = _told(expression.expr, series), expression.modifier
            wanted = set(by.labels) if by else set()
            assert by is None or by.type == promql_parser.AggModifierType.By
            assert wanted <= below, expression
            return wanted
        case promql_parser.Call():
            told = [_told(one, series) for one in expression.args]
            if expression.func.name == "histogram_quantile":
                assert "le" in told[-1]
                return told[-1] - {"le"}
            # That a series is missing says nothing but that.
            return set() if expression.func.name == "absent" else set().union(*told)
        case promql_parser.BinaryExpr():
            return _told(expression.lhs, series) | _told(expression.rhs, series)
        case promql_parser.ParenExpr() | promql_parser.UnaryExpr():
            return _told(expression.expr, series)
    assert isinstance(expression, promql_parser.NumberLiteral), expression
    return set()


def _speaks_of(series: Mapping[str, set[str]]) -> None:
    """Whether the example dashboard and the alert rules speak of these series and labels alone."""
    board = orjson.loads((DEPLOY / "grafana" / "warrener.json").read_bytes())
    for panel in board["panels"]:
        for target in panel["targets"]:
            asked = target["expr"].replace("$__rate_interval", "5m").replace("$__range", "1h")
            shown = set(re.findall(r"{{\s*(\w+)", target.get("legendFormat") or ""))
            assert shown <= _told(promql_parser.parse(asked), series), target
    for variable in board["templating"]["list"]:
        for name, label in re.findall(r"label_values\((\w+), *(\w+)\)", str(variable["query"])):
            assert label in series[name]
    rules = YAML(typ="safe").load((DEPLOY / "prometheus" / "alerts.yml").read_text())
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        said = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        assert said <= _told(promql_parser.parse(rule["expr"]), series), rule


async def test_the_api_tells_how_queues_and_workers_stand(yard: Yard) -> None:
    port, other = free_ports(2)
    api = yard.running("api", "--app", "tests.integration.yard:app", "--port", str(port))
    async with yard.worker("--name", "one", "--metrics-port", str(other)), api as serving:
        await serving.says("the API answers")
        held = [await tasks.wait.options(countdown=600).send("later", "gate") for _ in range(2)]
        await _metrics(port)
        body = {"task": f"{T}.run", "kwargs": {"name": "sent"}}
        async with httpx.AsyncClient(timeout=PATIENCE) as http:
            sent = await http.post(f"http://127.0.0.1:{port}/jobs", json=body)
        assert sent.status_code == 202, sent.text
        await yard.ended(sent.json()["id"])
        await tasks.broken.send("dead")

        async def all_counted() -> bool:
            series = await _labels(port, other)
            return {"warrener_dead_letters_total", "warrener_wait_seconds_bucket"} <= series.keys()

        await until_true(all_counted, "a run, and a dead letter")
        _speaks_of(await _labels(port, other))
        seen = await _metrics(port)
        assert seen["warrener_queue_delayed", QUEUE] == len(held)
        assert seen["warrener_queue_consumers", QUEUE] == 1
        assert seen["warrener_published_total", "job", "confirmed", QUEUE] == 1
        assert seen[("warrener_workers",)] == 1
