#!/usr/bin/env python3
"""Looks at every page in a real Chromium, as people do: light and dark, wide and narrow, with and without JavaScript, by keyboard, on paper.

usage: scripts/browser.py BINARY AXE.JS [--screenshots DIR]; `scripts/test.sh --browser` sets up what it needs.
"""

import argparse
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

TODAY = "2026-03-18"
# What a page does wrong while it loads is written down before anything of it runs.
WATCH = """
window.wrongs = [];
window.shift = 0;
addEventListener("securitypolicyviolation", (e) => wrongs.push("policy: " + e.violatedDirective + " " + e.blockedURI));
addEventListener("error", (e) => wrongs.push("error: " + e.message));
addEventListener("unhandledrejection", (e) => wrongs.push("rejected: " + e.reason));
new PerformanceObserver((list) => list.getEntries().forEach((e) => { if (!e.hadRecentInput) shift += e.value; })).observe({type: "layout-shift", buffered: true});
"""


class Failed(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Failed(what)


def browser(javascript=True):
    options = Options()
    options.binary_location = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1280,900"):
        options.add_argument(argument)
    if not javascript:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)
    driver.set_page_load_timeout(60)
    if javascript:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
    return driver


def screen(driver, width, height, scale=1):
    metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def scheme(driver, name):
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": name}]})


def complaints(driver):
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


def wait(driver, condition, what, seconds=10):
    end = time.time() + seconds
    while time.time() < end:
        try:
            if driver.execute_script(f"return Boolean({condition})"):
                return
        except WebDriverException:
            # Between two pages there is none to ask.
            pass
        time.sleep(0.05)
    raise Failed(f"{what}: {driver.current_url}")


def until(condition, what, seconds=10):
    end = time.time() + seconds
    while time.time() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise Failed(what)


class Site:
    """The program with generated bills."""

    def __init__(self, binary):
        self.folder = tempfile.mkdtemp()
        self.binary = os.path.abspath(binary)
        with open(os.path.join(self.folder, "config.yaml"), "w") as config:
            config.write(
                "budgets:\n  - { name: all, amount: 22000 }\n  - { name: databases, amount: 2000, filters: [service=AmazonRDS] }\n"
                "accounts: { '111111111111': acme-management }\n"
            )
        self.run("sample-data", "--out", "bills", "--days", "90", "--as-of", "2026-03-18")
        self.run("ingest", "bills", "--quiet")
        for day in ("2026-03-12", "2026-03-16", TODAY):
            self.run("run", "--no-ingest", "--quiet", "--as-of", day)
        command = [self.binary, "serve", "--listen", "127.0.0.1:0", "--as-of", TODAY]
        self.server = subprocess.Popen(command, cwd=self.folder, stderr=subprocess.PIPE, text=True)
        self.base = self.server.stderr.readline().split()[0].rstrip("/")

    def run(self, *arguments):
        done = subprocess.run([self.binary, *arguments], cwd=self.folder, capture_output=True, text=True)
        check(done.returncode == 0, f"{arguments}: {done.stderr}")
        return done.stdout

    def incident(self):
        listed = json.loads(self.run("incidents", "--status", "all", "--format", "json"))["incidents"]
        return max(listed, key=lambda one: one["at_stake"])["id"]

    def end(self):
        self.server.terminate()
        self.server.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def pages(site):
    return [
        "/",
        "/incidents?status=all",
        f"/incidents/{site.incident()}",
        "/explore",
        "/explore?group_by=account&granularity=weekly&days=60&filter=service%3DAmazonEC2",
        "/compare",
        "/forecast",
        "/forecast/record",
        "/budgets",
        "/accounts",
        "/ask",
        "/status",
        "/nowhere",
        "/login",
    ]


def every_page_is_right(driver, site, axe):
    """No error, no violation of the policy, none of axe's rules, nothing beside the screen; wide, on a phone, enlarged; light and dark."""
    for path in pages(site):
        for name, width, height, scale, colours in (
            ("wide", 1280, 900, 1, "light"),
            ("dark", 1280, 900, 1, "dark"),
            ("a phone", 360, 740, 3, "light"),
            ("200 %", 640, 450, 2, "dark"),
        ):
            screen(driver, width, height, scale)
            scheme(driver, colours)
            driver.get(site.base + path)
            wait(driver, "document.readyState === 'complete' && window.wrongs", "it does not load")
            time.sleep(0.15)
            case = f"{path} ({name})"
            said = [text for text in complaints(driver) if path != "/nowhere" or "404" not in text]
            check(not said, f"{case}: {said}")
            wrongs = driver.execute_script("return window.wrongs")
            check(not wrongs, f"{case}: {wrongs}")
            beyond = driver.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
            check(beyond <= 1, f"{case}: {beyond} pixels beside the screen")
            if path == "/" and name == "a phone":
                cut = driver.execute_script("return [...document.querySelectorAll('.scroll')].filter((t) => t.scrollWidth > t.clientWidth + 1 && !t.closest('.twin')).map((t) => t.ariaLabel)")
                check(not cut, f"{case}: these tables are cut: {cut}")
            shift = driver.execute_script("return window.shift")
            check(shift < 0.05, f"{case}: the layout shifts by {shift}")
            driver.execute_script(axe)
            found = driver.execute_async_script(
                "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then((r) => done(r.violations.map((v) => v.id + ': ' + v.nodes.slice(0, 3).map((n) => n.html.slice(0, 120) + ' ' + (n.any[0]?.message ?? '')).join(' | '))))"
            )
            check(not found, f"{case}: {found}")
            shown = driver.execute_script("return [...document.querySelectorAll('figure.plot')].every((f) => f.querySelector('.draw svg, .draw canvas'))")
            check(shown, f"{case}: a chart is not drawn")


