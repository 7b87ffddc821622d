"""TLS to real servers, by an authority of the test's own: verified both ways, and refused where it is
not."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import running
from warrener import BrokerUnavailable, ConfigurationError, StoreUnavailable, Warrener
from warrener.client import Client
from warrener.settings import Settings
from warrener_workers.nodes import private_rabbitmq
from warrener_workers.nodes.ports import free_ports
from warrener_workers.nodes.processes import ServerProcess, clean_environment

APP = "tests.integration.yard:app"


def _openssl(folder: Path, *arguments: str) -> None:
    command = ["openssl", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)


def _authority(folder: Path, name: str) -> None:
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    out = ("-keyout", f"{name}.key", "-out", f"{name}.pem")
    _openssl(folder, "req", "-x509", *key, *out, "-subj", f"/CN={name}", "-days", "2")


def _certificate(folder: Path, name: str) -> None:
    """One for this machine, which servers and clients may show."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    out = ("-keyout", f"{name}.key", "-out", f"{name}.csr")
    _openssl(folder, "req", *key, *out, "-subj", f"/CN={name}")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    by = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
    _openssl(
        folder,
        "x509",
        "-req",
        "-in",
        f"{name}.csr",
        *by,
        "-extfile",
        "names",
        "-out",
        f"{name}.pem",
    )


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    for name in ("ca", "stranger"):
        _authority(folder, name)
    for name in ("server", "client"):
        _certificate(folder, name)
    return folder


@pytest.fixture(scope="module")
def servers(
    certificates: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The URLs of servers that want a certificate of whoever connects."""
    amqps, rediss = free_ports(2)
    home = tmp_path_factory.mktemp("servers")
    config = {
        "listeners.ssl.1": f"127.0.0.1:{amqps}",
        "ssl_options.cacertfile": str(certificates / "ca.pem"),
        "ssl_options.certfile": str(certificates / "server.pem"),
        "ssl_options.keyfile": str(certificates / "server.key"),
        "ssl_options.verify": "verify_peer",
        "ssl_options.fail_if_no_peer_cert": "true",
    }
    binary = shutil.which("redis-server") or shutil.which("valkey-server")
    assert binary
    command = [binary, "--port", "0", "--tls-port", str(rediss), "--bind", "127.0.0.1"]
    for option, file in (("cert-file", "server.pem"), ("key-file", "server.key")):
        command += [f"--tls-{option}", str(certificates / file)]
    command += ["--tls-ca-cert-file", str(certificates / "ca.pem"), "--save", "", "--logfile", ""]
    command += ["--tls-protocols", "TLSv1.2"]
    redis = ServerProcess("Redis", command, log=home / "redis.log", env=clean_environment(home))
    with private_rabbitmq(home / "rabbitmq", config=config):
        redis.start(lambda: b"Ready to accept" in (home / "redis.log").read_bytes())
        try:
            yield {
                "amqp_url": f"amqps://guest:guest@127.0.0.1:{amqps}/",
                "redis_url": f"rediss://127.0.0.1:{rediss}/0",
            }
        finally:
            redis.kill()


def _files(certificates: Path, ca: str = "ca", cert: str = "client") -> dict[str, str]:
    names = {"tls_ca": f"{ca}.pem", "tls_cert": f"{cert}.pem", "tls_key": f"{cert}.key"}
    return {name: str(certificates / file) for name, file in names.items()}


@pytest.mark.parametrize("transport", ["plain", "fast"])
async def test_jobs_run_over_tls_with_both_sides_verified(
    servers: dict[str, str], certificates: Path, tmp_path: Path, transport: str
) -> None:
    settings = {**servers, **_files(certificates), "transport": transport}
    environment = {f"WARRENER_{name.upper()}": value for name, value in settings.items()}
    worker = running("worker", "yard", "--app", APP, YARD=str(tmp_path), **environment)
    async with worker as process, Warrener(settings=Settings.model_validate(settings)) as app:
        await process.says(" ready: ")
        handle = await app.send("tests.integration.yard.run", "ann")
        assert (await handle.result(timeout=60)) is not None


async def test_a_server_that_a_stranger_vouches_for_is_refused(
    servers: dict[str, str], certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The system trusts them: an authority of one's own is asked instead, not as well.
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "ca.pem"))
    own = {name: path for name, path in _files(certificates).items() if name != "tls_ca"}
    client = Client(Settings.model_validate({**servers, **own}), ())
    await client.publisher.ready()
    await client.store.ping()
    await client.close()
    client = Client(Settings.model_validate({**servers, **_files(certificates, ca="stranger")}), ())
    with pytest.raises(BrokerUnavailable, match="certificate"):
        await client.publisher.ready()
    with pytest.raises(StoreUnavailable, match="certificate"):
        await client.store.ping()
    await client.close()


async def test_servers_refuse_a_client_without_a_certificate(
    servers: dict[str, str], certificates: Path
) -> None:
    facts = {**servers, "tls_ca": str(certificates / "ca.pem")}
    client = Client(Settings.model_validate(facts), ())
    with pytest.raises(BrokerUnavailable):
        await client.publisher.ready()
    with pytest.raises(StoreUnavailable):
        await client.store.ping()
    await client.close()


async def test_what_the_url_of_redis_asks_for_holds_beside_an_authority_of_ones_own(
    servers: dict[str, str], certificates: Path
) -> None:
    for version, heard in (
        (771, True),
        (772, False),
    ):  # TLS 1.2, which is all that it speaks, and 1.3
        url = f"{servers['redis_url']}?ssl_min_version={version}"
        facts = {**servers, **_files(certificates), "redis_url": url}
        client = Client(Settings.model_validate(facts), ())
        if heard:
            await client.store.ping()
        else:
            with pytest.raises(StoreUnavailable, match=r"(?i)version"):
                await client.store.ping()
        await client.close()


@pytest.mark.parametrize(
    "name, query",
    [
        ("amqp_url", "no_verify_ssl=1"),
        ("amqp_url", "cafile=/etc/ca.pem"),
        ("amqp_url", "verify=verify_none"),
        ("redis_url", "ssl_ca_path=/etc/ssl"),
        ("redis_url", "tls=1"),
        ("redis_url", "ssl_ciphers=none"),
    ],
)
async def test_what_nobody_would_heed_is_refused(
    servers: dict[str, str], certificates: Path, name: str, query: str
) -> None:
    facts = {**servers, **_files(certificates), name: f"{servers[name]}?{query}"}
    with pytest.raises(ConfigurationError, match=f"WARRENER_{name.upper()}"):
        Client(Settings.model_validate(facts), ())


@pytest.mark.parametrize("name", ["tls_ca", "tls_cert", "tls_key"])
async def test_a_file_that_is_none_is_named(
    servers: dict[str, str], certificates: Path, name: str, tmp_path: Path
) -> None:
    facts = {**servers, **_files(certificates), name: str(tmp_path / "none.pem")}
    with pytest.raises(ConfigurationError, match=r"none\.pem"):
        Client(Settings.model_validate(facts), ())
    (tmp_path / "none.pem").write_text("no PEM")
    with pytest.raises(ConfigurationError, match=r"none\.pem.* PEM"):
        Client(Settings.model_validate(facts), ())
