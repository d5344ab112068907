"""What the letters about members say."""

from __future__ import annotations

from flask_babel import gettext as _

from core import addresses
from core.mailing.letters.parts import Content, Writing, name_of, names_of, plain
from core.pages.words import moment, number
from core.tokens import Purpose
from models import CO_ADMINISTRATOR, INVITATION_AGE, PENDING, Member, Organization, invitation_expired

MOST_PRODUCTS = 6  # named in an invitation


def invitation(w: Writing) -> Content:
    """Who invites, to what, until when, and how to decline."""
    member = w.member()
    w.must(member.state == PENDING and not invitation_expired(member, w.now))
    w.must(addresses.key(w.row.recipient) == member.email_key)
    organization = w.organization(member)
    inviter = member.inviter or organization.leaders[0]
    who, where = name_of(inviter), plain(organization.name)
    facts = [
        (_("Invited by"), f"{who}, {inviter.shown_email}"),
        (_("Products"), products_of(organization, w)),
        (_("Link valid until"), moment(member.invited_at + INVITATION_AGE, organization.zone)),
    ]
    return Content(
        _("%(name)s invites you to %(organization)s", name=who, organization=where),
        [
            _(
                "You would share the licenses of this organization. It takes one click and an account for this "
                "address; if you have none, you make it on the way."
            )
        ],
        [(term, text) for term, text in facts if text],
        _("See the invitation"),
        w.link("invitations", Purpose.INVITATION, member.nonce, member.id),
        [
            _(
                "Nothing happens until you confirm on that page. To decline, open it and choose Decline, or do "
                "nothing: the link ends by itself. If you do not know %(name)s, do nothing.",
                name=who,
            )
        ],
    )


def confirmed(w: Writing) -> Content:
    """To whom invited."""
    member = w.member("about")
    return Content(
        _("%(name)s takes part in %(organization)s", name=name_of(member), organization=_where(w, member)),
        [_("The invitation to %(email)s was confirmed.", email=member.email),
         _("Being listed is not yet a permission: give those out under Permissions.")],
        button=_("Permissions"),
        url=w.page("/admin/permissions"),
    )  # fmt: skip


def declined(w: Writing) -> Content:
    """To whom invited."""
    member = w.member("about")
    return Content(
        _("%(email)s declined the invitation to %(organization)s", email=member.email, organization=_where(w, member)),
        [_("The address is out of the list. It can be invited again anytime.")],
        button=_("Users"),
        url=w.page("/admin/users"),
    )


def disabled(w: Writing) -> Content:
    """To the member."""
    return Content(
        _("Your participation in %(organization)s is disabled", organization=_where(w, w.member())),
        [_("You cannot run its licenses now. Your account and your own products stay as they are."), _whom_to_ask(w)],
        button=_("My Organization"),
        url=w.page("/organization"),
    )


def enabled(w: Writing) -> Content:
    """To the member."""
    return Content(
        _("You take part in %(organization)s again", organization=_where(w, w.member())),
        [_("My Products shows what you may run. Permissions you had before come back only when they are given again."),
         _whom_to_ask(w)],
        button=_("My Products"),
        url=w.page("/products"),
    )  # fmt: skip


def removed(w: Writing) -> Content:
    """To the member that was."""
    return Content(
        _("You no longer take part in %(organization)s", organization=_where(w, w.member())),
        [_("You cannot run its licenses any more. Your account and your own products stay as they are."),
         _whom_to_ask(w)],
        button=_("My Products"),
        url=w.page("/products"),
    )  # fmt: skip


def left(w: Writing) -> Content:
    """To the administrator."""
    member = w.member("about")
    return Content(
        _("%(name)s left %(organization)s", name=name_of(member), organization=_where(w, member)),
        [_("Permissions of %(email)s are free to be given again.", email=member.shown_email)],
        button=_("Users"),
        url=w.page("/admin/users"),
    )


def co_admin(w: Writing) -> Content:
    """To the new co-administrator."""
    return Content(
        _("You are co-administrator of %(organization)s", organization=_where(w, w.member())),
        [_("You can invite, enable, disable and remove users, add licenses and give out permissions. Everything about "
           "the administrator stays with the administrator.")],
        button=_("Admin Space"),
        url=w.page("/admin/users"),
    )  # fmt: skip


def no_longer_co_admin(w: Writing) -> Content:
    """To the member whose role was taken back."""
    text = [_("You stay a member, and your permissions stay as they are.")]
    if "successor" in w.row.args:
        text.insert(0, _("%(name)s is co-administrator now.", name=name_of(w.member("successor"))))
    return Content(
        _("You are no longer co-administrator of %(organization)s", organization=_where(w, w.member())),
        text,
        button=_("My Organization"),
        url=w.page("/organization"),
    )


def transferred(w: Writing) -> Content:
    """To the new administrator, the former one, and the co-administrator."""
    reader, successor = w.member(), w.member("successor")
    where, name = _where(w, successor), name_of(successor)
    heading, path = _("%(name)s is administrator of %(organization)s", name=name, organization=where), "/organization"
    text, button = _("What you may do has not changed."), _("My Organization")
    if reader.id == successor.id:
        heading, path = _("You are administrator of %(organization)s", organization=where), "/admin/users"
        text, button = _("Its users, licenses and permissions are in your hands."), _("Admin Space")
    elif reader.id == w.row.args.get("former"):
        is_second = reader.role == CO_ADMINISTRATOR
        text = _("You are co-administrator now.") if is_second else _("You are a member now.")
    return Content(heading, [text], button=button, url=w.page(path))


def _where(w: Writing, member: Member) -> str:
    return plain(w.organization(member).name)


def _whom_to_ask(w: Writing) -> str:
    names = names_of(w.organization(w.member()).leaders)
    return str(_("%(names)s can say more and change it.", names=names))


def products_of(organization: Organization, w: Writing) -> str:
    """The products that an organization has licenses of now, not all of them when there are many."""
    live = {plain(each.product.name): None for each in organization.licenses if each.is_live(w.now)}
    shown, more = list(live)[:MOST_PRODUCTS], len(live) - MOST_PRODUCTS
    return ", ".join([*shown, _("%(count)s more", count=number(more))] if more > 0 else shown)
