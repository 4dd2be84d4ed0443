"""The description of the API: complete, and true of what it describes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from scenewright.server.accounts import scopes_of
from scenewright.server.app import create_app
from scenewright.server.settings import Limits, ServerSettings

schemathesis = pytest.importorskip("schemathesis", reason="the schema's test needs schemathesis")

#: A stream that does not end.
ENDLESS = "/v1/events"
#: What takes a video, which a description cannot make up, or what some model can make and another cannot.
KNOWS_MORE = {f"/v1/videos/{name}" for name in ("extensions", "edits", "characters", "import")}
KNOWS_MORE |= {"/v1/videos", "/v1/estimates", "/v1/studies"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("schema")
    limits = Limits(wrong_keys_per_minute=100_000, logins_per_minute=100_000)
    given = {"folder": folder, "accounts": True, "allowed_hosts": ("testserver",), "limits": limits}
    made = create_app(ServerSettings.model_validate(given))
    yield made
    made.state.services.close()


@pytest.fixture(scope="module")
def key(app: Any) -> dict[str, str]:
    accounts = app.state.services.accounts
    _, secret = accounts.add_key(accounts.add_user("ann", "admin").id, "test", scopes_of("admin"))
    return {"Authorization": f"Bearer {secret}"}


def test_answers_are_as_described(app: Any, key: dict[str, str]) -> None:
    """A few random requests for each operation, right and wrong ones."""
    schema = schemathesis.openapi.from_asgi("/v1/openapi.json", app).exclude(path=ENDLESS)
    tried, wrong = 0, []
    for result in schema.get_all_operations():
        operation = result.ok()
        tried += 1
        try:
            _try(operation, key)
        except* Exception as group:
            wrong += [f"{operation.label}: {error}" for error in _flat(group)]
    assert tried > 30
    assert not wrong, "\n\n".join(wrong)


def _try(operation: Any, key: dict[str, str]) -> None:
    knows = operation.path in KNOWS_MORE and operation.method.upper() == "POST"
    excluded = [schemathesis.checks.positive_data_acceptance] if knows else []

    @given(case=operation.as_strategy())
    @settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def some(case: Any) -> None:
        case.call_and_validate(headers=key, excluded_checks=excluded)

    some()


def _flat(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    return [
        inner
        for error in group.exceptions
        for inner in (_flat(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


def test_every_operation_is_described(app: Any) -> None:
    described = app.openapi()
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["operationId"], where
            assert operation["tags"], where
            success = [status for status in operation["responses"] if status.startswith("2")]
            assert success, where
            for status in success:
                assert operation["responses"][status]["content"], where
            if path.startswith("/v1/"):
                assert {"401", "429"} <= set(operation["responses"]), where
                assert operation["security"], where
            assert "422" not in operation["responses"], where
    names = [operation["operationId"] for ops in described["paths"].values() for operation in ops.values()]
    assert len(names) == len(set(names))
    video = described["components"]["schemas"]["Video"]["properties"]
    assert {"id", "object", "status", "progress", "seconds", "size", "remixed_from_video_id"} <= set(video)
