"""What somebody may type, or a page of theirs may send, into every form and address of the dashboard: it is
shown as text or refused, and never a fault of ours."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import httpx
import pytest

from .place import Place
from .shop import IDLE

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "attribute": '"><img src=x onerror=alert(1)>',
    "header": "x\r\nSet-Cookie: evil=1",
    "nothing": "\x00",
    "path": "../../../etc/passwd",
    "template": "{{ 7 * 7 }}{% raw %}",
    "long": "ö" * 8_000,
    "deep": "[" * 5_000,
    "number": "1e999",
    "wild": "*",
}
QUERIES = {
    "/desk/jobs": ("state", "queue", "task", "id", "cursor", "none"),
    "/desk/dead": ("queue", "task", "cause", "reason", "text", "group", "cursor", "ids"),
    "/desk/audit": ("before",),
}
DEED = {"queue": IDLE, "deed": "replay", "all": "yes", "because": "x"}
FORMS = {
    "/desk/sign-in": {"key": ""},
    "/desk/workers/shutdown": {"name": ""},
    "/desk/jobs/some-id/revoke": {"reason": "", "terminate": ""},
    "/desk/dead/count": {**DEED, "limit": "", "rate": "", "to_queue": "", "edit": "", "ids": ""},
    "/desk/dead/begin": {**DEED, "limit": "", "rate": "", "to_queue": "", "edit": "", "was": ""},
}
PATHS = (
    ("GET", "/desk/jobs/{}"),
    ("POST", "/desk/jobs/{}/revoke"),
    ("GET", "/desk/workflows/{}"),
    ("POST", "/desk/workflows/{}/revoke"),
    ("GET", "/desk/dead/{}/x"),
    ("GET", "/desk/dead/x/{}"),
    ("GET", "/desk/operations/{}"),
    ("POST", "/desk/operations/{}/cancel"),
    ("POST", "/desk/queues/{}/pause"),
    ("POST", "/desk/queues/{}/resume"),
    ("POST", "/desk/schedules/{}/pause"),
    ("POST", "/desk/schedules/{}/run"),
    ("GET", "/desk/plots/{}.svg"),
    ("GET", "/desk/assets/{}"),
)


def _harmless(answer: httpx.Response, what: str) -> None:
    assert answer.status_code < 500, (what, answer.status_code, answer.text[:300])
    assert "evil" not in answer.headers.get("set-cookie", ""), what
    assert "\n" not in answer.headers.get("location", ""), what
    assert "root:" not in answer.text, what
    if answer.status_code == 303:
        return
    assert answer.headers["x-content-type-options"] == "nosniff", what
    if answer.headers["content-type"].startswith("text/html"):
        assert "<script>alert" not in answer.text, what
        assert "<img src=x" not in answer.text, what
        assert "default-src 'none'" in answer.headers["content-security-policy"], what
    else:
        assert answer.headers["content-type"] == "application/problem+json", what


@pytest.mark.parametrize("name", HOSTILE)
async def test_it_does_no_harm(place: Place, name: str) -> None:
    text = HOSTILE[name]
    form = {"content-type": "application/x-www-form-urlencoded"}
    before = await place.messages()
    async with place.http() as http:
        for path, fields in QUERIES.items():
            for field in fields:
                asked = f"{path}?{urlencode({field: text})}"
                _harmless(await http.get(asked), f"{path} {field}")
        for path, facts in FORMS.items():
            for field in facts:
                body = urlencode({**facts, field: text})
                answer = await http.post(path, content=body, headers=form)
                _harmless(answer, f"{path} {field}")
        for method, path in PATHS:
            asked = path.format(quote(text[:2_000], safe=""))
            _harmless(await http.request(method, asked), f"{method} {path}")
        for path in FORMS:
            answer = await http.post(path, content=b"%ff=%fe&" + text.encode()[:9], headers=form)
            _harmless(answer, f"{path} with bytes that are no text")
    assert await place.messages() == before
