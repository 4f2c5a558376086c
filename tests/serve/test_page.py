"""The page for trying a model out, in a browser that nobody sees."""

import contextlib
import re
import shutil
import threading
from types import SimpleNamespace

import pytest

from kseq2seq import serve
from pretend import WEIGHT, Backwards, Mirror, Tagged

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome")
# In UTF-8 letters of one, two and four bytes, of one and two units in JavaScript.
TEXT = "the καλημέρα 🌍 κόσμε ends 🏳️‍🌈, naïve"
TRANSLATION = "NAÏVE 🏳️‍🌈, ENDS ΚΌΣΜΕ 🌍 ΚΑΛΗΜΈΡΑ THE"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A Chromium with an empty profile, and `expect` for what it shows."""
    api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install it"
    )
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("Chromium is not installed: on Debian, apt install chromium")
    with api.sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"), executable_path=path, args=ARGUMENTS
        )
        context.set_default_timeout(20_000)
        api.expect.set_options(timeout=20_000)
        yield SimpleNamespace(context=context, expect=api.expect)
        context.close()


@contextlib.contextmanager
def served(translator):
    with serve.listen(port=0) as opened:
        made = serve.create_server(translator, opened)
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{opened.getsockname()[1]}/"
        finally:
            made.shutdown()
            thread.join()


@contextlib.contextmanager
def opened_page(browser, url):
    """A page that must not complain, nor ask anyone but its server."""
    complaints = []
    page = browser.context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    page.on(
        "request",
        lambda request: request.url.startswith(url) or complaints.append(request.url),
    )
    page.goto(url)
    yield page
    page.close()
    assert complaints == []


@pytest.fixture(scope="module")
def translator():
    return Backwards()


@pytest.fixture(scope="module")
def url(translator):
    with served(translator) as address:
        yield address


@pytest.fixture
def page(browser, url):
    with opened_page(browser, url) as opened:
        yield opened


def lit(page, side):
    """Lit texts of a side, in their order, and how much they are."""
    units = page.locator(f"#{side} .unit").all()
    actual = [(x.inner_text(), x.evaluate("x => x.style.getPropertyValue('--weight')"))
             for x in units]  # fmt: skip
    return {text: float(weight) for text, weight in actual if float(weight or 0) > 0.5}


def test_types_and_translates(browser, page):
    page.get_by_role("textbox", name="Text").press_sequentially("a dög", delay=5)
    browser.expect(page.locator("#translation")).to_have_text("DÖG A")
    browser.expect(page.locator("#facts")).to_have_text(re.compile("^score −0.625, "))
    items = page.locator("#nbest li")
    browser.expect(items).to_have_count(2)  # the third one is no translation
    browser.expect(items.nth(0)).to_have_text("DÖG A−0.250")
    browser.expect(items.nth(1)).to_have_text("dög a−1.500")
    browser.expect(page.locator("#error")).to_be_hidden()
    browser.expect(page.locator("#truncated")).to_be_hidden()
    browser.expect(page).to_have_title("backwards – kseq2seq")


def test_words_light_up_on_both_sides(browser, page):
    page.fill("#text", TEXT)
    browser.expect(page.locator("#translation")).to_have_text(TRANSLATION)
    sources = [*TEXT.split(), "end"]
    targets = [*TRANSLATION.split(), "end"]
    browser.expect(page.locator("#source .unit")).to_have_text(sources)
    browser.expect(page.locator("#target .unit")).to_have_text(targets)
    pairs = [*zip(sources, [*reversed(targets[:-1]), "end"], strict=True)]
    for number, (source, target) in enumerate(pairs):
        page.locator("#source .unit").nth(number).hover()
        assert lit(page, "source") == {source: 1.0}
        assert lit(page, "target") == {target: 1.0}
        place = len(pairs) - 2 - number if number < len(pairs) - 1 else number
        page.locator("#target .unit").nth(place).hover()
        assert (lit(page, "source"), lit(page, "target")) == (
            {source: 1.0},
            {target: 1},
        )
    page.mouse.move(0, 0)
    assert (lit(page, "source"), lit(page, "target")) == ({}, {})


def test_a_lit_word_is_seen(browser, page):
    page.fill("#text", "two words")
    word = page.locator("#source .unit").nth(0)
    color = "x => getComputedStyle(x).backgroundColor"
    browser.expect(word).to_have_text("two")
    before = word.evaluate(color)
    page.locator("#target .unit").nth(1).hover()
    browser.expect(page.locator("#source .strongest")).to_have_text("two")
    assert word.evaluate(color) != before
    other = page.locator("#source .unit").nth(1)
    assert word.evaluate(color) != other.evaluate(color)
    browser.expect(page.locator("#readout")).to_have_text(
        re.compile(r"^“.TWO.” looks at “.two.” \(75 %\)")
    )


def test_words_light_up_by_the_keyboard(browser, page):
    page.fill("#text", "one two three")
    units = page.locator("#source .unit")
    browser.expect(units).to_have_count(4)
    units.nth(0).focus()
    assert lit(page, "target") == {"ONE": 1.0}
    page.keyboard.press("ArrowRight")
    assert lit(page, "target") == {"TWO": 1.0}
    page.keyboard.press("End")
    assert lit(page, "target") == {"end": 1.0}
    page.keyboard.press("ArrowRight")  # there is none
    browser.expect(units.nth(3)).to_be_focused()
    page.keyboard.press("Tab")  # one stop for each line
    browser.expect(page.locator("#target .unit").nth(0)).to_be_focused()
    assert lit(page, "source") == {"three": 1.0}


def test_right_to_left(browser, page):
    page.fill("#text", "שלום עולם")
    units = page.locator("#source .unit")
    browser.expect(units).to_have_text(["שלום", "עולם", "end"])
    left, right = units.nth(1).bounding_box(), units.nth(0).bounding_box()
    assert left["x"] + left["width"] <= right["x"] + 1
    units.nth(0).focus()
    page.keyboard.press("ArrowLeft")
    browser.expect(units.nth(1)).to_be_focused()


def test_the_heatmap(browser, page):
    page.fill("#text", "one two three")
    browser.expect(page.locator("#heatmap thead th")).to_have_text(
        ["one", "two", "three", "end"]
    )
    browser.expect(page.locator("#heatmap tbody th")).to_have_text(
        ["THREE", "TWO", "ONE", "end"]
    )
    cells = page.locator("#heatmap td[data-target]")
    browser.expect(cells).to_have_count(16)
    colors = cells.evaluate_all("x => x.map(x => getComputedStyle(x).backgroundColor)")
    weights = cells.evaluate_all(
        "x => x.map(x => x.style.getPropertyValue('--weight'))"
    )
    expected = [f"{(1 - WEIGHT) / 3:.3f}"] * 16
    for place in (2, 5, 8, 15):
        expected[place] = f"{WEIGHT:.3f}"
    assert weights == expected
    assert len(set(colors)) == 2
    assert {
        x for x, weight in zip(colors, weights, strict=True) if weight == "0.750"
    } == {colors[2]}
    cells.nth(4).hover()
    assert (lit(page, "source"), lit(page, "target")) == ({"one": 1.0}, {"TWO": 1.0})
    browser.expect(page.locator("#heatmap th.chosen")).to_have_text(["one", "TWO"])
    browser.expect(page.locator("#readout")).to_have_text(
        "“\u2068TWO\u2069” looks at “\u2068one\u2069”: 8 %"
    )


def test_another_of_the_best(browser, page):
    page.fill("#text", "one two")
    page.locator("#nbest button").nth(1).click()
    browser.expect(page.locator("#target .unit")).to_have_text(["two", "one", "end"])
    browser.expect(page.locator("#nbest [aria-pressed=true] .text")).to_have_text(
        "two one"
    )
    browser.expect(page.locator("#translation")).to_have_text("TWO ONE")


def test_what_else_could_stand_at_a_word(browser, page):
    page.fill("#text", "one two ONE")
    others = page.locator("#alternatives button")
    units = page.locator("#target .unit")
    browser.expect(units).to_have_text(["ONE", "TWO", "ONE", "end"])
    browser.expect(page.locator("#alternatives")).to_be_hidden()
    units.nth(1).click()
    browser.expect(others).to_have_text(["… one", "… two", "… ONE"])
    others.nth(1).click()
    browser.expect(page.locator("#translation")).to_have_text("ONE two")
    browser.expect(units).to_have_text(["ONE", "two", "end"])
    browser.expect(page.locator("#alternatives")).to_be_hidden()
    # By the keyboard; the translation that is there is no alternative.
    units.nth(0).press("Enter")
    browser.expect(others).to_have_text(["… one", "… two", "… ONE"])
    page.fill("#text", "one")
    browser.expect(units).to_have_text(["ONE", "end"])
    units.nth(1).press("Enter")
    browser.expect(others).to_have_text(["… one"])


def test_characters_in_words_and_alone(browser):
    text = "naïve 🌍, α"
    with served(Mirror()) as url, opened_page(browser, url) as page:
        page.fill("#text", text)
        sources = page.locator("#source .unit")
        targets = page.locator("#target .unit")
        browser.expect(sources).to_have_text(["naïve", "🌍", ",", "α", "end"])
        browser.expect(targets).to_have_text(["NAÏVE", "🌍", ",", "Α", "end"])
        for number in range(5):
            targets.nth(number).hover()
            assert lit(page, "source") == {sources.nth(number).inner_text(): 1.0}
        weights = page.locator("#heatmap td[data-target]").evaluate_all(
            "x => x.map(x => Number(x.style.getPropertyValue('--weight')))"
        )
        # The blanks go with the words behind them, and so does what looks at them.
        rest = 1 - WEIGHT
        assert weights == [
            *(WEIGHT, rest, 0, 0, 0),
            *(0, 1, 0, 0, 0),
            *(0, rest, WEIGHT, 0, 0),
            *(0, rest, 0, WEIGHT, 0),
            *(0, rest, 0, 0, WEIGHT),
        ]

        page.get_by_label("Tokens").check(force=True)
        assert sources.evaluate_all("x => x.map(x => x.textContent)") == [*text, "end"]
        upper = [*text.upper(), "end"]
        assert targets.evaluate_all("x => x.map(x => x.textContent)") == upper
        targets.nth(upper.index("🌍")).hover()
        assert lit(page, "source") == {"🌍": 1.0}
        targets.nth(2).hover()
        assert lit(page, "source") == {"ï": 1.0}
        browser.expect(page.locator("#heatmap thead th")).to_have_text(
            [x if x.strip() else "␣" for x in text] + ["end"]
        )


def test_empty_text(browser, page, translator):
    asked = len(translator.asked)
    page.fill("#text", "one")
    browser.expect(page.locator("#details")).to_be_visible()
    page.fill("#text", " \n ")
    browser.expect(page.locator("#details")).to_be_hidden()
    browser.expect(page.locator("#translation")).to_have_text("")
    page.press("#text", "Enter")
    browser.expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")
    browser.expect(page.locator("#error")).to_be_hidden()
    assert len(translator.asked) == asked + 2


def test_only_when_asked(browser, page):
    page.get_by_label("as I type").uncheck()
    page.fill("#text", "one")
    page.wait_for_timeout(500)
    browser.expect(page.locator("#translation")).to_have_text("")
    page.press("#text", "Enter")
    browser.expect(page.locator("#translation")).to_have_text("ONE")
    page.fill("#text", "two")
    page.get_by_role("button", name="Translate").click()
    browser.expect(page.locator("#translation")).to_have_text("TWO")
    page.press("#text", "Shift+Enter")
    browser.expect(page.locator("#text")).to_have_value("two\n")


def test_half_of_a_character(browser, page):
    page.evaluate("document.getElementById('text').value = 'a \\ud83c b'")
    page.press("#text", "Enter")
    browser.expect(page.locator("#translation")).to_have_text("B \ufffd A")


def test_a_text_that_was_cut_off(browser, page):
    page.fill("#text", "word " * 101)
    browser.expect(page.locator("#truncated")).to_be_visible()


def test_what_is_typed_is_no_markup(browser, page):
    page.fill("#text", "<img src=x onerror=alert(1)> it's")
    browser.expect(page.locator("#translation")).to_have_text(
        "IT'S ONERROR=ALERT(1)> SRC=X <IMG"
    )
    page.get_by_text("The same by REST").click()
    browser.expect(page.locator("#curl")).to_have_text(
        re.compile(r"^curl -d '\{\"instances\":\[\"<img src=x .* it\\u0027s\"\]\}' ")
    )


def test_a_model_without_attention(browser):
    others = ("translate_align", "align", "nbest")
    with served(Backwards(without=others)) as url, opened_page(browser, url) as page:
        page.fill("#text", "one two")
        browser.expect(page.locator("#translation")).to_have_text("TWO ONE")
        browser.expect(page.locator("#no-alignment")).to_have_text(
            re.compile("This model has no attention")
        )
        browser.expect(page.locator("#no-nbest")).to_be_visible()
        browser.expect(page.locator("#alignment")).to_be_hidden()
        browser.expect(page.locator("#units")).to_be_hidden()


def test_errors_in_words(browser):
    translator = Backwards()
    with served(translator) as url:
        page = browser.context.new_page()
        page.goto(url)
        page.fill("#text", "one")
        browser.expect(page.locator("#details")).to_be_visible()
        translator.run = None
        page.fill("#text", "two")
        error = page.get_by_role("alert")
        browser.expect(error).to_have_text(
            "The model could not answer this request (TypeError); its server tells why."
        )
        browser.expect(page.locator("#details")).to_be_hidden()
        browser.expect(page.locator("#translation")).to_have_text("")
        del translator.run
        page.press("#text", "Enter")
        browser.expect(error).to_be_hidden()
        browser.expect(page.locator("#translation")).to_have_text("TWO")
    page.route("**/*", lambda route: route.abort())
    page.press("#text", "Enter")
    browser.expect(error).to_have_text(
        "The server does not answer. Is it still running?"
    )
    page.close()


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_sticks_out(browser, page, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.fill("#text", f"{'long' * 40} {'word ' * 40}")
    browser.expect(page.locator("#heatmap table")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_light_and_dark(browser, page):
    background = "getComputedStyle(document.body).backgroundColor"
    collected = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        collected.append(
            [int(x) for x in re.findall(r"\d+", page.evaluate(background))]
        )
    light, dark = map(sum, collected)
    assert light > 3 * 200 and dark < 3 * 60


def test_features_have_a_field_and_units_of_their_own(browser, page):
    browser.expect(page.get_by_role("textbox", name="Features")).to_be_hidden()
    tagged = Tagged()
    with served(tagged) as url, opened_page(browser, url) as featured:
        field = featured.get_by_role("textbox", name="Features")
        browser.expect(field).to_be_visible()
        field.fill("N;PL")
        featured.fill("#text", "a dög")
        browser.expect(featured.locator("#translation")).to_have_text("DÖG A")
        units = featured.locator("#source .unit")
        browser.expect(units).to_have_text(["a", "dög", "end", "N", "PL"])
        units.nth(3).hover()
        assert lit(featured, "target") == {"DÖG": 1.0}
        assert '"features":"N;PL"' in featured.locator("#curl").text_content()
        asked = {name: x["features"].tolist() for name, x in tagged.asked}
        assert asked["nbest"] == asked["translate_align"] == [b"N;PL"]
        featured.locator("#nbest button").nth(1).click()
        browser.expect(featured.locator("#target")).to_contain_text("dög")
        assert tagged.asked[-1][1]["features"].tolist() == [b"N;PL"]