def the_first_page_is_light(driver, site):
    """At most eight requests and 80 KB, as they come over the wire."""
    screen(driver, 1280, 900)
    driver.execute_cdp_cmd("Network.enable", {})
    driver.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": True})
    driver.get(site.base + "/")
    wait(driver, "document.readyState === 'complete'", "it does not load")
    time.sleep(0.5)
    sizes = driver.execute_script(
        "return [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].map((e) => [e.name, e.transferSize])"
    )
    driver.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": False})
    total = sum(size for _, size in sizes)
    check(total > 20_000, f"only {total} bytes came: {sizes}")
    check(len(sizes) <= 8 and total <= 80_000, f"{len(sizes)} requests, {total} bytes: {sizes}")
    print(f"the first page: {len(sizes)} requests, {total:,} bytes")


def press(driver, *keys):
    for key in keys:
        driver.switch_to.active_element.send_keys(key)
        time.sleep(0.1)


def the_keyboard_is_enough(driver, site):
    screen(driver, 1280, 900)
    scheme(driver, "light")
    driver.get(site.base + "/")
    wait(driver, "document.readyState === 'complete'", "it does not load")
    # A page that was just made is new: nothing takes it away from whoever starts to read.
    driver.execute_script("window.stays = true")
    press(driver, Keys.TAB)
    check(driver.switch_to.active_element.text == "to the content", "the first stop is not the way to the content")
    time.sleep(3)
    check(driver.execute_script("return window.stays"), "the page is loaded again though nothing changed")
    press(driver, "g", "i")
    wait(driver, "location.pathname === '/incidents'", "g i leads nowhere")
    press(driver, "?")
    check(driver.execute_script("return document.querySelector('#keys').open"), "? does not list the keys")
    press(driver, Keys.ESCAPE)
    driver.get(site.base + "/incidents?status=all")
    press(driver, "j", "x", "a")
    wait(driver, "document.activeElement.name === 'reason'", "a does not lead to the reason")
    press(driver, "by keyboard", Keys.ENTER)
    wait(driver, "document.querySelector('.said')", "nothing was said")
    said = driver.find_element(By.CSS_SELECTOR, ".said").text
    check(said == "1 incident is acknowledged", said)
    driver.get(site.base + "/incidents?status=all")
    press(driver, "j", Keys.ENTER)
    wait(driver, "/^\\/incidents\\/[0-9a-f]+$/.test(location.pathname)", "Enter does not open")
    press(driver, "g", "x")
    wait(driver, "location.pathname === '/explore'", "g x leads nowhere")
    press(driver, "/")
    wait(driver, "document.activeElement.name === 'filter'", "/ does not lead to the filter")
    driver.execute_script("document.activeElement.blur()")
    # A row of the table leads to what it is made of.
    press(driver, "j", Keys.ENTER)
    wait(driver, "location.search.includes('filter=service')", "a group leads nowhere")


def news_are_heard(driver, site):
    driver.get(site.base + "/incidents")
    wait(driver, "document.readyState === 'complete'", "it does not load")
    time.sleep(1.5)
    opened = json.loads(site.run("incidents", "--format", "json"))["incidents"]
    check(opened, "no incident is open")
    site.run("incidents", "ack", opened[0]["id"], "--reason", "news")
    wait(driver, "!document.querySelector('[data-changed]').hidden", "nobody hears of news", 8)
    # The morning page shows them by itself, but to somebody who reads it.
    for reads in (False, True):
        driver.get(site.base + "/")
        wait(driver, "document.readyState === 'complete'", "it does not load")
        if reads:
            press(driver, Keys.TAB)
        driver.execute_script("window.before = true")
        site.run("incidents", "ack", opened[0]["id"], *(["--reason", "more news"] if reads else ["--undo"]))
        if reads:
            wait(driver, "!document.querySelector('[data-changed]').hidden", "a reader hears of no news", 8)
            check(driver.execute_script("return window.before"), "a page is taken away from its reader")
        else:
            wait(driver, "!window.before && document.readyState === 'complete'", "the morning page stays old", 8)


