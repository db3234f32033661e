from django.apps import AppConfig


class OpenClawSmsConfig(AppConfig):
    name = "openclaw_sms"
    verbose_name = "OpenClaw SMS"
