"""Settings: where they come from, and what they never show."""

from typing import Any

import pytest
from pydantic import ValidationError
from yarl import URL

from warrener import ConfigurationError, Settings, Warrener
from warrener.errors import BrokerUnavailable
from warrener.settings import without_password

PASSWORD = "hunter2"  # what must never be seen
AMQP = f"amqp://shop:{PASSWORD}@rabbit.example:5672/shop"
REDIS = f"redis://:{PASSWORD}@redis.example:6379/3"


def test_defaults_serve_a_local_broker_and_store() -> None:
    settings = Settings()
    assert settings.amqp_url.get_secret_value() == "amqp://guest:guest@127.0.0.1:5672/"
    assert settings.redis_url.get_secret_value() == "redis://127.0.0.1:6379/0"
    assert (settings.namespace, settings.queue_type) == ("warrener", "quorum")


def test_the_environment_comes_before_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARRENER_NAMESPACE", "shop")
    monkeypatch.setenv("WARRENER_RESULT_TTL", "60")
    monkeypatch.setenv("WARRENER_DECLARE", "false")
    settings = Settings()
    assert (settings.namespace, settings.result_ttl, settings.declare) == ("shop", 60.0, False)


def test_arguments_come_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARRENER_NAMESPACE", "environment")
    monkeypatch.setenv("WARRENER_DEFAULT_QUEUE", "environment")
    settings = Warrener(namespace="argument").settings
    assert (settings.namespace, settings.default_queue) == ("argument", "environment")


def test_a_settings_object_comes_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    given = Settings(namespace="given")
    monkeypatch.setenv("WARRENER_NAMESPACE", "environment")
    assert Warrener(settings=given).settings is given


def test_variables_without_the_prefix_are_nobody_s_business(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NAMESPACE", "other")
    assert Settings().namespace == "warrener"


def test_an_unknown_argument_is_refused_by_its_name() -> None:
    with pytest.raises(ConfigurationError, match="name_space"):
        Warrener(name_space="shop")


def test_settings_do_not_change_once_made() -> None:
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.namespace = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    "name, value",
    [
        ("namespace", ""),
        ("namespace", "with.dot"),
        ("namespace", "*"),
        ("namespace", "n" * 33),
        ("default_queue", ""),
        ("queue_type", "stream"),
        ("publish_timeout", 0),
        ("heartbeat", 0),
        ("beat", 0),
        ("beat", 0.49),
        ("max_payload_bytes", 0),
        ("result_ttl", -1),
        ("grace", -1),
    ],
)
def test_values_that_cannot_work_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Warrener(**{name: value})


@pytest.mark.parametrize(
    "name, url",
    [
        ("amqp_url", "http://rabbit.example/"),
        ("amqp_url", "rabbit.example:5672"),
        ("amqp_url", ""),
        ("amqp_url", "amqp:///shop"),
        ("amqp_url", f"amqp://shop:{PASSWORD}@rabbit.example:port/"),
        ("redis_url", "http://x"),
        ("redis_url", "localhost:6379"),
        ("redis_url", f"https://:{PASSWORD}@redis.example/0"),
    ],
)
def test_a_url_that_nothing_could_connect_to_is_refused(name: str, url: str) -> None:
    overrides: dict[str, Any] = {name: url}
    with pytest.raises(
        ConfigurationError, match=f"{name}: it must be a URL that begins with"
    ) as no:
        Warrener(**overrides)
    assert PASSWORD not in str(no.value)
    with pytest.raises(ValidationError) as raw:
        Settings(**overrides)
    assert PASSWORD not in str(raw.value)


@pytest.mark.parametrize(
    "name, url",
    [
        ("amqp_url", "amqps://u:p@rabbit.example/shop?heartbeat=5"),
        ("amqp_url", "amqp://[::1]:5672/"),
        ("redis_url", "rediss://redis.example"),
        ("redis_url", "unix:///run/redis.sock?db=1"),
        ("redis_url", "unix://u:p@/run/redis.sock"),
    ],
)
def test_a_url_of_every_kind_there_is_is_taken(name: str, url: str) -> None:
    overrides: dict[str, Any] = {name: url}
    assert getattr(Warrener(**overrides).settings, name).get_secret_value() == url


