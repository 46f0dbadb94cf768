# Two commands do everything: `make repro` and `make test`. In an environment of your own: make repro PYTHON=python
VENV   ?= .venv
PYTHON ?= $(VENV)/bin/python
READY  := $(if $(filter $(VENV)/%,$(PYTHON)),$(VENV)/ready)
export DVC_NO_ANALYTICS = 1
export PATH := $(if $(READY),$(abspath $(VENV))/bin:)$(PATH)

repro: $(READY)  ## fetch data and results, rebuild what changed, print the claims
	$(PYTHON) -m dvc pull
	$(PYTHON) -m dvc repro
	$(PYTHON) -m lib.show.claims
	@echo "report: $(CURDIR)/artifacts/report/index.html"

test: $(READY)  ## the whole test suite, the smoke profile of the whole graph included
	$(PYTHON) -m dvc pull --quiet
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n auto --maxprocesses 4 --dist worksteal --durations 20 --durations-min 5  # a core for each worker

browser: $(READY)  ## every notebook opened and run in JupyterLab by Chromium (Debian's chromium, pip install playwright)
	$(PYTHON) -m dvc pull --quiet
	$(PYTHON) -m pytest -m browser tests/browser

verify: $(READY)  ## execute every stage after the checkpoints again and compare; ALL=1 pre-trains too
	$(PYTHON) -m lib.verify $(if $(ALL),--all) $(VERIFY)

lab: $(READY)  ## JupyterLab on loopback; prints an address with a token
	$(PYTHON) -m jupyter lab --no-browser --ip=127.0.0.1 --ServerApp.root_dir=$(CURDIR) \
	  --LabApp.news_url=None --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate \
	  $(if $(filter 0,$(shell id -u)),--allow-root)

lint: $(READY)
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

profile:  ## make profile NAME=smoke|demo|paper
	@test -f profiles/$(NAME).yaml || { echo "no profile '$(NAME)'; there are: $$(ls profiles | sed 's/.yaml//' | xargs)"; exit 2; }
	cp profiles/$(NAME).yaml params.yaml

plan: $(READY)  ## make plan NAME=paper: sets, disk, memory and hours that a profile needs, before anything starts
	$(PYTHON) -m lib.plan $(NAME)

doctor:  ## what on this machine would stop the suite, and how to mend it
	@$$(command -v $(PYTHON) || command -v python3) -m lib.doctor

data: $(READY)  ## make data/ again with the engines (about ten hours on two cores); resumes where it was interrupted
	$(PYTHON) -m lib.make

# TORCH_INDEX chooses another build of PyTorch, e.g. https://download.pytorch.org/whl/cu130 or …/whl/cpu
$(VENV)/ready: requirements.lock pyproject.toml
	python3.11 -m venv $(VENV)
	$(if $(TORCH_INDEX),$(VENV)/bin/pip install --index-url $(TORCH_INDEX) $$(grep '^torch==' requirements.lock))
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

.PHONY: repro test browser verify lab lint profile plan doctor data
