// Package columnar decodes JSON events straight into column vectors: one pass,
// no tree, no reflection.
//
// What becomes of an event:
//
//   - An object is a struct and an array a list, so a column stands where the
//     JSON has it. The type of a new column is what its first value looks like:
//     boolean, long, double, string, struct or list. Null is not a value and makes
//     no column. A long that is not yet in the table's schema becomes a double
//     when a fraction comes.
//   - A value of another type than its column goes to the column beside it,
//     which is named after the kind of value (tiers.Beside): n_text beside n.
//     Names that differ only in case are one column, that of the first.
//   - A number that a double does not hold is in the column as the nearest one,
//     and as text in unmapped.
//   - A key with dots is a path: "id.orig_h" is the member orig_h of the struct
//     id, as if it had been written so. No column has a dot in its name.
//   - What fits no column goes to the column unmapped, one JSON object in which
//     each value has its own path and its exact text: numbers beyond all
//     doubles, text that is not Unicode (half a surrogate pair), keys that are
//     empty, longer than 255 bytes or hold control characters, empty objects and
//     arrays of a type that is not known yet, and what is beyond the limits. An
//     element that does not fit its list is null there, and in unmapped at its
//     index; a list in which nothing fits goes beside its column.
//   - The first value of a repeated key counts. Later ones stand in unmapped, in
//     the same object, as "$repeated": [{"key": value}, ...].
//   - The event's time becomes the column time, and where it stood, or
//     "received", the column time_source. If it was the key "time", its
//     text is kept in unmapped only where the column does not say the same: with
//     an offset from UTC, or finer than a microsecond. Any other key that gives
//     the time is a column as well.
//   - Keys named as columns of Lakeward's own, and a "time" that is not the
//     event's time, have a column beside those. A table that is not made yet
//     leaves event_id to the events, and calls its own _event_id.
//   - One event adds at most half of the columns that a table has left.
//
// Refused with a *Reject, for the quarantine: what is not one JSON object in
// valid UTF-8, is too large, nested deeper than 1,000 levels, or has a time
// before 1970 or after 2261 under one of the first usual names, or a time at
// the configured path that is not of the configured format. A placeholder, like
// the year 1601 of Windows or the year 1 of .NET, is passed over.
//
// An event may also be a pair of its time and itself, [1793500200.5, {...}].
package columnar
