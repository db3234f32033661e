"""Settings, all from the environment. docs/configuration.md lists every name.

Nothing but this module and `openclaw_sms.config` reads the environment.
"""

import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.templatetags.static import static
from django.urls import reverse_lazy

from project import environment

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = environment.data_directory("SMS_DATA_DIR", BASE_DIR / "var")

# --- Sandbox: a pretend Twilio on this machine -------------------------------------------------------------------

SMS_SANDBOX_FILE = DATA_DIR / "sandbox.json"
SMS_SANDBOX = environment.sandbox_state(SMS_SANDBOX_FILE)

# --- Security ----------------------------------------------------------------------------------------------------

DEBUG = environment.flag("DEBUG")
SECRET_KEY = environment.secret("SECRET_KEY") or environment.kept_secret(DATA_DIR / "secret_key")
SECRET_KEY_FALLBACKS: list[str] = []
SMS_ENCRYPTION_KEYS = [key.strip() for key in environment.secret("SMS_ENCRYPTION_KEYS").split(",") if key.strip()]

_public_url = urlsplit(environment.text("SMS_PUBLIC_WEBHOOK_URL"))
_THIS_MACHINE = ["127.0.0.1", "localhost", "[::1]"]
ALLOWED_HOSTS = environment.words("ALLOWED_HOSTS") or [*_THIS_MACHINE, *filter(None, [_public_url.hostname])]
if SMS_SANDBOX:
    ALLOWED_HOSTS = [*_THIS_MACHINE, *ALLOWED_HOSTS]
CSRF_TRUSTED_ORIGINS = [f"https://{host.removeprefix('.')}" for host in ALLOWED_HOSTS if host != "*"]

# On when a proxy ends TLS in front of the console. Webhook paths never redirect, whatever is set here.
# The sandbox is plain http on this machine.
SMS_BEHIND_HTTPS = environment.flag("SMS_BEHIND_HTTPS") and not SMS_SANDBOX
if SMS_BEHIND_HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]
    SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds())
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
# Also with DEBUG on, no error page shows a secret.
DEFAULT_EXCEPTION_REPORTER = "openclaw_sms.web.error_pages.Reporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "openclaw_sms.web.error_pages.HideSecrets"
SESSION_COOKIE_AGE = int(timedelta(hours=12).total_seconds())

# --- Application -------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin.apps.SimpleAdminConfig",  # its pages are looked for in urls.py: commands need none
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "openclaw_sms",
]

MIDDLEWARE = [
    # First, so that no other layer can redirect, refuse or read a text from Twilio.
    "openclaw_sms.web.routing.WebhookRoutes",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")

LANGUAGE_CODE = "en"
USE_I18N = True
USE_TZ = True
TIME_ZONE = environment.time_zone("TIME_ZONE", "UTC")

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
# Served from the packages themselves, so that one machine needs no collectstatic.
WHITENOISE_USE_FINDERS = True
warnings.filterwarnings("ignore", message="No directory at: .*staticfiles", category=UserWarning)

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",  # describes views, changes none
}

# --- Database and queue ------------------------------------------------------------------------------------------

DATABASES = {"default": environment.database("DATABASE_URL", f"sqlite:///{DATA_DIR / 'db.sqlite3'}")}
_database = DATABASES["default"]
if _database["ENGINE"] == "django.db.backends.sqlite3":
    # A text is on the disk before Twilio gets its 200: FULL, not NORMAL. IMMEDIATE, because a transaction that reads
    # first and writes later fails at once under load, whatever the timeout.
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
        **_database.get("OPTIONS", {}),
    }
    _database["CONN_MAX_AGE"] = None
else:
    _database.setdefault("CONN_MAX_AGE", 60)
    _database["CONN_MAX_AGE"] = _database["CONN_MAX_AGE"] or 60
    _database["CONN_HEALTH_CHECKS"] = True
    # A server that is away must not hold Twilio's post longer than Twilio waits: 15 seconds.
    _database["OPTIONS"] = {"connect_timeout": 5, **_database.get("OPTIONS", {})}

SMS_QUEUE_URL = environment.secret("SMS_QUEUE_URL") or f"sqlite:///{DATA_DIR / 'queue.sqlite3'}"
SMS_WORKER_THREADS = environment.whole_number("SMS_WORKER_THREADS", 16)
SMS_WEB_THREADS = environment.whole_number("SMS_WEB_THREADS", 8, least=2)
SMS_SHUTDOWN_GRACE = timedelta(seconds=environment.whole_number("SMS_SHUTDOWN_GRACE", 25))

# Days after which the words of texts are erased; 0 keeps them.
SMS_RETENTION_DAYS = environment.whole_number("SMS_RETENTION_DAYS", 0, least=0, most=36_500)

# --- Twilio and the agent ----------------------------------------------------------------------------------------

