"""The product's settings, cut off from whatever this machine's environment and `var/` hold.

SMS_TEST_DATABASE_URL runs the suite on another database than SQLite.
"""

import os
import secrets
import tempfile

for _name in list(os.environ):
    if _name.startswith(("TWILIO_", "SMS_")) and not _name.startswith("SMS_TEST_"):
        del os.environ[_name]
os.environ["SMS_DATA_DIR"] = tempfile.mkdtemp(prefix="openclaw-sms-tests-")
os.environ["SECRET_KEY"] = "a key for tests only"
os.environ["DATABASE_URL"] = os.environ.get("SMS_TEST_DATABASE_URL", "")
if not os.environ["DATABASE_URL"]:
    del os.environ["DATABASE_URL"]

from project.settings import *  # noqa: E402, F403

# On the disk and in WAL, as in production: SQLite's shared memory locks whole tables instead.
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":  # noqa: F405
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}  # noqa: F405
else:
    # Its own, so that two runs on one server never meet.
    DATABASES["default"]["TEST"] = {"NAME": f"test_sms_{secrets.token_hex(6)}"}  # noqa: F405
SMS_BACKGROUND = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
