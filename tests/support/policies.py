"""What network policies let through."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from tests.support.manifests import Object, selects


@dataclass(frozen=True, slots=True)
class Party:
    """A peer: a pod with its labels and its namespace's, or an address outside."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()
    namespace: tuple[tuple[str, str], ...] | None = None  # None: the policies' own
    address: str = ""

    @property
    def guarded(self) -> bool:
        """Whether the policies' namespace is its own."""
        return self.namespace is None and not self.address


Arrow = tuple[str, str, str, int]
"""From, to, protocol, port."""


def arrows(policies: list[Object], parties: list[Party]) -> set[Arrow]:
    """Everything that the policies let through, over all ports that any of them names."""
    ports = {
        (port["protocol"], port["port"])
        for policy in policies
        for side in ("ingress", "egress")
        for rule in policy["spec"].get(side, [])
        for port in rule["ports"]  # a rule without ports would allow every one of them
    }
    ports |= {("TCP", 1), ("UDP", 1)}  # some that nothing asks for
    return {
        (source.name, target.name, *port)
        for source in parties
        for target in parties
        for port in ports
        if source is not target
        and (source.guarded or target.guarded)
        and _lets(policies, "egress", source, target, port)
        and _lets(policies, "ingress", target, source, port)
    }


def _lets(
    policies: list[Object], side: str, whose: Party, other: Party, port: tuple[str, int]
) -> bool:
    """Whether the policies of `whose` let `other` through on this side."""
    if not whose.guarded:
        return True
    applied = [
        policy["spec"]
        for policy in policies
        if side.capitalize() in policy["spec"]["policyTypes"]
        and selects(policy["spec"]["podSelector"], dict(whose.labels))
    ]
    if not applied:
        return True  # no policy selects this pod
    return any(
        port in {(one["protocol"], one["port"]) for one in rule["ports"]}
        and any(_is_peer(peer, other) for peer in rule["from" if side == "ingress" else "to"])
        for spec in applied
        for rule in spec.get(side, [])
    )


def _is_peer(peer: Object, party: Party) -> bool:
    if block := peer.get("ipBlock"):
        if not party.address:
            return False
        address = ip_address(party.address)
        return address in ip_network(block["cidr"]) and not any(
            address in ip_network(excepted) for excepted in block.get("except", [])
        )
    if party.address:
        return False
    if "namespaceSelector" in peer:
        if party.namespace is None or not selects(peer["namespaceSelector"], dict(party.namespace)):
            return False
    elif party.namespace is not None:
        return False
    return selects(peer.get("podSelector", {}), dict(party.labels))
