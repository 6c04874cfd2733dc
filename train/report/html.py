"""Pages from templates: each is one HTML file without dependencies."""

from pathlib import Path
from typing import Any

import jinja2

from captioner.files import replacing


def write(path: Path, template: str, **values: Any) -> None:
    """Render a page, and write it whole or not at all; an older one is replaced.

    Args:
        path: the HTML file; its folder is made if there is none.
        template: the name of a file in `templates/`.
        values: of all variables in the template.

    Raises:
        OSError: the file cannot be written.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(template).render(values)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        part.write_text(page, encoding="utf-8")
