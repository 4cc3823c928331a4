"""Every setting, read from the environment or `.env`; all are optional. docs/settings.md lists them for users."""

from pathlib import Path

from kombu import Queue

from hedgehog_project import installed, proxies, queues
from hedgehog_project.env import Secret, database, env, home, one_of
from hedgehog_project.home import redis_url, secret
from hedgehog_project.later import put_off

# Django's logging imports it for a handler that nobody uses here.
put_off("django.core.mail")

proxies.must_be_readable()

# --- the installation ---------------------------------------------------------------------------
HEDGEHOG_HOME = home()
REDIS_URL = env.address("REDIS_URL") or Secret(redis_url(HEDGEHOG_HOME))
WEB_PORT = env.int("WEB_PORT", default=8000)
# Whether `make run` starts Flower: tasks, by name and time. It takes as much memory as a worker.
FLOWER = env.flag("FLOWER", default=True)
FLOWER_PORT = env.int("FLOWER_PORT", default=5555)
MOCK_PORT = env.int("MOCK_PORT", default=8090)
# What `make run` starts: all, or on a further machine (`make host`) what any number of may run.
HEDGEHOG_PART = one_of("HEDGEHOG_PART", "all", "host")
# Calls to an exchange that are under way at a time: of entries and all that has time; of exits, cancels and reports.
# Each holds a connection to the database.
WORKER_THREADS = env.int("WORKER_THREADS", default=8)
EXIT_THREADS = env.int("EXIT_THREADS", default=24)

# --- the market ---------------------------------------------------------------------------------
# simulated | replay:FILE[@SPEED] | live (paper: real trades, mock orders) | manual (moves only by POST /mock/trade)
MARKET = env.str("MARKET", default="simulated")
# Symbols that the first start turns on; later the admin decides.
HEDGEHOG_SYMBOLS = env.list("HEDGEHOG_SYMBOLS", default=["ETHUSDT", "BTCUSDT"])
# Modules with strategies of the user's own, by their import names: docs/strategies.md.
HEDGEHOG_STRATEGIES = env.list("HEDGEHOG_STRATEGIES", default=[])
# Real money needs this, a permission and a confirmation.
HEDGEHOG_ALLOW_LIVE = env.flag("HEDGEHOG_ALLOW_LIVE", default=False)
# The mock account's money at its first start and after a reset.
MOCK_BALANCES = env.str("MOCK_BALANCES", default="USDT:10000")
# When a resting mock order fills: strict (the market trades through its limit) | touch (it reaches it).
MOCK_FILL = env.str("MOCK_FILL", default="strict")
MOCK_SEED = env.int("MOCK_SEED", default=1)
MOCK_EXCHANGE_INFO = env.str("MOCK_EXCHANGE_INFO", default="")
# Unfilled orders that the mock takes in 10 seconds: Binance's own limit.
MOCK_ORDERS_PER_10S = env.int("MOCK_ORDERS_PER_10S", default=50)
# Whether the mock account pays commissions in BNB, a quarter less, as long as it has some.
MOCK_COMMISSION = env.str("MOCK_COMMISSION", default="")
MOCK_FEES_IN_BNB = env.flag("MOCK_FEES_IN_BNB", default=False)

# --- keys and addresses: see venues.py ----------------------------------------------------------
# A key signs with the secret that belongs to it (HMAC), or with a private key in PEM (RSA or Ed25519).
BINANCE_API_KEY = env.secret("BINANCE_API_KEY")
BINANCE_API_SECRET = env.secret("BINANCE_API_SECRET")
BINANCE_PRIVATE_KEY = env.secret("BINANCE_PRIVATE_KEY")
BINANCE_PRIVATE_KEY_PASSWORD = env.secret("BINANCE_PRIVATE_KEY_PASSWORD")
TESTNET_API_KEY = env.secret("TESTNET_API_KEY")
TESTNET_API_SECRET = env.secret("TESTNET_API_SECRET")
TESTNET_PRIVATE_KEY = env.secret("TESTNET_PRIVATE_KEY")
TESTNET_PRIVATE_KEY_PASSWORD = env.secret("TESTNET_PRIVATE_KEY_PASSWORD")
DEMO_API_KEY = env.secret("DEMO_API_KEY")
DEMO_API_SECRET = env.secret("DEMO_API_SECRET")
DEMO_PRIVATE_KEY = env.secret("DEMO_PRIVATE_KEY")
DEMO_PRIVATE_KEY_PASSWORD = env.secret("DEMO_PRIVATE_KEY_PASSWORD")
# Play money on this machine only; the mock listens on 127.0.0.1.
MOCK_API_KEY = env.secret("MOCK_API_KEY", default="mock-key")
MOCK_PRIVATE_KEY = env.secret("MOCK_PRIVATE_KEY")
MOCK_PRIVATE_KEY_PASSWORD = env.secret("MOCK_PRIVATE_KEY_PASSWORD")
MOCK_API_SECRET = env.secret("MOCK_API_SECRET", default="" if MOCK_PRIVATE_KEY else "mock-secret")
# The public key that the mock verifies with, instead of the secret: what one gives to Binance.
MOCK_PUBLIC_KEY = env.str("MOCK_PUBLIC_KEY", default="")
# What `make run` tells processes that are given no keys of those that there are: venues.py.
HEDGEHOG_KEY_FACTS = env.str("HEDGEHOG_KEY_FACTS", default="")
# A live key that may withdraw is refused, unless this says that it is meant.
HEDGEHOG_ALLOW_WITHDRAW_KEY = env.flag("HEDGEHOG_ALLOW_WITHDRAW_KEY", default=False)
# Whether the mock says of its key that it may withdraw.
MOCK_KEY_MAY_WITHDRAW = env.flag("MOCK_KEY_MAY_WITHDRAW", default=False)

