"""The API does what its description says, whatever is asked of it."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from tests.unit.control.web.hosting import Page
from tests.waiting import PATIENCE_S, wait_for

EXAMPLES = 12
ENDLESS = r"live\.mjpeg|/events"
WITHOUT = {"positive_data_acceptance"}
"""A description cannot say which settings go together, and which pictures are whole."""


def test_it_answers_as_is_described(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    load_all_checks()
    checks = [CHECKS.get_one(name) for name in CHECKS.get_all_names() if name not in WITHOUT]
    headers = {"Cookie": page.cookie, "X-CSRF-Token": page.client.headers["X-CSRF-Token"]}
    schema = schemathesis.openapi.from_url(f"{page.url}/api/openapi.json", headers=headers)
    answered = Counter[tuple[str, int]]()
    asked = 0

    def ask(case: Case) -> None:
        nonlocal asked
        asked += 1
        if "name" in case.path_parameters and asked % 4:  # else one that is made up
            case.path_parameters["name"] = "door"
        # A login ends the session that it comes with.
        own = {} if case.operation.path == "/api/session" else headers
        response = case.call(headers=own, timeout=PATIENCE_S)
        answered[case.operation.label, response.status_code] += 1
        case.validate_response(response, checks=checks, headers=own)

    threads = threading.active_count()
    for operation in schema.exclude(path_regex=ENDLESS).get_all_operations():
        for mode in GenerationMode:
            asking = given(case=operation.ok().as_strategy(generation_mode=mode))(ask)
            asking = settings(
                max_examples=EXAMPLES,
                derandomize=True,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            )(asking)
            try:
                asking()
            except Unsatisfiable:
                assert mode is GenerationMode.NEGATIVE, "nothing about it can be wrong"
    assert answered["PATCH /api/streams/{name}", 200], answered
    page.post("start")
    page.post("resume")
    captured = page.host.captured
    wait_for(lambda: page.host.captured > captured + 5)
    assert page.show()["state"] == "running"
    assert page.show()["restarts"] == 0
    assert not [record for record in caplog.records if record.exc_info]
    assert threading.active_count() <= threads + 20
