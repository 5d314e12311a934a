"""``cmimh serve``: a page to search with, and the JSON API behind it.

Only loopback is served without a token. Uploads are bounded in bytes, pixels and time; of files,
only images of the index are given out, and those re-encoded as JPEG.
"""

import asyncio
import hmac
import io
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import numpy as np
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from PIL import Image
from pydantic import BaseModel, Field

from pipeline import __version__
from pipeline.errors import InputError
from pipeline.features.decode import open_rgb, read_file
from pipeline.search.index import Hit, Index, Searchable

log = logging.getLogger(__name__)
MAX_UPLOAD = 16 * 2**20  # bytes
MAX_PIXELS = 40_000_000
UPLOAD_SECONDS = 20.0
THUMBNAIL = 384  # pixels of the longer side
AT_ONCE = 64  # requests; more are told to come again
_PAGE = files("pipeline.search") / "page"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
View = Literal["image", "text"]
Count = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=10_000)]


class Words(BaseModel):
    """A search by words."""

    text: str = Field(min_length=1, max_length=2000)
    index: int = Field(0, ge=0, description="which index, by its place in /api/indexes")
    view: View = Field("image", description="what is searched: images or captions")
    k: int = Field(24, ge=1, le=100)
    offset: int = Field(0, ge=0, le=10_000)


class Found(BaseModel):
    """One found item."""

    id: str
    caption: str
    distance: int
    score: float
    has_image: bool


class Answer(BaseModel):
    """What a search found, nearest first, and the query's code."""

    bits: str = Field(description="the query's code, one character a bit")
    total: int = Field(description="how many items were searched")
    results: list[Found]


class About(BaseModel):
    """One of the indexes that are served."""

    name: str
    method: str
    bits: int
    items: int
    images: int
    texts: int


