"""Installs the ordered faults once the product is loaded."""

import os

from django.apps import AppConfig


class FaultsConfig(AppConfig):
    name = "tests.faults"
    label = "faults"

    def ready(self) -> None:
        from tests.faults import injection

        injection.install(os.environ)
