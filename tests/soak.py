"""A plugin for `make soak`: the machine that plays sales days, with many more and longer examples."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "soak",
    max_examples=500,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
