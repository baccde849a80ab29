"""A data scientist on the Studio home, in a real browser: a space, its app, and the way in from outside."""

import json
import urllib.parse

import pytest
import requests
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support import expected_conditions as expect
from selenium.webdriver.support.wait import WebDriverWait

from browser import chromium, keep
from conftest import ACCOUNT, REGION, shared
from studio import Studio, allow, close

#: The policy for the deep link, as administrators are told to use it.
SEED = shared() / "seed-policies" / "000-remote-access-deep-link.json"
#: How long an app may take on a machine that is busy with other things.
PATIENCE = 180
VISIT = allow("sagemaker:CreatePresignedDomainUrl")


class Site(Studio):
    """A server with a domain and two profiles, and a visitor who may open Studio."""

    def __init__(self, data):
        super().__init__(data)
        self.user("visitor", VISIT)

    def url(self, name="ann"):
        client = self.server.principal("user/visitor").client("sagemaker")
        return client.create_presigned_domain_url(
            DomainId=self.domain, UserProfileName=name
        )["AuthorizedUrl"]

    def space(self, name):
        return self.sagemaker.describe_space(DomainId=self.domain, SpaceName=name)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("studio-home") / "data")
    yield site
    close(site.server)


@pytest.fixture
def browser(tmp_path):
    with chromium(tmp_path / "profile") as driver:
        yield driver


def soon(browser, condition, seconds=PATIENCE):
    wait = WebDriverWait(browser, seconds, ignored_exceptions=(StaleElementReferenceException,))
    return wait.until(condition)


def click(browser, element_id):
    soon(browser, expect.element_to_be_clickable((By.ID, element_id))).click()


def state(browser, space, word):
    """Waits until the page, which follows by itself, says this of a space."""
    place = (By.CSS_SELECTOR, f"#space-{space} .state")
    soon(browser, expect.text_to_be_present_in_element(place, word))


def create(browser, name):
    browser.find_element(By.CSS_SELECTOR, ".create summary").click()
    browser.find_element(By.ID, "new-name").send_keys(name)
    browser.find_element(By.CSS_SELECTOR, ".create button").click()
    state(browser, name, "Stopped")


def main(browser):
    return browser.find_element(By.TAG_NAME, "main").text


def test_a_space_is_made_run_opened_and_stopped(site, browser):
    browser.get(site.url())
    keep(browser, "home-empty")
    create(browser, "notes")
    assert site.space("notes")["OwnershipSettings"] == {"OwnerUserProfileName": "ann"}
    instance = browser.find_element(By.ID, "instance-notes")
    instance.clear()
    instance.send_keys("ml.t3.large")
    click(browser, "run-notes")
    state(browser, "notes", "Starting")
    keep(browser, "home-starting")
    state(browser, "notes", "Running")
    keep(browser, "home-running")
    app = site.sagemaker.describe_app(
        DomainId=site.domain, SpaceName="notes", AppType="JupyterLab", AppName="default"
    )
    assert app["Status"] == "InService" and app["ResourceSpec"]["InstanceType"] == "ml.t3.large"

    studio = browser.current_window_handle
    click(browser, "open-notes")
    soon(browser, expect.number_of_windows_to_be(2))
    browser.switch_to.window(next(it for it in browser.window_handles if it != studio))
    soon(browser, expect.url_contains("/jupyterlab/default/lab"))
    here, there = (urllib.parse.urlsplit(it).netloc for it in (browser.current_url, site.url()))
    assert here != there, "an app is an origin of its own"
    run_a_cell(browser)
    keep(browser, "jupyterlab")

    # The permission goes: the open kernel socket closes, and the next page is refused.
    site.iam.delete_user_policy(UserName="visitor", PolicyName="own")
    soon(browser, closed_sockets)
    browser.refresh()
    assert "no identity-based policy allows" in main(browser)
    keep(browser, "app-refused")
    site.give("visitor", VISIT)

    browser.close()
    browser.switch_to.window(studio)
    browser.refresh()
    click(browser, "stop-notes")
    state(browser, "notes", "Stopped")


#: Keeps what JupyterLab's sockets are closed with.
WATCH = """
window.sockets = [];
const Native = window.WebSocket;
window.WebSocket = class extends Native {
  constructor(...args) {
    super(...args);
    window.sockets.push(this);
    this.addEventListener("close", (event) => { this.code = event.code; });
  }
};
"""


def closed_sockets(browser):
    codes = browser.execute_script("return window.sockets.map((it) => it.code ?? null)")
    return bool(codes) and 1008 in codes


def run_a_cell(browser):
    """Opens a notebook in JupyterLab and runs a cell in it."""
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
    browser.refresh()
    card = (By.CSS_SELECTOR, '.jp-LauncherCard[data-category="Notebook"]')
    soon(browser, expect.element_to_be_clickable(card)).click()
    cell = (By.CSS_SELECTOR, ".jp-Notebook .jp-CodeCell .cm-content")
    text = "print(6 * 7, 'is the answer')"

    def typed(browser):
        # JupyterLab takes the focus away while it is still setting up.
        element = browser.find_element(*cell)
        if element.text.strip() != text:
            element.click()
            keys = browser.switch_to.active_element
            keys.send_keys(Keys.CONTROL, "a")
            keys.send_keys(text)
        return browser.find_element(*cell).text.strip() == text

    soon(browser, expect.element_to_be_clickable(cell))
    soon(browser, typed)
    idle = (By.CSS_SELECTOR, ".jp-Notebook-ExecutionIndicator[data-status=idle]")
    soon(browser, expect.presence_of_element_located(idle))
    output = (By.CSS_SELECTOR, ".jp-OutputArea-output")
    prompt = (By.CSS_SELECTOR, ".jp-Notebook .jp-CodeCell .jp-InputPrompt")

    def run(browser):
        # Here too the focus may be taken away between click and keys: what has not been run has no
        # number and no asterisk.
        if browser.find_element(*prompt).text.strip() in ("", "[ ]:"):
            browser.find_element(*cell).send_keys(Keys.SHIFT, Keys.ENTER)
        return any("42 is the answer" in it.text for it in browser.find_elements(*output))

    soon(browser, run)
    keep(browser, "jupyterlab-cell")


