# make run [STUDY=/path]  install what is missing and start Gransk with a demonstration study
# make test               the gate: style, types, import contracts, tests in their short form
# make test-all           the same with every long form

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
GRANSK_DATA ?= ../shared/data
export GRANSK_DATA

# Two processes, a file of tests in one of them as a whole, in the order of their names, so that
# the longest files do not come last.
BESIDE := -n 2 --dist loadfile --no-loadscope-reorder
# Waits of the system tests last so many times as long, since another test runs beside each.
export PATIENCE ?= 4

RUN_PACKAGES := orthanc orthanc-python orthanc-dicomweb python3-venv
TEST_PACKAGES := dcmtk chromium fonts-dejavu-core rsyslog rsyslog-gnutls rsyslog-openssl nginx-light

.PHONY: run install install-test test test-all lint clean

run: install
	@exec $(BIN)/gransk run $(if $(STUDY),--study "$(STUDY)")

install: .make/debian .make/venv .make/viewer

install-test: install .make/debian-test .make/venv-test .make/test-tools

test: install-test lint
	$(BIN)/pytest -q -m "not full" $(BESIDE)

test-all: install-test lint
	$(BIN)/pytest -q $(BESIDE)

lint: install-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf .make $(VENV) node_modules tests/web/oidc_provider/node_modules tests/delivery/dicom_node/node_modules build *.egg-info

.make/debian: scripts/debian_packages.sh
	@mkdir -p .make
	@scripts/debian_packages.sh $(RUN_PACKAGES)
	@command -v npm >/dev/null || scripts/debian_packages.sh npm
	@touch $@

.make/debian-test: scripts/debian_packages.sh .make/debian
	@scripts/debian_packages.sh $(TEST_PACKAGES)
	@touch $@

.make/venv: pyproject.toml constraints.txt .make/debian
	@echo "Installing Gransk and its libraries into $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check --progress-bar on -q -c constraints.txt -e ".[postgresql]"
	@touch $@

.make/venv-test: .make/venv
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e ".[postgresql,dev]"
	@touch $@

.make/viewer: package.json scripts/npm_package.sh .make/debian
	@echo "Installing the OHIF viewer"
	npm run --silent viewer
	@touch $@

.make/test-tools: package.json tests/web/oidc_provider/package-lock.json tests/delivery/dicom_node/package-lock.json scripts/npm_package.sh .make/debian
	npm run --silent test-tools
	@touch $@
