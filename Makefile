# One command for each task; `make help` lists them.
PYTHON ?= python3
# PyTorch for development: on Linux this version's wheel on PyPI needs CUDA packages; name another build here,
# e.g. make test TORCH="torch==2.13.0 --index-url <an index of CPU builds>".
TORCH ?= torch==2.13.0
VENV := .venv
# Bytecode is always kept: the tests start a hundred processes that would compile everything again.
export PYTHONDONTWRITEBYTECODE =
BIN := $(VENV)/bin

.PHONY: help run test test-fast coverage check proto docs docs-site examples pictures lock e2e-compose fuzz load soak sbom audit bench bench-compare bench-train default-model rendered-model clean chaos
.DEFAULT_GOAL := help

help: ## list the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/' | expand -t 23

run: $(VENV)/.serve ## set everything up and serve on http://127.0.0.1:8000
	@$(BIN)/mien serve

test: $(VENV)/.dev $(VENV)/npm/.done $(VENV)/generator/.done ## set up what tests need and run them all
	$(BIN)/pytest --numprocesses auto --dist loadfile

test-fast: $(VENV)/.dev ## run the unit tests of the package and the service, in about a minute
	$(BIN)/pytest --numprocesses auto --dist loadfile tests/unit --ignore tests/unit/model

coverage: $(VENV)/.dev ## run all tests and measure line and branch coverage
	$(BIN)/pytest --numprocesses auto --dist loadfile --cov --cov-report term:skip-covered

check: $(VENV)/.dev ## linters, types, import rules, duplicated code, generated files
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/oxlint --deny-warnings
	$(BIN)/symilar -d 6 --ignore-comments --ignore-docstrings --ignore-imports --ignore-signatures \
	  $$(find mien service model -name '*.py' -not -path 'service/pb/*') | tee /dev/stderr | grep -q ' duplicates=0 '
	$(BIN)/python docs/generate.py --check

