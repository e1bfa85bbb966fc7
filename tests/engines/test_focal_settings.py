"""What a suite says of the focal engine: which agent, whose token, what scripts call things."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from focal_eval.document import Reader, read_text, record_of
from focal_eval.engines.auth import signed
from focal_eval.engines.base import Setting
from focal_eval.engines.focal import Focal, tenant_claim
from focal_eval.errors import EngineError, EngineStatus, EngineUnauthorised, Refused, UsageError
from focal_eval.records import UNKNOWN, ScenarioState
from focal_eval.registry import find
from focal_eval.server.app import Options
from tests.engines.focal_shop import SAID, serving
from tests.engines.focal_talks import TENANT, connected, focal, talk


@pytest.mark.parametrize("named", ["shop", None])
def test_the_agent_is_found_by_name_or_because_it_is_alone(real_shop: str, named: str | None) -> None:
    """A UUID need not be looked up by hand."""
    (reply,), _ = talk(focal(real_shop, agent=named), "thanks")
    assert reply.response == "you are welcome"


@pytest.mark.parametrize(
    ("named", "error", "said"),
    [
        ("shopp", EngineError, "the tenant has no agent named 'shopp'; did you mean 'shop'"),
        ("6803b4ba-440f-4885-815b-bc7f8a9d23f8", EngineStatus, "Agent 6803b4ba-440f-4885-815b-bc7f8a9d23f8 not found"),
    ],
)
def test_an_agent_that_is_not_there_is_an_error(real_shop: str, named: str, error: type[EngineError], said: str) -> None:
    """Focal would answer chats with it, so it is asked for before the first one."""
    with pytest.raises(error, match=said):
        talk(focal(real_shop, agent=named), "thanks")


def test_aliases_rename_what_the_engine_reports(real_shop: str, tmp_path: Path) -> None:
    """Scripts keep their words whatever the engine's operators call things."""
    text = "rules: {thanks: gratitude}\nscenarios: {refund: money-back}\nsteps: {refund/which: order}\n"
    (tmp_path / "names.yaml").write_text(text, encoding="utf-8")
    replies, _ = talk(focal(real_shop, aliases="names.yaml"), *SAID[:2], root=tmp_path)
    assert replies[0].rules is not UNKNOWN
    assert replies[0].rules[0].name == "gratitude"
    assert replies[1].scenario == ScenarioState("money-back", "order")


@pytest.mark.parametrize(
    ("text", "said"), [("rule: {a: b}", "no key is named 'rule' here"), ("rules: [a]", "expected a mapping")]
)
def test_a_wrong_file_of_aliases_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    """Before anything is sent."""
    (tmp_path / "names.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(Refused, match=r"names\.yaml cannot be read") as refused:
        connected(focal("http://127.0.0.1:9", aliases="names.yaml"), tmp_path)
    assert said in str(refused.value.diagnostics[0])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{url: 'http://h', tenant: acme}", "'tenant' is 'acme'; a UUID is expected"),
        ("{url: 'http://h', served: true, reads: [turns]}", "'reads' has no use with 'served: true'"),
        ("{url: 'http://h', served: true, aliases: a.yaml}", "'aliases' has no use with 'served: true'"),
        ("{url: 'http://h', reads: [tools]}", "'tools' is not one of turns, session"),
        ("{tenant: acme}", "the key 'url' is missing"),
    ],
)
def test_a_wrong_entry_of_a_suite_is_refused(text: str, said: str) -> None:
    """With the place and the reason, before the run."""
    document = read_text(text, "suite.yaml")
    assert document.root is not None
    record_of(find("engines", "focal")).read(document.root, Reader(document))
    assert any(said in str(problem) for problem in document.problems.errors), list(map(str, document.problems))


def token_of(**claims: Any) -> str:
    import base64

    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.c2ln"


def test_the_tenant_is_the_tokens_where_the_suite_names_none() -> None:
    """One that names another tenant is refused: Focal would answer, and show the session to nobody."""
    assert tenant_claim(token_of(tenant_id=TENANT)) == TENANT
    for other in ("x", "a.b.c", token_of(sub="me"), token_of(tenant_id="acme"), token_of(tenant_id=7)):
        assert tenant_claim(other) is None
    assert connected(Focal("http://h", token=token_of(tenant_id=TENANT)))._manner.tenant == TENANT
    other = token_of(tenant_id=TENANT.replace("5", "6"))
    with pytest.raises(UsageError, match="but its token is of the tenant"):
        connected(focal("http://h", token=other))
    with pytest.raises(UsageError, match="needs 'tenant', or a token that names one"):
        connected(Focal("http://h"))


def test_tokens_are_sent_and_signed(shop_file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A development secret signs for the tenant; a server that asks for a token lets nobody else in."""
    secret = "a secret of at least thirty-two bytes"
    monkeypatch.setenv("SHOP_SECRET", secret)
    monkeypatch.setenv("OTHER_SECRET", secret[::-1])
    (tmp_path / "token").write_text(signed({"tenant_id": TENANT}, secret, Setting(Path())) + "\n", encoding="utf-8")
    with serving(shop_file, Options(jwt_secret=secret)) as url:
        for keys in ({"dev_secret_env": "SHOP_SECRET"}, {"token_file": "token", "tenant": None}):
            (reply,), stored = talk(focal(url, **keys), "thanks", root=tmp_path)
            assert (reply.response, len(stored)) == ("you are welcome", 2)
        with pytest.raises(EngineUnauthorised, match="401: Missing authentication token"):
            talk(focal(url), "thanks")
        with pytest.raises(EngineUnauthorised, match="401: Invalid or expired token"):
            talk(focal(url, dev_secret_env="OTHER_SECRET"), "thanks")


def test_the_page_names_every_key() -> None:
    """The table of keys in docs/reference/focal.md is the configuration's."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "focal.md").read_text(encoding="utf-8")
    table = page.partition("| key | default | meaning |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == [*record_of(Focal).entries]
