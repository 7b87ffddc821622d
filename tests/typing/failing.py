"""What mypy and pyright must refuse: just the lines that say so at their end."""

from warrener import Job, Warrener, chain, chord, group


class Resources:
    """What a lifespan gives."""


class Page:
    """What a task takes."""


app = Warrener()


@app.task
async def discover(url: str, depth: int = 3) -> list[Page]:
    """A coroutine, declared with the bare decorator."""
    return [Page()] * depth


@app.task
def analyse(page: Page) -> float:
    """A plain function, declared with the bare decorator."""
    return 0.5


@app.task(queue="scan.analysis")
async def parametrised(page: Page, *, deep: bool = False) -> str:
    """A coroutine, declared with settings; a keyword-only argument."""
    return ""


@app.task
async def job_first(job: Job[Resources], url: str, depth: int = 1) -> int:
    """The Job first."""
    return depth


@app.task(queue="scan.discovery")
def job_first_plain(job: Job[Resources], url: str, *, deep: bool = False) -> int:
    """The Job first, on a plain function."""
    return 0


@app.task
async def keyword0(*, job: Job[Resources]) -> int:
    """The Job keyword-only, beside no arguments."""
    return 0


@app.task
async def keyword2(url: str, depth: int, *, job: Job[Resources]) -> int:
    """Beside two."""
    return 2


@app.task
def keyword3(url: str, depth: int, deep: bool, *, job: Job[Resources]) -> int:
    """Beside three, on a plain function."""
    return 3


@app.task
async def keyword_defaults(url: str, depth: int = 3, *, job: Job[Resources]) -> int:
    """Beside one that may be left out."""
    return depth


@app.task(colour="red")  # error
def unknown_setting() -> None:
    """No such setting."""


@app.task(time_limit="1 h")  # error
def wrong_setting() -> None:
    """A setting of another type."""


async def sending(page: Page) -> None:
    """Arguments that do not fit, and results of other types."""
    await discover.send()  # error
    await discover.send(5)  # error
    await discover.send("u", "deep")  # error
    await discover.send("u", 1, 2)  # error
    await discover.send("u", deep=True)  # error
    await discover.send(url=page)  # error
    await analyse.send("page")  # error
    await analyse.send(page=None)  # error
    await parametrised.send(page, True)  # error
    await parametrised.send(page, deep="yes")  # error
    number: int = await (await analyse.send(page)).result()  # error
    pages: list[str] = await (await discover.send("u")).result()  # error
    print(number, pages)
    await discover.send("u", 1)
    await parametrised.send(page, deep=True)


def sending_without_a_loop(page: Page) -> None:
    """The same without await."""
    discover.send_sync()  # error
    analyse.send_sync(5)  # error
    text: str = analyse.send_sync(page).result_sync()  # error
    print(text)
    analyse.send_sync(page)


async def sending_with_a_job(job: Job[Resources]) -> None:
    """Nobody sends the Job, and the others are checked beside it."""
    await job_first.send()  # error
    await job_first.send(5)  # error
    await job_first.send(job, "u")  # error
    await job_first.send("u", job=job)  # error
    await job_first.send("u", depth="deep")  # error
    await job_first_plain.send("u", True)  # error
    await job_first_plain.send("u", deep="yes")  # error
    await keyword0.send("u")  # error
    await keyword0.send(job=job)  # error
    await keyword2.send("u")  # error
    await keyword2.send("u", "deep")  # error
    await keyword2.send("u", 1, job=job)  # error
    await keyword3.send("u", 1, "yes")  # error
    await keyword3.send("u", 1, True, job)  # error
    text: str = await (await keyword_defaults.send("u")).result()  # error
    print(text)
    await job_first.send("u", depth=2)
    await keyword3.send("u", 1, True)


async def sending_with_options(page: Page) -> None:
    """Options are checked, and what is sent with them."""
    analyse.options(countdown="soon")  # error
    analyse.options(eta=60)  # error
    analyse.options(colour="red")  # error
    analyse.s(page).options(countdown="soon")  # error
    analyse.s(page).options(colour="red")  # error
    app.signature("shop.discover").options(eta=60)  # error
    await analyse.options(countdown=5).send("page")  # error
    await job_first.options(id="a").send(5)  # error
    await analyse.options(countdown=5).send(page)


async def signatures(page: Page) -> None:
    """Calls as values are checked where they are made."""
    await analyse.s().send()  # error
    analyse.s(deep=1)  # error
    analyse.s("page")  # error
    discover.s("u", deep=True)  # error
    keyword2.s("u", job=None)  # error
    handles = await app.send_many([analyse.s(page)])
    number: int = await handles[0].result()  # error
    await app.send_many([analyse])  # error
    await app.send_many([discover.s(5)])  # error
    await app.send(analyse)  # error
    print(number)
    analyse.s(page)


async def workflows(page: Page) -> None:
    """A step takes what the one before it gives."""
    discover.s("u") | analyse.s()  # error
    chain(discover.s("u"), analyse.s())  # error
    chord([discover.s("u")], analyse.s())  # error
    group([discover.s("u")], on_error="ignore")  # error
    analyse.si()  # error
    analyse.map(["page"])  # error
    chain(analyse.s(page)).options(countdown=5)  # error
    words: str = await (await chain(discover.s("u")).send()).result()  # error
    print(words)
