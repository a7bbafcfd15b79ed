"""The console's files, read once at the start: our pages and the Leaflet that the package index ships."""

import gzip
import hashlib
import mimetypes
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

from gateway.api.house import Page

TEXTS = ("text/", "application/json", "image/svg")
LEFT_OUT = (".map", ".py", ".pyc", "leaflet-src.js", "leaflet-src.esm.js")


def load_pages() -> dict[str, Page]:
    """Every file by the address at which it is served; the console's ``index.html`` at ``/``."""
    ours = files("gateway.api") / "pages"
    leaflet = files("xstatic.pkg.leaflet") / "data"
    found = {f"/static/{name}": page for name, page in _pages(ours)}
    found |= {f"/static/leaflet/{name}": page for name, page in _pages(leaflet)}
    if index := found.get("/static/index.html"):
        found["/"] = index
    return found


def _pages(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Page]]:
    if not folder.is_dir():
        return
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _pages(entry, f"{prefix}{entry.name}/")
        elif not entry.name.endswith(LEFT_OUT):
            yield f"{prefix}{entry.name}", page_of(entry.name, entry.read_bytes())


def page_of(name: str, body: bytes) -> Page:
    """One file as it is served."""
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if name.endswith(".js"):
        media_type = "text/javascript"  # mimetypes asks the host's tables, which differ
    is_text = media_type.startswith(TEXTS)
    gzipped = gzip.compress(body, mtime=0) if is_text else None
    etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    return Page(body, gzipped if gzipped and len(gzipped) < len(body) else None, f"{media_type}; charset=utf-8" if is_text else media_type, etag)