# By default Binance's own: general-api-information.md, web-socket-streams.md, and general-info.md of testnet and
# demo-mode.
LIVE_REST_URL = env.endpoint("LIVE_REST_URL", default="https://api.binance.com")
LIVE_WS_API_URL = env.endpoint("LIVE_WS_API_URL", default="wss://ws-api.binance.com:443/ws-api/v3")
LIVE_STREAM_URL = env.endpoint("LIVE_STREAM_URL", default="wss://stream.binance.com:9443")
TESTNET_REST_URL = env.endpoint("TESTNET_REST_URL", default="https://testnet.binance.vision")
TESTNET_WS_API_URL = env.endpoint("TESTNET_WS_API_URL", default="wss://ws-api.testnet.binance.vision/ws-api/v3")
TESTNET_STREAM_URL = env.endpoint("TESTNET_STREAM_URL", default="wss://stream.testnet.binance.vision")
DEMO_REST_URL = env.endpoint("DEMO_REST_URL", default="https://demo-api.binance.com")
DEMO_WS_API_URL = env.endpoint("DEMO_WS_API_URL", default="wss://demo-ws-api.binance.com/ws-api/v3")
DEMO_STREAM_URL = env.endpoint("DEMO_STREAM_URL", default="wss://demo-stream.binance.com")

# Binance's archive of past trades and candles, and where it tells which files it has: history/archive.py.
ARCHIVE_URL = env.endpoint("ARCHIVE_URL", default="https://data.binance.vision")
ARCHIVE_LISTING_URL = env.endpoint(
    "ARCHIVE_LISTING_URL", default="https://s3-ap-northeast-1.amazonaws.com/data.binance.vision"
)

# --- how long rows are kept, in days; 0: for ever. Orders, fills and traders always are ----------------
# The journal of cycles that ended longer ago is moved to HEDGEHOG_HOME/archive; all else is deleted.
KEEP_JOURNAL_DAYS = env.int("KEEP_JOURNAL_DAYS", default=90)
KEEP_RECONCILIATIONS_DAYS = env.int("KEEP_RECONCILIATIONS_DAYS", default=90)
KEEP_DENIED_ORDERS_DAYS = env.int("KEEP_DENIED_ORDERS_DAYS", default=400)
KEEP_LOGINS_DAYS = env.int("KEEP_LOGINS_DAYS", default=30)
KEEP_HISTORY_DAYS = env.int("KEEP_HISTORY_DAYS", default=800)

# --- Django -------------------------------------------------------------------------------------
SECRET_KEY = env.secret("SECRET_KEY") or Secret(secret(HEDGEHOG_HOME, "secret_key"))
DEBUG = env.flag("DEBUG", default=False)
DEFAULT_EXCEPTION_REPORTER_FILTER = "hedgehog_project.debug_page.HidesKeys"
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
# Web servers in front of this one, each of which adds to X-Forwarded-For whom it serves.
PROXIES = env.int("PROXIES", default=0)
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# After a login at /admin/login/ itself; Django's own default is a page that is not here.
LOGIN_REDIRECT_URL = "admin:index"

# Which of the processes of `make run` this is; empty for any other.
HEDGEHOG_PROCESS = env.str("HEDGEHOG_PROCESS", default="")
INSTALLED_APPS = installed.apps_of(HEDGEHOG_PROCESS)

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "console.login.says_when_to_wait",
    "console.viewer_zone.in_viewers_zone",
    "console.out_of_range.OutOfRange",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Before Unfold's own of the same name.
        "DIRS": [Path(__file__).parent.parent / "console" / "overrides"],
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

