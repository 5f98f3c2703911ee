"""The form that signs somebody in, as a person fills it."""

from playwright.sync_api import Page


def sign_in_by_form(page: Page, email: str, password: str) -> None:
    """Fill the form of the page and send it."""
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
