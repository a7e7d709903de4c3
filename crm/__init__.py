"""The sales project: campaigns, clients, plan, attempts, outcomes, callbacks. No network, no web, no SIP."""
