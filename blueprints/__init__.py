"""The pages: a module for each noun of the menu, each exports `bp`."""

from blueprints import (
    account_links,
    accounts,
    api,
    catalog,
    health,
    home,
    invitations,
    keys,
    my_products,
    oauth,
    organization,
    organization_profile,
    organizations,
    outgoing,
    permissions,
    products,
    profile,
    users,
)

#: In the order of the menus.
ALL = (
    health.bp,
    api.bp,
    home.bp,
    accounts.bp,
    account_links.bp,
    profile.bp,
    my_products.bp,
    organization.bp,
    products.bp,
    users.bp,
    permissions.bp,
    organization_profile.bp,
    invitations.bp,
    keys.bp,
    organizations.bp,
    catalog.bp,
    outgoing.bp,
    oauth.bp,
)
