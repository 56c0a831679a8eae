"""The traits of a database engine. Work-arounds check a trait, never the name of an engine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EngineTraits:
    """The abilities of one engine; the defaults are MongoDB's.

    Attributes:
        remembers_commits: the engine keeps the result of a commit across a restart, so that the driver can retry it.
        keeps_what_it_acknowledges: what it acknowledged with `j: true` is stored.
        runs_transactions_side_by_side: several at once do not slow each other down.
        sorts_by_index: it reads an index in order, instead of sorting what it found in memory.
        plans_with_any_prefix: a query uses an index when the index starts with some of its fields; otherwise the first
            `$match` must have exactly the leading fields of an index.
        rewrites_index_entries: an update of a document writes every entry of every index of it, changed or not. An
            index over the items of a list costs an entry for each item.
        commits_across_partitions: a transaction with documents of several partitions costs no more than one with
            documents of a single one. A sharded cluster has to agree with all shards that take part.
        changes_views: `collMod` gives a view another pipeline; otherwise it has to be dropped and made again.
        ids_in_a_query: how many ids a list in a query may have before its time grows out of proportion.
    """

    remembers_commits: bool = True
    keeps_what_it_acknowledges: bool = True
    runs_transactions_side_by_side: bool = True
    sorts_by_index: bool = True
    plans_with_any_prefix: bool = True
    rewrites_index_entries: bool = False
    commits_across_partitions: bool = True
    changes_views: bool = True
    ids_in_a_query: int = 1000


MONGODB = EngineTraits()

SHARDED = EngineTraits(commits_across_partitions=False)

SECANTUS_NATIVE = EngineTraits(remembers_commits=False, sorts_by_index=False, ids_in_a_query=400)
"""The native build of the embedded engine.

Started again, it answers a commit that is asked for again with NoSuchTransaction. Its plans name an index for a sort,
but the first ten of 40,000 documents by `_id` take it five times as long as of 10,000. A list of ids costs the same for
each id up to 400, at 1,000 twice as much.
"""
