"""Where a report is kept."""

import json
from pathlib import Path

from examples.scan.models import Report, Summary
from examples.scan.report import to_html, to_json


def write(result: Report, folder: Path, name: str) -> Summary:
    """Write both files, named after the job: a second run replaces them. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    html, json_file = (folder.resolve() / f"{name}{suffix}" for suffix in (".html", ".json"))
    html.write_text(to_html(result), encoding="utf-8")
    json_file.write_text(json.dumps(to_json(result), indent=2), encoding="utf-8")
    return Summary(
        site=result.site,
        analysed=len(result.pages),
        unanalysed=len(result.unanalysed),
        skipped=len(result.skipped),
        errors=result.count("error"),
        warnings=result.count("warning"),
        notes=result.count("note"),
        html=str(html),
        json_file=str(json_file),
    )
