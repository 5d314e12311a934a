"""What the console says of a run: how far it is, what is left, and last of all why it stopped."""

import io
import logging
from types import SimpleNamespace

import pytest

from pipeline.runs.progress import Watch, reason, watch


class Run:
    """A watch, and events as snakemake sends them, at times of our choice."""

    def __init__(self):
        self.now, self.screen = 0.0, io.StringIO()
        self.watch = Watch(self.screen, lambda: self.now)

    def __call__(self, event, **fields):
        self.watch.emit(SimpleNamespace(event=event, **fields))
        return self.screen.getvalue().splitlines()[-1:]

    def start(self, number, rule="train", **wildcards):
        self("job_info", jobid=number, rule_name=rule, wildcards=wildcards)

    def end(self, number, done, total):
        self("job_finished", job_id=number)
        return self("progress", done=done, total=total)


@pytest.fixture
def run():
    made = Run()
    made("run_info", stats={"train": 5, "total": 5})
    return made


def test_a_job_that_ends_tells_what_is_done_running_and_to_come(run):
    run.start(1, method="cvh", bits=16)
    run.start(2, method="cmimh", bits=16)
    run.now = 4.0
    assert run.end(1, 1, 5) == ["1 of 5 jobs done, 1 running (train cmimh/16), 3 to come"]


def test_what_is_left_follows_from_the_time_of_jobs_of_the_same_rule(run):
    run("run_info", stats={"draw": 1, "train": 4, "total": 5})
    run.start(0, "draw")
    run.now = 600.0
    run.end(0, 1, 5)
    run.start(1)
    run.now = 660.0
    assert run.end(1, 2, 5) == ["2 of 5 jobs done, 3 to come; about 3 min left"]


def test_jobs_side_by_side_shorten_what_is_left(run):
    for number in (1, 2):
        run.start(number)
    run.now = 60.0
    run.end(1, 1, 5)
    run.end(2, 2, 5)
    assert run.watch.seconds_left() == pytest.approx(3 * 60 / 2)


def test_nothing_is_estimated_from_the_first_seconds(run):
    run.start(1)
    run.now = 1.0
    assert "left" not in run.end(1, 1, 5)[0]


def test_the_end_is_said_with_its_time(run):
    run.now = 7500.0
    assert run("progress", done=5, total=5) == ["All 5 jobs are done, in 2 h 5 min."]


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "pairs.log"
    path.write_text("numpy 2\nreading\nerror: a.mat: not a readable .mat file\n")
    return str(path)


def test_the_last_line_is_the_sentence_of_the_stage_that_failed(run, log):
    run.start(1, "pairs", dataset="mine")
    run("job_error", jobid=1, rule_name="pairs", log=[log])
    assert run("error") == ["error: a.mat: not a readable .mat file"]
    assert f"pairs mine failed ({log}):" in run.screen.getvalue()


def test_a_job_that_ends_without_a_sentence_shows_the_end_of_its_log(run, tmp_path):
    (tmp_path / "t.log").write_text("epoch 1\nepoch 2\n")
    run.start(1)
    run("job_error", jobid=1, rule_name="train", log=[str(tmp_path / "t.log")])
    assert run("error") == ["epoch 2"]
    assert "no reason was given" in run.screen.getvalue()


def test_a_job_that_was_repeated_and_came_through_is_no_failure(run, log):
    run.start(1)
    run("job_error", jobid=1, rule_name="train", log=[log])
    run.start(1)
    run.end(1, 1, 5)
    run("error")
    assert "failed" not in run.screen.getvalue()


def test_the_rule_s_own_report_is_hidden_only_where_a_sentence_is_known(log, capsys):
    logger = logging.Logger("like snakemake's")
    stream = logging.StreamHandler(io.StringIO())
    stream.name = "DefaultStreamHandler"
    logger.addHandler(stream)
    watch(logger)
    watch(logger)  # as when a file is included twice
    assert len(logger.handlers) == 2
    more = {"event": "job_error", "jobid": 1, "rule_name": "r"}
    logger.error("with", extra={**more, "log": [log]})
    logger.error("without", extra={**more, "log": []})
    logger.info("1 of 2 steps", extra={"event": "progress", "done": 1, "total": 2})
    assert stream.stream.getvalue() == "without\n"
    assert "1 of 2 jobs done" in capsys.readouterr().err


def test_quiet_all_keeps_the_console_as_snakemake_leaves_it():
    logger = logging.Logger("like snakemake's")
    watch(logger, {"Quietness.ALL"})
    assert logger.handlers == []


def test_a_log_that_is_missing_gives_no_reason(tmp_path):
    assert reason([str(tmp_path / "none.log")]) is None
