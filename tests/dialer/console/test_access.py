"""Who may take which route: the whole matrix, so that a new route must state its roles here too."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

from aiohttp.test_utils import TestServer
from sqlalchemy import update

from crm.clientele.clients import Client
from crm.database import Database
from crm.deals.deals import open_deal
from crm.plan.plan_entries import PlanEntry
from crm.preparation.campaigns import Campaign
from crm.wrap_up.outcomes import OutcomeForm
from dialer.console.routes import routes
from dialer.console.web.guard import ACCESS
from recordings.store import LocalStore
from tests.dialer.console.conftest import Browser, SignIn
from tests.dialer.console.seed import CLIENTS, NOW, Office, seed_call, seed_recording

EVERYBODY = {"nobody", "anna", "egor", "maria", "konst", "admin", "audit"}
SIGNED_IN = EVERYBODY - {"nobody"}
DESK = {"anna", "egor"}
OFFICE = {"maria", "konst", "admin", "audit"}
HERS = {"anna"} | OFFICE  # what belongs to a call of Anna's

RULES = {"maria", "konst", "admin"}

CLIENT = "/clients/{client_id:[0-9]{1,9}}"
USER = "/users/{user_id:[0-9]{1,9}}"
CAMPAIGN = "/campaigns/{campaign_id:[0-9]{1,9}}"
QUESTIONNAIRE = "/questionnaires/{questionnaire_id:[0-9]{1,9}}"
DEAL = "/deals/{deal_id:[0-9]{1,9}}"
ATTEMPT = "{attempt_id:[0-9a-f]{32}}"
REFERRAL = "/referrals/{referral_id:[0-9]{1,9}}"
IMPORT = "/imports/{import_id:[0-9]{1,9}}"
MATRIX = {
    ("GET", "/"): SIGNED_IN,
    ("GET", "/sign-in"): EVERYBODY,
    ("POST", "/sign-in"): EVERYBODY,
    ("POST", "/language"): SIGNED_IN,
    ("GET", "/operator"): DESK,
    ("GET", "/operator/live"): DESK,
    ("GET", "/operator/when"): DESK,
    ("POST", "/operator/ready"): DESK,
    ("POST", "/operator/pause"): DESK,
    ("POST", "/operator/offline"): DESK,
    ("POST", "/operator/dial"): DESK,
    ("POST", "/operator/hang-up"): DESK,
    ("POST", "/operator/digits"): DESK,
    ("POST", "/operator/skip"): DESK,
    ("POST", "/operator/outcome"): DESK,
    ("POST", "/operator/undo"): DESK,
    ("POST", "/operator/undo-skip"): DESK,
    ("POST", "/operator/learn"): DESK,
    ("POST", "/operator/deal"): DESK,
    ("POST", "/operator/letter"): DESK,
    ("POST", "/operator/draft"): DESK,
    ("GET", "/calls"): SIGNED_IN,
    ("GET", f"/calls/{ATTEMPT}"): HERS,
    ("POST", f"/calls/{ATTEMPT}/outcome"): {"anna", "maria", "admin"},
    ("GET", f"/recordings/{ATTEMPT}.wav"): HERS,
    ("GET", f"/recordings/{ATTEMPT}/peaks.json"): HERS,
    ("GET", "/plan"): OFFICE,
    ("POST", "/plan/build"): RULES,
    ("POST", "/plan/away"): RULES,
    ("POST", "/plan/back"): RULES,
    ("GET", "/plan/{user_id:[0-9]{1,9}}"): OFFICE,
    ("POST", "/plan/entries/{entry_id:[0-9]{1,9}}/move"): RULES,
    ("POST", "/plan/entries/{entry_id:[0-9]{1,9}}/assign"): RULES,
    ("GET", "/referrals"): {"egor"},
    ("POST", f"{REFERRAL}/accept"): {"egor"},
    ("POST", f"{REFERRAL}/give-back"): {"egor"},
    ("POST", f"{REFERRAL}/call"): {"egor"},
    ("POST", f"{REFERRAL}/give"): RULES,
    ("GET", "/campaigns"): OFFICE,
    ("POST", "/campaigns"): RULES,
    ("GET", CAMPAIGN): OFFICE,
    ("POST", CAMPAIGN): RULES,
    ("POST", f"{CAMPAIGN}/calendar"): RULES,
    ("GET", "/dispositions"): OFFICE,
    ("POST", "/dispositions"): RULES,
    ("GET", f"{CAMPAIGN}/dispositions"): OFFICE,
    ("POST", f"{CAMPAIGN}/dispositions"): RULES,
    ("GET", f"{CAMPAIGN}/retries"): OFFICE,
    ("POST", f"{CAMPAIGN}/retries"): RULES,
    ("GET", f"{CAMPAIGN}/what-if"): OFFICE,
    ("POST", f"{CAMPAIGN}/what-if"): RULES,
    ("POST", f"{CAMPAIGN}/what-if/switch-on"): RULES,
    ("POST", f"{CAMPAIGN}/lists/{{list_id:[0-9]{{1,9}}}}"): RULES,
    ("GET", f"{CAMPAIGN}/lists/{{list_id:[0-9]{{1,9}}}}.xlsx"): OFFICE,
    ("POST", f"{CAMPAIGN}/lists/{{list_id:[0-9]{{1,9}}}}/marks"): RULES,
    ("GET", f"{CAMPAIGN}/setup"): OFFICE,
    ("POST", f"{CAMPAIGN}/setup"): RULES,
    ("POST", f"{CAMPAIGN}/approvals"): RULES,
    ("POST", f"{CAMPAIGN}/experts"): RULES,
    ("POST", f"{CAMPAIGN}/candidates"): RULES,
    ("POST", f"{CAMPAIGN}/candidates/{{candidate_id:[0-9]{{1,9}}}}"): RULES,
    ("POST", f"{CAMPAIGN}/current"): RULES,
    ("POST", f"{CAMPAIGN}/next"): RULES,
    ("GET", f"{CAMPAIGN}/script"): OFFICE,
    ("POST", f"{CAMPAIGN}/script"): RULES,
    ("GET", "/questionnaires"): OFFICE,
    ("POST", "/questionnaires"): RULES,
    ("GET", "/questionnaires/new"): RULES,
    ("POST", "/questionnaires/shipped"): RULES,
    ("GET", f"{CLIENT}/sheets/{{questionnaire_id:[0-9]{{1,9}}}}"): SIGNED_IN,
    ("POST", f"{CLIENT}/sheets/{{questionnaire_id:[0-9]{{1,9}}}}"): RULES | DESK,
    ("GET", QUESTIONNAIRE): OFFICE,
    ("POST", QUESTIONNAIRE): RULES,
    ("GET", f"{QUESTIONNAIRE}/versions/{{version_id:[0-9]{{1,9}}}}"): OFFICE,
    ("GET", f"{QUESTIONNAIRE}/answers"): OFFICE,
    ("GET", f"{QUESTIONNAIRE}/answers.csv"): OFFICE,
    ("GET", f"{QUESTIONNAIRE}/answers.xlsx"): OFFICE,
    ("GET", f"{CAMPAIGN}/materials"): OFFICE,
    ("POST", f"{CAMPAIGN}/materials"): RULES,
    ("GET", f"{CAMPAIGN}/materials/{{material_id:[0-9]{{1,9}}}}"): OFFICE,
    ("POST", f"{CAMPAIGN}/materials/{{material_id:[0-9]{{1,9}}}}/remove"): RULES,
    ("GET", f"{CAMPAIGN}/offers"): OFFICE,
    ("POST", f"{CAMPAIGN}/offers"): RULES,
    ("GET", f"{CAMPAIGN}/offers/{{template_id:[0-9]{{1,9}}}}"): OFFICE,
    ("POST", f"{CAMPAIGN}/offers/{{template_id:[0-9]{{1,9}}}}"): RULES,
    ("POST", f"{CAMPAIGN}/offers/{{template_id:[0-9]{{1,9}}}}/retire"): RULES,
    ("GET", f"{CAMPAIGN}/offers/{{template_id:[0-9]{{1,9}}}}/offer.pdf"): OFFICE,
    ("GET", "/clients"): SIGNED_IN,
    ("GET", "/duplicates"): OFFICE,
    ("POST", "/duplicates"): RULES,
    ("GET", "/duplicates/{pair_id:[0-9]{1,9}}"): OFFICE,
    ("POST", "/duplicates/{pair_id:[0-9]{1,9}}"): RULES,
    ("POST", "/duplicates/merges/{merge_id:[0-9]{1,9}}"): RULES,
    ("GET", "/abandoned"): OFFICE,
    ("POST", "/abandoned"): RULES,
    ("GET", "/competitors"): OFFICE,
    ("POST", "/competitors"): RULES,
    ("GET", "/competitors/{competitor_id:[0-9]{1,9}}"): OFFICE,
    ("POST", "/competitors/{competitor_id:[0-9]{1,9}}"): RULES,
    ("GET", "/clients/new"): RULES,
    ("GET", "/clients/similar"): RULES,
    ("POST", "/clients"): RULES,
    ("POST", "/clients/filters"): DESK | RULES,
    ("POST", "/clients/filters/{filter_id:[0-9]{1,9}}/remove"): DESK | RULES,
    ("GET", "/clients/bulk"): RULES,
    ("POST", "/clients/bulk"): RULES,
    ("GET", "/clients/offers"): RULES,
    ("POST", "/clients/offers"): RULES,
    ("GET", "/offer-batches"): OFFICE,
    ("GET", "/offer-batches/{batch_id:[0-9]{1,9}}"): OFFICE,
    ("POST", "/offer-batches/{batch_id:[0-9]{1,9}}"): RULES,
    ("GET", "/bulk-actions"): OFFICE,
    ("GET", "/bulk-actions/{action_id:[0-9]{1,9}}"): OFFICE,
    ("POST", "/bulk-actions/{action_id:[0-9]{1,9}}/undo"): RULES,
    ("GET", f"{CLIENT}/edit"): RULES,
    ("POST", f"{CLIENT}/edit"): RULES,
    ("GET", CLIENT): SIGNED_IN,
    ("POST", f"{CLIENT}/plan"): RULES | DESK,
    ("POST", f"{CLIENT}/list"): RULES,
    ("POST", f"{CLIENT}/consents"): RULES,
    ("POST", f"{CLIENT}/do-not-call"): RULES,
    ("POST", f"{CLIENT}/letters"): RULES | DESK,
    ("POST", f"{CLIENT}/deals"): RULES | DESK,
    ("GET", "/deals"): SIGNED_IN,
    ("GET", "/deals.csv"): SIGNED_IN,
    ("GET", "/deals.xlsx"): SIGNED_IN,
    ("GET", DEAL): SIGNED_IN,
    ("POST", DEAL): RULES | DESK,
    ("POST", f"{DEAL}/move"): RULES | DESK,
    ("GET", f"{CAMPAIGN}/lost-reasons"): OFFICE,
    ("POST", f"{CAMPAIGN}/lost-reasons"): RULES,
    ("GET", f"{CLIENT}/offers"): SIGNED_IN,
    ("POST", f"{CLIENT}/offers"): RULES | DESK,
    ("GET", f"{CLIENT}/offers/{{offer_id:[0-9]{{1,9}}}}.pdf"): SIGNED_IN,
    ("POST", f"{CLIENT}/offers/{{offer_id:[0-9]{{1,9}}}}"): RULES | DESK,
    ("POST", f"{CLIENT}/opt-outs"): RULES | DESK,
    ("GET", "/imports"): OFFICE,
    ("POST", "/imports"): RULES,
    ("GET", IMPORT): OFFICE,
    ("POST", IMPORT): RULES,
    ("GET", f"{IMPORT}/refused.csv"): OFFICE,
    ("POST", f"{IMPORT}/confirm"): RULES,
    ("POST", f"{IMPORT}/continue"): RULES,
    ("POST", f"{IMPORT}/discard"): RULES,
    ("POST", f"{IMPORT}/undo"): RULES,
    ("GET", "/reports"): OFFICE,
    ("GET", "/reports.csv"): OFFICE,
    ("GET", "/reports/experts"): OFFICE,
    ("POST", f"{CLIENT}/erase"): {"admin"},
    ("POST", "/people/{person_id:[0-9]{1,9}}/export"): {"maria", "admin"},
    ("GET", "/users"): {"admin"},
    ("POST", f"{USER}/mail"): {"admin"},
    ("GET", "/backups"): {"admin"},
    ("POST", "/backups"): {"admin"},
    ("POST", "/recordings/seal"): {"admin"},
    ("GET", "/mail"): OFFICE,
    ("POST", "/mail/{mail_id:[0-9]{1,9}}/retry"): RULES,
    ("POST", f"{USER}/active"): {"admin"},
    ("POST", f"{USER}/hand-over"): {"admin"},
    ("GET", f"{USER}/portfolio"): {"admin"},
    ("POST", f"{USER}/portfolio"): {"admin"},
    ("POST", "/stop-dialling"): {"maria", "admin"},
    ("GET", "/static/{name}"): EVERYBODY,
    ("GET", "/healthz"): EVERYBODY,
    ("GET", "/metrics"): EVERYBODY,  # from this machine, as here; see TestBehindAProxy for others
    ("GET", "/status"): EVERYBODY,  # the same
    ("POST", "/sign-out"): SIGNED_IN,
}


def test_every_route_is_in_the_matrix(server: TestServer) -> None:
    stated = {(route.method, route.path) for route in routes()}
    assert stated == set(MATRIX)
    served = {route for route in server.app.router.routes() if route.resource is not None}
    access = server.app[ACCESS]
    assert served == set(access), "a route was added past the table of routes"


async def test_matrix(
    office: Office,
    database: Database,
    store: LocalStore,
    signed_in: SignIn,
    visit: Callable[[], Browser],
) -> None:
    at = NOW - timedelta(hours=1)
    attempt_id = await seed_call(database, office, client=3, at=at, form=OutcomeForm(disposition="no_contact"))
    await seed_recording(database, store, attempt_id, at)
    wrong = []
    for who in sorted(EVERYBODY):
        browser = visit() if who == "nobody" else await signed_in(who)
        for (method, path), allowed in MATRIX.items():
            address = path.replace(ATTEMPT, attempt_id).replace("{name}", "console.css")
            address = re.sub(r"\{\w+_id:[^/]*\}", "1", address)
            if method == "GET":
                response = await browser.get(address)
            else:
                headers = {"Origin": browser.origin, "X-CSRF-Token": browser.csrf}
                response = await browser.client.post(address, headers=headers, allow_redirects=False)
            refused = response.status in (401, 403) or (
                response.status == 303 and response.headers["Location"].startswith("/sign-in?")
            )
            if (method, path) == ("GET", "/") and who == "nobody":
                refused = response.headers["Location"] == "/sign-in"
            if (method, path) == ("POST", "/sign-in"):
                refused = False  # without a form's secret it is 403 for everybody: test_sign_in
            if refused == (who in allowed):
                wrong.append((who, method, path, response.status))
    assert wrong == []


async def test_an_operator_hears_the_own_calls_only(
    office: Office, database: Database, store: LocalStore, signed_in: SignIn
) -> None:
    at = NOW - timedelta(hours=1)
    attempt_id = await seed_call(database, office, client=3, at=at, form=OutcomeForm(disposition="no_contact"))
    await seed_recording(database, store, attempt_id, at)
    oleg = await signed_in("oleg")
    for path in (f"/recordings/{attempt_id}.wav", f"/recordings/{attempt_id}/peaks.json", f"/calls/{attempt_id}"):
        assert (await oleg.get(path)).status == 403
    anna = await signed_in("anna")
    assert (await anna.get(f"/recordings/{attempt_id}.wav")).status == 200


async def test_what_is_not_theirs_is_hidden_on_every_page(
    office: Office, database: Database, store: LocalStore, signed_in: SignIn
) -> None:
    """Each route that a caller may read is read by one whom the client does not concern."""
    at = NOW - timedelta(hours=1)
    attempt_id = await seed_call(
        database, office, client=3, login="oleg", at=at, form=OutcomeForm(disposition="no_contact")
    )
    await seed_recording(database, store, attempt_id, at)
    hidden = CLIENTS[3][0]
    async with database.transaction() as session:
        (await session.get_one(Campaign, office.campaign_id)).sells_by_deals = True
        await open_deal(session, client_id=office.clients[3], owner_id=office.users["oleg"], now=at)
        owner = update(Client).where(Client.id == office.clients[3]).values(owner_id=office.users["oleg"])
        await session.execute(owner)
        await session.execute(update(PlanEntry).values(operator_id=office.users["oleg"]))
    pages = {"maria": 0, "anna": 0, "egor": 0}
    for who in pages:
        browser = await signed_in(who)
        for (method, path), allowed in MATRIX.items():
            if method != "GET" or who not in allowed or path in ("/operator/live", "/status", "/metrics"):
                continue
            address = path.replace(ATTEMPT, attempt_id).replace("{name}", "console.css")
            address = re.sub(r"\{client_id:[^/]*\}", str(office.clients[3]), address)
            response = await browser.get(re.sub(r"\{\w+_id:[^/]*\}", "1", address))
            pages[who] += response.status == 200 and hidden.encode() in await response.read()
        if who != "maria":
            assert (await browser.get(f"/clients/{office.clients[3]}")).status == 404
    assert pages["maria"] > 3, "the office reads of it on several pages"
    assert (pages["anna"], pages["egor"]) == (0, 0)


def test_an_auditor_changes_nothing() -> None:
    of_everybody = {"/sign-in", "/sign-out", "/language"}
    changing = {path: allowed for (method, path), allowed in MATRIX.items() if method == "POST"}
    assert {path for path, allowed in changing.items() if "audit" in allowed} == of_everybody


async def test_an_unknown_address_is_told_in_words(signed_in: SignIn) -> None:
    browser = await signed_in("maria")
    response = await browser.get("/nowhere")
    assert response.status == 404
    assert "По этому адресу ничего нет." in await response.text()
