"""The demonstration: the service as it is, with a practice network in place of a provider and a headset."""

from dialer.demo.run import run_demo

__all__ = ["run_demo"]
