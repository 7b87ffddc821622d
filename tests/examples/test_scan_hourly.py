"""The hourly check of a site: the time is the test's, so that hours pass at once."""

from pathlib import Path

import pytest

from examples.scan import app
from examples.scan.site import Site
from examples.scan.tasks import check_every_hour, discover, report
from warrener_workers.testing import WarrenerTest

HOUR = 3600


async def test_the_site_is_scanned_on_each_full_hour(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WARRENER_SCAN_REPORTS", str(tmp_path))
    monkeypatch.setattr(app, "_schedules", {})
    monkeypatch.setattr("examples.scan.site.HEAVY", "")  # parsing that page takes most of the time
    check_every_hour(site.url)
    async with WarrenerTest(app).installed() as test:
        to_the_hour = HOUR - test.now % HOUR
        await test.advance(to_the_hour - 1)
        assert test.sent(discover) == []
        await test.advance(1)
        assert [scan.arguments for scan in test.sent(discover)] == [{"url": f"{site.url}/"}]
        await test.advance(HOUR)
        await test.drain()
        scans = test.sent(discover)
        assert len({scan.id for scan in scans}) == len(scans) == 2
        ended = [(await app.job(one.id).status()).state for one in [*scans, *test.sent(report)]]
        assert ended == ["SUCCESS"] * 4
    assert reports(tmp_path) == {f"{scan.id}.report" for scan in scans}


def reports(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.json")}
