SHELL := /bin/bash
.DELETE_ON_ERROR:
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3

.PHONY: help
help: ## Print every target with its own comment
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/  \1\t\2/' | expand -t 16

.PHONY: serve
serve: $(VENV)/.serve ## Install what it needs, then run the service and an embedded MongoDB on port 8000
	@exec $(BIN)/session-service serve

.PHONY: test
test: check cover ## Install everything, then lint, types, all tests on mongomock and real MongoDB, coverage

.PHONY: check
check: $(VENV)/.dev ## Lint, format check, strict types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tests.english

.PHONY: quick
quick: check ## Lint, types, and in a minute the tests that need no MongoDB, on stores in memory
	$(BIN)/pytest -q -n 2 --dist worksteal --memory -m 'not alone and not nightly and not no_cover' \
	  -k 'not database_away and not without_a_database' tests/domain tests/contract tests/api

# Tests marked no_cover run the same lines again and again: traced, they would take twice as long.
# A worker for each core: a third one made it no faster, and deadlines of tests passed.
.PHONY: cover
cover: $(VENV)/.dev clients promtool chromium ## All tests except the nightly ones, with branch coverage and its minimum
	$(BIN)/coverage erase
	@failed=; \
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m 'not alone and not nightly' --cov --cov-report= \
	  || failed="$$failed those that share the machine,"; \
	$(BIN)/pytest -m 'alone and not nightly' --cov --cov-append --cov-report= \
	  || failed="$$failed those that have it for themselves,"; \
	$(BIN)/coverage report || failed="$$failed coverage,"; \
	test -z "$$failed" || { echo "Failed:$${failed%,}."; exit 1; }

# docs/testing.md says what runs here and why.
LARGER_AT_NIGHT := tests/contract/test_store_state_machine.py tests/faults/test_checker.py \
  tests/faults/test_short_profile.py \
  tests/security/test_fuzzed.py tests/two_services/test_two_services.py
.PHONY: nightly
nightly: $(VENV)/.dev $(VENV)-sbom/.cyclonedx wrk ## Tests of what changes rarely, and larger runs of some of make test
	@failed=; \
	$(BIN)/pytest -m nightly || failed="$$failed those that change rarely,"; \
	NIGHTLY=1 $(BIN)/pytest $(LARGER_AT_NIGHT) || failed="$$failed the larger runs,"; \
	test -z "$$failed" || { echo "Failed:$${failed%,}."; exit 1; }

.PHONY: chromium
chromium:
	@command -v chromium > /dev/null || command -v google-chrome > /dev/null \
	  || { [ "$$(id -u)" = 0 ] && { apt-get install -y -qq chromium || { apt-get update -qq && apt-get install -y -qq chromium; } ; } ; } > /dev/null 2>&1 \
	  || echo "Chromium is missing: the page at /docs is not tested in a browser. On Debian: apt-get install chromium"

.PHONY: clients
clients: $(VENV)-clients/.julep $(VENV)-clients/.browser ## Install the real clients that tests run, each in an environment of its own

$(VENV)-clients/.%: locks/client-%.txt | $(VENV)/bin/pip
	@$(PYTHON) -m venv --clear $(VENV)-clients/$*
	@echo '*' > $(VENV)-clients/.gitignore
	@$(VENV)-clients/$*/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

# Prometheus' own checker of alert rules, only unpacked: Debian's package would start a server.
.PHONY: promtool
promtool: ## Fetch the checker of the alert rules, unless it is installed
	@command -v promtool > /dev/null || test -x $(VENV)-promtool/usr/bin/promtool || { \
	  mkdir -p $(VENV)-promtool && cd $(VENV)-promtool && echo '*' > .gitignore && \
	  { apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; } ; } && \
	  dpkg -x prometheus_*.deb . && rm prometheus_*.deb; } 2> /dev/null \
	  || echo "promtool is missing: the alert rules are not tested. On Debian: apt-get install prometheus"

.PHONY: format
format: $(VENV)/.dev ## Format the code and apply the safe lint fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: settings
settings: $(VENV)/.dev ## Write docs/settings.md and config/.env.example from the settings
	$(BIN)/python -m config.reference

.PHONY: policy
policy: $(VENV)-policy/.checkov ## Policy checks of manifests, Dockerfile and compose, in an environment of their own
	@for overlay in k8s/overlays/dev tests/deploy/with_options; do \
	  kubectl kustomize $$overlay > $(VENV)-policy/$$(basename $$overlay).yaml || exit 1; done
	$(VENV)-policy/bin/checkov --config-file k8s/checkov.yaml -f Dockerfile -f docker-compose.yml \
	  -f k8s/secret.example.yaml -f $(VENV)-policy/dev.yaml -f $(VENV)-policy/with_options.yaml

$(VENV)-policy/.checkov: locks/policy.txt
	@$(PYTHON) -m venv --clear $(VENV)-policy
	@echo '*' > $(VENV)-policy/.gitignore
	@$(VENV)-policy/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

