"""One module a revision. A module's number is its name, given when it was begun; in which order they came together
says `down_revision`, and this list. A new one goes to its end.

They are not renumbered: databases have stored these names.
"""

from __future__ import annotations

from typing import Final

ORDER: Final = (
    "0001_first_schema",
    "0002_windows_of_the_plan",
    "0003_working_calendar",
    "0004_campaign_versions",
    "0005_do_not_call",
    "0006_person_names",
    "0014_organisation_keys",
    "0013_campaign_setup",
    "0016_search_index",
    "0011_retry_rules",
    "0012_plan_of_persons",
    "0017_moves_by_rule",
    "0014b_merges",
    "0011b_handovers",
    "0010_imports",
    "0016b_filters_and_bulk_actions",
    "0015_erasures",
    "0011c_dispositions",
    "0018_mail",
    "0019_imports_in_steps",
    "0020_search_within_filters",
    "0021_owned_since",
    "0022_keyed_chain",
    "0030_header_rows",
    "0040_competitors_of_outcomes",
    "0050_open_attempts_of_a_client",
    "0031_staging_in_steps",
    "0051_clients_by_owner_and_group",
    "0052_joints_of_words",
    "0080_letters",
    "0120_deals",
    "0100_offer_templates",
    "0110_referrals",
    "0090_questionnaires",
    "0101_offers",
    "0111_portfolios",
    "0130_incoming_mails",
    "0131_where_opt_outs_were_noted",
    "0180_offer_batches",
    "0190_steps_of_numbers",
    "0191_days_of_the_sales_book",
    "0192_reports_in_steps",
)
NEWEST: Final = ORDER[-1].partition("_")[0]
"""The revision that this program needs. Alembic would read all modules to say so, and every command asks."""
