# make demo    the main job on LeNet-5 and MNIST: search, front, pick, verify, report
# make test    everything CI runs: tests, lint, types, import contracts
# make check   lint, types and import contracts alone
# make bench   the system's own time per trial, measured
# make clean   remove the virtual environment and caches of tools; runs are kept

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO_RUN ?= runs/demo-$(shell date +%Y%m%d-%H%M%S)
INSTALLED := $(VENV)/.installed

.PHONY: demo test check bench clean

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[demo,onnx,dev]"
	touch $(INSTALLED)

demo: $(INSTALLED)
	$(BIN)/hierprune launch lenet5-mnist --run $(DEMO_RUN) --trials 60 \
		--max-epochs 1 --lr 3e-3 --distil 0.3 \
		--where "params <= 0.1" --where "accuracy >= dense - 0.003"
	$(BIN)/hierprune pick $(DEMO_RUN) --prefer accuracy --out $(DEMO_RUN)/picked
	$(BIN)/hierprune verify $(DEMO_RUN)/picked
	$(BIN)/hierprune report $(DEMO_RUN)

test: $(INSTALLED) check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p hierprune
	$(BIN)/lint-imports

bench: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/system_time.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
