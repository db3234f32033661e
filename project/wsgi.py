"""The WSGI application, for any server: `gunicorn project.wsgi`. `manage.py gateway` brings its own."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

application = get_wsgi_application()

from openclaw_sms.config import refresher  # noqa: E402  (needs the application's settings)

refresher.start()
