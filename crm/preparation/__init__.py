"""A campaign before its calls: rules, calendar, lists, material, script, candidates, approvals."""
