"""The operator console: read everything, change rows only through `access`, `messaging` and the account form.

Importing this package registers the pages, which is what Django's autodiscovery does. The layout: one module a room
(accounts, access, automation, conversations, messages, opt_outs, users), and what rooms share (components, decisions,
senders, thread, navigation).
"""

from django.contrib import admin

from openclaw_sms.admin import (
    access,
    accounts,
    automation,
    channel,
    conversations,
    messages,
    opt_outs,
    stored_secrets,
    users,
)

__all__ = [
    "access",
    "accounts",
    "automation",
    "channel",
    "conversations",
    "messages",
    "opt_outs",
    "stored_secrets",
    "users",
]

admin.site.index_title = "Console"