proto: $(VENV)/.dev ## generate service/pb from proto/
	rm -rf service/pb && mkdir service/pb && printf '"""The gRPC contract, generated from `proto/` by `make proto`."""\n' > service/pb/__init__.py
	cd service/pb && $(abspath $(BIN))/python -m grpc_tools.protoc -I../../proto --python_out=. --pyi_out=. --grpc_python_out=. affect/v1/affect.proto
	@# The file keeps the name that clients know by reflection; only the import says where the stubs are.
	sed -i.bak 's/^from affect\.v1 /from service.pb.affect.v1 /' service/pb/affect/v1/affect_pb2_grpc.py && rm service/pb/affect/v1/*.bak

docs: $(VENV)/.dev ## generate docs/configuration.md and docs/openapi.json
	$(BIN)/python docs/generate.py

docs-site: $(VENV)/.docs ## build docs/ as a site with search, in build/site
	$(BIN)/mkdocs build --strict

pictures: $(VENV)/.dev ## make the README's pictures: the page, and a frame of an annotated video
	$(BIN)/python docs/pictures.py

examples: $(VENV)/.dev ## record the examples in docs/openapi.json and in the proto from a running service
	$(BIN)/python -m tests.end_to_end.recorded
	$(MAKE) proto docs

lock: $(VENV)/.dev ## lock the packages of the images, deploy/requirements
	$(BIN)/python deploy/lock.py

bench: $(VENV)/.dev ## measure speed and memory of all parts, and write docs/benchmarks.md
	$(BIN)/python -m tests.bench

NEW ?= docs/benchmarks.md

bench-compare: $(VENV)/.dev ## compare the table of OLD, an earlier copy of docs/benchmarks.md, with it or with NEW
	$(BIN)/python -m tests.bench.compare $(OLD) $(NEW)

SECONDS ?= 60

chaos: $(VENV)/.dev ## kill and stop workers, children, gateways and Redis at random, and count lost jobs
	$(BIN)/python -m tests.chaos --seconds $(SECONDS)

bench-train: $(VENV)/.dev ## measure: steps of pre-training and fine-tuning, peak memory, reading clips
	$(BIN)/python -m tests.bench.training

# For `make default-model`: where ICT-FaceKit and the labelled pictures lie, how many clips to render, the bundle's version.
FACEKIT ?= ict-facekit
FACES ?= real-faces
CLIPS ?= 12000
VERSION ?= 0.0.0
EXPORT := --name mien-default --version $(VERSION) --licence MIT --hop 0.24 \
  --intended-use "Trying Mien out, and research on affect in video with people who agreed to it."

# Each is written last, when its folder is complete.
PREPARED := rendered/dataset.json prepared/ferplus/report.json prepared/pictures/report.json

$(PREPARED): | $(VENV)/.dev
rendered/dataset.json:
	$(BIN)/mien-model render --facekit $(FACEKIT) --clips $(CLIPS) --out rendered
prepared/%/report.json:
	$(BIN)/mien-model prepare $* --root $(FACES) --margin 0.05 --out prepared/$*

default-model: $(PREPARED) ## make the default bundle from scratch: train, evaluate, export
	$(BIN)/mien-model pretrain default_pretrain
	$(BIN)/mien-model finetune default_stills
	$(BIN)/mien-model finetune default_finetune
	$(BIN)/mien-model evaluate runs/default_finetune --data prepared/ferplus --part validation --out reports/ferplus
	$(BIN)/mien-model evaluate runs/default_finetune --data prepared/pictures --part validation --out reports/pictures
	$(BIN)/mien-model evaluate runs/default_finetune --data rendered --out reports/rendered
	$(BIN)/mien-model export runs/default_finetune --out service/worker/bundles/default $(EXPORT) \
	  --report reports/ferplus --report reports/pictures --report reports/rendered --notes model/recipes/default_notes.md

rendered-model: rendered/dataset.json ## make a bundle trained on rendered faces only, bundles/rendered
	$(BIN)/mien-model pretrain rendered_pretrain
	$(BIN)/mien-model finetune rendered_stills
	$(BIN)/mien-model finetune rendered_finetune
	$(BIN)/mien-model evaluate runs/rendered_finetune --data rendered --out reports/rendered_only
	$(BIN)/mien-model export runs/rendered_finetune --out bundles/rendered --hop 0.24 --report reports/rendered_only

fuzz: $(VENV)/.dev ## attack: hostile and damaged videos through the confined decoder
	$(BIN)/python -m tests.attack.fuzz --seconds $(SECONDS)

load: $(VENV)/.dev ## attack: three times as many uploads as can be processed; then replace all processes under load
	$(BIN)/python -m tests.attack.load --seconds $(SECONDS)
	$(BIN)/python -m tests.chaos.rolling --seconds $(SECONDS)

soak: $(VENV)/.dev ## attack: requests of all kinds; fails if memory, descriptors or threads grow, or a request fails
	$(BIN)/python -m tests.attack.soak --seconds $(SECONDS)

IMAGES := gateway worker worker-gpu train

sbom: $(VENV)/.audit ## list the packages of each image in CycloneDX, build/sbom
	mkdir -p build/sbom
	for image in $(IMAGES); do \
	  $(VENV)/audit/bin/cyclonedx-py requirements deploy/requirements/$$image.txt --of JSON -o build/sbom/$$image.json || exit 1; \
	done

audit: $(VENV)/.audit ## check the packages of each image for known vulnerabilities; fails if a package cannot be looked up
	for image in $(IMAGES); do \
	  $(VENV)/audit/bin/pip-audit --strict --disable-pip --require-hashes -r deploy/requirements/$$image.txt || exit 1; \
	done

e2e-compose: $(VENV)/.dev ## build the images and try docker-compose.yml on this machine's engine
	$(BIN)/python deploy/e2e_compose.py

clean: ## remove the virtual environment and everything made here
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Mien needs Python 3.11 or later: install it, or name it: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "Python's venv is missing: install it (Debian, Ubuntu: apt install python3-venv)"; exit 1; }

# In its own environment, separate from the audited packages.
$(VENV)/.audit: | $(VENV)/bin/python
	$(BIN)/python -m venv $(VENV)/audit
	$(VENV)/audit/bin/pip install --disable-pip-version-check -q 'cyclonedx-bom>=7,<8' 'pip-audit>=2.9,<3'
	@touch $@

$(VENV)/.serve: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check -q -e '.[serve]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check -q $(TORCH)
	$(BIN)/python -m pip install --disable-pip-version-check -q -e '.[dev]'
	@touch $@ $(VENV)/.serve

# The generator of the Python client, in its own environment because it needs an older typer.
$(VENV)/generator/.done: | $(VENV)/bin/python
	$(BIN)/python -m venv $(VENV)/generator
	$(VENV)/generator/bin/pip install --disable-pip-version-check -q 'openapi-python-client>=0.29,<0.30'
	@touch $@

# The compiler of the generated TypeScript client, if npm is installed.
$(VENV)/npm/.done: tests/generated_clients/package-lock.json | $(VENV)/bin/python
	@mkdir -p $(@D) && cp $(<D)/package*.json $(@D)
	@if npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --loglevel=error; then touch $@; else \
	  rm -rf $(@D)/node_modules; \
	  echo "The generated TypeScript client is not tested: npm (Debian: apt install npm) or its registry is missing."; fi

$(VENV)/.docs: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check -q -e '.[docs]'
	@touch $@
