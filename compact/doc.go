// Package compact keeps the lake small and fast: it merges small files of a day
// into large sorted ones, forgets old snapshots, and removes the files that no
// table names any more.
//
// What to do is planned by pure functions over listings; what carries a plan
// out can be interrupted anywhere and run again. Marks are never touched: a
// merge commits exactly the rows that it removes, and on conflict it yields.
//
// What is taken out for good, by retention or by an erasure, is committed with
// the record of it (tiers/removal), so that nobody takes it for lost.
package compact
