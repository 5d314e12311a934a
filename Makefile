# The two commands of the README are `make demo` and `make test`; both install what they need
# into .venv first. Nothing but Python 3.11 with venv and make has to be there.
PYTHON ?= python3.11
CORES ?= 2
BIN := .venv/bin
INSTALLED := .venv/.installed
DEMO_ARGUMENTS := --cores $(CORES) --quiet host rules --configfile overlays/demo.yaml
DEMO := $(BIN)/snakemake $(DEMO_ARGUMENTS)

TUNED := $(addprefix results/tuning/,$(addsuffix .csv,cvh cca_itq imh pdh cmfh acq fsh cre djsrh udcmh \
  mgah ukd_ss ucch jdsh dgcpn dsah ucmfh_withheld cirh cmimh cmimh_n))

SETS := $(addprefix data/artefacts/,synth/given/given-train/split.h5 wiki/given/given/split.h5 \
  scenes/lite/demo/image-pca.h5 coco-mini/squeezenet-minilm/mini/image-pca.h5)

.DEFAULT_GOAL := help
.PHONY: help install habits tuning demo demo-all rehearsal resume verify kills command-kills soak damage test test-fast test-long bench lint format site lock clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(INSTALLED)  ## everything the project needs, into .venv

# uv, because plain pip may pick a CPU build of torch that torchvision does not fit. Bytecode at once:
# a stage is a process, and where Python may not write it later (PYTHONDONTWRITEBYTECODE, as in many
# containers; a folder of somebody else) each of them would parse all libraries again, for seconds.
$(INSTALLED): envs/requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes envs/requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

demo: $(INSTALLED)  ## the main job on the data set that the project draws itself
	$(DEMO) -- results/demo/report.html
	rm -rf results/demo/index
	$(BIN)/cmimh index create results/demo/index --pairs data/artefacts/scenes/pairs.h5 \
	  data/artefacts/scenes/lite/demo/cmimh/32/models/0
	@echo
	@echo "Look at:"
	@echo "  results/demo/report.html   the front page: tables, curves, retrieved examples"
	@echo "  results/demo/table3.md     the main comparison (.csv long form, .tex for a paper)"
	@echo "  results/demo/figure4.png   precision at K;  results/demo/figure5.png  precision-recall"
	@echo "Search with the CMIMH that was trained:"
	@echo "  .venv/bin/cmimh search results/demo/index --text 'sea boat'"
	@echo "  .venv/bin/cmimh serve results/demo/index      a page, on http://127.0.0.1:8765/"

demo-all: $(INSTALLED)  ## all nine tables and five figures on that set
	$(DEMO) --config 'report={"experiments": "all"}' -- all

rehearsal: $(INSTALLED)  ## the main comparison at MIR-Flickr's true size, on drawn pictures; hours
	$(BIN)/snakemake --cores $(CORES) --quiet host rules \
	  --configfile overlays/rehearsal-mirflickr25k.yaml -- results/rehearsal-mirflickr25k/table3.csv

tuning: $(INSTALLED)  ## 16 settings of every method by one protocol, on validation queries; many hours
	$(BIN)/snakemake --cores $(CORES) --quiet host rules --configfile overlays/tuning.yaml -- $(TUNED)
	$(BIN)/python -m benchmarks.tuning $(TUNED)

habits: $(INSTALLED)  ## what habits of the field do to a number, on four small sets; half an hour
	$(BIN)/snakemake --cores $(CORES) --quiet host rules --configfile overlays/comparison.yaml -- $(SETS)
	$(BIN)/python -m benchmarks.habits

resume: $(INSTALLED)  ## after a kill: free the lock, then go on where the demo stopped
	$(BIN)/python -m pipeline.runs.resume $(DEMO_ARGUMENTS) -- results/demo/report.html

verify: $(INSTALLED)  ## recompute the digests of the demo's files and name what differs
	$(DEMO) -- verify

kills: $(INSTALLED)  ## kill a small run 126 times, resume it, compare; 15 minutes
	$(BIN)/python tests/faults/campaign.py --out benchmarks/records/kill-campaign.md

command-kills: $(INSTALLED)  ## kill what people start by hand (index, codes, models, drawings) 150 times; 20 minutes
	$(BIN)/python tests/faults/command_kills.py --kills 150 --out benchmarks/records/command-kills.md

soak: $(INSTALLED)  ## serve an index for an hour under a steady load, change it and kill the server meanwhile
	$(BIN)/python tests/faults/soak.py --minutes 60 --out benchmarks/records/soak.md

damage: $(INSTALLED)  ## damage every kind of file at random and read it; 20 minutes
	$(BIN)/python tests/faults/damage.py --times 300 --out benchmarks/records/damage.md

test: $(INSTALLED)  ## all tests but the longest
	$(BIN)/python -m pytest -m "not long"

test-fast: $(INSTALLED)  ## the tests that take seconds
	$(BIN)/python -m pytest -m "not slow and not long"

test-long: $(INSTALLED)  ## the tests that take minutes
	$(BIN)/python -m pytest -m long

bench: $(INSTALLED)  ## every ratio of speed and memory as one table, kept in benchmarks/results; 15 minutes
	$(BIN)/python -m benchmarks.all

lint: $(INSTALLED)  ## style and types of the code, style of the workflow
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	$(BIN)/snakemake --lint
	$(BIN)/snakemake --lint --configfile overlays/demo.yaml

format: $(INSTALLED)  ## put the code into that style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

site: $(INSTALLED)  ## the documents as a site, in site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

lock: $(INSTALLED)  ## renew envs/requirements.lock from pyproject.toml, and the conda file from it
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	  --extra dev --extra docs --extra search --extra slurm --upgrade --custom-compile-command "make lock" -o envs/requirements.lock pyproject.toml
	$(BIN)/python envs/conda_from_lock.py

clean:  ## remove what the demo made
	rm -rf results/demo data/artefacts/scenes data/raw/scenes logs
