//! The SQL functions that a guest may call.

/// Listed by name, so that new functions of a later SQLite are denied until they are reviewed. With the longest values each
/// takes at most about 20 ms and a few MiB, which nothing interrupts and nothing counts. The list excludes clocks and
/// random numbers, which were not granted; access to data outside of the database, for example SQLite's own log; functions that
/// take a second for two long values (`json_patch`, `trim`, `unhex`) or produce a gigabyte from one (`json_pretty`).
const GRANTED: &str = "-> ->> abs acos acosh asin asinh atan atan2 atanh avg ceil ceiling changes char coalesce concat concat_ws cos \
    cosh count cume_dist degrees dense_rank exp first_value floor format glob group_concat hex if ifnull iif instr \
    json json_array json_array_insert json_array_length json_error_position json_extract json_group_array \
    json_group_object json_insert json_object json_quote json_remove json_replace json_set json_type json_valid \
    jsonb jsonb_array jsonb_array_insert jsonb_extract jsonb_group_array jsonb_group_object jsonb_insert \
    jsonb_object jsonb_remove jsonb_replace jsonb_set lag last_insert_rowid last_value lead length like likelihood \
    likely ln log log10 log2 lower max min mod nth_value ntile nullif octet_length percent_rank pi pow power printf \
    quote radians rank replace round row_number sign sin sinh sqlite_version sqrt string_agg substr substring sum \
    tan tanh total total_changes trunc typeof unicode unlikely upper zeroblob";

/// Whether a guest may call this function; SQLite ignores the case of ASCII letters.
pub(super) fn may_call(function: &str) -> bool {
    GRANTED.split_ascii_whitespace().any(|name| function.eq_ignore_ascii_case(name))
}
