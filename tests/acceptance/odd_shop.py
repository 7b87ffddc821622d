"""An app with a task that nobody could send."""

from warrener import Warrener

app = Warrener()


class Till:
    """Nothing that JSON knows."""


@app.task(name="odd.take")
def take(till: Till) -> None:
    """Takes what no message can carry."""
