# What people type. `make run` needs Python 3.11 or newer and nothing else.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8000
BIN := .venv/bin
# A file of tests stays together: its tests share what they start.
PARALLEL := -n auto --dist loadfile

.PHONY: help run install dev test faults soak lint check screenshots clean

help:
	@echo "make run     try it: a sandbox with pretend phones (PORT=8001 if 8000 is taken)"
	@echo "make install the libraries, into .venv"
	@echo "make test    the whole suite          make lint   ruff and mypy"
	@echo "make faults  every fault, at length     make soak   10,000 posts, exact books"
	@echo "make check   deployment checks        make clean  remove .venv and caches"

run: install
	@$(BIN)/python manage.py sandbox --port $(PORT)

install: .venv/installed
dev: .venv/installed-dev

.venv/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make run PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)'
	@echo "Installing the libraries into .venv; this takes a minute."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/installed-dev: .venv/installed requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# The whole suite on SQLite, then everything that touches tables once more on PostgreSQL.
test: dev
	$(BIN)/python -m pytest $(PARALLEL)
	$(BIN)/python -m tests.support.on_postgres $(PARALLEL) tests/access tests/admin tests/config tests/diagnostics \
		tests/management tests/messaging tests/models tests/web

# The full programme of the fault suite; `make test` runs the part of it that fits.
faults: dev
	$(BIN)/python -m pytest tests/faults -m faults

# 10,000 signed posts on each pair of engines; this takes minutes.
soak: dev
	$(BIN)/python -m tests.faults.soak --engines sqlite
	$(BIN)/python -m tests.faults.soak --engines postgres/redis

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# A production's settings must pass Django's own deployment checks, and no model change may lack its migration.
check: dev
	SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(50))') SMS_BEHIND_HTTPS=true \
		SMS_ENCRYPTION_KEYS=$$($(BIN)/python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())') \
		$(BIN)/python manage.py check --deploy --fail-level WARNING
	$(BIN)/python manage.py makemigrations --check --dry-run

# The pictures in README.md and docs/, from a real run.
screenshots: dev
	$(BIN)/python -m tests.browser.screenshots

clean:
	rm -rf .venv staticfiles .mypy_cache .pytest_cache .ruff_cache .hypothesis
