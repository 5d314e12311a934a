"""What an accessibility checker, axe-core, finds on a page in a real browser."""

import pytest

WIDTHS, SCHEMES = (400, 1150, 1920), ("light", "dark")


def show(browser, url, width, scheme):
    """Open a page at a width, in light or dark colours."""
    colours = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": colours})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(url)


def serious(browser):
    """The serious and critical findings on the open page: (rule, first place) each."""
    selenium = pytest.importorskip("axe_core_python.selenium")
    browser.set_script_timeout(120)
    found = selenium.Axe().run(browser)
    assert len(found["passes"]) > 10  # it did look
    return [
        (finding["id"], finding["nodes"][0]["target"])
        for finding in found["violations"]
        if finding["impact"] in ("serious", "critical")
    ]
