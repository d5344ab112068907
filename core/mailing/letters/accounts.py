"""What the letters about accounts say."""

from __future__ import annotations

from flask_babel import gettext as _

from core import addresses
from core.mailing.letters.parts import Content, Writing
from core.tokens import Purpose


def confirm(w: Writing) -> Content:
    """The link that confirms a new account's address; bound to Account.nonce, new with every sign-up."""
    # The name that was given is not repeated here: a stranger may have typed it.
    account = w.account()
    w.must(not account.is_confirmed and addresses.key(w.row.recipient) == account.email_key)
    return Content(
        _("Confirm your address"),
        [_("An account was made for this address. Confirm that it is yours, and you can sign in.")],
        button=_("Confirm email"),
        url=w.link("confirm", Purpose.CONFIRM, account.nonce, account.id),
        after=[_("If this was not you, open the link and choose “This was not me”, or do nothing: an account that "
                 "nobody confirms is removed after 7 days.")],
    )  # fmt: skip


def already_registered(w: Writing) -> Content:
    """What the owner of a known address gets in place of a second account."""
    return Content(
        _("You have an account already"),
        [_("Somebody entered this address to make an account. There is one: sign in with it.")],
        button=_("Sign in"),
        url=w.page("/login"),
        after=[_("If you do not know the password, set a new one: %(url)s", url=w.page("/reset")),
               _("If this was not you, nothing is to be done: nothing has changed.")],
    )  # fmt: skip


def reset(w: Writing) -> Content:
    """The link that sets a new password; bound to Account.nonce, which the first password set by it ends."""
    account = w.account()
    w.must(account.active and addresses.key(w.row.recipient) == account.email_key)
    return Content(
        _("Set a new password"),
        [_("Somebody asked for a new password for the account with this address.")],
        button=_("Set a new password"),
        url=w.link("reset", Purpose.RESET, account.nonce, account.id),
        after=[_("The link is good for one hour, and once. If this was not you, do nothing: the password stays as it "
                 "is.")],
    )  # fmt: skip


def password_changed(w: Writing) -> Content:
    """A notice."""
    w.account()
    return Content(
        _("Your password was changed"),
        [_("Everybody who was signed in with the old one has to sign in again.")],
        button=_("Set a new password"),
        url=w.page("/reset"),
        after=[_("If this was not you, set a new password at once.")],
    )


def change_email(w: Writing) -> Content:
    """The link to the address that an account wants to have; bound to Account.nonce, new with every wish."""
    account = w.account()
    w.must(addresses.key(w.row.recipient) == addresses.key(account.wanted_email or ""))
    return Content(
        _("Confirm your new address"),
        [_("Somebody wants this address for the account of %(email)s.", email=account.email)],
        button=_("Confirm email"),
        url=w.link("email", Purpose.CHANGE_EMAIL, account.nonce, account.id),
        after=[_("The link is good for one day. If you do not know of this, do nothing: nothing changes.")],
    )


def email_notice(w: Writing) -> Content:
    """A notice to the address that an account has until now."""
    account = w.account()
    return Content(
        _("Your address is to be changed"),
        [_("Somebody who is signed in to your account wants it to have another address. It counts once it is "
           "confirmed.")],
        [(_("New address"), account.wanted_email)] if account.wanted_email else [],
        button=_("Profile"),
        url=w.page("/profile"),
        after=[_("If this was not you, change your password at once: %(url)s", url=w.page("/reset"))],
    )  # fmt: skip


def blocked(w: Writing) -> Content:
    """A notice."""
    w.account()
    return Content(_("Your account is blocked"), [_("Nobody can sign in to it. Contact the vendor.")])


def unblocked(w: Writing) -> Content:
    """A notice."""
    w.account()
    text = [_("You can sign in again.")]
    return Content(_("Your account is open again"), text, button=_("Sign in"), url=w.page("/login"))


def farewell(w: Writing) -> Content:
    """A notice, to the address that the account had."""
    w.account()
    return Content(
        _("Your account is deleted"),
        [_("Nothing that you did is lost to others; your name, address and devices are forgotten here.")],
        after=[_("If this was not you, contact the vendor.")],
    )


def probe(w: Writing) -> Content:
    """A test that an operator sent to himself."""
    return Content(_("A test from %(portal)s", portal=w.settings.portal_name), [_("Its mail arrives at this address.")])
