"""The operator's catalog of products."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page
from sqlalchemy import select
from sqlalchemy.orm import Session

from models import Product
from tests.browser import faults
from tests.cast import Cast
from tests.clients import Client
from tests.test_operator_keys import sign_in

PRODUCTS = "/operator/products"


@pytest.fixture
def otto(client_for: Callable[[str], Client]) -> Client:
    return client_for("otto")


def test_added_product_is_in_the_catalog_and_in_the_form_for_keys(otto: Client, on_app: Session) -> None:
    answer = otto.send(PRODUCTS, code=" Survey-2 ", name="Survey <Two>", organization_only="y")
    assert (answer.status_code, answer.location) == (303, PRODUCTS)
    product = on_app.scalars(select(Product).where(Product.code == "survey-2")).one()
    assert (product.name, product.is_organization_only) == ("Survey <Two>", True)
    page = otto.get(PRODUCTS).text
    assert "Survey &lt;Two&gt; is in the catalog." in page
    assert "Organizations only" in page
    assert '<option value="survey-2">Survey &lt;Two&gt;</option>' in otto.get("/operator/keys").text


@pytest.mark.parametrize(
    ("code", "name", "field", "sentence"),
    [
        ("", "X", "code", "A code has letters, digits and dashes only, at most 50."),
        ("two words", "X", "code", "A code has letters, digits and dashes only, at most 50."),
        ("a:b", "X", "code", "A code has letters, digits and dashes only, at most 50."),
        ("x" * 51, "X", "code", "A code has letters, digits and dashes only, at most 50."),
        ("DRAFT", "X", "code", "There is a product with the code draft already."),
        ("new", " ", "name", "Enter a name."),
        ("new", "x" * 5000, "name", "This is 5000 characters long; 200 fit."),
    ],
)
def test_product_that_cannot_be_is_refused_beside_the_field(
    otto: Client, on_app: Session, code: str, name: str, field: str, sentence: str
) -> None:
    before = len(on_app.scalars(select(Product.id)).all())
    on_app.rollback()
    answer = otto.send(PRODUCTS, code=code, name=name, organization_only="y")
    assert answer.status_code == 422
    assert f'id="{field}-error">{sentence}' in answer.text
    assert f'value="{code}"' in answer.text
    assert f'value="{name}"' in answer.text
    assert " checked" in answer.text
    assert len(on_app.scalars(select(Product.id)).all()) == before


@pytest.mark.on_sqlite
def test_catalog_is_accessible(server: str, cast: Cast, page: Page) -> None:
    sign_in(page, server, cast)
    page.get_by_role("link", name="Products").click()
    page.get_by_label("Code").fill("a b")
    page.get_by_label("Name").fill("A b")
    page.get_by_role("button", name="Add product").click()
    page.get_by_text("A code has letters, digits and dashes only").wait_for()
    assert faults(page) == []