class Served:
    """An index that is searched again from the file when that has changed."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self._lock = threading.Lock()
        self._views: dict[str, tuple[int, Searchable]] = {}

    def searchable(self, view: str) -> Searchable:
        with self._lock:
            version = self.index.version()
            if view not in self._views or self._views[view][0] != version:
                self._views[view] = (version, self.index.searchable(view))
            return self._views[view][1]

    def project(self, kind: str, x: Any) -> np.ndarray:
        """The real values (bits,) of one query; one at a time, since each takes all cores."""
        with self._lock:
            model = self.index.model
            project = model.project_texts if kind == "text" else model.project_images
            return project([x])[0]

    def answer(self, values: np.ndarray, view: str, k: int, offset: int) -> Answer:
        searched = self.searchable(view)
        hits = searched.search(values[None] > 0, values[None], k + offset)[0][offset:]
        bits = "".join("1" if bit else "0" for bit in values > 0)
        return Answer(bits=bits, total=len(searched.rows), results=[_found(hit) for hit in hits])


def application(
    indexes: Sequence[Index], *, token: str | None = None, hosts: Sequence[str] | None = None
) -> FastAPI:
    """The ASGI application that serves ``indexes``.

    token  has to come with every request, as ``Authorization: Bearer`` or ``?token=`` once
    hosts  the names that a request may ask for; None: any (only with a token)
    """
    served = [Served(index) for index in indexes]
    busy = asyncio.Semaphore(AT_ONCE)
    app = FastAPI(title="cmimh", version=__version__, docs_url=None, redoc_url=None)

    @app.middleware("http")
    async def guard(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        if refusal := _refused(request, token, hosts):
            response: Response = JSONResponse({"detail": refusal[1]}, refusal[0])
        elif busy.locked():
            response = JSONResponse({"detail": "too many requests at once; try again"}, 503)
        else:
            async with busy:
                response = await call_next(request)
        response.headers.update(_HEADERS)
        if token and request.query_params.get("token") and response.status_code < 400:
            response.set_cookie("token", token, httponly=True, samesite="strict")
        return response

    @app.exception_handler(InputError)
    async def wrong(_: Request, error: InputError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 422)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        faults = [f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}"[:200] for e in error.errors()]
        return JSONResponse({"detail": "; ".join(faults[:5])}, 422)

    def of(number: int) -> Served:
        if not 0 <= number < len(served):
            raise HTTPException(404, f"no index has the number {number}; there are {len(served)}")
        return served[number]

    @app.get("/", include_in_schema=False)
    def page() -> HTMLResponse:
        return HTMLResponse((_PAGE / "search.html").read_text(encoding="utf-8"))

    @app.get("/search.css", include_in_schema=False)
    @app.get("/search.js", include_in_schema=False)
    def asset(request: Request) -> FileResponse:
        return FileResponse(str(_PAGE / request.url.path.removeprefix("/")))

    @app.get("/api/indexes")
    def about() -> list[About]:
        """The indexes that are served."""
        told = [index.info() for index in indexes]
        return [
            About(name=f"{i['method']}, {i['bits']} bits", **{k: i[k] for k in _SHOWN})
            for i in told
        ]

    @app.post("/api/search")
    def by_words(words: Words) -> Answer:
        """Search by words."""
        one = of(words.index)
        return one.answer(one.project("text", words.text), words.view, words.k, words.offset)

    @app.post("/api/search/image", openapi_extra={"requestBody": _IMAGE_BODY})
    async def by_image(
        request: Request, index: int = 0, view: View = "image", k: Count = 24, offset: Offset = 0
    ) -> Answer:
        """Search by a picture: its file as the body."""
        one, data = of(index), await _body(request)
        image = await run_in_threadpool(_decoded, data)
        values = await run_in_threadpool(one.project, "image", image)
        return await run_in_threadpool(one.answer, values, view, k, offset)

    @app.get("/api/similar")
    def by_item(
        id: str, index: int = 0, view: View = "image", k: Count = 24, offset: Offset = 0
    ) -> Answer:
        """Search by the code of an item of the index."""
        one = of(index)
        try:
            codes = one.index.codes_of(id)
        except InputError as error:
            raise HTTPException(404, str(error)) from None
        code = next(code for code in codes if code is not None)
        return one.answer(np.where(code, 1.0, -1.0), view, k, offset)

    @app.get("/api/image", response_class=Response)
    def image(id: str, index: int = 0) -> Response:
        """The image of an item, small, as JPEG."""
        try:
            item = of(index).index.item(id)
        except InputError as error:
            raise HTTPException(404, str(error)) from None
        if not item.path:
            raise HTTPException(404, "this item has no image")
        try:
            picture = _decoded(read_file(Path(item.path)))
        except (HTTPException, ValueError, OSError):
            raise HTTPException(404, "the image of this item cannot be read any more") from None
        picture.thumbnail((THUMBNAIL, THUMBNAIL))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=85)
        headers = {"Cache-Control": "private, max-age=300"}
        return Response(buffer.getvalue(), media_type="image/jpeg", headers=headers)

    return app


def serve(indexes: Sequence[Index], *, host: str, port: int, token: str | None) -> None:
    """Serve until interrupted; a host other than loopback needs a token."""
    import uvicorn

    local = host in _LOOPBACK
    if not local and not token:
        raise InputError(f"--host {host} opens the index to others; give a --token with it")
    hosts = None if not local else _LOOPBACK
    log.info("http://%s:%d/ is open; stop with Ctrl-C", host, port)
    uvicorn.run(
        application(indexes, token=token, hosts=hosts),
        host=host,
        port=port,
        log_level="warning",
        timeout_keep_alive=10,
        limit_concurrency=4 * AT_ONCE,
    )


_LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")
_SHOWN = ("method", "bits", "items", "images", "texts")
_IMAGE_BODY = {
    "required": True,
    "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
}


def _refused(
    request: Request, token: str | None, hosts: Sequence[str] | None
) -> tuple[int, str] | None:
    """Status and sentence for a request that is not answered, else None."""
    if int(request.headers.get("content-length") or 0) > MAX_UPLOAD:
        return 413, f"a request may have {MAX_UPLOAD} bytes at most"
    host = request.headers.get("host", "")
    if hosts is not None and _name(host) not in hosts:
        return 421, "this server answers to its own name only"
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        return 403, "requests from other sites are not answered"
    if request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return 403, "requests from other sites are not answered"
    if token is not None:
        given = (
            request.headers.get("authorization", "").removeprefix("Bearer ")
            or request.query_params.get("token")
            or request.cookies.get("token", "")
        )
        if not hmac.compare_digest(given.encode(), token.encode()):
            return 401, "a token is needed"
    return None


def _name(host: str) -> str:
    """The name in a Host header, without the port."""
    return host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host


async def _body(request: Request) -> bytes:
    """The body of a request, of bounded size and within bounded time."""
    data = bytearray()
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            async for chunk in request.stream():
                data += chunk
                if len(data) > MAX_UPLOAD:
                    raise HTTPException(413, f"a picture may have {MAX_UPLOAD} bytes at most")
    except TimeoutError:
        raise HTTPException(408, "the picture came too slowly") from None
    if not data:
        raise HTTPException(400, "the body is empty; a picture's file is needed")
    return bytes(data)


def _decoded(data: bytes) -> Image.Image:
    """An uploaded picture as RGB; HTTPException for what is none, or too large."""
    try:
        with Image.open(io.BytesIO(data)) as header:
            width, height = header.size
        if width * height > MAX_PIXELS:
            raise HTTPException(413, f"a picture may have {MAX_PIXELS} pixels at most")
        return open_rgb(data)
    except HTTPException:
        raise
    except Image.DecompressionBombError:
        raise HTTPException(413, f"a picture may have {MAX_PIXELS} pixels at most") from None
    except Exception:  # decoders fail in every way there is
        raise HTTPException(415, "the body is not a picture that can be read") from None


def _found(hit: Hit) -> Found:
    item = hit.item
    return Found(
        id=item.id,
        caption=item.caption,
        distance=hit.distance,
        score=hit.score,
        has_image=bool(item.path),
    )
