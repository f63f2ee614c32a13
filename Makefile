# make demo    the main job on LeNet-5 and MNIST: search, front, pick, verify, report
# make test    everything CI runs: tests, lint, types, import contracts
# make check   lint, types, import contracts and documentation alone
# make docs    the documentation as a site, in build/site
# make picture the demo's front as docs/front.svg
# make bench   the system's own time per trial, measured
# make bench-cluster, make chaos ROUNDS=20         executors: overhead and speed-up; launchers killed
# make bench-scale RUN=runs/first                  a thousand workers, simulated with a run's trial times
# make bench-coverage SUITES="structures timm"     what can be pruned, in an environment of its own
# make reproduce, make reproduce-fast           LeNet-5 pruned while it trains, against the literature; resumable
# make bench-recovery TASKS="lenet5-mnist"         what each step of recovery gives back
# make bench-search CONTESTS="resnet-channel" SEEDS="0 1 2"     strategies against each other
# make bench-latency LATENCY="same half"         are confirmed latencies right, predicted ones near?
# make bench-report                             how long reports take to write and to open
# make clean   remove the virtual environment and caches of tools; runs are kept

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO_RUN ?= runs/demo-$(shell date +%Y%m%d-%H%M%S)
INSTALLED := $(VENV)/.installed

ROUNDS ?= 20
ZOO ?= .venv-zoo
SUITES ?= structures traps transformers torchvision timm
SEEDS ?= 0 1 2 3 4
CONTESTS ?= lenet-channel lenet-weight resnet-channel resnet-weight gru-channel gru-weight minilm-channel
TASKS ?= lenet5-mnist resnet20-fashion gru-g2p minilm-sentiment crepe-pitch

.PHONY: reproduce reproduce-fast demo test check docs picture bench bench-search bench-cluster bench-coverage bench-latency bench-recovery bench-report bench-scale chaos clean

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[demo,images,onnx,figures,tensorboard,mlflow,wandb,docs,dev]"
	touch $(INSTALLED)

$(ZOO)/.installed: pyproject.toml
	$(PYTHON) -m venv $(ZOO)
	$(ZOO)/bin/python -m pip install --quiet torch torchvision timm transformers torch-pruning
	$(ZOO)/bin/python -m pip install --quiet --editable .
	touch $(ZOO)/.installed

demo: $(INSTALLED)
	$(BIN)/hierprune launch lenet5-mnist --run $(DEMO_RUN) --trials 60 \
		--space hierarchical --min-density 0.085 --max-epochs 1 --promote 0.1 --lr 4e-3 --distil 0.3 \
		--where "params <= 0.1" --where "accuracy >= dense - 0.004"
	$(BIN)/hierprune pick $(DEMO_RUN) --prefer accuracy --out $(DEMO_RUN)/picked
	$(BIN)/hierprune verify $(DEMO_RUN)/picked
	$(BIN)/hierprune report $(DEMO_RUN)

test: $(INSTALLED) check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile

docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

picture: $(INSTALLED)
	rm -rf build/demo
	$(MAKE) demo DEMO_RUN=build/demo
	$(BIN)/hierprune report build/demo --figures build/figures
	cp build/figures/front-accuracy-compression.svg docs/front.svg

check: $(INSTALLED) docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p hierprune
	$(BIN)/lint-imports

bench: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore benchmarks/system_time.py

bench-search: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore -m hierprune.benchmarks.search run $(CONTESTS) --seeds $(SEEDS)
	$(BIN)/python -W ignore -m hierprune.benchmarks.search table $(CONTESTS)

bench-cluster: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore benchmarks/cluster/overhead.py --trials 10000 --executor local
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore benchmarks/cluster/overhead.py --trials 10000 --executor ray
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore benchmarks/cluster/speedup.py --executor local
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore benchmarks/cluster/speedup.py --executor ray

bench-scale: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore benchmarks/cluster/simulate.py $(RUN) --storage journal
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore benchmarks/cluster/simulate.py $(RUN) --storage postgres

chaos: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore benchmarks/cluster/chaos.py --rounds $(ROUNDS)

bench-coverage: $(ZOO)/.installed
	OMP_NUM_THREADS=1 $(ZOO)/bin/python -m hierprune.benchmarks.coverage --rival $(SUITES)

reproduce: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore -m hierprune.benchmarks.lenet5.run
	$(BIN)/python -m hierprune.benchmarks.lenet5.table runs/lenet5/full/rows.jsonl --picture runs/lenet5/full/table.svg

reproduce-fast: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore -m hierprune.benchmarks.lenet5.run --fast
	$(BIN)/python -m hierprune.benchmarks.lenet5.table runs/lenet5/fast/rows.jsonl --picture runs/lenet5/fast/table.svg

bench-recovery: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore benchmarks/recovery/run.py $(TASKS)

bench-latency: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore benchmarks/latency/run.py $(LATENCY)

bench-report: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -W ignore benchmarks/report/run.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
