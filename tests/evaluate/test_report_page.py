"""The report in a real browser: looked at, clicked through, and unharmed by what is in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_runs import HOSTILE, write_eval_run, write_train_run

from agentgym.evaluate.report import write_report
from agentgym.rollout.ledger import episode_to_json
from agentgym.types import Episode

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="no Chromium here: apt-get install chromium chromium-driver"
)
WAIT_S = 20


class Page:
    """A report that is open in the browser."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, file: Path, place: str = "#/") -> None:
        self.driver.get("about:blank")
        self.driver.get(file.as_uri() + place)
        self.shown()

    def shown(self) -> None:
        """Wait until what the address says is what is drawn."""
        script = "return document.getElementById('main')?.dataset.shown === location.hash"
        self.until(lambda: self.driver.execute_script(script))

    def until(self, holds: Any) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, WAIT_S, poll_frequency=0.02).until(lambda _: holds())

    def all(self, selector: str) -> list[Any]:
        return list(self.driver.find_elements("css selector", selector))

    def one(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def click(self, selector: str) -> None:
        self.one(selector).click()
        self.shown()

    def keys(self, *keys: str) -> None:
        self.driver.switch_to.active_element.send_keys(*keys)
        self.shown()

    @property
    def text(self) -> str:
        return str(self.one("main").text)

    @property
    def outcomes(self) -> list[str]:
        return [text.split()[-1] for text in self.texts("table.episodes .pill")]

    def column(self, number: int) -> list[str]:
        return self.texts(f"table.episodes tbody td:nth-child({number})")

    def texts(self, selector: str) -> list[str]:
        """Return what stands in some elements, all at one time."""
        script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.innerText)"
        return list(self.driver.execute_script(script, selector))

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since the last call."""
        entries = [json.loads(row["message"]) for row in self.driver.get_log("performance")]
        sent = [e["message"] for e in entries if "requestWillBeSent" in e["message"]["method"]]
        urls = [message["params"].get("request", {}).get("url", "") for message in sent]
        return [url for url in urls if url and url != "about:blank"]

    def errors(self) -> list[str]:
        return [row["message"] for row in self.driver.get_log("browser")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER or ""
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,900"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: Any) -> Iterator[Page]:
    """A page; whatever a test does with it, nothing of what it shows runs, loads or fails."""
    made = Page(browser)
    made.requests()
    made.errors()
    yield made
    assert browser.execute_script("return window.harmed") is None
    assert [url for url in made.requests() if not url.startswith("file:///")] == []
    assert made.errors() == []


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a training that means harm, its folder's name too."""
    folder = tmp_path_factory.mktemp("runs") / "<img src=x onerror=window.harmed=3>"
    write_train_run(folder, hostile=True)
    write_report([folder], folder / "report.html")
    return folder / "report.html"


def test_report_page_leads_from_the_list_to_the_gradient_and_the_siblings(
    page: Page, trained: Path
) -> None:
    page.open(trained)
    assert "0.250 → 0.750" in page.text
    assert "2 of 6 evaluation tasks are training tasks too" in page.text
    assert len(page.all("figure svg")) > 3
    page.click("#bar a[href='#/episodes']")
    assert len(page.outcomes) == 24
    page.click("[data-outcome=failed]")
    page.click("a.row")
    assert "failed" in page.one(".title").text
    page.click(".tabs a[href*=tokens]")
    assert len(page.all(".tokenview .tok")) > 100
    page.click(".tabs a[href*=group]")
    assert len(page.all("table.siblings thead a")) == 4
    page.click("a.back")
    assert set(page.outcomes) == {"failed"}  # the way back leads to the list as it was


def test_report_page_shows_hostile_texts_as_texts(page: Page, trained: Path) -> None:
    page.open(trained, "#/episode/0/0")
    harmless = HOSTILE.partition("x\x00")[0]
    assert harmless in page.one("h1").text  # the task's id
    for part in (".message.user", ".message.assistant", ".result .toolname", ".verdict .rulename"):
        assert harmless in page.one(part).text, part
    found, gold = (each.text for each in page.all(".versus dd"))
    assert harmless in found
    assert harmless in gold
    shown = page.one(".message.user").text
    for code in ("0000", "001B", "202E", "D800"):
        assert f"\u2039U+{code}\u203a" in shown
    assert page.all("main img, main b, main script") == []
    for place in ("#/", "#/episodes", "#/tasks", "#/episode/0/0/tokens", "#/episode/0/0/group"):
        page.open(trained, place)
        assert page.all("img, main script") == []
    assert harmless in page.text


def test_report_page_lets_no_other_script_run(page: Page, trained: Path) -> None:
    page.open(trained)
    refused = """
        try { document.getElementById('main').innerHTML = '<b>x</b>'; return 'taken'; }
        catch (error) { return error.name; }"""
    assert page.driver.execute_script(refused) == "TypeError"
    inline = """
        const made = document.createElement('script'); made.append('window.harmed = 4');
        try { document.body.append(made); } catch { /* refused sooner */ }
        const style = document.createElement('style'); style.append('main { display: none }');
        document.body.append(style);
        return getComputedStyle(document.getElementById('main')).display;"""
    assert page.driver.execute_script(inline) == "block"
    assert page.driver.execute_script("return window.harmed") is None
    assert page.errors()  # the browser told of what it refused