def test_a_worker_counts_as_dead_after_three_silent_beats() -> None:
    assert Settings(beat=2.0).presence_lifetime == 6.0


def test_passwords_are_in_no_text_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARRENER_REDIS_URL", REDIS)
    settings = Warrener(amqp_url=AMQP).settings
    assert PASSWORD in settings.amqp_url.get_secret_value()
    assert PASSWORD in settings.redis_url.get_secret_value()
    texts = [repr(settings), str(settings), f"{settings.amqp_url}", settings.model_dump_json()]
    texts += [repr(settings.model_dump()), settings.shown_amqp_url, settings.shown_redis_url]
    assert not [text for text in texts if PASSWORD in text]


def test_an_error_shows_the_url_without_the_password() -> None:
    settings = Warrener(amqp_url=AMQP).settings
    error = BrokerUnavailable(url=settings.shown_amqp_url, reason="refused")
    assert "amqp://shop:***@rabbit.example:5672/shop" in str(error)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"amqp_uri": AMQP}, id="mistyped name"),
        pytest.param({"amqp_url": URL(AMQP)}, id="not a text"),
        pytest.param({"redis_url": [REDIS]}, id="a list"),
        pytest.param({"namespace": AMQP}, id="in the wrong place"),
    ],
)
def test_a_refused_setting_does_not_show_a_password(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Warrener(**wrong)
    assert PASSWORD not in str(refused.value)
    assert PASSWORD not in repr(refused.value)


@pytest.mark.parametrize(
    "url, shown",
    [
        (AMQP, "amqp://shop:***@rabbit.example:5672/shop"),
        (REDIS, "redis://:***@redis.example:6379/3"),
        ("amqp://rabbit.example/", "amqp://rabbit.example/"),
        ("amqp://shop@rabbit.example/", "amqp://shop@rabbit.example/"),
        ("unix://u:hunter2@/run/redis.sock?db=1", "unix://u:***@/run/redis.sock?db=1"),
    ],
)
def test_the_shown_url_is_the_url_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_a_password_in_the_query_is_not_shown_either() -> None:
    # redis-py takes redis://host/0?password=…
    assert PASSWORD not in without_password(f"redis://redis.example/0?password={PASSWORD}")


@pytest.mark.parametrize(
    "wrong",
    [
        f"amqp://shop:{PASSWORD}@rabbit.example:port/",
        f"amqp://shop:{PASSWORD}/2@rabbit.example/",
        f"shop:{PASSWORD}@rabbit.example:5672",
        f"http://shop:{PASSWORD}@rabbit.example/",
        f"{AMQP},shop:{PASSWORD}@other.example/",
        f"amqp://shop:{PASSWORD}@rabbit.example,other.example/",
        f"amqp://rabbit.example/,shop:{PASSWORD}@other.example",
        "",
    ],
)
def test_a_broker_url_that_cannot_be_read_is_refused_without_its_password(wrong: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"amqp_url: .* must be a URL that begins with amqp://"
    ) as refused:
        Warrener(amqp_url=wrong)
    assert PASSWORD not in str(refused.value)
    with pytest.raises(ValidationError) as invalid:
        Settings(amqp_url=wrong)
    assert PASSWORD not in f"{invalid.value}{invalid.value!r}"


def test_several_broker_urls_are_taken_apart_at_the_commas_between_them() -> None:
    urls = [AMQP, "amqps://shop:a,b@rabbit.example/shop", "amqp://rabbit.example"]
    settings = Settings(amqp_url=f" {urls[0]},{urls[1]} , {urls[2]}")
    assert settings.amqp_urls == urls
    assert settings.shown_amqp_url == (
        "amqp://shop:***@rabbit.example:5672/shop, amqps://shop:***@rabbit.example/shop, "
        "amqp://rabbit.example"
    )


def test_which_of_several_urls_is_wrong_is_said() -> None:
    with pytest.raises(ConfigurationError, match="URL 2 of 2 must be"):
        Warrener(amqp_url=f"{AMQP},amqp://shop@:5672/")
