"""Executed notebooks as web pages that open offline: no script, no request, pictures inside."""

import base64
import io
import re
from pathlib import Path

import nbformat
from jinja2 import Environment, FileSystemLoader
from nbconvert import HTMLExporter
from PIL import Image
from pygments.formatters import HtmlFormatter


HERE = Path(__file__).parent
PICTURES = ("image/png", "image/jpeg", "image/svg+xml")
PNG = re.compile(r"data:image/png;base64,([\w+/=\s]+)")


def templates() -> Environment:
    """The Jinja environment of this folder's templates; text is escaped unless marked safe."""
    return Environment(loader=FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True)


def webp(png: bytes) -> str:
    """A picture as a data URI, without loss in two fifths of the PNG's bytes."""
    packed = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.save(packed, "WEBP", lossless=True)
    return f"data:image/webp;base64,{base64.b64encode(packed.getvalue()).decode()}"


def title_of(notebook: nbformat.NotebookNode, default: str) -> str:
    """The first heading of a notebook."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                if line.startswith("#"):
                    return line.lstrip("# ").strip()
    return default


def page(source: Path) -> str:
    """The HTML of an executed notebook; raises ValueError when the file is no notebook."""
    try:
        notebook = nbformat.read(source, as_version=4)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise ValueError(f"{source} is not a notebook: {str(error).splitlines()[0]}") from None
    title = heading = title_of(notebook, source.stem)
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("#"):
            heading = cell.source.splitlines()[0].lstrip("# ").strip()
        for output in cell.get("outputs", []):
            for kind in set(PICTURES) & set(output.get("data", {})):
                metadata = output.setdefault("metadata", nbformat.NotebookNode())
                metadata.setdefault(kind, nbformat.NotebookNode()).setdefault("alt", f"Figure: {heading}")
    body, _ = HTMLExporter(template_name="basic", embed_images=True).from_notebook_node(notebook)
    body = PNG.sub(lambda found: webp(base64.b64decode(found[1])), body)
    style = HtmlFormatter(style="default").get_style_defs(".highlight")
    return templates().get_template("page.html.j2").render(title=title, body=body, style=style, name=source.stem)
