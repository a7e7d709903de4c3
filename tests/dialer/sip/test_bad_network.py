"""Two endpoints over a network that loses, delays and reorders: every call is set up, ends on both sides, and leaves
nothing behind."""

from __future__ import annotations

import random

import pytest

from dialer.sip.endpoint import Endpoint, EndpointConfig
from dialer.sip.events import CallAnswered, CallEnded, CallIncoming, SipEvent
from dialer.sip.sdp import build_offer
from tests.dialer.sip.network import Network, Node


def endpoint_of(node: Node) -> Endpoint:
    assert node.endpoint is not None
    return node.endpoint


def two_ends(seed: int, loss: float) -> tuple[Network, Node, Node]:
    chance = random.Random(seed)
    network = Network(fate=lambda: None if chance.random() < loss else chance.uniform(0.01, 0.6))
    one = network.add("one", "10.0.0.1")
    config = EndpointConfig("10.0.0.2", 5060, accept_calls_from=frozenset({"10.0.0.1"}))
    return network, one, network.add("two", "10.0.0.2", config=config)


def call(network: Network, one: Node, two: Node) -> None:
    endpoint_of(one).invite(
        call_id="c", target_uri="sip:x@10.0.0.2", hop=two.hop, from_uri="sip:m@10.0.0.1",
        sdp=build_offer("10.0.0.1", 4000), now=network.now,
    )  # fmt: skip


def count(events: list[SipEvent], kind: type[SipEvent]) -> int:
    return sum(isinstance(event, kind) for event in events)


def assert_over(network: Network, *nodes: Node) -> None:
    network.run(200)
    for node in nodes:
        assert count(node.events, CallEnded) == 1, network.ladder()
        assert endpoint_of(node).next_timer() is None, network.ladder()
        assert endpoint_of(node).settled


@pytest.mark.parametrize("seed", range(12))
def test_a_call_survives_a_third_of_all_packets_lost(seed: int) -> None:
    network, one, two = two_ends(seed, 0.33)
    call(network, one, two)
    network.run(20)
    assert count(two.events, CallIncoming) == 1, network.ladder()
    endpoint_of(two).ring("c", network.now)
    network.run(5)
    endpoint_of(two).answer("c", build_offer("10.0.0.2", 5000), network.now)
    network.run(25)
    assert count(one.events, CallAnswered) == 1, network.ladder()
    endpoint_of(two if seed % 2 else one).hang_up("c", network.now)
    assert_over(network, one, two)


@pytest.mark.parametrize("after_s", [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5])
@pytest.mark.parametrize("seed", range(4))
def test_giving_up_at_any_moment_leaves_no_leg_up(seed: int, after_s: float) -> None:
    """The far end answers after half a second, whatever has come of our CANCEL by then."""
    network, one, two = two_ends(seed, 0.1)
    call(network, one, two)
    network.run(min(after_s, 0.5))
    endpoint_of(two).answer("c", build_offer("10.0.0.2", 5000), network.now)
    network.run(max(0.0, after_s - 0.5))
    endpoint_of(one).hang_up("c", network.now)
    network.run(40)
    if count(two.events, CallIncoming):
        endpoint_of(two).reject("c", 480, network.now)  # when the INVITE came too late for the answer above
        assert_over(network, one, two)
    else:
        assert_over(network, one)


@pytest.mark.parametrize("seed", range(8))
def test_both_hang_up_at_once(seed: int) -> None:
    network, one, two = two_ends(seed, 0.2)
    call(network, one, two)
    network.run(20)
    endpoint_of(two).answer("c", build_offer("10.0.0.2", 5000), network.now)
    network.run(25)
    for node in (one, two):
        endpoint_of(node).hang_up("c", network.now)
    assert_over(network, one, two)
