from django.apps import AppConfig


class OpenClawSmsConfig(AppConfig):
    name = "openclaw_sms"
    verbose_name = "OpenClaw SMS"

    def ready(self) -> None:
        from openclaw_sms.config import checks  # noqa: F401  (it registers itself)
