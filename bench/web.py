"""What uvicorn serves in the bench: the API of the bench's app, and a call that does nothing."""

from __future__ import annotations

from warrener_api import create_app

from .tasks import app as tasks

app = create_app(tasks)


@app.post("/empty", status_code=202)
async def empty() -> dict[str, str]:
    """Nothing but the web framework."""
    return {}