TWILIO_API_BASE_URL = environment.text("TWILIO_API_BASE_URL", "https://api.twilio.com")
if SMS_SANDBOX:
    TWILIO_API_BASE_URL = str(SMS_SANDBOX["api_base_url"])

SMS_AGENT = environment.text("SMS_AGENT", "echo")
SMS_AGENT_URL = environment.text("SMS_AGENT_URL")
SMS_AGENT_TOKEN = environment.secret("SMS_AGENT_TOKEN")
SMS_AGENT_TOKEN_REF = environment.text("SMS_AGENT_TOKEN_REF")
SMS_AGENT_MODEL = environment.text("SMS_AGENT_MODEL", "openclaw/default")
SMS_AGENT_TIMEOUT = timedelta(seconds=environment.whole_number("SMS_AGENT_TIMEOUT", 600))
# How long an agent that promised to answer later may take.
SMS_AGENT_LATER_WITHIN = timedelta(seconds=environment.whole_number("SMS_AGENT_LATER_WITHIN", 3600))
SMS_AGENT_TRIES = environment.whole_number("SMS_AGENT_TRIES", 6)
SMS_AGENT_HISTORY = environment.whole_number("SMS_AGENT_HISTORY", 0, least=0)
SMS_AGENT_SYSTEM_PROMPT = environment.text("SMS_AGENT_SYSTEM_PROMPT")

# Counts and the like are written down every few seconds, by a thread; tests do it when they want to see them.
SMS_BACKGROUND = True
SMS_METRICS_TOKEN = environment.secret("SMS_METRICS_TOKEN").strip()

# --- The owner's notices -----------------------------------------------------------------------------------------

SMS_OWNER_EMAIL = environment.text("SMS_OWNER_EMAIL")
vars().update(environment.mail("EMAIL_URL"))
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = SERVER_EMAIL = environment.text("SMS_EMAIL_FROM", SMS_OWNER_EMAIL or "openclaw-sms@localhost")

SMS_DEFAULT_REGION = environment.text("SMS_DEFAULT_REGION").upper()

# --- Programs ----------------------------------------------------------------------------------------------------

SMS_API_PER_MINUTE = environment.whole_number("SMS_API_PER_MINUTE", 120)
SMS_EVENTS_URL = environment.secret("SMS_EVENTS_URL").strip()
SMS_EVENTS_SECRET = environment.secret("SMS_EVENTS_SECRET")
SMS_EVENTS_ALLOW_PRIVATE = environment.flag("SMS_EVENTS_ALLOW_PRIVATE")
SMS_MCP_TOKEN = environment.secret("SMS_MCP_TOKEN").strip()

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "OpenClaw SMS",
    "DESCRIPTION": "Text people through the gateway, read conversations, and decide who may talk.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "PATH_CONVERTER_OVERRIDES": {"word": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}},
    "POSTPROCESSING_HOOKS": [],  # enums stay where they are used
}

# --- Logs --------------------------------------------------------------------------------------------------------

# For commands on a terminal: https://no-color.org
NO_COLOR = bool(environment.text("NO_COLOR"))

SMS_LOG_FORMAT = environment.choice("SMS_LOG_FORMAT", ("text", "json"))

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {
            "()": "project.logs.RedactingFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        },
        "json": {"()": "project.logs.JsonFormatter"},
    },
    "filters": {
        "once_in_a_while": {"()": "project.logs.OnceInAWhile"},
        "trail": {"()": "openclaw_sms.messaging.trail.Trail"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": SMS_LOG_FORMAT, "filters": ["trail"]},
        "nowhere": {"class": "logging.NullHandler"},
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "openclaw_sms": {"level": "INFO"},
        "django": {"level": "WARNING", "handlers": ["stderr"], "propagate": False},
        # Refused posts are our own event (`text.refused`); Django's line beside it says less.
        "django.request": {"level": "ERROR"},
        # A scanner that makes up host names must not fill the log with tracebacks; it gets its 400.
        "django.security.DisallowedHost": {"handlers": ["nowhere"], "propagate": False},
        # The queue's lines name tasks, not texts; its own chatter is of no use to an operator.
        "huey": {"level": "ERROR"},
        "huey.consumer": {"level": "ERROR", "filters": ["once_in_a_while"]},
        # These log whole requests at INFO.
        "twilio": {"level": "ERROR"},
        "httpx": {"level": "WARNING"},
        "waitress": {"level": "WARNING"},
    },
}

# --- Console -----------------------------------------------------------------------------------------------------

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "OpenClaw SMS",
    "SITE_HEADER": "OpenClaw SMS",
    "SITE_SYMBOL": "sms",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("openclaw_sms/console/icon.svg"),
        },
    ],
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {"navigation": "openclaw_sms.admin.navigation.sidebar"},
    "STYLES": [lambda request: static("openclaw_sms/console/console.css")],
    "SCRIPTS": [lambda request: static("openclaw_sms/console/console.js")],
}