ROOT_URLCONF = "hedgehog_project.urls"
WSGI_APPLICATION = "hedgehog_project.wsgi.application"
if not installed.shows_pages(HEDGEHOG_PROCESS):
    # What stands here is imported by the checks at its start.
    MIDDLEWARE, TEMPLATES, ROOT_URLCONF = [], [], ""

DATABASES = {"default": database(HEDGEHOG_HOME)}
DATABASE_ROUTERS = ["binance_mock.router.NoTables"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTHENTICATION_BACKENDS = ["trading.models.logins.Backend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "static/"
# Served from the packages themselves: nothing to collect before the first start.
WHITENOISE_USE_FINDERS = True
WHITENOISE_MIMETYPES = {".webmanifest": "application/manifest+json"}
LOGIN_URL = "admin:login"

# --- Celery: shared with celery.py --------------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
# A worker serves those that it is told to, else all; see queues.py.
CELERY_TASK_QUEUES = [Queue(name, exchange=queues.ENTRIES, routing_key=name) for name in queues.NAMES]
CELERY_TASK_DEFAULT_QUEUE = queues.ENTRIES
CELERY_TASK_ROUTES = {
    "trading.tasks.lead": {"queue": queues.LEADER},
    "trading.tasks.report": {"queue": queues.REPORTS},
    "trading.tasks.transfer": {"queue": queues.REPORTS},
    "trading.tasks.ask": {"queue": queues.EXITS},
    "trading.tasks.cancel": {"queue": queues.EXITS},
}
CELERY_WORKER_POOL = "hedgehog_project.pool:TaskPool"
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
# Fetch one task at a time: a killed worker then holds no others back.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# A traceback as it is, not one log line for each piece of it.
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 4.0
CELERY_WORKER_SEND_TASK_EVENTS = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# A Redis that refuses writes is waited for as one that is away.
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # A killed worker's tasks come back within seconds. Running one twice does no harm.
    "visibility_timeout": 30,
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
    # A half-open connection is noticed, and a frozen Redis does not block the caller for long.
    "health_check_interval": 5,
    "socket_timeout": 5,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
}
# Celery closes Django's connection around every task unless it may reuse it.
CELERY_DB_REUSE_MAX = 10_000_000
CELERY_BEAT_SCHEDULER = "hedgehog_project.beat:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 1

# --- logs ---------------------------------------------------------------------------------------
LOG_LEVEL = one_of("LOG_LEVEL", "INFO", "DEBUG", "WARNING", "ERROR")
_LOGGED = ("hedgehog_project", "streamer", "history", "trading", "console", "binance_mock", "django.server")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "hedgehog_project.hiding.Lines", "fmt": "%(asctime)s %(levelname)s %(name)s: %(message)s"}
    },
    "filters": {"once": {"()": "hedgehog_project.quiet.OnceWhileRedisFails"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["once"]}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        **{name: {"level": LOG_LEVEL} for name in _LOGGED},
        "celery.worker": {"level": "INFO"},
        # Two lines for each task, every second: Flower shows them better.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        # Complains once when it is up before the worker.
        "flower.inspector": {"level": "ERROR"},
        "celery.beat": {"level": "WARNING"},
    },
}

# --- the admin's face ---------------------------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": "Hedgehog",
    "SITE_HEADER": "Hedgehog",
    "SITE_SUBHEADER": "Binance Spot traders",
    "SITE_SYMBOL": "candlestick_chart",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": "console.admin.navigation.icon"},
        {"rel": "apple-touch-icon", "href": "console.admin.navigation.touch_icon"},
        {"rel": "manifest", "href": "console.admin.navigation.manifest"},
    ],
    "SHOW_VIEW_ON_SITE": False,
    # There is no site but the admin: a link to it from the login page would lead to the login page.
    "SITE_URL": None,
    "ENVIRONMENT_TITLE_PREFIX": "console.admin.navigation.title_prefix",
    "DASHBOARD_CALLBACK": "console.admin.dashboard.context",
    "GLOBAL_CALLBACK": "console.admin.navigation.on_every_page",
    "STYLES": ["console.admin.navigation.style"],
    "SCRIPTS": [
        "console.admin.navigation.numbers_script",
        "console.admin.navigation.script",
        "console.admin.navigation.questions_script",
        "console.admin.navigation.search_script",
        "console.admin.navigation.lists_script",
    ],
    "TABS": "console.admin.navigation.tabs",
    "LOGIN": {"form": "console.login.LoginForm"},
    "SIDEBAR": {"show_search": True, "navigation": "console.admin.navigation.sidebar"},
}
