"""The Studio door in a real browser."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.wait import WebDriverWait

import steps
from browser import chromium, keep
from conftest import Server


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("studio") / "data").start()
    saved = steps.apply(server.principal(), "studio-vpc")
    yield server, saved
    server.stop()


@pytest.fixture
def browser(tmp_path):
    with chromium(tmp_path / "profile") as driver:
        yield driver


def url_through(server, user, service_suffix, saved, subnet="subnet_a"):
    rows = server.endpoints()
    endpoint = next(
        row["url"]
        for row in rows
        if row["service"].endswith(service_suffix) and row["subnet"] == saved[subnet]
    )
    client = server.principal(f"user/{user}").client("sagemaker", endpoint)
    return client.create_presigned_domain_url(
        DomainId=saved["domain"], UserProfileName="alice"
    )["AuthorizedUrl"]


def test_a_presigned_url_opens_studio(site, browser):
    server, saved = site
    browser.get(url_through(server, "by-vpc", ".sagemaker.api", saved))
    keep(browser, "home")
    assert browser.title == "alice · Studio"
    text = browser.find_element(By.TAG_NAME, "main").text
    assert "arn:aws:iam::123456789012:user/by-vpc" in text
    assert saved["studio_endpoint"] in text and saved["vpc"] in text
    assert saved["domain"] in text

    browser.find_element(By.TAG_NAME, "button").click()
    # A click returns before the page that it leads to is there.
    WebDriverWait(browser, 20).until(expected_conditions.title_is("Sign in · Studio"))
    keep(browser, "signed-out")
    assert "You have signed out" in browser.find_element(By.TAG_NAME, "main").text


def test_a_used_link_leads_to_the_sign_in_page(site, browser):
    server, saved = site
    url = url_through(server, "by-vpc", ".sagemaker.api", saved)
    browser.get(url)
    browser.delete_all_cookies()
    browser.get(url)
    keep(browser, "sign-in")
    assert "was used before" in browser.find_element(By.TAG_NAME, "main").text


def test_the_next_click_is_refused_once_the_policy_is_gone(site, browser):
    server, saved = site
    browser.get(url_through(server, "by-endpoint", ".sagemaker.api", saved))
    assert browser.title == "alice · Studio"
    server.principal().client("iam").delete_user_policy(
        UserName="by-endpoint", PolicyName="studio-by-source-vpce"
    )
    browser.refresh()
    keep(browser, "refused")
    assert browser.title == "Refused · Studio"
    assert "no identity-based policy allows" in browser.find_element(By.CLASS_NAME, "refusal").text