def test_the_link_for_vs_code_is_a_session_of_the_execution_role(site, browser):
    browser.get(site.url())
    create(browser, "code")
    click(browser, "remote-access-on-code")
    soon(browser, expect.element_to_be_clickable((By.ID, "remote-access-off-code")))
    assert site.space("code")["SpaceSettings"]["RemoteAccess"] == "ENABLED"
    click(browser, "run-code")
    state(browser, "code", "Running")

    # AmazonSageMakerFullAccess does not speak of StartSession: the refusal is explained.
    iam = site.iam
    iam.put_role_policy(
        RoleName="studio",
        PolicyName="none",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {
                    "Effect": "Deny",
                    "Action": "sagemaker:StartSession",
                    "Resource": "*",
                },
            }
        ),
    )
    click(browser, "connect-code")
    refusal = soon(browser, expect.visibility_of_element_located((By.CLASS_NAME, "refusal")))
    keep(browser, "home-refusal")
    assert "sagemaker:StartSession" in refusal.text
    request = refusal.find_element(By.TAG_NAME, "code").text.rsplit(" ", 1)[1]
    explained = site.server.explain(request)
    assert "explicit deny" in json.dumps(explained)

    iam.delete_role_policy(RoleName="studio", PolicyName="none")
    iam.put_role_policy(
        RoleName="studio", PolicyName="remote", PolicyDocument=SEED.read_text()
    )
    click(browser, "connect-code")
    link = soon(browser, expect.element_to_be_clickable((By.ID, "deep-link")))
    keep(browser, "deep-link")
    url = urllib.parse.urlsplit(link.get_attribute("href"))
    assert url.scheme == "vscode" and url.path == "/connect/sagemaker"
    assert url.netloc == "amazonwebservices.aws-toolkit-vscode"
    given = dict(urllib.parse.parse_qsl(url.query, strict_parsing=True))
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:space/{site.domain}/code"
    assert given["connection_identifier"] == arn
    assert given["domain"] == site.domain and given["user_profile"] == "ann"
    assert given["app_type"] == "jupyterlab"
    assert all(given[name] for name in ("session", "ws_url", "cell-number", "token"))
    assert given["ws_url"].startswith("ws://127.") and "?" in given["ws_url"]


def test_others_do_not_see_a_private_space(site, browser, tmp_path):
    browser.get(site.url())
    create(browser, "mine")
    browser.get(site.url("ben"))
    assert "mine" not in main(browser)
    base = browser.current_url.split("#")[0]
    cookie = browser.get_cookies()
    jar = {it["name"]: it["value"] for it in cookie}
    for action in ("run", "stop", "delete", "connect"):
        answer = requests.post(f"{base}spaces/mine/{action}", cookies=jar, timeout=30)
        assert answer.status_code == 404, action
    assert requests.get(f"{base}spaces/mine/open", cookies=jar, timeout=30).status_code == 404


def test_a_form_of_another_page_does_nothing(site, browser):
    browser.get(site.url())
    create(browser, "guarded")
    base = browser.current_url.split("#")[0]
    jar = {it["name"]: it["value"] for it in browser.get_cookies()}
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
        answer = requests.post(
            f"{base}spaces/guarded/delete", cookies=jar, headers={"Origin": origin}, timeout=30
        )
        assert answer.status_code == 403, origin
    assert site.space("guarded")["Status"] == "InService"


@pytest.mark.parametrize("size, dark", [("390,844", False), ("390,844", True), ("1600,1000", True)])
def test_the_home_fits_its_screen(site, tmp_path, size, dark):
    flags = ("--force-dark-mode", "--enable-features=WebContentsForceDark") if dark else ()
    with chromium(tmp_path / "profile", size, *flags[:1]) as browser:
        if dark:
            browser.execute_cdp_cmd(
                "Emulation.setEmulatedMedia",
                {"features": [{"name": "prefers-color-scheme", "value": "dark"}]},
            )
        browser.get(site.url())
        if "sized" not in main(browser):
            create(browser, "sized")
        keep(browser, f"home-{size.split(',')[0]}-{'dark' if dark else 'light'}")
        wide = browser.execute_script("return document.documentElement.scrollWidth")
        assert wide <= browser.execute_script("return window.innerWidth")


def test_the_home_is_readable_without_javascript_and_usable_by_keyboard(site, tmp_path):
    with chromium(tmp_path / "profile") as browser:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        browser.get(site.url())
        body = browser.find_element(By.TAG_NAME, "body")
        body.send_keys(Keys.TAB)
        assert browser.switch_to.active_element.text == "Skip to content"
        assert "Spaces" in main(browser)