def test_report_page_filters_and_sorts(page: Page, trained: Path) -> None:
    page.open(trained, "#/episodes")
    for outcome, count in (("error", 3), ("limit", 3), ("truncated", 3), ("all", 24)):
        page.click(f"[data-outcome={outcome}]")
        assert len(page.outcomes) == count == int(page.one(f"[data-outcome={outcome}] .count").text)
    page.click("[data-sort=tokens]")
    tokens = [int(text.replace(",", "")) for text in page.column(6)]
    assert tokens == sorted(tokens)
    page.click("[data-sort=tokens]")
    assert [int(text.replace(",", "")) for text in page.column(6)] == sorted(tokens, reverse=True)
    page.one("input[name=from]").send_keys("2", "\t")
    page.shown()
    assert set(page.column(4)) == {"2"}


def test_report_page_finds_what_was_said_asked_and_expected(page: Page, trained: Path) -> None:
    page.open(trained, "#/episodes")
    page.keys("/")
    page.keys("train-3: ", "\n")
    assert {text.split(" #")[0] for text in page.column(3)} == {"train-3"}
    page.open(trained, "#/episodes?q=the+sandbox+died")
    assert page.outcomes == ["error"] * 3
    page.open(trained, "#/episodes?q=said+by+nobody")
    assert "No episode is like that" in page.text


def test_report_page_is_used_by_keys(page: Page, trained: Path) -> None:
    page.open(trained, "#/episodes?sort=number")
    page.keys("j")
    page.keys("j")
    page.keys("\n")
    page.until(lambda: page.all(".episodehead"))
    assert page.one("h1").text.endswith("#1")
    page.keys("j")
    page.until(lambda: page.one("h1").text.endswith("#2"))
    page.keys("k")
    page.until(lambda: page.one("h1").text.endswith("#1"))
    page.keys("u")
    page.until(lambda: len(page.outcomes) == 24)


def test_report_page_tells_of_every_token(page: Page, trained: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    page.open(trained, "#/episodes?outcome=limit&sort=advantage")
    page.click("a.row")
    page.click(".tabs a[href*=tokens]")
    names, values = ([each.text for each in page.all(f".panel {tag}")] for tag in ("dt", "dd"))
    facts = dict(zip(names, values, strict=True))
    assert facts["Role"] == "assistant"
    assert facts["Loss mask"] == "1"
    assert facts["Advantage"].startswith("\u2212")
    assert float(facts["Ratio"]) > 0
    assert page.all(".tok[class*=down]")
    view = page.one(".tokenview")
    view.send_keys(Keys.HOME)
    assert page.all(".panel dd")[3].text == "0"
    page.driver.execute_script("document.querySelector('select[name=by]').value = 'role'")
    page.driver.execute_script(
        "document.querySelector('select[name=by]').dispatchEvent(new Event('change'))"
    )
    page.until(lambda: page.all(".tokenview .r-system"))
    roles = ("system", "user", "assistant", "tool", "template")
    assert all(page.all(f".tokenview .r-{role}") for role in roles)


def test_report_page_says_why_nothing_was_learned(page: Page, trained: Path) -> None:
    page.open(trained, "#/episode/0/1/tokens")
    assert "Not learned from: no signal." in page.text
    assert page.all(".tokenview .tok.dropped")
    page.open(trained, "#/episode/0/4/tokens")
    assert len(page.all("select[name=sample] option")) == 2  # the history forked


def test_report_page_of_a_lost_episode_shows_its_task_and_the_fault(
    page: Page, tmp_path: Path
) -> None:
    run = write_eval_run(tmp_path / "run", tasks=1, rollouts=2)
    lost = Episode("task-0", 0, 7, "unscored", None, "the sandbox died", attempts=3)
    line = episode_to_json(0, lost, env="demo/Shop-v0")
    (run / "episodes.jsonl").write_text(f"{line}\n")
    file = write_report([run], run / "report.html").path
    page.open(file, "#/episode/0/0")
    for text in ("task-0: fill the cart", "the sandbox died", "3 times", "is in no score"):
        assert text in page.text
    page.open(file, "#/episode/0/0/tokens")
    assert "No sample of this episode is kept" in page.text


def test_report_page_sets_runs_side_by_side(page: Page, tmp_path: Path) -> None:
    runs = [write_eval_run(tmp_path / n, seed=s, hostile=True) for n, s in (("a", 0), ("b", 5))]
    write_report([*runs, write_train_run(tmp_path / "c")], tmp_path / "report.html")
    page.open(tmp_path / "report.html")
    head = [each.text for each in page.all("table.side thead th")]
    assert head == ["", "a", "b", "c"]
    assert "Differences, paired by task" in page.text
    page.click("#bar a[href='#/tasks']")
    assert len(page.all("table.tasks tbody tr")) == 10  # 4 of the evaluations, 6 of the training
    page.click("table.tasks a")
    assert len(page.outcomes) == 3


def test_report_page_fits_a_narrow_screen(page: Page, trained: Path) -> None:
    metrics = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        for place in ("#/", "#/episodes", "#/episode/0/0", "#/episode/0/0/tokens", "#/tasks"):
            page.open(trained, place)
            width = page.driver.execute_script("return document.documentElement.scrollWidth")
            assert width <= 360, place
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_report_page_of_a_running_run_loads_itself_anew_in_its_place(
    page: Page, tmp_path: Path
) -> None:
    run = write_train_run(tmp_path / "run", finished=False)
    file = run / "report.html"
    write_report([run], file, refresh_s=0.3)
    page.open(file, "#/episodes?outcome=error")
    page.until(lambda: page.outcomes == ["error"] * 3)  # it may just be loading itself
    write_train_run(run, steps=5, finished=True)
    write_report([run], file)
    page.until(lambda: page.outcomes == ["error"] * 5)
    assert page.all(".live") == []