.PHONY: bench
bench: $(VENV)/.dev $(VENV)-peers/.installed wrk ## Compare the service with its baseline and library peers; BEFORE=a checkout, too
	$(BIN)/python -m bench.run $(if $(BEFORE),--before $(BEFORE))
	$(BIN)/python -m bench.sizing

.PHONY: bench-members
bench-members: $(VENV)/.dev ## Show what a batch of appends costs three members; BEFORE=a checkout, too
	$(BIN)/python -m tests.faults.members $(if $(BEFORE),--before $(BEFORE))

.PHONY: bench-scale
bench-scale: $(VENV)/.dev wrk ## Show what a million messages and a million sessions cost
	$(BIN)/python -m bench.scale
	$(BIN)/python -m bench.sizing

.PHONY: fuzz
fuzz: $(VENV)/.dev ## Run Schemathesis with all checks over /openapi.json: 20 000 cases, in ten minutes
	$(BIN)/python -m tests.security.fuzzing

.PHONY: chaos
chaos: $(VENV)/.dev ## Inject all faults, in an hour; FAULT=name for one of them, SEED=n to replay it
	$(BIN)/python -m tests.faults.chaos $(if $(FAULT),--fault $(FAULT)) $(if $(SEED),--seed $(SEED))

.PHONY: soak
soak: $(VENV)/.dev ## Load one service for MINUTES=60, and check whether it drifts
	$(BIN)/python -m tests.faults.chaos --soak $(or $(MINUTES),60) $(if $(SEED),--seed $(SEED))

# The version is in docs_page.py; the hashes of what was fetched are checked by a test.
SWAGGER_UI = $(shell sed -nE 's/^SWAGGER_UI_VERSION = "(.*)"/\1/p' service/api/openapi/docs_page.py)
SWAGGER_UI_FILES := LICENSE NOTICE swagger-ui-bundle.js swagger-ui-bundle.js.LICENSE.txt swagger-ui.css
.PHONY: swagger-ui
swagger-ui: ## Fetch the files of the page at /docs from npm, without references to source maps
	@folder=$$(mktemp -d) && cd $$folder && npm pack --silent swagger-ui-dist@$(SWAGGER_UI) > /dev/null \
	  && tar xzf *.tgz && cd package && sed -i -E 's|^//# sourceMappingURL=.*||; s|/\*# sourceMappingURL=[^*]*\*/||' \
	    swagger-ui-bundle.js swagger-ui.css && cp $(SWAGGER_UI_FILES) \
	    $(CURDIR)/service/api/openapi/swagger_ui/ && rm -r $$folder
	@cd service/api/openapi/swagger_ui && sha256sum $(SWAGGER_UI_FILES) > SHA256SUMS

.PHONY: wrk
wrk:
	@command -v wrk > /dev/null \
	  || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq wrk; } \
	  || { echo "The load generator wrk is missing. On Debian: apt-get install wrk"; exit 1; }

$(VENV)-peers/.installed: locks/peers.txt | $(VENV)/bin/pip
	@$(PYTHON) -m venv --clear $(VENV)-peers
	@$(VENV)-peers/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

.PHONY: sbom
sbom: $(VENV)-sbom/.cyclonedx ## List what the image installs, as CycloneDX in sbom.cdx.json
	@$(VENV)-sbom/bin/python -W ignore -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible \
	  --output-file sbom.cdx.json locks/runtime.txt

$(VENV)-sbom/.cyclonedx: locks/sbom.txt | $(VENV)/bin/pip
	@$(PYTHON) -m venv --clear $(VENV)-sbom
	@echo '*' > $(VENV)-sbom/.gitignore
	@$(VENV)-sbom/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@touch $@

.PHONY: lock
lock: $(VENV)/.dev ## Resolve all locks again, from pyproject.toml and bench/peers.in
	$(call compile,runtime,--extra tracing pyproject.toml)
	$(call compile,serve,--universal --extra embedded --group build pyproject.toml)
	$(call compile,dev,--universal --extra embedded --group dev pyproject.toml)
	$(call compile,build,--group build)
	$(call compile,policy,--group policy)
	$(call compile,sbom,--group sbom)
	$(call compile,client-julep,--group client-julep)
	$(call compile,client-browser,--group client-browser)
	$(call compile,peers,bench/peers.in)

.PHONY: clean
clean: ## Remove what the other targets made (the data folder stays)
	rm -rf $(VENV) .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.*

$(VENV)/.serve: locks/serve.txt pyproject.toml | $(VENV)/bin/pip
	$(call install,serve)
$(VENV)/.dev: locks/dev.txt pyproject.toml | $(VENV)/bin/pip
	$(call install,dev)
	@touch $(VENV)/.serve

# Debian splits venv's installer into a package of its own: fetch it if it is missing and we may.
$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; say which with PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
	  || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq python3-venv; } \
	  || { echo "Python's venv module is missing. On Debian: apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# A lock is complete: pip must not resolve again, or a newer release of a dependency breaks it.
define install
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r locks/$(1).txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
endef
define compile
	$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-annotate --python-version 3.11 \
	  --custom-compile-command 'make lock' $(2) -o locks/$(1).txt

endef
