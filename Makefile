# Every target is one command that a person could type; `make` alone prints this list.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
HYDRIA = $(BIN)/hydria
INSTALLED = $(VENV)/.installed

SITE ?= local
CONFIG ?= lsms
STACK ?= cpu
FORMAT ?= sif
# NODES=16 becomes --nodes 16, and so on; SET holds key=value overrides of the
# config, FLAGS further options such as --explain or --assume path=value
JOB_OPTIONS = $(foreach name,NODES GPUS CPUS MEM WALLTIME ACCOUNT QUEUE CONSTRAINT MAIL IMAGE DATA RUN_DIR OUT TASK RANKS STAGE SWEEP,\
    $(if $($(name)),--$(subst _,-,$(call lower,$(name))) '$(subst ','\'',$($(name)))')) $(FLAGS) $(SET)
lower = $(shell printf '%s' '$(1)' | tr '[:upper:]' '[:lower:]')

export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help install run test test-nightly job submit image containers-lock check format golden bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

install: $(INSTALLED) ## create .venv and install Hydria with all that training and tests need

$(INSTALLED): pyproject.toml constraints.txt src/hydragnn/pyproject.toml
	$(PYTHON) -m venv $(VENV) && $(BIN)/pip install -q -c constraints.txt -e '.[train,dev,mpi,images]' -e ./src/hydragnn && touch $@

run: $(INSTALLED) ## train CONFIG=lsms here, through SITE=local, and show the results
	$(HYDRIA) submit --site $(SITE) --config $(CONFIG) $(JOB_OPTIONS)

job: $(INSTALLED) ## render a job script: SITE= CONFIG= [NODES= WALLTIME= ACCOUNT= … SET='key=value']
	@$(HYDRIA) job --site $(SITE) --config $(CONFIG) $(JOB_OPTIONS)

submit: $(INSTALLED) ## the same, then hand it to the scheduler; DRY_RUN=1 only prints the command
	@$(HYDRIA) submit --site $(SITE) --config $(CONFIG) $(JOB_OPTIONS) $(if $(DRY_RUN),--dry-run)

image: $(INSTALLED) ## build the image of STACK=cpu: [FORMAT=sif|docker] [BASE=…] [OUT=…]
	$(HYDRIA) image build $(STACK) --format $(FORMAT) $(if $(BASE),--base '$(BASE)') $(if $(OUT),--output '$(OUT)')

containers-lock: $(INSTALLED) ## pin anew what the images install
	$(HYDRIA) image lock --constraints constraints.txt

test: $(INSTALLED) ## all tests that need no system package; SYSTEM=1 installs those and runs all
	$(BIN)/python -m tests.support.run $(if $(SYSTEM),--system) $(if $(TESTS),-- $(TESTS))

test-nightly: $(INSTALLED) ## the long sweeps too
	$(BIN)/python -m tests.support.run --system --nightly

check: $(INSTALLED) ## lint, types, layers
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && PYTHONPATH=src $(BIN)/lint-imports

format: $(INSTALLED) ## put the code into its form
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

golden: $(INSTALLED) ## render the golden scripts again; read the diff before you commit it
	$(BIN)/python -m pytest -q tests/golden --update-golden

bench: $(INSTALLED) ## speed and memory against their targets
	$(BIN)/python -m tests.benchmarks

clean: ## remove what was installed and built; data and runs stay
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache jobs/rendered
