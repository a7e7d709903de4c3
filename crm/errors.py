"""What the CRM refuses, by code. Every code has an English template here; the console translates by code."""

from __future__ import annotations

from typing import Final, Self

from crm.problems import PROBLEMS

ERRORS: Final[dict[str, str]] = {
    # approvals by the customer
    "approval.in_future": "An approval cannot have been signed on a day to come.",
    "approval.needs_signer": "Say who signed for the customer.",
    "approval.nothing": "There is nothing to approve yet.",
    # abandoned clients
    "abandoned.months": "Give from 1 to {most} months.",
    "abandoned.needs_reason": "Say by what abandoned clients are found.",
    # attempts
    "absence.days": "The last day cannot be before the first.",
    "absence.day_over": "These days are over.",
    "absence.nobody_left": "Nobody else is at work on those days to take over the {count} promised calls.",
    "absence.not_away": "{name} is not away.",
    "attempt.already_open": "This client is being called already.",
    "attempt.already_ended": "This call has ended already.",
    "attempt.number_busy": "This number is being called already.",
    "attempt.operator_busy": "You are in a call already.",
    "attempt.outcome_missing": "Write down the outcome of the last call first.",
    "attempt.still_open": "The call has not ended yet.",
    "attempt.unknown": "There is no such call.",
    # backups
    "backup.database_not_empty": "The database is not empty. A backup is restored into an empty one only.",
    "backup.no_program": "{program} is not installed; a PostgreSQL database needs it (package postgresql-client).",
    "backup.program_failed": "{program} failed: {reason}.",
    # callbacks
    "callback.cannot_own": "{name} cannot take callbacks over: only operators and experts who may sign in can.",
    "callback.in_the_past": "This time has passed: {local_at}.",
    "callback.not_open": "This callback has been settled already.",
    "callback.owner_left": "Whoever is to call has left.",
    "callback.unknown": "There is no such callback.",
    "callback.words": "“{text}” is not understood as a time. For example: tomorrow 11, thu 15:30, 15.05 14:00.",
    "callback.words_no_time": "“{text}” names no time of day. For example: tomorrow 11, thu 15:30.",
    "callback.words_range": "“{text}” may be a range of hours. Write the one time to call at, minutes after a colon: "
    "tomorrow 11:00 or 11:12.",
    "callback.words_no_such_date": "“{text}”: there is no such date or time.",
    # campaigns, call lists, clients
    "calendar.needs_reason": "Say why this day differs from the calendar.",
    "calendar.unknown_country": "The holidays of “{country}” are not known. Give two letters, such as RU.",
    "campaign.calls_a_day": "A person must be given at least one client a day, or as many as there are.",
    "campaign.changed_meanwhile": "Somebody has changed this campaign since you opened it.",
    "campaign.gap": "The time between two attempts cannot be negative.",
    "campaign.exists": "There is a campaign named “{name}” already.",
    "campaign.attempts_a_day": "A client must be allowed at least one attempt a day.",
    "campaign.group_order": "Name at least one group, and each of them once.",
    "campaign.hours": "Calling hours must begin before they end.",
    "campaign.needs_name": "A campaign needs a name.",
    "campaign.no_such_group": "There is no group “{group}” that can be called.",
    "campaign.owner_keeps_days": "The days for which a client stays with its owner cannot be negative.",
    "campaign.referral_limit": "An expert needs at least a minute to accept a client; leave it empty for no limit.",
    "campaign.ring_timeout": "A telephone rings for at least 5 seconds and at most 180.",
    "campaign.share": "“{text}” is no share, such as: Transport 40.",
    "campaign.shares": "The shares come to {sum} per cent, which is more than all.",
    "campaign.shares_by": "Say what the shares are of: industries or sources.",
    "campaign.tries_to_no_contact": "A client must be tried at least once before it is “no contact”.",
    "campaign.unknown": "There is no campaign “{name}”.",
    "client.alike": "There is somebody like it already: {names}.",
    "client.list_closed": "The call list “{list}” waits for approval or has it: nobody new is added to it.",
    "client.needs_list": "Say on which call list the client stands.",
    "candidate.changed_meanwhile": "Somebody has changed this candidate since you opened the page.",
    "candidate.needs_name": "A candidate needs a name.",
    "candidate.needs_score": "Give the result of the training, 0 to 100.",
    "candidate.score": "The result of the training is a number from 0 to 100.",
    "candidate.step": "A candidate who is {was} cannot become {to}.",
    "candidate.unknown": "There is no such candidate in this campaign.",
    "client.not_signed_for": "The customer has approved the list “{name}” without this client. Return the list first.",
    "client.needs_reason": "Say why this client is taken off the list.",
    "client.unknown": "There is no such client.",
    "client.exists": "This organisation is in the campaign already.",
    "consent.needs_evidence": "Say who agreed to be called, when and how.",
    "consent.needs_reason": "Say why this consent holds no more.",
    "consent.unknown": "There is no such consent.",
    "consent.withdrawn": "This consent has been withdrawn already.",
    "group.rule_without_words": "A move by rule says which rule it was.",
    "contacts.no_client_column": "No column says whose contact it is: a client's code or name.",
    "contacts.no_column": "No column holds “{field}”.",
    "contacts.no_moment": "“{value}” is no day and time, such as 2026-03-30 and 13:42.",
    "contacts.no_yes_or_no": "“{value}” says neither yes nor no.",
    "contacts.several_clients": "There are several clients “{client}” in this campaign. Give the code.",
    "contacts.unknown_client": "There is no client “{client}” in this campaign.",
    # dispositions
    "disposition.changed_meanwhile": "Somebody has changed this outcome since you opened it.",
    "disposition.digit": "The key of an outcome is one digit, or none.",
    "disposition.digit_taken": "The key {digit} belongs to another outcome.",
    "disposition.group": "This outcome cannot move a client to that group.",
    "disposition.key": "An outcome's short name is small Latin letters, digits and _, beginning with a letter.",
    "disposition.labels": "An outcome of your own needs a name in Russian and in English.",
    "disposition.last": "Something must be left to choose after an answered call and after an unanswered one.",
    "disposition.like": "Say which of the usual outcomes it acts like.",
    "disposition.required": "This cannot be made necessary.",
    "do_not_call.lifted": "This request has been lifted already.",
    "do_not_call.needs_evidence": "Say who asked not to be called, when and how.",
    "do_not_call.needs_reason": "Say why this request holds no more.",
    "do_not_call.unknown": "There is no such request.",
    "letter.in_future": "An e-mail or a fax cannot have been sent at a time to come.",
    "letter.needs_reason": "Say why this letter does not count.",
    "letter.note_too_long": "What was sent is said in {limit} characters at most.",
    "letter.unknown": "There is no such letter.",
    "letter.withdrawn": "This letter has been withdrawn already.",
    "list.marks_no_column": "The file has no column “{name}”: it is not the one that was exported.",
    "list.marks_number": "Row {row}: “{value}” is no client's number; leave the first column as it was.",
    "list.marks_of_another": "This file holds no client of the list “{name}”.",
    "list.marks_too_late": "The list “{name}” has been approved already; return it first.",
    "list.marks_too_long": "Row {row}: a remark has {limit} characters at most.",
    "list.marks_twice": "Row {row}: this client is marked otherwise in row {first}.",
    "list.marks_unclear": "Row {row}: “{value}” says neither yes nor no.",
    "learnt.nothing": "Give a number, a name, or both.",
    "learnt.other_call": "This is not the call that you write down now.",
    "list.needs_signature": "Say who approved the list.",
    "list.unknown": "There is no such call list.",
    "list.wrong_state": "A call list that is {state} cannot become {to}.",
    # a campaign's set-up, materials, script
    "next.needs_groups": "Choose at least one group of clients to go on with.",
    "next.needs_list": "Name the list on which the clients will stand.",
    "material.empty": "This file is empty.",
    "material.exists": "The campaign has this file already: “{name}”.",
    "material.extension": "Files like “{name}” are not taken. These are: {known}.",
    "material.lost": "The file “{name}” is not in the folder of the materials any more.",
    "material.too_large": "A file may have {megabytes} MB at most.",
    "material.unknown": "There is no such file in this campaign.",
    "script.answer_empty": "Line {line}: an answer needs words.",
    "script.answers": "Line {line}: the step “{step}” may have {most} answers at most.",
    "script.before_steps": "Line {line}: a script begins with the name of a step, such as “# Greeting”.",
    "script.changed_meanwhile": "Somebody has changed the script since you opened it.",
    "script.long": "A script may have {most} letters at most.",
    "script.step_twice": "Line {line}: there is a step “{step}” already.",
    "script.step_unknown": "Line {line}: there is no step “{step}”.",
    "script.step_unnamed": "Line {line}: a step needs a name.",
    "script.step_unreached": "Line {line}: no answer leads to the step “{step}”.",
    "setup.caller_id": "“{number}” is no telephone number.",
    "setup.caller_id_not_ours": "The provider does not let us show {number}. It does: {known}.",
    "setup.changed_meanwhile": "Somebody has changed the set-up since you opened it.",
    "setup.current_too_early": "A campaign goes on in current mode only after its calls have begun.",
    "setup.dates": "The preparation, the calls and the end of a campaign must follow each other.",
    "setup.no_expert": "“{name}” is no expert.",
    "setup.no_expert_here": "“{name}” is no expert of this campaign.",
    "setup.target": "At least one organisation must be wanted.",
    # what is missing in the stages of a campaign, and how they stand
    "stage.abandoned": "Abandoned clients not asked yet: {count}.",
    "stage.changed_since": "Changed since it was approved.",
    "stage.contacts": "Organisations reached: {count} of {target}.",
    "stage.lists": "Approved lists: {approved} of {count}.",
    "stage.lists_need_none": "This campaign's lists need no approval.",
    "stage.no_customer": "The customer is not named.",
    "stage.no_clients": "There are no clients yet.",
    "stage.no_experts": "No expert is named.",
    "stage.no_list": "No list has been made.",
    "stage.no_materials": "No file has been added.",
    "stage.no_offer": "No offer has been added.",
    "stage.no_operator": "Nobody is trained; candidates: {count} of up to {most}, hired: {hired}.",
    "stage.no_product": "The product is not described.",
    "stage.no_rubrics": "No rubrics are named.",
    "stage.no_script": "There is no script.",
    "stage.no_segments": "The target segments are not described.",
    "stage.no_sources": "No sources are named.",
    "stage.not_approved": "Not approved yet.",
    "stage.organisations": "Organisations chosen: {count} of {target}.",
    "stage.strange_sources": "Clients from sources that were not agreed: {names}.",
    "stage.unowned": "Hot and warm clients with nobody: {count}.",
    "stage.untried": "Clients not called yet: {count}.",
    # filters saved by name, and changes to many clients at once
    "bulk.changed_meanwhile": "Something has changed since you looked. Look again, and say once more that it is meant.",
    "bulk.changed_since": "It has been changed since.",
    "bulk.changes_nobody": "Nobody would be changed.",
    "bulk.in_call": "It is being called, or the outcome has not been written down.",
    "bulk.list_closed": "The call list “{name}” has been handed in or approved: nobody is added to it any more.",
    "bulk.narrow_first": "Narrow the list first: a change to all clients at once is hardly meant.",
    "bulk.no_such_group": "There is no such group to move clients to.",
    "bulk.not_an_owner": "{name} makes no calls, or does not work here any more.",
    "bulk.nothing_to_undo": "Nothing can be undone: all of it has been changed since.",
    "bulk.other_campaign": "It is a client of another campaign.",
    "bulk.same": "It is so already.",
    "bulk.too_many": "These are more than {most} clients. Narrow the list.",
    "bulk.undone": "This has been undone already.",
    "bulk.unknown": "There is no change no. {number}.",
    "filter.exists": "There is a filter named “{name}” already.",
    "filter.narrows_nothing": "This filter narrows nothing: choose something first.",
    "filter.needs_name": "A filter needs a name.",
    "filter.not_yours": "This filter is another's.",
    "filter.unknown": "There is no filter “{name}”.",
    # contacts
    "contact.needs_attempt": "A contact needs an answered call with talk time, or must say that it was imported.",
    "contact.needs_decider": "A main contact must name a person marked as deciding.",
    "contact.needs_full_name": "A contact needs the full name of the person spoken to: two words or more.",
    "contact.needs_summary": "A contact needs a summary of ten letters or more: why the main contact was impossible.",
    # the database, as it is found before it is used
    "database.is_empty": "the database is empty: run `dialer db upgrade`",
    "database.no_folder": "the database {url} cannot be opened: there is no folder {folder}",
    "database.not_opened": "the database {url} cannot be opened: {reason}",
    "database.overtaken": "Others changed the same things at the same moment, so nothing was changed. Try again.",
    "database.other_revision": "the database is at revision {present}, this program needs {newest}: run "
    "`dialer db upgrade`",
    # dial rules
    "dial.attempt_active": "This client is being called already.",
    "dial.cap": "This client has been called or written to {count} times today; no more than {cap}.",
    "dial.do_not_call": "This client asked not to be called.",
    "dial.held_by_other": "{name} has this client on the screen.",
    "dial.day_off": "Nobody is called on {day}: it is a day off.",
    "dial.gap": "This number was tried {minutes} min ago; {gap} min must pass.",
    "dial.number_cap": "This number has been called {count} times today; the campaign allows {cap}.",
    "dial.hours": "It is {local_time} at the client's; calls are made from {calls_from} to {calls_until}.",
    "dial.list_not_approved": "The call list “{name}” has not been approved.",
    "dial.no_consent": "This campaign calls only who has agreed to it, and no consent of this client is on record.",
    "dial.no_number": "This client has no telephone number that works.",
    "dial.nonexistent": "This organisation does not exist any more.",
    "dial.number_dead": "This number does not work.",
    "dial.number_do_not_call": "This number must not be called.",
    "dial.number_of_other": "This number belongs to another client.",
    "dial.off_list": "This client was taken off the list: {reason}.",
    "dial.outcome_missing": "The outcome of the last call to this client has not been written down.",
    "dial.owned": "This is the client of {name}.",
    "dial.stopped": "All dialling has been stopped.",
    # why nobody is to be called
    "nobody.all_done": "Everybody whose turn it was today has been called. New clients come up by themselves.",
    "nobody.day_off": "{day} is a day off: only promised calls are made.",
    "nobody.no_clients": "No clients have been brought in yet.",
    "nobody.not_approved": "No call list has been approved yet; the manager does that.",
    "nobody.yet": "The next clients may not be called yet: it is too early at their place, or they were tried just "
    "now.",
    # e-mail
    "mail.address": "“{address}” is no e-mail address, such as anna@example.ru.",
    "mail.not_failed": "Only a message that was given up is sent again.",
    "mail.unknown": "There is no such message.",
    # offers
    "batch.days": "Say a number of days from 0 to {most}.",
    "batch.ended": "All of this has gone, or been left out: there is nothing to stop.",
    "batch.goes_to_nobody": "It would go to nobody.",
    "batch.narrow_first": "Narrow the list first: an offer to all clients at once is hardly meant.",
    "batch.not_stopped": "This is not stopped.",
    "batch.overtaken": "This has gone on meanwhile, so nothing was done.",
    "batch.pace": "Say how many are to go in an hour: 1 to {most}.",
    "batch.stopped": "This has been stopped.",
    "batch.unknown": "No offer to many clients has no. {number}.",
    "offer.bad_address": "The e-mail address of the company is none.",
    "offer.client_merged": "It was merged with another client, which stands for it.",
    "offer.had_already": "It has had this offer within the days that were chosen.",
    "offer.no_address": "No e-mail address of the company is known.",
    "offer.same_address": "It has the same address as another one of these clients.",
    "offer.file_gone": "The file of this offer is not kept any more.",
    "offer.fax_number": "“{number}” is no single telephone number.",
    "offer.key": "This form is not from a page of this console. Open it anew.",
    "offer.looks_otherwise": "The offer would look otherwise now. Look at it again before it goes.",
    "offer.missing": "Nothing is known for these fields: {fields}. Fill them in, or choose another template.",
    "offer.no_consent": "This campaign writes only to who has agreed, and no consent of this client is on record.",
    "offer.opted_out": "There was a request for no letters to this client, person or address.",
    "offer.overtaken": "This offer has gone on meanwhile, so nothing was done.",
    "offer.person_do_not_call": "This person asked not to be called, so no letters go there either.",
    "offer.unknown": "There is no such offer.",
    "offer.attachments_large": "The files of an offer may have {megabytes} MB together, so that mail servers take it.",
    "offer.brace": "A brace belongs to no field: “{text}”. There are no braces but those of fields.",
    "offer.changed_meanwhile": "Somebody has changed this text since you opened it.",
    "offer.field_unknown": "There is no field “{field}”. There are: {known}.",
    "offer.long": "This may have {most} letters at most.",
    "offer.needs_body": "An offer needs a text.",
    "offer.needs_name": "A template needs a name.",
    "offer.needs_subject": "An offer needs a subject.",
    "offer.template_exists": "The campaign has a template named “{name}” already.",
    "offer.template_unknown": "There is no such template in this campaign.",
    "opt_out.lifted": "This request for no letters has been lifted already.",
    "opt_out.needs_evidence": "Say who wants no letters, when and how they said so.",
    "opt_out.needs_reason": "Say why this request for no letters holds no more.",
    "opt_out.unknown": "There is no such request for no letters.",
    # organisations that are one
    "duplicate.unknown": "There is no such pair to decide: it has been decided, or one of the two has been merged.",
    "merge.being_called": "One of the two is being called at the moment. Try again after the call.",
    "merge.later_one": "A later merge builds on this one. Undo no. {number} first.",
    "merge.merged_already": "One of the two has been merged into another organisation before.",
    "merge.one_organisation": "An organisation cannot be merged into itself.",
    "merge.undone": "There is no such merge, or it has been undone already.",
    # outcomes
    "outcome.already_recorded": "The outcome of this call has been written down already.",
    "outcome.callback_needs_time": "Say when to call back.",
    "outcome.needs_asked_by": "Say who asked to call back.",
    "outcome.needs_contract": "Say which deal has its contract, and its sum.",
    "outcome.needs_competitor": "Say whose product they use.",
    "outcome.needs_full_name": "Give the full name of the person spoken to: two words or more.",
    "outcome.needs_reason": "Give the reason.",
    "outcome.needs_reason_left": "Ask why they left, and write it down.",
    "outcome.needs_summary": "Say why the main contact was impossible: ten letters or more.",
    "outcome.no_version": "The outcome of this call has no version {version}.",
    "outcome.not_answered": "Nobody answered this call: “{disposition}” is impossible.",
    "outcome.promise_of_another": "Somebody else has promised this client a call since. Ask whoever manages the day.",
    "outcome.request_stays": "Who asked not to be called is called no more. Whoever manages the day can lift that.",
    "outcome.not_yours": "This is another operator's call.",
    "outcome.nothing_to_correct": "This outcome was taken back: there is nothing to correct.",
    "outcome.nothing_to_undo": "There is nothing to undo.",
    "outcome.undo_overtaken": "Somebody else has this client already; correct the outcome on the call's page.",
    "outcome.undo_too_late": "{seconds} seconds have passed; correct the outcome on the call's page.",
    "outcome.unknown_disposition": "There is no disposition “{disposition}”.",
    # erasures
    "erasure.call_open": "Somebody is calling there just now. Erase when the call is over.",
    "erasure.needs_reason": "Say who asked to be erased, when and how.",
    "erasure.reason_names": "The reason stays, so it must not name whom it erases: say only when and how it was asked.",
    "erasure.no_key": "The office's key is not at hand: without it nobody can tell who was erased. Put the file back.",
    # organisations, people, numbers
    "address.empty": "Write down the address.",
    "address.unknown": "There is no such address of this organisation.",
    "competitor.exists": "There is a competitor named “{name}” already.",
    "competitor.needs_name": "A competitor needs a name.",
    "competitor.unknown": "There is no such competitor.",
    "deal.amount": "“{amount}” is no amount, such as 12 500 or 99.90.",
    "deal.currency": "“{currency}” is no currency. Give three letters, such as RUB.",
    "deal.begins_open": "A new deal begins with interest, an offer or a negotiation.",
    "deal.campaign_without": "The campaign “{name}” does not sell by deals.",
    "deal.cannot_own": "{name} makes no calls, or does not work here any more: a deal needs somebody who does.",
    "deal.changed_meanwhile": "Somebody has changed this deal since you opened it.",
    "deal.contract_day": "A contract has a day.",
    "deal.day_to_come": "This day is still to come.",
    "deal.merged": "This client was merged into another one: its deals are there.",
    "deal.needs_group": "Say what becomes of the client's group now that the contract is taken back.",
    "deal.needs_owner": "Say whose deal it is: the client has nobody.",
    "deal.needs_reason": "Say why the deal is lost.",
    "deal.needs_sum": "A contract needs its sum.",
    "deal.needs_words": "Say in words why the deal is lost: “other” says nothing.",
    "deal.no_contract": "Only a contract has a day of the contract.",
    "deal.no_such_step": "A deal does not go there from its stage; what was lost is opened again first.",
    "deal.product_too_long": "The product of a deal has {limit} characters at most.",
    "deal.note_too_long": "The note on a deal has {limit} characters at most.",
    "deal.unknown": "There is no such deal.",
    "deal.unknown_reason": "There is no reason “{reason}” here, or it is switched off.",
    "lost_reason.changed_meanwhile": "Somebody has changed this reason since you opened the page.",
    "lost_reason.key": "A reason's key is lower-case Latin letters, digits and underscores, such as “late”.",
    "lost_reason.labels": "A reason of your own needs its name in both languages.",
    "lost_reason.last": "One reason at least must be left to choose.",
    "deal.in_the_future": "A past deal lies in the past.",
    "former_owner.needs_name": "Say who looked after this client before.",
    "record.changed_meanwhile": "Somebody has changed this since you opened it.",
    "organisation.needs_name": "An organisation needs a name.",
    "organisation.unknown": "There is no such organisation.",
    "person.decides_by_contact": "A main contact was had with this person: the mark “decides” stays.",
    "person.needs_name": "A person needs a name.",
    "person.unknown": "There is no such person at this organisation.",
    "phone.unknown": "There is no such telephone number.",
    # plan
    "plan.changed_meanwhile": "The plan has changed since you looked.",
    "plan.day_over": "This day is over.",
    "plan.entry_unknown": "There is no such entry in the plan.",
    "plan.hours_over": "The hours in which this client may be called are over for that day.",
    "plan.in_hand": "Somebody has this client in hand.",
    "plan.no_place": "This entry has no place to change: it is nobody's, or was promised for a minute.",
    "plan.not_at_work": "{name} does not call that day.",
    "plan.of_its_owner": "A promise stays with its owner until it is handed over; once overdue it is everybody's.",
    "plan.not_yours": "This entry of the plan is not yours.",
    "plan.not_now": "{name} is not called now. {reason}.",
    "plan.others": "This client is in somebody else's plan. Whoever manages the day can give it to you.",
    "plan.picked_full": "{most} clients that you picked are waiting for that day already. Call some of them first.",
    "plan.promised": "This client was promised a call; it comes up at its minute.",
    "plan.taken": "{name} has this client already.",
    "plan.skip_stays": "A skip is taken back within {seconds} seconds; pick the client by hand on its page.",
    "plan.skip_needs_reason": "Say why this client is skipped.",
    # questionnaires
    "questionnaire.before_questions": "Line {line} stands before the first question. A line with # begins a question.",
    "questionnaire.changed_meanwhile": "Somebody has changed this questionnaire since you opened it.",
    "questionnaire.choices": "Question {number}: a question with choices has 2 to {most} of them, any other none.",
    "questionnaire.codes": "Question {number}: each choice has a code of its own, of small Latin letters and digits.",
    "questionnaire.condition": "Question {number}: its condition compares an answer with what that answer cannot be.",
    "questionnaire.condition_key": "Question {number}: there is no question “{key}” before it for its condition.",
    "questionnaire.key": "Question {number}: “{key}” is no key. It begins with a small Latin letter; letters, digits "
    "and _ follow, 24 at most.",
    "questionnaire.key_twice": "Question {number}: there is a question “{key}” already.",
    "questionnaire.kind": "Line {line}: “{kind}” is no kind of question: text, number, choice, several, date, yes_no "
    "or scale.",
    "questionnaire.label": "Question {number}: write the question, and every choice, in words.",
    "questionnaire.label_long": "Question {number}: a question or a choice has at most {most} characters.",
    "questionnaire.line": "Line {line} is not understood: “{text}”.",
    "questionnaire.long": "A questionnaire has at most {most} characters.",
    "questionnaire.most_for_reports": "“{key}” finds no place: for reports there can be {words} questions with a "
    "choice or yes and no, {numbers} with a number, scale or date, and {lists} with several choices.",
    "questionnaire.most_questions": "A questionnaire has at most {most} questions.",
    "questionnaire.name_long": "The name of a questionnaire has at most {most} characters.",
    "questionnaire.needs_name": "A questionnaire needs a name.",
    "questionnaire.no_questions": "A questionnaire needs at least one question.",
    "questionnaire.no_version": "This questionnaire has no version {version}.",
    "questionnaire.other_kind": "Question {number}: “{key}” was of another kind before. Give it another key.",
    "questionnaire.scale": "Question {number}: a scale goes from a lower whole number to a higher one, 0 to {most}.",
    "questionnaire.text_for_reports": "“{key}” is answered in free words; reports need choices, numbers or dates.",
    "questionnaire.unknown": "There is no such questionnaire.",
    "questionnaire.unreadable": "This is no questionnaire.",
    "questionnaire.when": "Line {line}: “{text}” is no condition, such as: q1 = yes.",
    "questionnaire.when_key": "Line {line}: there is no question “{key}” above it.",
    "questionnaire.when_relation": "Line {line}: answers to “{key}” are compared by {relations}, not by {relation}.",
    "questionnaire.when_several": "Line {line}: a condition names one of the choices of “{key}”, not several.",
    "questionnaire.when_text": "Line {line}: “{key}” is answered in free words, which no condition can compare.",
    "questionnaire.when_value": "Line {line}: {reason}.",
    "sheet.cannot_filter": "“{text}” is no condition on a question for reports, such as: q1 = yes.",
    "sheet.changed_meanwhile": "Somebody has written this sheet since you opened it.",
    "sheet.most_conditions": "At most {most} conditions at once.",
    "sheet.needs_answer": "The question “{question}” needs an answer.",
    "sheet.no_choice": "“{question}”: “{typed}” is none of the choices.",
    "sheet.no_date": "“{question}”: “{typed}” is no day, such as 31.12.2026.",
    "sheet.no_number": "“{question}”: “{typed}” is no number of up to twelve digits and three decimals.",
    "sheet.no_scale": "“{question}”: “{typed}” is no whole number from {low} to {high}.",
    "sheet.no_several": "“{question}”: “{typed}” is not of the choices.",
    "sheet.no_yes_no": "“{question}”: “{typed}” is neither yes nor no.",
    "sheet.other_campaign": "This questionnaire belongs to another campaign.",
    "sheet.text_long": "“{question}”: an answer has at most {most} characters.",
    "sheet.unknown_question": "There is no question “{key}” in this questionnaire.",
    # recordings
    "recording.exists": "This call has a recording already.",
    "recording.unknown": "There is no such recording.",
    # reports
    # portfolios
    "portfolio.cannot_take": "{name} cannot take clients over: only operators and experts who may sign in can.",
    "portfolio.in_call": "{name} is in a call, or has not written down what came of it.",
    "portfolio.looks_otherwise": "Something else would pass to others now than was shown. Look at it again.",
    "portfolio.needs_reason": "Say why everything passes to others.",
    "portfolio.needs_taker": "Say who takes everything over.",
    # referrals to experts
    "referral.needs_reason": "Say why you give this client back.",
    "referral.no_expert": "Whom you have chosen is no expert of this campaign.",
    "referral.not_offered": "This client is not offered any more: somebody has taken it, or it has gone on.",
    "referral.not_yours": "This client was offered to somebody else.",
    "referral.reason_too_long": "The reason has more than {limit} characters.",
    "referral.unknown": "There is no such referral.",
    "report.years": "There are reports of the years {first} to {last}.",
    "report.ends_before_it_begins": "The report would end on {last}, before it begins on {first}.",
    # retries
    "retry.not_after": "After this outcome nobody is tried again.",
    "retry.wait": "The next try comes after 1 to {most} minutes, or not by itself.",
    # service
    "service.another_runs": "Another service runs on this database (node “{node}”, since {since}). "
    "Stop that one first, or look at how it is: `dialer check`.",
    # time
    "time_zone.unknown": "There is no time zone “{time_zone}”.",
    # users
    "user.changed_meanwhile": "Somebody has changed this user since you opened the page.",
    "user.headset_taken": "The headset “{headset}” belongs to another user.",
    "user.last_administrator": "“{login}” is the only administrator. Make another user one first.",
    "user.login_taken": "There is a user “{login}” already.",
    "user.needs_email": "Callbacks go into a calendar by e-mail: give the address.",
    "user.needs_login": "A user needs a login without spaces, and a name.",
    "user.needs_headset": "This user has no headset.",
    "user.owns_portfolio": "{login} still has clients, promises, deals or places in the plan ({count})."
    " Say who takes them over.",
    "user.owns_promises": "“{login}” has promised {count} callbacks. Say who takes them over.",
    "user.password_short": "A password needs at least {least} characters.",
    "user.unknown": "There is no such user.",
    # rules that are tried on what happened
    "what_if.days": "Only days that are over can be tried, the first one first.",
    "what_if.too_many_days": "At most {most} days can be tried at once.",
    # getting clients in
    **PROBLEMS,
}


class CrmError(Exception):
    """A rule of the CRM says no.

    `code` is a key of `ERRORS`; `params` are the values for its template.
    """

    def __init__(self, code: str, **params: object) -> None:
        super().__init__(ERRORS[code].format(**params))
        self.code = code
        self.params = params


class Finding(str):
    """A sentence of `ERRORS` that is returned, not raised; `code` and `params` as those of an error."""

    __slots__ = ("code", "params")
    code: str
    params: dict[str, object]

    def __new__(cls, code: str, /, **params: object) -> Self:
        finding = super().__new__(cls, ERRORS[code].format(**params))
        finding.code = code
        finding.params = params
        return finding


class NotFound(CrmError):
    """What was named does not exist."""


class Refused(CrmError):
    """A rule would be broken."""


class Conflict(CrmError):
    """Someone else changed it, or has it."""


class NotAllowed(CrmError):
    """This user may not do that."""


class AnotherServiceRuns(Conflict):
    """A service holds the lock of this database."""

    def __init__(self, *, node: str, since: str) -> None:
        super().__init__("service.another_runs", node=node, since=since)
