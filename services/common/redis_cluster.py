"""Clients of a Redis Cluster, with the methods that clients of one server have.

redis-py finds the node of each key, and follows `MOVED` and `ASK`. Four things are
added: a client connects when it is first used, so that a service can start before
its Redis; all that passes by itself (a node that died, a slot on its way, a cluster
that is down) is raised as ConnectionError, as with one server; a pipeline takes the
commands that ours need; and what was found out about the cluster is forgotten if
none of its nodes can be reached, so that the configured hosts are asked again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import redis
import redis.asyncio
from redis.asyncio.cluster import ClusterNode as AsyncClusterNode
from redis.asyncio.cluster import ClusterPipeline as AsyncClusterPipeline
from redis.cluster import ClusterNode, ClusterPipeline
from redis.exceptions import (
    AskError,
    ClusterError,
    CrossSlotTransactionError,
    RedisClusterException,
    TryAgainError,
)

from services.common.command_keys import AsyncCommandKeys, CommandKeys
from services.common.redis_address import Host
from services.common.redis_connections import AsyncSSLConnection, passes

REFRESH_AFTER_MOVED = 1
"""After this many slots that have moved, all slots are looked up again."""

_UNREACHABLE = (
    "Redis Cluster cannot be connected",
    "All slots are not covered",
    "startup_nodes could not agree",
    "Slot ",
)
"""What redis-py says, in an exception that is no `RedisError`, of a cluster in trouble."""


@contextmanager
def _outages() -> Iterator[None]:
    """Raise ConnectionError instead of everything that passes by itself."""
    try:
        yield
    except (AskError, TryAgainError, ClusterError) as error:
        _out_of_reach(error)
    except redis.ResponseError as error:
        if not passes(error):
            raise
        _out_of_reach(error)
    except CrossSlotTransactionError:
        raise
    except RedisClusterException as error:
        if not str(error).startswith(_UNREACHABLE):
            raise
        _out_of_reach(error)


def _out_of_reach(error: Exception) -> NoReturn:
    kind = type(error).__name__
    raise redis.ConnectionError(f"the cluster cannot serve this now: {kind}: {error}") from error


class Pipeline(ClusterPipeline):
    """Commands that are sent together, each to the node of its key."""

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Send the commands, and return the replies in their order."""
        with _outages():
            return super().execute(raise_on_error)

    def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """Put a command in; send it at once after WATCH."""
        with _outages():
            return super().execute_command(*args, **kwargs)  # type: ignore[no-untyped-call]

    def time(self, **kwargs: Any) -> Any:
        """The clock of one node."""
        return self.execute_command("TIME")

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Any:
        """A script whose keys share a slot."""
        return self.execute_command("EVALSHA", sha, numkeys, *keys_and_args)

    def delete(self, *names: Any) -> Any:
        """Keys that share a slot."""
        return self.execute_command("DEL", *names)


class ClusterClient(redis.RedisCluster):
    """A blocking client. It stands in for `redis.Redis`. Thread-safe."""

    def __init__(self, hosts: Sequence[Host], options: Mapping[str, Any]) -> None:
        """`hosts`: nodes to ask for the others."""
        self._hosts = hosts
        self._options = options
        self._reached = False
        self._begun = False
        self._reaching = threading.RLock()

    def _reach(self) -> None:
        if self._reached:
            return
        with self._reaching:
            if self._reached or self._begun:  # it sends a command while it begins
                return
            self._begun = True
            try:
                super().__init__(
                    startup_nodes=[ClusterNode(host, port) for host, port in self._hosts],  # type: ignore[no-untyped-call]
                    require_full_coverage=False,
                    reinitialize_steps=REFRESH_AFTER_MOVED,
                    **self._options,
                )
                self.commands_parser = CommandKeys(self.commands_parser)  # type: ignore[assignment]
                self._reached = True
            finally:
                self._begun = False

    @contextmanager
    def _in_reach(self) -> Iterator[None]:
        with _outages():
            self._reach()
            try:
                yield
            except RedisClusterException:
                # The nodes that are known are all gone: begin with the configured ones again.
                nodes = [ClusterNode(host, port) for host, port in self._hosts]  # type: ignore[no-untyped-call]
                self.nodes_manager.startup_nodes = {node.name: node for node in nodes}
                raise

    def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """Send a command to the node of its key."""
        with self._in_reach():
            return super().execute_command(*args, **kwargs)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool | None = None, shard_hint: Any = None) -> Any:
        """A pipeline; as a transaction, its keys share a slot."""
        with _outages():
            self._reach()
        return Pipeline(
            nodes_manager=self.nodes_manager,
            commands_parser=self.commands_parser,
            startup_nodes=list(self.nodes_manager.startup_nodes.values()),
            result_callbacks=self.result_callbacks,
            cluster_response_callbacks=self.cluster_response_callbacks,
            reinitialize_steps=self.reinitialize_steps,
            retry=self.retry,
            transaction=transaction,
        )

    def command(self, **kwargs: Any) -> Any:
        """What commands there are. Not asked when the client begins: see `command_keys`."""
        return {} if self._begun else super().command()

    def node_of(self, key: str) -> str:
        """The name of the node that has a key now. Raises `redis.RedisError`."""
        with self._in_reach():
            node = self.get_node_from_key(key)  # type: ignore[no-untyped-call]
        if node is None:
            raise redis.ConnectionError("no node of the cluster has this slot now")
        return str(node.name)

    def primaries(self) -> frozenset[str]:
        """The names of the nodes that have slots. Raises `redis.RedisError`."""
        with self._in_reach():
            return frozenset(str(node.name) for node in self.get_primaries())  # type: ignore[no-untyped-call]

    def info_of_each(self, section: str) -> list[Mapping[str, Any]]:
        """INFO of every primary. Raises `redis.RedisError`."""
        each: Mapping[str, Any] = self.info(section, target_nodes=self.PRIMARIES)
        one = all(isinstance(value, Mapping) for value in each.values())
        return list(each.values()) if one else [each]

    def load(self, source: str, key: str) -> None:
        """Load a script into the node of a key. Raises `redis.RedisError`."""
        with self._in_reach():
            node = self.get_node_from_key(key)  # type: ignore[no-untyped-call]
        self.execute_command("SCRIPT LOAD", source, target_nodes=node)

    def close(self) -> None:
        """End all connections."""
        if self._reached:
            super().close()


