"""Committed audits of protocols: there is one for each, of the present settings and of the records that it names."""

import json
from pathlib import Path

import pytest

from vgbench.analysis.ladder.setup import spec_of_protocol
from vgbench.config.catalogue_files import load_catalogue
from vgbench.config.resolve import RunRequest, resolve
from vgbench.storage.records import scan

RESULTS = Path(__file__).parents[2] / "results"
AUDITS = {path.stem: json.loads(path.read_text()) for path in sorted((RESULTS / "audit").glob("*.json"))}
PROTOCOLS = [name for name, protocol in load_catalogue().protocols.items() if protocol.environment]
# Its rungs with the exact model take more than eight CPU minutes; nothing is ranked on it.
WITHOUT = {"maze_giant"}
JUDGED = [name for name, audit in AUDITS.items() if audit["recipes"] and "records" in audit]


def request(audit, **more):
    """Ask for the runs of an audit: its protocol, scale, variant and seeds."""
    seeds = audit["seeds"]
    place = {"protocol": audit["protocol"], "scale": audit["scale"], "variant": audit["variant"], "device": "cpu"}
    return RunRequest(**place, data_seed=seeds["data"], task_seed=seeds["task"], **more)


def test_every_protocol_has_an_audit_and_every_ranking_is_on_audited_ones():
    assert {*AUDITS} == {*PROTOCOLS} - WITHOUT
    assert all(name == audit["protocol"] for name, audit in AUDITS.items())
    ranked = {name for suite in load_catalogue().suites.values() for name in suite.ranking or ()}
    assert ranked and ranked <= {*AUDITS}


@pytest.mark.parametrize("name", AUDITS)
def test_an_audit_is_of_the_present_settings(name):
    audit, spec = AUDITS[name], spec_of_protocol(request(AUDITS[name]))
    identity = spec.environment.identity()
    # Parameters that are younger than the record were at their defaults.
    known = audit["environment"]["params"]
    assert identity | {"params": {key: identity["params"][key] for key in known}} == audit["environment"]
    values = spec.planner.params.model_dump(mode="json")
    assert audit["planner"]["name"] == spec.planner.name
    assert audit["planner"]["params"] == {key: values[key] for key in audit["planner"]["params"]}
    assert audit["tasks"] == spec.settings["evaluation"].tasks


@pytest.mark.parametrize("name", JUDGED)
def test_the_records_that_an_audit_judged_are_committed_and_runs_of_the_present_settings(name):
    audit = AUDITS[name]
    found, left_out = scan([RESULTS / "tuning" / name], audit["scale"])
    assert not left_out
    records = {(record.recipe, record.seed): record for record in found}
    assert {(one["recipe"], one["seeds"]["train"]): one["key"] for one in audit["records"]} == {
        place: record.key for place, record in records.items()
    }
    for one in audit["records"]:
        spec = resolve(request(audit, recipe=one["recipe"], seed=one["seeds"]["train"]))
        assert (spec.key(), one["seeds"]) == (
            one["key"],
            {"train": spec.seed, "data": spec.data_seed, "task": spec.task_seed},
        ), one["recipe"]
    rates = {row["recipe"]: (row["successes"], row["n"]) for row in audit["recipes"]}
    totals = {}
    for record in found:
        solved, count = totals.get(record.recipe, (0, 0))
        totals[record.recipe] = (solved + record.episodes.successes, count + len(record.episodes))
    assert rates == totals


def test_the_ranking_is_on_protocols_whose_audit_names_its_records():
    ranked = {name for suite in load_catalogue().suites.values() for name in suite.ranking or ()}
    assert ranked == {*JUDGED}
