# One command from a fresh clone: `make demo` or `make test`. Set-up happens on first use and is kept.
# ARGS go to what is run: make test ARGS="test/core -k camera"; PYTHON names the interpreter for set-up.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-processors guards fuzz docs doctor clean
# A process for each core, up to four; a file's tests stay together. Each process has a ROS domain of its own.
parallel := -n auto --maxprocesses 4 --dist loadfile
in_environment := source scripts/environment.sh &&

help:
	@echo 'make demo     set up on first use, then run the whole system on synthetic cameras for about 20 s -> demo_output/'
	@echo 'make test     set up likewise and run the whole test suite'
	@echo 'make test-processors   the tests of the core again, computed as on processors with fewer instructions (slow)'
	@echo 'make docs     the documents as a site, and the API reference -> docs/site/index.html, docs/api/refit_ros.html'
	@echo 'make guards   take each guard of scripts/guards.toml away in a copy and see its test fail (slow)'
	@echo 'make fuzz     change files of every kind at random, for as long as wished, and see that the readers hold (slow)'
	@echo 'make setup    set up only: .venv/ and install/'
	@echo 'make doctor   what is installed, what is missing and what to do about it'
	@echo 'make clean    remove everything that set-up and runs have made'
	@echo 'ARGS="..." goes to what is run; PYTHON=/path/to/python3.11 names the interpreter for set-up.'
	@echo 'A sourced ROS 2 is used; without one, ROS 2 comes as Python wheels.'

setup:
	@python=$$(sh scripts/find_python.sh) && "$$python" scripts/set_up.py

demo: setup
	@$(in_environment) exec python -m refit_ros demo $(ARGS)

test: setup
	@$(in_environment) REFIT_TEST_ROS=required OMP_NUM_THREADS=1 exec python -m pytest $(parallel) $(ARGS)

# As an older processor computes. PyTorch and oneDNN each choose their code by what the processor has; here they may not.
test-processors: setup
	@$(in_environment) set -e; export OMP_NUM_THREADS=1; \
	for torch_and_onednn in 'default SSE41' 'default AVX2' 'avx2 SSE41' 'avx2 AVX2'; do set -- $$torch_and_onednn; \
	  echo "as a processor with: PyTorch $$1, oneDNN $$2"; \
	  ATEN_CPU_CAPABILITY=$$1 ONEDNN_MAX_CPU_ISA=$$2 python -m pytest $(parallel) test/core $(ARGS); done

docs: setup
	@$(in_environment) python -m pip install --quiet --requirement requirements/docs.txt --constraint constraints.txt; \
	exec python scripts/make_docs.py $(ARGS)

guards: setup
	@$(in_environment) exec python scripts/mutate_guards.py $(ARGS)

fuzz: setup
	@$(in_environment) OMP_NUM_THREADS=1 REFIT_FUZZ_EXAMPLES=20000 exec python -m pytest test/fuzz/test_readers.py --timeout 36000 $(ARGS)

doctor: setup
	@$(in_environment) exec python -m refit_ros doctor $(ARGS)

clean:
	rm -rf .venv build install log demo_output fit_output docs/api docs/site .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
