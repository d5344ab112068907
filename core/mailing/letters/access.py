"""What the letters about requests for access say."""

from __future__ import annotations

from flask_babel import gettext as _

from core.leases import AccessRequest
from core.mailing.letters.parts import Content, Writing, plain
from models import Account, Organization, Product


def asked(w: Writing) -> Content:
    """To those who can grant it."""
    request = _request(w)
    w.must(request.closed_at is None)
    account = w.found(Account, request.account_id)
    who, what = plain(account.name), _product(w, request)
    return Content(
        _("%(name)s asks for %(product)s", name=who, product=what),
        [_("Grant it or decline it under Requests. Your answer goes out by mail.")],
        [(_("User"), f"{who}, {account.email}"), (_("Product"), what),
         (_("Organization"), plain(w.found(Organization, request.organization_id).name))],
        button=_("See the request"),
        url=w.page("/admin/requests"),
    )  # fmt: skip


def granted(w: Writing) -> Content:
    """To who asked."""
    request = _request(w)
    what = _product(w, request)
    return Content(
        _("You may run %(product)s", product=what),
        [_("%(name)s gave you a permission. Your application gets its seat when it asks again, without a restart.",
           name=_closer(w, request))],
        _message(request),
        button=_("My Products"),
        url=w.page("/products"),
    )  # fmt: skip


def declined(w: Writing) -> Content:
    """To who asked."""
    request = _request(w)
    what = _product(w, request)
    return Content(
        _("Your request for %(product)s is declined", product=what),
        [_("%(name)s declined it and can say more. You can ask again.", name=_closer(w, request))],
        _message(request),
        button=_("My Products"),
        url=w.page("/products"),
    )


def _request(w: Writing) -> AccessRequest:
    return w.found(AccessRequest, w.row.args.get("request"))


def _product(w: Writing, request: AccessRequest) -> str:
    return plain(w.found(Product, request.product_id).name)


def _closer(w: Writing, request: AccessRequest) -> str:
    return plain(w.found(Account, request.closed_by).name)


def _message(request: AccessRequest) -> list[tuple[str, str]]:
    return [(_("Message"), plain(request.message))] if request.message else []
