# What a person types. `make` alone lists it.
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
PIP    := $(PY) -m pip install --quiet --disable-pip-version-check
JOBS   ?= 2
# A file of tests stays in one process; tests/conftest.py says which files share one, and what comes first.
ON_ALL_CORES = -n $(JOBS) --dist loadgroup --no-loadscope-reorder
# A browser is opened where there is a screen.
HEADLESS = $(shell [ "$$(uname)" = Darwin ] || [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] && echo false || echo true)


.DEFAULT_GOAL := help
.PHONY: help setup run test test-fast check format bench train clean

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/app.stamp  ## create .venv and install what the app needs: minutes, and 2 GB (7 GB with CUDA, for an NVIDIA driver)

run: setup  ## start the app and print its address (another port: make run PORT=8600)
	$(PY) -m streamlit run app/main.py --server.address=localhost --server.headless=$(HEADLESS) \
		--server.showEmailPrompt=false $(if $(PORT),--server.port=$(PORT))

test: $(VENV)/dev.stamp  ## run every test, offline, on two cores (on more: make test JOBS=4)
	$(PY) -m pytest $(ON_ALL_CORES) -m "not openvino" --ignore tests/model/test_runtime.py
	@# OpenVINO on its own: training after it in one process has crashed. 5: none of these apply to this machine.
	$(PY) -m pytest -m openvino tests/model/test_runtime.py tests/benchmarks/test_encoder.py || [ $$? -eq 5 ]

test-fast: $(VENV)/dev.stamp  ## run what needs no browser, no training, no rendering: two to three minutes
	$(PY) -m pytest $(ON_ALL_CORES) -m "not (openvino or e2e or slow)" --ignore tests/model/test_runtime.py

check: $(VENV)/dev.stamp  ## lint, formatting, types and the licences of what is needed
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy l2ltr_core citysim app benchmarks
	$(PY) scripts/check_licences.py

format: $(VENV)/dev.stamp  ## put every file in form
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: $(VENV)/app.stamp  ## measure everything on this machine, in one table, also as docs/benchmarks.md
	$(PY) -m benchmarks --out docs/benchmarks.md

train: $(VENV)/dev.stamp  ## render the worlds and train world-l2ltr on them, or go on with it
	$(PY) scripts/build_assets.py train world-l2ltr

clean:  ## remove the environment and every cache
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info

$(PY):
	$(PYTHON) -m venv $(VENV)

$(VENV)/torch.stamp: | $(PY)
	@$(PY) scripts/install_torch.py
	@touch $@

$(VENV)/app.stamp: pyproject.toml | $(VENV)/torch.stamp
	@echo "Installing what the app needs into $(VENV) (the first time takes some minutes) ..."
	$(PIP) --editable '.[app]'
	@touch $@

# The tests' environment holds the app's too.
$(VENV)/dev.stamp: pyproject.toml | $(VENV)/torch.stamp
	@echo "Installing what the app and its tests need into $(VENV) (the first time takes some minutes) ..."
	$(PIP) --editable '.[app,dev,fast,report,train,citysim]'
	@touch $(VENV)/app.stamp $@
