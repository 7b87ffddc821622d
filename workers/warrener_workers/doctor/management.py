"""RabbitMQ's management API, as far as the doctor asks it. Nothing here changes anything."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from yarl import URL

from warrener.settings import Settings, without_password
from warrener.tls import context_of
from warrener.topology import Binding

from .broker import Managed

SECONDS = 5.0
UNAVAILABLE = 503


class NotManaged(Exception):
    """The management API could not be asked, for this reason."""


def guessed(amqp_url: str) -> str:
    """Where a broker's management API usually is: 10,000 ports above AMQP, with the same user."""
    url = URL(amqp_url)
    secure = url.scheme == "amqps"
    port = (url.port or (5671 if secure else 5672)) + 10_000
    return str(
        URL.build(
            scheme="https" if secure else "http",
            user=url.user or "guest",
            password=url.password or "guest",
            host=url.host or "127.0.0.1",
            port=min(port, 65_535),
        )
    )


class Management:
    """Asks one API of one virtual host; blocking."""

    def __init__(self, url: str, settings: Settings) -> None:
        parsed = URL(url)
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise NotManaged(f"{without_password(url)} is no http:// or https:// URL")
        user = parsed.user or "guest"
        self.shown = without_password(url)
        self._tls = context_of(settings)
        self._root = str(parsed.with_user(None)).rstrip("/")
        self._token = base64.b64encode(f"{user}:{parsed.password or 'guest'}".encode()).decode()
        vhost = URL(settings.amqp_url.get_secret_value()).path.removeprefix("/") or "/"
        self._vhost = quote(vhost, safe="")

    def look(self, cluster: str) -> Managed:
        """What the doctor wants to know. Raises NotManaged if it is not there, refuses the user, or is
        that of another broker than the one called `cluster`."""
        overview = self._get("/api/overview")
        if cluster and overview.get("cluster_name") not in (None, cluster):
            raise NotManaged(f"{self.shown} belongs to another broker than WARRENER_AMQP_URL")
        return Managed(self._alarms(), self._policies(), self._bindings())

    def _alarms(self) -> list[str] | None:
        try:
            return [] if self._get("/api/health/checks/alarms") is not None else None
        except _Refused as refused:
            if refused.code != UNAVAILABLE:
                return None
            # Depending on the version, a list or nothing but the reason.
            said = refused.body
            alarms = said.get("alarms") or [said.get("reason", "unknown")]
            return sorted(
                {str(a.get("resource", a)) if isinstance(a, Mapping) else str(a) for a in alarms}
            )

    def _policies(self) -> list[Mapping[str, Any]] | None:
        try:
            own = self._get(f"/api/policies/{self._vhost}")
            operators = self._get(f"/api/operator-policies/{self._vhost}")
        except _Refused:
            return None
        return [*own, *({**one, "operator": True} for one in operators)]

    def _bindings(self) -> frozenset[Binding] | None:
        try:
            given = self._get(f"/api/bindings/{self._vhost}")
        except _Refused:
            return None
        return frozenset(
            Binding(
                one["source"],
                one["routing_key"],
                **{one["destination_type"]: one["destination"]},
            )
            for one in given
        )

    def _get(self, path: str) -> Any:
        request = urllib.request.Request(
            self._root + path, headers={"Authorization": f"Basic {self._token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=SECONDS, context=self._tls) as response:
                return json.loads(response.read())
        except urllib.error.HTTPError as error:
            raise _Refused(self.shown, error.code, _json(error)) from error
        except (OSError, ValueError) as error:
            raise NotManaged(f"nobody answers as RabbitMQ at {self.shown}: {error}") from error


class _Refused(NotManaged):
    def __init__(self, url: str, code: int, body: Mapping[str, Any]) -> None:
        super().__init__(f"{url} answered {code}: {body.get('reason', 'no reason')}")
        self.code = code
        self.body = body


def _json(error: urllib.error.HTTPError) -> Mapping[str, Any]:
    try:
        found = json.loads(error.read())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, Mapping) else {}
