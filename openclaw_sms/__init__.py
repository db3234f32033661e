"""OpenClaw SMS: text your AI agent, and nobody in between whom the owner has not approved.

The journey of a text, from package to package:

`web.routing` finds the account whose webhook path was posted to. `web.webhooks` reads the raw body, bounded, and asks
`twilio.signature` whether Twilio signed exactly these bytes for exactly this public URL. `twilio.payloads` makes a
value of the form, and `messaging.inbox` commits it: only then does Twilio get its empty TwiML. STOP is obeyed in the
same transaction (`messaging.keywords`).

`messaging.queue` hints to `messaging.worker` that the sender should be looked at. A worker thread takes the sender's
lease (`messaging.lease`), claims the oldest text and hands it to `messaging.turn`: is the text for this account, may
the sender talk (`access.policy`, and `access.pairing` for strangers), which pictures came with it (`messaging.media`,
by way of `twilio.media`), what does the agent say (`agents`), how does that read as plain text (`text.plaintext`).
The reply's parts (`text.segments`) are written in the transaction that finishes the turn.

`messaging.outbox` posts the parts in order through `twilio.client`, each past `messaging.gate`; what happened to one
whose answer never came is asked of Twilio by `messaging.reconcile`. Status callbacks come back through the same
webhook to `messaging.delivery`.

What happens is told to programs by `messaging.events`, written beside what it tells of and posted by
`messaging.event_delivery`.

The same functions serve every door: the commands (`management`), the console (`admin`), the webhook and the API
(`web`). `sandbox` is a pretend Twilio around all this, for a machine that has none.

Imports flow down only: web admin management sandbox → diagnostics → messaging → access → config →
models | twilio | agents → text | signing. tests/test_architecture.py holds to that.
"""
