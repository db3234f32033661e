"""`manage.py worker`: the worker alone, beside web servers on this or other machines."""

import logging
from typing import Any

from django.conf import settings

from openclaw_sms.config import accounts, watch
from openclaw_sms.management.base import GatewayCommand
from openclaw_sms.management.server import wait_for_signal
from openclaw_sms.messaging.worker import Worker

logger = logging.getLogger("openclaw_sms.worker")


class Command(GatewayCommand):
    logs = True
    help = "Answer texts and send replies, until told to stop. Any number of workers may run."

    def run_command(self, **options: Any) -> None:
        accounts.current()
        watch.start()
        worker = Worker(settings.SMS_WORKER_THREADS)
        worker.start()
        logger.info("worker.started threads=%s", settings.SMS_WORKER_THREADS)
        wait_for_signal()
        logger.info("worker.stopping")
        worker.stop()
        logger.info("worker.stopped")
