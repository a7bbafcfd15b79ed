"""The API on the real registry: the same nouns, the same fields, the same refusals as the command line."""

import orjson
import pytest

from gateway.api import shapes
from gateway.api.messages import Answer, Errand, Reply, Request
from gateway.api.service import Api
from gateway.errors import GatewayError
from gateway.model import Instant
from gateway.registry.credentials import hash_password, verify_secret
from gateway.registry.index import Index
from gateway.registry.nouns import NOUNS
from gateway.registry.registry import Registry
from tests.unit.api_fakes import WALL_US, fake_house
from tests.unit.test_registry import MemoryLog

SHAPES = {"device": shapes.DeviceEntry, "case": shapes.CaseEntry, "unit": shapes.UnitEntry, "user": shapes.UserEntry}


@pytest.fixture
def registry() -> Registry:
    registry = Registry(MemoryLog(), Index(":memory:"))
    registry.put("user", "adam", {"role": "admin", "secret_hash": "sha256:" + "0" * 64}, "test", WALL_US)
    return registry


@pytest.fixture
def api(registry: Registry) -> Api:
    house = fake_house()
    house.registry = registry
    house.hash_secret, house.verify_secret = hash_password, verify_secret
    return Api(house)


def ask(api: Api, method: str, path: str, body: object = None) -> tuple[int, dict[str, object]]:
    """One request over the control socket, errands run at once."""
    now = Instant(WALL_US, 1_000_000)
    request = Request(method, path, target=path, query="", headers={}, body=orjson.dumps(body) if body else b"", peer="", via_control_socket=True)
    answer: Answer = api.handle(request, now)
    while isinstance(answer, Errand):
        try:
            result: object = answer.run()
        except GatewayError as error:
            result = error
        answer = api.settle(request, answer, result, now)
    assert isinstance(answer, Reply)
    return answer.status, orjson.loads(answer.body) if answer.body else {}


@pytest.mark.parametrize("noun", NOUNS)
def test_the_api_knows_the_same_fields(noun: str) -> None:
    ours = {field.name for field in NOUNS[noun].fields if not field.is_ours} - {"secret_hash"}
    assert set(SHAPES[noun].__struct_fields__) - {"password", "new_token"} == ours


def test_a_device_and_its_case_through_the_api(api: Api, registry: Registry) -> None:
    assert ask(api, "PUT", "/api/v1/cases/GE-1", {"zone": "5415", "centre_refs": {"cic-ovl": "A/1"}})[0] == 200
    status, said = ask(api, "PUT", "/api/v1/devices/dev-1", {"identifiers": ["+32 475 00 00 01"], "case_ref": "GE-1", "app_key_hex": "ab" * 32})
    entry = said["entry"]
    assert isinstance(entry, dict)
    assert (status, entry["identifiers"], entry["has_app_key"], entry["warnings"]) == (200, ["+32475000001"], True, [])
    assert "ab" * 32 not in str(said)
    listed = ask(api, "GET", "/api/v1/devices")[1]["entries"]
    assert isinstance(listed, list)
    assert [entry["device_id"] for entry in listed] == ["dev-1"]
    assert ask(api, "GET", "/api/v1/cases/GE-1")[1]["entry"]
    assert ask(api, "DELETE", "/api/v1/cases/GE-1")[0] == 409
    assert ask(api, "DELETE", "/api/v1/devices/dev-1")[0] == 200
    assert ask(api, "DELETE", "/api/v1/devices/dev-1")[0] == 404
    assert ask(api, "DELETE", "/api/v1/cases/GE-1")[0] == 200


def test_refusals_have_the_codes_of_the_api(api: Api) -> None:
    assert ask(api, "PUT", "/api/v1/devices/dev-1", {"identifiers": ["abc"]})[0] == 200
    status, said = ask(api, "PUT", "/api/v1/devices/dev-2", {"identifiers": ["ABC"]})
    assert (status, said["error"]["code"]) == (409, "conflict")  # type: ignore[index]
    assert "belongs to device dev-1" in said["error"]["message"]  # type: ignore[index]
    assert ask(api, "PUT", "/api/v1/devices/dev-2", {"case_ref": "GE-9"})[0] in (404, 422)
    assert ask(api, "PUT", "/api/v1/devices/..%2f..%2fetc", {"state": "active"})[0] in (400, 404, 422)


def test_a_password_given_to_the_api_opens_the_door(api: Api, registry: Registry) -> None:
    assert ask(api, "PUT", "/api/v1/users/kees", {"role": "operator", "centre_id": "*", "password": "correct horse battery"})[0] == 200
    user = registry.user("kees")
    assert user is not None
    assert verify_secret(user.secret_hash, "correct horse battery")
    assert ask(api, "PUT", "/api/v1/users/kees", {"password": "kees-kees-kees"})[0] == 422
    status, said = ask(api, "PUT", "/api/v1/users/bot", {"role": "carrier", "new_token": True})
    bot = registry.user("bot")
    assert bot is not None
    assert status == 200
    assert verify_secret(bot.secret_hash, str(said["token"]).partition(":")[2])
