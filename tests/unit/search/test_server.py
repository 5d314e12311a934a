"""The page to search with and its API: what it answers, what it refuses, what it looks like."""

import io
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest
from PIL import Image
from small_index import WORDS, items_of, picture

from pipeline.search.index import Index, Item, create


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Running:
    """A server in a process of its own."""

    def __init__(self, root, *folders, arguments=()):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli.console", "serve", *map(str, folders),
             "--port", str(self.port), "--device", "cpu", *arguments],
            cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for _ in range(600):
            try:
                httpx.get(self.url, timeout=5)
                return
            except httpx.TransportError:
                assert self.process.poll() is None
                time.sleep(0.1)
        raise AssertionError("the server does not answer")

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def second(model, photographs, tmp_path_factory):
    """Another index, of half of the pictures, with markup in a caption."""
    index = create(tmp_path_factory.mktemp("second") / "i", model)
    index.add(items_of(photographs, range(0, 40, 2)))
    markup = "<img src=x onerror=alert(1)><script>document.title='owned'</script> red"
    index.add([Item("markup", "", markup)])
    return index


@pytest.fixture(scope="module")
def server(root, filled, second):
    running = Running(root, filled.folder, second.folder)
    yield running
    running.stop()


@pytest.fixture
def client(server):
    with httpx.Client(base_url=server.url, timeout=60) as opened:
        yield opened


def colours(answer):
    return [int(hit["id"]) % 4 for hit in answer.json()["results"]]


def test_words_pictures_and_items_find_their_like(client):
    told = client.get("/api/indexes").json()
    assert [about["items"] for about in told] == [40, 21] and told[0]["bits"] == 16
    for colour, word in enumerate(WORDS):
        answer = client.post("/api/search", json={"text": f"a {word} thing", "k": 6})
        assert colours(answer).count(colour) >= 5
        assert set(answer.json()["bits"]) <= {"0", "1"} and len(answer.json()["bits"]) == 16
    found = client.post("/api/search/image?view=text&k=3", content=png(picture(101)))
    assert "green" in found.json()["results"][0]["caption"]
    assert colours(client.get("/api/similar", params={"id": "7", "k": 4}))[0] == 3
    pages = [
        client.post("/api/search", json={"text": "red", "k": 10, "offset": offset}).json()
        for offset in (0, 10, 30, 40)
    ]
    assert [len(page["results"]) for page in pages] == [10, 10, 10, 0]
    names = [hit["id"] for page in pages for hit in page["results"]]
    assert len(names) == len(set(names)) == 30 and pages[0]["total"] == 40


def test_images_are_small_jpegs_of_items_alone(client):
    answer = client.get("/api/image", params={"id": "3"})
    assert answer.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).size == (48, 40)
    assert client.get("/api/image", params={"id": "markup", "index": 1}).status_code == 404


def test_the_api_is_described_and_the_page_needs_nobody_else(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/api/indexes", "/api/search", "/api/search/image", "/api/similar"} <= paths.keys()
    for path in ("/", "/search.css", "/search.js"):
        text = client.get(path).text
        assert "http://" not in text and "https://" not in text
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy


def bomb(width, height):
    """A PNG of a few bytes that claims so many pixels."""

    def chunk(name, data):
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b"")


