"""A plugin for `make fuzz`: the property tests with many more examples than in `make test`."""

from hypothesis import HealthCheck, settings

settings.register_profile("fuzz", max_examples=20_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