class AsyncPipeline(AsyncClusterPipeline):
    """Commands that are sent together, each to the node of its key."""

    async def execute(
        self, raise_on_error: bool = True, allow_redirections: bool = True
    ) -> list[Any]:
        """Send the commands, and return the replies in their order."""
        with _outages():
            return await super().execute(raise_on_error, allow_redirections)

    async def initialize(self) -> AsyncClusterPipeline:
        """Find the nodes, if that was not done before."""
        with _outages():
            return await super().initialize()

    def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """Put a command in; after WATCH, return what sends it at once."""
        put = super().execute_command(*args, **kwargs)
        return put if put is self else _guarded(put)

    def time(self, **kwargs: Any) -> Any:
        """The clock of one node."""
        return self.execute_command("TIME")

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Any:
        """A script whose keys share a slot."""
        return self.execute_command("EVALSHA", sha, numkeys, *keys_and_args)

    def delete(self, *names: Any) -> Any:
        """Keys that share a slot."""
        return self.execute_command("DEL", *names)

    def exists(self, *names: Any) -> Any:
        """Keys that share a slot."""
        return self.execute_command("EXISTS", *names)


async def _guarded(sent: Any) -> Any:
    with _outages():
        return await sent


class AsyncClusterClient(redis.asyncio.RedisCluster):
    """A client for an event loop. It stands in for `redis.asyncio.Redis`."""

    def __init__(self, hosts: Sequence[Host], options: Mapping[str, Any]) -> None:
        """`hosts`: nodes to ask for the others."""
        self._hosts = hosts
        super().__init__(
            startup_nodes=[AsyncClusterNode(host, port) for host, port in hosts],
            require_full_coverage=False,
            reinitialize_steps=REFRESH_AFTER_MOVED,
            **options,
        )
        if options.get("ssl"):
            # Its own connections show the certificate that they began with, for ever.
            self.connection_kwargs["connection_class"] = AsyncSSLConnection
            self._begin_anew()
        self.commands_parser: Any = AsyncCommandKeys(self.commands_parser)

    async def initialize(self, *args: Any, **kwargs: Any) -> Any:
        """Find the nodes, if that was not done before."""
        try:
            return await super().initialize(*args, **kwargs)
        except RedisClusterException:
            # The nodes that are known are all gone: begin with the configured ones again.
            self._begin_anew()
            raise

    def _begin_anew(self) -> None:
        """Find the nodes from the configured ones when it is used next."""
        self.nodes_manager.startup_nodes = {
            node.name: node
            for node in (
                AsyncClusterNode(host, port, **self.connection_kwargs) for host, port in self._hosts
            )
        }

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """Send a command to the node of its key."""
        with _outages():
            return await super().execute_command(*args, **kwargs)

    def pipeline(self, transaction: bool | None = None, shard_hint: Any = None) -> Any:
        """A pipeline; as a transaction, its keys share a slot."""
        return AsyncPipeline(self, transaction)  # type: ignore[abstract]

    async def load(self, source: str, key: str) -> None:
        """Load a script into the node of a key. Raises `redis.RedisError`."""
        with _outages():
            await self.initialize()
            node = self.get_node_from_key(key)
        await self.execute_command("SCRIPT LOAD", source, target_nodes=node)


def is_cluster(client: object) -> bool:
    """Whether a client's keys are on several nodes."""
    return isinstance(client, ClusterClient | AsyncClusterClient)


def by_node(client: redis.Redis, keys: Sequence[str]) -> list[list[int]]:
    """Which of the keys lie together: their places in `keys`, node by node.

    Commands for the keys of one node can be sent in one pipeline that fails with
    that node alone. Raises `redis.RedisError`.
    """
    if not isinstance(client, ClusterClient):
        return [list(range(len(keys)))] if keys else []
    node_of: Callable[[str], str] = client.node_of
    groups: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        groups.setdefault(node_of(key), []).append(place)
    return list(groups.values())
