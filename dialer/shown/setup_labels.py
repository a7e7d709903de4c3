"""The words of a campaign's set-up: stages, tasks, who does them, materials, candidates."""

from __future__ import annotations

from crm.reading.stages import Stage
from dialer.words import Words, mark

PHASES = {
    "planned": mark("not begun yet"),
    "preparing": mark("stage 1, preparation"),
    "calling": mark("stage 2, calls"),
    "current": mark("current mode"),
    "over": mark("over"),
}
STAGES = {1: mark("Stage 1: preparation"), 2: mark("Stage 2: calls")}

DOERS = {
    "consultant": mark("consultant"),
    "customer": mark("customer"),
    "operator": mark("operator"),
    "expert": mark("expert"),
    "manager": mark("manager"),
}

TASKS = {
    "customer": mark("Customer"),
    "product": mark("Product"),
    "segments": mark("Target segments"),
    "experts": mark("Experts"),
    "materials": mark("Materials"),
    "rubrics": mark("Rubrics"),
    "sources": mark("Sources"),
    "organisations": mark("Organisations to be called"),
    "list": mark("Call lists agreed"),
    "offer": mark("Commercial offer"),
    "script": mark("Presentation (script)"),
    "operator": mark("Trained operator"),
    "tried": mark("Everybody called"),
    "contacts": mark("Organisations reached"),
    "warm": mark("Hot and warm clients have an owner"),
    "abandoned": mark("Abandoned clients asked and moved"),
}

MATERIAL_KINDS = {
    "offer": mark("commercial offer"),
    "advertising": mark("advertising"),
    "presentation": mark("presentation"),
    "other": mark("other"),
}

CANDIDATE_STATES = {
    "invited": mark("invited"),
    "declined": mark("declined the offer"),
    "hired": mark("hired"),
    "trained": mark("trained"),
    "failed": mark("failed the training"),
}


def days_in_words(words: Words, stage: Stage) -> str:
    """`Working days used: 4 of 12 planned (usually 10 to 15)`; what is not known is left out."""
    least, most = stage.usual_days
    if stage.used_days is None:
        return words.gettext("No days are set; usually {least} to {most} working days.", least=least, most=most)
    if stage.planned_days is None:
        return words.gettext(
            "Working days used: {used} (usually {least} to {most}).", used=stage.used_days, least=least, most=most
        )
    return words.gettext(
        "Working days used: {used} of {planned} planned (usually {least} to {most}).",
        used=stage.used_days, planned=stage.planned_days, least=least, most=most,
    )  # fmt: skip
