"""The single-machine gateway: web server and worker in one process.

One process and not three, because a turn only waits: threads are enough, a wake-up costs no connection, and the
whole gateway stays small. Operators of many machines run any WSGI server and `manage.py worker` instead.
"""

import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType

from django.conf import settings
from django.core.checks import ERROR as CHECK_ERROR
from django.core.wsgi import get_wsgi_application
from waitress.server import create_server

from openclaw_sms.config import accounts, checks, watch
from openclaw_sms.config.accounts import Account, Accounts
from openclaw_sms.messaging import heartbeat
from openclaw_sms.messaging.worker import Worker
from openclaw_sms.text.web_address import without_secrets

logger = logging.getLogger("openclaw_sms.gateway")

# The console's largest upload; Twilio's posts are bounded far lower, by the webhook itself.
LARGEST_BODY = 10 * 1024 * 1024
# A client that sends slower than this holds a socket, never a thread.
IDLE_SOCKET_SECONDS = 30
# Clients that connect and say nothing must not keep Twilio out; each costs a socket and a few kilobytes.
MOST_CONNECTIONS = 1000


class AddressTaken(Exception):
    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"Port {port} on {host} cannot be used: stop what listens there, or choose another --port or --host."
        )


class Gateway:
    def __init__(self, host: str, port: int) -> None:
        """Binds the address. Raises `AddressTaken`."""
        try:
            self._server = create_server(
                get_wsgi_application(),
                host=host,
                port=port,
                threads=settings.SMS_WEB_THREADS,
                max_request_body_size=LARGEST_BODY,
                channel_timeout=IDLE_SOCKET_SECONDS,
                connection_limit=MOST_CONNECTIONS,
                asyncore_use_poll=True,  # select() ends at 1024 files
                ident="",
                clear_untrusted_proxy_headers=False,
            )
        except (OSError, ValueError) as error:
            raise AddressTaken(host, port) from error
        self._address = f"http://{host}:{port}"
        heartbeat.serves(host, port)
        self._worker = Worker(settings.SMS_WORKER_THREADS)

    def run(self, ready: Callable[[], None]) -> None:
        """Serve until SIGTERM or SIGINT, then finish what is in hand. A second signal ends the process at once.

        `ready` is called once requests are answered.
        """
        known = accounts.current()
        watch.start()
        self._worker.start()
        announce(known)
        log_checks()
        logger.info("gateway.listening address=%s console=%s/admin/", self._address, self._address)
        threading.Thread(target=self._server.run, name="web", daemon=True).start()
        ready()
        wait_for_signal()
        logger.info("gateway.stopping")
        self._server.close()
        self._worker.stop()
        logger.info("gateway.stopped")


def announce(known: Accounts) -> None:
    """Log every webhook route, and the exact URL to paste into Twilio."""
    for account in known.by_id.values():
        if known.by_path.get(account.webhook_path) is account:
            logger.info("gateway.route account=%s path=%s", account.id, account.webhook_path)
            if account.id != accounts.SANDBOX_ID:
                logger.info(
                    "gateway.paste_into_twilio account=%s method=POST url=%s",
                    account.id,
                    without_secrets(account.public_webhook_url),
                )
        else:
            logger.warning("gateway.no_route account=%s reason=%r", account.id, missing(account))
    accounts.tell_unavailable(known)
    for conflict in known.conflicts:
        logger.error("gateway.not_served reason=%r", conflict)
    if not known.by_id:
        logger.warning(
            "gateway.no_account hint=%r",
            "set TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_PHONE_NUMBER and SMS_PUBLIC_WEBHOOK_URL",
        )


def log_checks() -> None:
    """Log what `manage.py check --database default` would show."""
    for found in checks.of_everything():
        level = logging.ERROR if found.level >= CHECK_ERROR else logging.WARNING
        logger.log(level, "gateway.check id=%s says=%r hint=%r", found.id, found.msg, found.hint)


def missing(account: Account) -> str:
    """What keeps the account from receiving texts, in words: the settings and the variables that give them."""
    if not account.enabled:
        return "the account is disabled"
    needed = {
        "accountSid (TWILIO_ACCOUNT_SID)": account.account_sid,
        "authToken (TWILIO_AUTH_TOKEN)": account.auth_token or account.unavailable,
        "fromNumber (TWILIO_PHONE_NUMBER)": account.from_number or account.messaging_service_sid,
        "publicWebhookUrl (SMS_PUBLIC_WEBHOOK_URL)": account.public_webhook_url or account.validation_disabled,
    }
    absent = [name for name, value in needed.items() if not value]
    return f"not set: {', '.join(absent)}" if absent else "its webhookPath is taken"


def wait_for_signal() -> None:
    """Return at the first SIGTERM or SIGINT; from then on a second one ends the process where it is."""
    arrived = threading.Event()

    def remember(signum: int, frame: FrameType | None) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        arrived.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, remember)
    while not arrived.wait(1.0):
        pass