SEARCH, UPLOAD = ("POST", "/api/search"), ("POST", "/api/search/image")
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
SCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
CROSS = {"Sec-Fetch-Site": "cross-site"}
EVIL = {"Origin": "https://evil.example"}
HOSTILE = {
    "bomb": (*UPLOAD, {"content": bomb(60_000, 60_000)}, 413),
    "bomb within the pixels": (*UPLOAD, {"content": bomb(6_000, 6_000)}, 415),
    "no pixels": (*UPLOAD, {"content": bomb(0, 10)}, 415),
    "empty body": (*UPLOAD, {"content": b""}, 400),
    "not a picture": (*UPLOAD, {"content": b"<svg onload=alert(1)>"}, 415),
    "cut picture": (*UPLOAD, {"content": png(picture(1, (400, 400)))[:900]}, 415),
    "huge upload": (*UPLOAD, {"content": b"x" * (17 * 2**20)}, 413),
    "pdf": (*UPLOAD, {"content": b"%PDF-1.4 " * 50}, 415),
    "zip": (*UPLOAD, {"content": b"PK\x03\x04" + bytes(500)}, 415),
    "script as picture": (*UPLOAD, {"content": SCRIPT}, 415),
    "traversal in the id": ("GET", "/api/image?id=../../../../etc/passwd", {}, 404),
    "absolute path as id": ("GET", "/api/image?id=/etc/passwd", {}, 404),
    "encoded traversal": ("GET", "/%2e%2e/%2e%2e/etc/passwd", {}, 404),
    "source of the page's neighbour": ("GET", "/server.py", {}, 404),
    "injection in the id": ("GET", "/api/similar?id=x' OR 1=1 --", {}, 404),
    "no id": ("GET", "/api/similar", {}, 422),
    "no such index": (*SEARCH, {"json": {"text": "a", "index": 9}}, 404),
    "negative index": ("GET", "/api/image?id=1&index=-1", {}, 404),
    "wrong view": (*SEARCH, {"json": {"text": "a", "view": "secrets"}}, 422),
    "no text": (*SEARCH, {"json": {"text": ""}}, 422),
    "text of a megabyte": (*SEARCH, {"json": {"text": "a" * 2**20}}, 422),
    "text that is a list": (*SEARCH, {"json": {"text": ["a"]}}, 422),
    "not JSON": (*SEARCH, {"content": b"{", "headers": JSON}, 422),
    "JSON nested without end": (*SEARCH, {"content": b"[" * 100_000, "headers": JSON}, 400),
    "k of a million": (*SEARCH, {"json": {"text": "a", "k": 10**6}}, 422),
    "k below one": ("GET", "/api/similar?id=1&k=0", {}, 422),
    "offset without end": (*SEARCH, {"json": {"text": "a", "offset": 10**9}}, 422),
    "wrong method": ("DELETE", "/api/indexes", {}, 405),
    "form of another site": (*SEARCH, {"json": {"text": "a"}, "headers": EVIL}, 403),
    "fetch of another site": ("GET", "/api/indexes", {"headers": CROSS}, 403),
    "name of another site": ("GET", "/api/indexes", {"headers": {"Host": "evil.example"}}, 421),
    "simple form post": (*SEARCH, {"content": b"text=a", "headers": FORM}, 422),
    "NUL in the id": ("GET", "/api/image?id=%00", {}, 404),
    "bytes that are no UTF-8": ("GET", "/api/image?id=%ff%fe", {}, 404),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_requests_end_in_a_clean_refusal_and_the_server_goes_on(case, client):
    method, path, options, status = HOSTILE[case]
    answer = client.request(method, path, **options)
    assert answer.status_code == status, answer.text[:300]
    assert "Traceback" not in answer.text and "root:" not in answer.text
    assert len(answer.text) < 500 and isinstance(answer.json()["detail"], str)
    assert client.get("/api/indexes").status_code == 200


@pytest.mark.long
@pytest.mark.slow
def test_a_slow_upload_is_ended_while_others_are_served(server, client):
    with socket.create_connection(("127.0.0.1", server.port)) as slow:
        slow.sendall(
            b"POST /api/search/image HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\nx"
        )
        began = time.monotonic()
        assert client.get("/api/indexes").status_code == 200
        assert time.monotonic() - began < 5
        slow.settimeout(60)
        assert b"408" in slow.recv(1000)


def test_a_token_is_asked_for_where_others_can_reach(root, filled):
    refused = subprocess.run(
        [sys.executable, "-m", "pipeline.cli.console", "serve", filled.folder, "--host", "0.0.0.0"],
        cwd=root, capture_output=True, text=True,
    )  # fmt: skip
    assert refused.returncode == 2 and "give a --token with it" in refused.stderr
    running = Running(root, filled.folder, arguments=("--token", "secret"))
    try:
        with httpx.Client(base_url=running.url, timeout=60) as client:
            assert client.get("/").status_code == 401
            assert client.get("/?token=wrong").status_code == 401
            bearer = {"Authorization": "Bearer secret"}
            assert client.get("/api/indexes", headers=bearer).status_code == 200
            assert client.get("/?token=secret").status_code == 200
            assert client.get("/api/indexes").status_code == 200  # by the cookie
    finally:
        running.stop()


def test_what_is_added_while_it_serves_is_found(server, client, second):
    answer = client.post("/api/search", json={"text": "dark", "index": 1, "view": "text", "k": 50})
    before = answer.json()["total"]
    Index(second.folder, "cpu").add([Item("late", "", "a dark thing")])
    answer = client.post("/api/search", json={"text": "dark", "index": 1, "view": "text", "k": 50})
    assert answer.json()["total"] == before + 1
    assert "late" in [hit["id"] for hit in answer.json()["results"]]


@pytest.mark.long
def test_thirty_two_clients_for_a_minute_see_no_error_and_flat_memory(server, client):
    process, stop, counts, errors = psutil.Process(server.process.pid), threading.Event(), [], []

    def work(number):
        count = 0
        with httpx.Client(base_url=server.url, timeout=60) as own:
            while not stop.is_set():
                answer = own.post("/api/search", json={"text": WORDS[count % 4], "k": 10})
                if answer.status_code != 200:
                    errors.append(answer.text)
                count += 1
        counts.append(count)

    client.post("/api/search", json={"text": "red"})
    memory = []
    with ThreadPoolExecutor(32) as pool:
        for number in range(32):
            pool.submit(work, number)
        for _ in range(60):
            time.sleep(1)
            memory.append(process.memory_info().rss)
        stop.set()
    print(f"{sum(counts) / 60:.0f} requests a second, {len(errors)} errors, "
          f"{memory[20] / 2**20:.0f} to {memory[-1] / 2**20:.0f} MiB")  # fmt: skip
    assert not errors and sum(counts) > 60
    assert memory[-1] - memory[20] < 30 * 2**20


# --- in a browser ---------------------------------------------------------------------------------


def wait(browser, script, seconds=30):
    """Until the script gives something true."""
    for _ in range(10 * seconds):
        if found := browser.execute_script(f"return {script}"):
            return found
        time.sleep(0.1)
    raise AssertionError(f"never true: {script}")


SHOWN = "[...document.querySelectorAll('#results li .caption')].map(e => e.textContent)"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # selenium's own sockets
@pytest.mark.parametrize("width", [400, 1150, 1920])
def test_the_page_searches_in_a_real_browser(width, server, chromium, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select

    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    chromium.get(server.url)
    wait(chromium, "document.querySelectorAll('#left option').length == 2")
    words = chromium.find_element(By.ID, "words")
    words.send_keys("something green", Keys.ENTER)  # by keyboard alone
    shown = wait(chromium, f"{SHOWN}.length == 24 && {SHOWN}")
    assert sum("green" in caption for caption in shown[:8]) >= 7
    assert "24 of 40" in chromium.find_element(By.ID, "status").text
    assert chromium.execute_script("return document.querySelectorAll('.bits i').length") == 16
    assert chromium.execute_script("return document.documentElement.scrollWidth") <= width
    wait(chromium, "[...document.images].filter(i => i.complete && i.naturalWidth > 0).length >= 4")
    chromium.save_screenshot(str(tmp_path / f"search-{width}.png"))
    more = chromium.find_element(By.CSS_SELECTOR, ".more")
    more.send_keys(Keys.ENTER)
    wait(chromium, f"{SHOWN}.length == 40")
    wait(chromium, "document.activeElement.classList.contains('similar')")
    chromium.switch_to.active_element.send_keys(Keys.ENTER)
    wait(chromium, "document.querySelector('#status').textContent.includes('what is like')")
    (tmp_path / "q.png").write_bytes(png(picture(102)))
    chromium.find_element(By.ID, "picture").send_keys(str(tmp_path / "q.png"))
    wait(chromium, "document.querySelector('#status').textContent.includes('your picture')")
    wait(chromium, f"{SHOWN}[0] && {SHOWN}[0].includes('blue')")
    Select(chromium.find_element(By.ID, "right")).select_by_index(2)
    wait(chromium, "document.querySelectorAll('#results section').length == 2")
    Select(chromium.find_element(By.ID, "view")).select_by_value("text")
    wait(chromium, f"{SHOWN}.some(caption => caption.includes('<script>'))")
    assert chromium.title == "Search by code"  # markup in a caption is text
    assert [entry for entry in chromium.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # selenium's own sockets
def test_the_checker_of_accessibility_has_no_serious_finding(server, chromium):
    import accessible
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    for width in accessible.WIDTHS:
        for scheme in accessible.SCHEMES:
            accessible.show(chromium, server.url, width, scheme)
            wait(chromium, "document.querySelectorAll('#left option').length == 2")
            chromium.find_element(By.ID, "words").send_keys("something green", Keys.ENTER)
            wait(chromium, f"{SHOWN}.length == 24")
            assert accessible.serious(chromium) == [], (width, scheme)