def the_model_is_asked_where_there_is_one(driver, site):
    """Without one the page says why, and stays."""
    driver.get(site.base + "/ask")
    driver.find_element(By.ID, "question").send_keys("what changed?")
    driver.find_element(By.CSS_SELECTOR, "form.ask button").click()
    wait(driver, "document.body.innerText.match(/Bedrock|model|credentials/)", "nothing is said", 40)


def pages_work_without_javascript(site):
    driver = browser(javascript=False)
    try:
        for path in pages(site):
            driver.get(site.base + path)
            check(driver.find_elements(By.CSS_SELECTOR, "main h1"), f"{path} is empty without JavaScript")
            for figure in driver.find_elements(By.CSS_SELECTOR, "figure.plot"):
                check(figure.find_elements(By.CSS_SELECTOR, ".draw svg path"), f"{path} has an empty chart without JavaScript")
        driver.get(site.base + "/explore")
        driver.find_element(By.CSS_SELECTOR, "tbody tr td a").click()
        until(lambda: "filter=service" in driver.current_url, "a group leads nowhere without JavaScript")
        # Tables that no address of the API has are files that the page carries with it.
        downloads = os.path.join(site.folder, "downloads")
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": downloads})
        driver.get(site.base + "/status")
        driver.find_element(By.CSS_SELECTOR, "a[download='checks.csv']").click()
        file = os.path.join(downloads, "checks.csv")
        until(lambda: os.path.exists(file), "a table is not downloaded")
        columns = open(file).readline().strip()
        check(columns == "state,check,found,what to do", f"a table is downloaded with the columns {columns}")
        driver.get(site.base + "/incidents?status=all")
        driver.find_element(By.CSS_SELECTOR, "input[name=id]").click()
        driver.find_element(By.CSS_SELECTOR, "form.choose button").click()
        said = until(lambda: driver.find_elements(By.CSS_SELECTOR, ".said"), "a form does nothing without JavaScript")
        check(said[0].text == "1 incident is acknowledged", said[0].text)
    finally:
        driver.quit()


def paper_is_a4(driver, site):
    """Each page of the generated bills is one sheet."""
    screen(driver, 1280, 900)
    for path in pages(site):
        driver.get(site.base + path)
        wait(driver, "document.readyState === 'complete'", "it does not load")
        time.sleep(0.3)
        printed = driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True, "printBackground": True})
        data = base64.b64decode(printed["data"])
        sheets = len(re.findall(rb"/Type\s*/Page[^s]", data))
        check(sheets == 1, f"{path} takes {sheets} sheets")
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        drawn = driver.execute_script(
            "return [...document.querySelectorAll('figure.plot .draw')].every((place) => {"
            "  const seen = [...place.children].filter((one) => one.getClientRects().length);"
            "  return seen.length === 1 && seen[0].tagName === 'svg' && seen[0].getBoundingClientRect().bottom <= place.getBoundingClientRect().bottom + 1;"
            "})"
        )
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        check(drawn, f"{path} prints a chart over what is below it")


def the_api_page_works(driver, site):
    driver.get(site.base + "/docs")
    wait(driver, "document.querySelectorAll('.opblock').length > 20", "Swagger UI shows no operations", 20)
    said = complaints(driver)
    check(not said, f"/docs: {said}")
    check(not driver.execute_script("return window.wrongs"), f"/docs: {driver.execute_script('return window.wrongs')}")


def pictures(driver, site, folder):
    os.makedirs(folder, exist_ok=True)
    for name, path, width, height, colours in (
        ("morning", "/", 1100, 1180, "light"),
        ("incident", f"/incidents/{site.incident()}", 1100, 900, "dark"),
        ("explore", "/explore", 1100, 900, "light"),
    ):
        screen(driver, width, height)
        scheme(driver, colours)
        driver.get(site.base + path)
        wait(driver, "document.readyState === 'complete'", "it does not load")
        time.sleep(0.5)
        driver.save_screenshot(os.path.join(folder, f"{name}.png"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("axe")
    parser.add_argument("--screenshots", metavar="DIR")
    given = parser.parse_args()
    axe = open(given.axe).read()
    site = Site(given.binary)
    driver = browser()
    failed = 0
    try:
        if given.screenshots:
            pictures(driver, site, given.screenshots)
            return 0
        parts = [
            lambda: every_page_is_right(driver, site, axe),
            lambda: the_first_page_is_light(driver, site),
            lambda: the_api_page_works(driver, site),
            lambda: paper_is_a4(driver, site),
            lambda: pages_work_without_javascript(site),
            lambda: the_keyboard_is_enough(driver, site),
            lambda: news_are_heard(driver, site),
            lambda: the_model_is_asked_where_there_is_one(driver, site),
        ]
        names = ["pages", "weight", "API page", "paper", "no JavaScript", "keyboard", "news", "ask"]
        for name, part in zip(names, parts):
            started = time.time()
            try:
                part()
                print(f"ok      {name} ({time.time() - started:.1f} s)")
            except (Failed, WebDriverException) as error:
                failed += 1
                print(f"FAILED  {name}: {str(error).splitlines()[0]}")
    finally:
        driver.quit()
        site.end()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
