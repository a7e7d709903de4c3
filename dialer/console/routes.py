"""Every route of the console, with the roles it is for and how much may be posted to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from crm.importing import list_sheets
from crm.importing.tables import MAX_BYTES
from crm.preparation import materials
from dialer.console.calls import call_pages, recording_pages
from dialer.console.campaigns import (
    answer_pages,
    campaign_pages,
    disposition_pages,
    material_pages,
    offer_template_pages,
    questionnaire_pages,
    retry_page,
    setup_actions,
    setup_pages,
    what_if_pages,
)
from dialer.console.clients import (
    abandoned_pages,
    batch_pages,
    bulk_pages,
    client_pages,
    competitor_pages,
    duplicate_pages,
    edit_pages,
    entry_pages,
    letter_pages,
    offer_pages,
    person_pages,
    sheet_pages,
    wish_pages,
)
from dialer.console.deals import book_page, deal_page, reason_page
from dialer.console.desk import live, operator_actions, operator_page
from dialer.console.imports import import_pages
from dialer.console.office import (
    backup_pages,
    health,
    mail_pages,
    portfolio_page,
    sign_in,
    status,
    stopping,
    user_pages,
)
from dialer.console.plan import person_plan_page, plan_page, referral_pages
from dialer.console.reports import expert_page, report_pages
from dialer.console.web.deps import STATIC
from dialer.console.web.guard import (
    EVERYBODY,
    LOCAL_OR_ADMINISTRATOR,
    SIGNED_IN,
)
from dialer.console.web.told import DONE, NOTHING, SAVED
from dialer.console.web.visitors import (
    ADMINISTRATORS,
    CARE_ROLES,
    DESK_ROLES,
    EXPERTS,
    OFFICE_ROLES,
    RULE_ROLES,
    STOP_ROLES,
)

__all__ = ["LARGEST_POST", "Handler", "Route", "routes"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LARGEST_POST = 64 * 1024
LARGEST_SCRIPT = 4 * LARGEST_POST  # as a form sends it a Cyrillic letter is six bytes
LARGEST_OFFER = 4 * LARGEST_POST  # as LARGEST_SCRIPT
LARGEST_QUESTIONNAIRE = 6 * LARGEST_POST
LARGEST_MATERIAL = materials.LARGEST_BYTES + LARGEST_POST
LARGEST_WORKBOOK = list_sheets.LARGEST_BYTES + LARGEST_POST
LARGEST_FILE = MAX_BYTES + LARGEST_POST
LARGEST_MAPPING = 1024 * 1024  # hundreds of columns with long names


@dataclass(frozen=True, slots=True)
class Route:
    """One route, who may take it, how many bytes may be posted to it, and what the page that follows tells of it."""

    method: str
    path: str
    handler: Handler
    access: frozenset[str]
    largest: int = LARGEST_POST
    told: str = SAVED


def routes() -> tuple[Route, ...]:
    """Every route of the console."""
    return (*_desk(), *_calls(), *_plan(), *_clients(), *_deals(), *_campaigns(), *_imports(), *_reports(), *_office())


def _desk() -> tuple[Route, ...]:
    """Whoever calls."""
    return (
        Route("GET", "/operator", operator_page.operator_page, DESK_ROLES),
        Route("GET", "/operator/live", live.live, DESK_ROLES),
        Route("GET", "/operator/when", operator_actions.when, DESK_ROLES),
        Route("POST", "/operator/ready", operator_actions.ready, DESK_ROLES),
        Route("POST", "/operator/pause", operator_actions.pause, DESK_ROLES),
        Route("POST", "/operator/offline", operator_actions.offline, DESK_ROLES),
        Route("POST", "/operator/dial", operator_actions.dial, DESK_ROLES),
        Route("POST", "/operator/hang-up", operator_actions.hang_up, DESK_ROLES),
        Route("POST", "/operator/digits", operator_actions.digits, DESK_ROLES),
        Route("POST", "/operator/skip", operator_actions.skip, DESK_ROLES),
        Route("POST", "/operator/outcome", operator_actions.save_outcome, DESK_ROLES),
        Route("POST", "/operator/undo", operator_actions.undo, DESK_ROLES),
        Route("POST", "/operator/undo-skip", operator_actions.undo_skip, DESK_ROLES),
        Route("POST", "/operator/learn", operator_actions.learn, DESK_ROLES),
        Route("POST", "/operator/deal", operator_actions.move_deal, DESK_ROLES),
        Route("POST", "/operator/letter", operator_actions.note_letter, DESK_ROLES),
        Route("POST", "/operator/draft", operator_actions.keep_draft, DESK_ROLES),
    )


def _calls() -> tuple[Route, ...]:
    """Calls that were made, and their recordings."""
    attempt = "{attempt_id:[0-9a-f]{32}}"
    return (
        Route("GET", "/calls", call_pages.calls, SIGNED_IN),
        Route("GET", f"/calls/{attempt}", call_pages.call, SIGNED_IN),
        Route("POST", f"/calls/{attempt}/outcome", call_pages.correct, DESK_ROLES | STOP_ROLES),
        Route("GET", f"/recordings/{attempt}.wav", recording_pages.sound, SIGNED_IN),
        Route("GET", f"/recordings/{attempt}/peaks.json", recording_pages.outline, SIGNED_IN),
    )


def _plan() -> tuple[Route, ...]:
    """The day."""
    client = "/clients/{client_id:[0-9]{1,9}}"
    referral = "/referrals/{referral_id:[0-9]{1,9}}"
    return (
        Route("GET", "/plan", plan_page.plan, OFFICE_ROLES),
        Route("POST", "/plan/build", person_plan_page.build, RULE_ROLES, told=DONE),
        Route("POST", "/plan/away", person_plan_page.away, RULE_ROLES),
        Route("POST", "/plan/back", person_plan_page.back, RULE_ROLES, told=DONE),
        Route("GET", "/plan/{user_id:[0-9]{1,9}}", person_plan_page.person, OFFICE_ROLES),
        Route("POST", "/plan/entries/{entry_id:[0-9]{1,9}}/move", person_plan_page.move, RULE_ROLES, told=DONE),
        Route("POST", "/plan/entries/{entry_id:[0-9]{1,9}}/assign", person_plan_page.assign, RULE_ROLES, told=DONE),
        Route("POST", f"{client}/plan", person_plan_page.pick, RULE_ROLES | DESK_ROLES, told=DONE),
        Route("GET", "/referrals", referral_pages.handed_to_me, EXPERTS),
        Route("POST", f"{referral}/accept", referral_pages.take, EXPERTS, told=DONE),
        Route("POST", f"{referral}/give-back", referral_pages.return_it, EXPERTS, told=DONE),
        Route("POST", f"{referral}/call", referral_pages.call_now, EXPERTS, told=NOTHING),
        Route("POST", f"{referral}/give", referral_pages.give, RULE_ROLES, told=DONE),
    )


def _clients() -> tuple[Route, ...]:
    """Clients, one by one and many at once."""
    client = "/clients/{client_id:[0-9]{1,9}}"
    return (
        Route("GET", "/clients", client_pages.clients, SIGNED_IN),
        Route("GET", "/duplicates", duplicate_pages.duplicates, OFFICE_ROLES),
        Route("POST", "/duplicates", duplicate_pages.search, RULE_ROLES, told=DONE),
        Route("GET", "/duplicates/{pair_id:[0-9]{1,9}}", duplicate_pages.pair_page, OFFICE_ROLES),
        Route("POST", "/duplicates/{pair_id:[0-9]{1,9}}", duplicate_pages.decide, RULE_ROLES, told=DONE),
        Route("POST", "/duplicates/merges/{merge_id:[0-9]{1,9}}", duplicate_pages.part, RULE_ROLES, told=DONE),
        Route("GET", "/abandoned", abandoned_pages.abandoned, OFFICE_ROLES),
        Route("POST", "/abandoned", abandoned_pages.move, RULE_ROLES, told=NOTHING),
        Route("GET", "/competitors", competitor_pages.competitors, OFFICE_ROLES),
        Route("POST", "/competitors", competitor_pages.add, RULE_ROLES),
        Route("GET", "/competitors/{competitor_id:[0-9]{1,9}}", competitor_pages.competitor_page, OFFICE_ROLES),
        Route("POST", "/competitors/{competitor_id:[0-9]{1,9}}", competitor_pages.change, RULE_ROLES),
        Route("GET", "/clients/new", entry_pages.new_client, RULE_ROLES),
        Route("GET", "/clients/similar", entry_pages.similar, RULE_ROLES),
        Route("POST", "/clients", entry_pages.enter, RULE_ROLES),
        Route("POST", "/clients/filters", client_pages.keep_filter, DESK_ROLES | RULE_ROLES),
        Route(
            "POST",
            "/clients/filters/{filter_id:[0-9]{1,9}}/remove",
            client_pages.drop_filter,
            DESK_ROLES | RULE_ROLES,
            told=DONE,
        ),
        Route("GET", "/clients/bulk", bulk_pages.look, RULE_ROLES),
        Route("POST", "/clients/bulk", bulk_pages.carry_out, RULE_ROLES, told=NOTHING),
        Route("GET", "/clients/offers", batch_pages.look, RULE_ROLES),
        Route("POST", "/clients/offers", batch_pages.begin, RULE_ROLES, told=NOTHING),
        Route("GET", "/offer-batches", batch_pages.all_batches, OFFICE_ROLES),
        Route("GET", "/offer-batches/{batch_id:[0-9]{1,9}}", batch_pages.batch_page, OFFICE_ROLES),
        Route("POST", "/offer-batches/{batch_id:[0-9]{1,9}}", batch_pages.settle, RULE_ROLES, told=DONE),
        Route("GET", "/bulk-actions", bulk_pages.actions, OFFICE_ROLES),
        Route("GET", "/bulk-actions/{action_id:[0-9]{1,9}}", bulk_pages.action_page, OFFICE_ROLES),
        Route("POST", "/bulk-actions/{action_id:[0-9]{1,9}}/undo", bulk_pages.undo, RULE_ROLES, told=DONE),
        Route("GET", f"{client}/edit", edit_pages.edit_page, RULE_ROLES),
        Route("POST", f"{client}/edit", edit_pages.save, RULE_ROLES),
        Route("GET", client, client_pages.client_page, SIGNED_IN),
        Route("POST", f"{client}/list", client_pages.set_off_list, RULE_ROLES),
        Route("POST", f"{client}/consents", wish_pages.agree, RULE_ROLES),
        Route("POST", f"{client}/do-not-call", wish_pages.ask_off, RULE_ROLES),
        Route("GET", f"{client}/sheets/{{questionnaire_id:[0-9]{{1,9}}}}", sheet_pages.sheet_page, SIGNED_IN),
        Route(
            "POST",
            f"{client}/sheets/{{questionnaire_id:[0-9]{{1,9}}}}",
            sheet_pages.write,
            DESK_ROLES | RULE_ROLES,
            LARGEST_QUESTIONNAIRE,
        ),
        Route("POST", f"{client}/letters", letter_pages.note, DESK_ROLES | RULE_ROLES),
        Route("GET", f"{client}/offers", offer_pages.offers, SIGNED_IN),
        Route("POST", f"{client}/offers", offer_pages.send, DESK_ROLES | RULE_ROLES, told=DONE),
        Route("GET", f"{client}/offers/{{offer_id:[0-9]{{1,9}}}}.pdf", offer_pages.file, SIGNED_IN),
        Route("POST", f"{client}/offers/{{offer_id:[0-9]{{1,9}}}}", offer_pages.settle, DESK_ROLES | RULE_ROLES),
        Route("POST", f"{client}/opt-outs", offer_pages.want_none, DESK_ROLES | RULE_ROLES),
        Route("POST", f"{client}/erase", person_pages.erase_one, frozenset({"administrator"}), told=DONE),
        Route("POST", "/people/{person_id:[0-9]{1,9}}/export", person_pages.export, CARE_ROLES),
    )


def _deals() -> tuple[Route, ...]:
    """The sales book of campaigns that sell by deals."""
    deal = "/deals/{deal_id:[0-9]{1,9}}"
    campaign = "/campaigns/{campaign_id:[0-9]{1,9}}"
    return (
        Route("GET", "/deals", book_page.book, SIGNED_IN),
        Route("GET", "/deals.csv", book_page.as_csv, SIGNED_IN),
        Route("GET", "/deals.xlsx", book_page.as_workbook, SIGNED_IN),
        Route("GET", deal, deal_page.deal_page, SIGNED_IN),
        Route("POST", deal, deal_page.change, DESK_ROLES | RULE_ROLES),
        Route("POST", f"{deal}/move", deal_page.move, DESK_ROLES | RULE_ROLES),
        Route("POST", "/clients/{client_id:[0-9]{1,9}}/deals", deal_page.begin, DESK_ROLES | RULE_ROLES),
        Route("GET", f"{campaign}/lost-reasons", reason_page.reasons, OFFICE_ROLES),
        Route("POST", f"{campaign}/lost-reasons", reason_page.change, RULE_ROLES),
    )


def _campaigns() -> tuple[Route, ...]:
    """What a campaign is made of."""
    campaign = "/campaigns/{campaign_id:[0-9]{1,9}}"
    template = f"{campaign}/offers/{{template_id:[0-9]{{1,9}}}}"
    material = f"{campaign}/materials/{{material_id:[0-9]{{1,9}}}}"
    return (
        Route("GET", "/campaigns", campaign_pages.campaigns, OFFICE_ROLES),
        Route("POST", "/campaigns", campaign_pages.add, RULE_ROLES),
        Route("GET", campaign, campaign_pages.campaign_page, OFFICE_ROLES),
        Route("POST", campaign, campaign_pages.change, RULE_ROLES),
        Route("GET", "/dispositions", disposition_pages.dispositions, OFFICE_ROLES),
        Route("POST", "/dispositions", disposition_pages.change, RULE_ROLES),
        Route("GET", f"{campaign}/dispositions", disposition_pages.dispositions, OFFICE_ROLES),
        Route("POST", f"{campaign}/dispositions", disposition_pages.change, RULE_ROLES),
        Route("GET", f"{campaign}/retries", retry_page.retry_page, OFFICE_ROLES),
        Route("POST", f"{campaign}/retries", retry_page.change, RULE_ROLES),
        Route("GET", f"{campaign}/what-if", what_if_pages.what_if, OFFICE_ROLES),
        Route("POST", f"{campaign}/what-if", what_if_pages.try_out, RULE_ROLES),
        Route("POST", f"{campaign}/what-if/switch-on", what_if_pages.switch_on, RULE_ROLES),
        Route("POST", f"{campaign}/calendar", campaign_pages.set_day, RULE_ROLES),
        Route("POST", f"{campaign}/lists/{{list_id:[0-9]{{1,9}}}}", campaign_pages.move_list, RULE_ROLES),
        Route("GET", f"{campaign}/lists/{{list_id:[0-9]{{1,9}}}}.xlsx", material_pages.export_list, OFFICE_ROLES),
        Route(
            "POST",
            f"{campaign}/lists/{{list_id:[0-9]{{1,9}}}}/marks",
            material_pages.take_list_marks,
            RULE_ROLES,
            LARGEST_WORKBOOK,
        ),
        Route("GET", f"{campaign}/setup", setup_pages.setup_page, OFFICE_ROLES),
        Route("POST", f"{campaign}/setup", setup_pages.change, RULE_ROLES),
        Route("POST", f"{campaign}/approvals", setup_actions.sign, RULE_ROLES),
        Route("POST", f"{campaign}/experts", setup_actions.choose_expert, RULE_ROLES),
        Route("POST", f"{campaign}/candidates", setup_actions.invite, RULE_ROLES),
        Route("POST", f"{campaign}/candidates/{{candidate_id:[0-9]{{1,9}}}}", setup_actions.move_candidate, RULE_ROLES),
        Route("POST", f"{campaign}/current", setup_actions.set_current, RULE_ROLES),
        Route("POST", f"{campaign}/next", setup_actions.begin_next, RULE_ROLES, told=DONE),
        Route("GET", f"{campaign}/script", material_pages.script_page, OFFICE_ROLES),
        Route("POST", f"{campaign}/script", material_pages.change, RULE_ROLES, LARGEST_SCRIPT),
        *_questionnaires(),
        Route("GET", f"{campaign}/materials", material_pages.materials_page, OFFICE_ROLES),
        Route("POST", f"{campaign}/materials", material_pages.add, RULE_ROLES, LARGEST_MATERIAL),
        Route("GET", material, material_pages.download, OFFICE_ROLES),
        Route("POST", f"{material}/remove", material_pages.remove, RULE_ROLES, told=DONE),
        Route("GET", f"{campaign}/offers", offer_template_pages.templates, OFFICE_ROLES),
        Route("POST", f"{campaign}/offers", offer_template_pages.add, RULE_ROLES),
        Route("GET", template, offer_template_pages.template, OFFICE_ROLES),
        Route("POST", template, offer_template_pages.change, RULE_ROLES, LARGEST_OFFER),
        Route("POST", f"{template}/retire", offer_template_pages.retire, RULE_ROLES, told=DONE),
        Route("GET", f"{template}/offer.pdf", offer_template_pages.pdf, OFFICE_ROLES),
    )


def _questionnaires() -> tuple[Route, ...]:
    """What clients are asked, and what they have answered."""
    questionnaire = "/questionnaires/{questionnaire_id:[0-9]{1,9}}"
    return (
        Route("GET", "/questionnaires", questionnaire_pages.questionnaires, OFFICE_ROLES),
        Route("POST", "/questionnaires", questionnaire_pages.add, RULE_ROLES, LARGEST_QUESTIONNAIRE),
        Route("POST", "/questionnaires/shipped", questionnaire_pages.take_shipped, RULE_ROLES),
        Route("GET", "/questionnaires/new", questionnaire_pages.new, RULE_ROLES),
        Route("GET", questionnaire, questionnaire_pages.questionnaire_page, OFFICE_ROLES),
        Route("POST", questionnaire, questionnaire_pages.change, RULE_ROLES, LARGEST_QUESTIONNAIRE),
        Route(
            "GET", f"{questionnaire}/versions/{{version_id:[0-9]{{1,9}}}}", questionnaire_pages.version, OFFICE_ROLES
        ),
        Route("GET", f"{questionnaire}/answers", answer_pages.answers, OFFICE_ROLES),
        Route("GET", f"{questionnaire}/answers.csv", answer_pages.as_csv, OFFICE_ROLES),
        Route("GET", f"{questionnaire}/answers.xlsx", answer_pages.as_workbook, OFFICE_ROLES),
    )


def _imports() -> tuple[Route, ...]:
    """Files that bring clients in."""
    brought = "/imports/{import_id:[0-9]{1,9}}"
    return (
        Route("GET", "/imports", import_pages.imports, OFFICE_ROLES),
        Route("POST", "/imports", import_pages.upload, RULE_ROLES, LARGEST_FILE, told=NOTHING),
        Route("GET", brought, import_pages.import_page, OFFICE_ROLES),
        Route("POST", brought, import_pages.try_again, RULE_ROLES, LARGEST_MAPPING, told=NOTHING),
        Route("GET", f"{brought}/refused.csv", import_pages.refused, OFFICE_ROLES),
        Route("POST", f"{brought}/confirm", import_pages.take_in, RULE_ROLES, told=NOTHING),
        Route("POST", f"{brought}/continue", import_pages.go_on, RULE_ROLES, told=NOTHING),
        Route("POST", f"{brought}/discard", import_pages.forget, RULE_ROLES, told=DONE),
        Route("POST", f"{brought}/undo", import_pages.take_back, RULE_ROLES, told=NOTHING),
    )


def _reports() -> tuple[Route, ...]:
    """Counts."""
    return (
        Route("GET", "/reports", report_pages.reports, OFFICE_ROLES),
        Route("GET", "/reports.csv", report_pages.download, OFFICE_ROLES),
        Route("GET", "/reports/experts", expert_page.experts, OFFICE_ROLES),
    )


def _office() -> tuple[Route, ...]:
    """People, signing in, and the running service."""
    user = "/users/{user_id:[0-9]{1,9}}"
    return (
        Route("GET", "/", sign_in.first_page, SIGNED_IN),
        Route("GET", "/sign-in", sign_in.form, EVERYBODY),
        Route("POST", "/sign-in", sign_in.sign_in, EVERYBODY, told=NOTHING),
        Route("POST", "/sign-out", sign_in.sign_out, SIGNED_IN, told=NOTHING),
        Route("POST", "/language", sign_in.change_language, SIGNED_IN, told=NOTHING),
        Route("GET", "/users", user_pages.users, ADMINISTRATORS),
        Route("POST", f"{user}/active", user_pages.switch, ADMINISTRATORS),
        Route("POST", f"{user}/hand-over", user_pages.hand_over, ADMINISTRATORS, told=DONE),
        Route("GET", f"{user}/portfolio", portfolio_page.portfolio, ADMINISTRATORS),
        Route("POST", f"{user}/portfolio", portfolio_page.carry_out, ADMINISTRATORS, told=DONE),
        Route("POST", f"{user}/mail", user_pages.change_mail, ADMINISTRATORS),
        Route("GET", "/backups", backup_pages.backups, ADMINISTRATORS),
        Route("POST", "/backups", backup_pages.begin, ADMINISTRATORS, told=NOTHING),
        Route("POST", "/recordings/seal", backup_pages.seal, ADMINISTRATORS, told=NOTHING),
        Route("GET", "/mail", mail_pages.mail, OFFICE_ROLES),
        Route("POST", "/mail/{mail_id:[0-9]{1,9}}/retry", mail_pages.retry, RULE_ROLES, told=DONE),
        Route("POST", "/stop-dialling", stopping.stop_dialling, STOP_ROLES, told=NOTHING),
        Route("GET", "/static/{name}", _static, EVERYBODY),
        Route("GET", "/healthz", health.healthz, EVERYBODY),
        Route("GET", "/metrics", health.metrics, LOCAL_OR_ADMINISTRATOR),
        Route("GET", "/status", status.status, LOCAL_OR_ADMINISTRATOR),
    )


async def _static(request: web.Request) -> web.StreamResponse:
    """GET /static/{name}"""
    return request.app[STATIC].response(request, request.match_info["name"])
