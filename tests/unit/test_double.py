"""The in-memory double, beyond the contract that it shares with the real parts."""

from datetime import UTC, datetime

from warrener import State, Warrener
from warrener_workers.testing import WarrenerTest

app = Warrener()


@app.task(name="shop.mail")
async def mail() -> None:
    """Nothing to do."""


async def test_an_eta_is_of_the_tests_own_time() -> None:
    async with WarrenerTest(app).installed() as test:
        handle = await mail.options(eta=datetime.fromtimestamp(test.now + 60, UTC)).send()
        assert [sent.delay for sent in test.sent(mail)] == [60]
        await test.advance(59)
        assert (await handle.status()).state is State.SCHEDULED
        await test.advance(1)
        assert (await handle.status()).state is State.SUCCESS
