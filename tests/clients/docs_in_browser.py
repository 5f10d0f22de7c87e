"""Opens /docs in Chromium, pastes a token and executes a request; prints what it saw as JSON.

Run with the environment of `client-browser`: the URL of the service, the token, and the path of
the browser. An optional fourth argument is the path of a screenshot.
"""

import json
import sys

from playwright.sync_api import sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CREATE = "#operations-native-post_create"


def main(url: str, token: str, browser_path: str, screenshot: str | None = None) -> None:
    """Print the requested URLs, the complaints of the console, the tags, and the response."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1600})
        requested: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda request: requested.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{url}/docs")
        page.wait_for_selector(CREATE)
        tags = page.locator(".opblock-tag").evaluate_all("tags => tags.map(tag => tag.dataset.tag)")
        page.locator("button.authorize").first.click()
        page.locator(".auth-container input").fill(token)
        page.locator(".auth-container button[type=submit]").click()
        page.locator(".auth-container .btn-done").click()
        page.locator(f"{CREATE} .opblock-summary-control").click()
        page.locator(f"{CREATE} [data-param-name=agent_id] input").fill("an-agent")
        page.locator(f"{CREATE} button.execute").click()
        page.wait_for_selector(f"{CREATE} .live-responses-table .response-col_status")
        status = page.locator(f"{CREATE} .live-responses-table tbody .response-col_status")
        body = page.locator(f"{CREATE} .live-responses-table tbody .highlight-code")
        seen = {
            "requested": [r for r in requested if not r.startswith("data:")],
            "complaints": complaints,
            "tags": tags,
            "status": status.first.inner_text().strip(),
            "body": body.first.inner_text(),
        }
        if screenshot:
            page.evaluate("window.scrollTo(0, 0)")
            page.screenshot(path=screenshot)
        browser.close()
    print(json.dumps(seen))  # noqa: T201  Its parent reads it.


if __name__ == "__main__":
    main(*sys.argv[1:])
