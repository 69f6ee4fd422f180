//! The settings that are known, with the values that each takes.

/// The version that clients are told; the major one is the reference of this server's answers.
pub const SERVER_VERSION: &str = "15.8";
pub const SERVER_VERSION_NUM: &str = "150008";

/// What values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    /// Inclusive bounds.
    Int(i64, i64),
    /// A number that is not negative, -1 aside.
    Real,
    /// Milliseconds; units `us ms s min h d` are understood.
    Millis,
    Text,
    /// Only these, compared without case.
    Enum(&'static [&'static str]),
    Zone,
    /// Can't be changed.
    Internal,
}

/// A setting that is known, with Postgres's spelling of its name.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    pub name: &'static str,
    pub default: &'static str,
    pub kind: Kind,
    pub description: &'static str,
}

const fn known(
    name: &'static str,
    default: &'static str,
    kind: Kind,
    description: &'static str,
) -> Known {
    Known {
        name,
        default,
        kind,
        description,
    }
}

/// Every known setting, sorted by name without case as SHOW ALL lists them.
#[rustfmt::skip]
pub const KNOWN: &[Known] = &[
    known("application_name", "", Kind::Text, "Sets the application name to be reported in statistics and logs."),
    known("backslash_quote", "safe_encoding", Kind::Enum(&["safe_encoding", "on", "off"]), "Taken and passed over: plans here know no such choice."),
    known("bytea_output", "hex", Kind::Enum(&["hex"]), "Sets the output format for bytea."),
    known("client_encoding", "UTF8", Kind::Enum(&["UTF8"]), "Sets the client's character set encoding."),
    known("client_min_messages", "notice", Kind::Enum(&["debug5", "debug4", "debug3", "debug2", "debug1", "debug", "log", "notice", "warning", "error"]), "Sets the message levels that are sent to the client."),
    known("constraint_exclusion", "partition", Kind::Enum(&["partition", "on", "off"]), "Taken and passed over: plans here know no such choice."),
    known("cpu_index_tuple_cost", "0.005", Kind::Real, "Taken and passed over: plans here know no such choice."),
    known("cpu_operator_cost", "0.0025", Kind::Real, "Taken and passed over: plans here know no such choice."),
    known("cpu_tuple_cost", "0.01", Kind::Real, "Taken and passed over: plans here know no such choice."),
    known("cursor_tuple_fraction", "0.1", Kind::Real, "Taken and passed over: plans here know no such choice."),
    known("DateStyle", "ISO, MDY", Kind::Text, "Sets the display format for date and time values."),
    known("default_statistics_target", "100", Kind::Int(0, 10_000), "Taken and passed over: plans here know no such choice."),
    known("default_toast_compression", "pglz", Kind::Enum(&["pglz", "lz4"]), "Taken and passed over: plans here know no such choice."),
    known("default_transaction_isolation", "read committed", Kind::Enum(&["read committed", "repeatable read", "serializable", "read uncommitted"]), "Sets the transaction isolation level of each new transaction."),
    known("default_transaction_read_only", "off", Kind::Bool, "Sets the default read-only status of new transactions."),
    known("effective_cache_size", "4GB", Kind::Text, "Taken and passed over: plans here know no such choice."),
    known("effective_io_concurrency", "1", Kind::Int(0, 10_000), "Taken and passed over: plans here know no such choice."),
    known("enable_async_append", "on", Kind::Bool, "Taken and passed over: plans here know no such choice."),
    known("enable_bitmapscan", "on", Kind::Bool, "Taken and passed over: plans here know no such choice."),
    known("enable_gathermerge", "on", Kind::Bool, "Taken and passed over: plans here know no such choice."),
    known("enable_hashagg", "on", Kind::Bool, "Taken and passed over: plans here know no such choice."),
    known("enable_hashjoin", "on", Kind::Bool, "Taken and passed over: plans here know no such choice."),
    known("enable_incremental_sort", "on", Kind::Bool, "Taken and passed over: plans here know no such choice."),
    known("enable_indexonlyscan", "on", Kind::Bool, "Taken and passed over: plans here know no such choice."),
    known("enable_indexscan", "on", Kind::Bool, "Taken and passed over: plans here know no such choice."),
    known("enable_material", "on", Kind::Bool, "Taken and passed over: plans here know no such choice."),
    known("enable_memoize", "on", Kind::Bool, "Taken and passed over: plans here know no such choice."),
    known("enable_mergejoin", "on", Kind::Bool, "Taken and passed over: plans here know no such choice."),
    known("enable_nestloop", "on", Kind::Bool, "Taken and passed over: plans here know no such choice."),
    known("enable_parallel_append", "on", Kind::Bool, "Taken and passed over: plans here know no such choice."),
    known("enable_parallel_hash", "on", Kind::Bool, "Taken and passed over: plans here know no such choice."),
    known("enable_partition_pruning", "on", Kind::Bool, "Taken and passed over: plans here know no such choice."),
    known("enable_partitionwise_aggregate", "off", Kind::Bool, "Taken and passed over: plans here know no such choice."),
    known("enable_partitionwise_join", "off", Kind::Bool, "Taken and passed over: plans here know no such choice."),
    known("enable_seqscan", "on", Kind::Bool, "Taken and passed over: plans here know no such choice."),
    known("enable_sort", "on", Kind::Bool, "Taken and passed over: plans here know no such choice."),
    known("enable_tidscan", "on", Kind::Bool, "Taken and passed over: plans here know no such choice."),
    known("escape_string_warning", "on", Kind::Bool, "Warn about backslash escapes in ordinary string literals."),
    known("extra_float_digits", "1", Kind::Int(-15, 3), "Sets the number of digits displayed for floating-point values."),
    known("from_collapse_limit", "8", Kind::Int(0, 10_000), "Taken and passed over: plans here know no such choice."),
    known("geqo", "on", Kind::Bool, "Taken and passed over: plans here know no such choice."),
    known("geqo_threshold", "12", Kind::Int(0, 10_000), "Taken and passed over: plans here know no such choice."),
    known("hash_mem_multiplier", "2", Kind::Real, "Taken and passed over: plans here know no such choice."),
    known("idle_in_transaction_session_timeout", "0", Kind::Millis, "Sets the maximum allowed idle time between queries, when in a transaction."),
    known("idle_session_timeout", "0", Kind::Millis, "Sets the maximum allowed idle time between queries, when not in a transaction."),
    known("in_hot_standby", "off", Kind::Internal, "Shows whether hot standby is currently active."),
    known("integer_datetimes", "on", Kind::Internal, "Shows whether datetimes are integer based."),
    known("IntervalStyle", "postgres", Kind::Enum(&["postgres", "postgres_verbose", "sql_standard", "iso_8601"]), "Sets the display format for interval values."),
    known("is_superuser", "off", Kind::Internal, "Shows whether the current user is a superuser."),
    known("jit", "off", Kind::Bool, "Allow JIT compilation."),
    known("jit_above_cost", "100000", Kind::Real, "Taken and passed over: plans here know no such choice."),
    known("jit_expressions", "on", Kind::Bool, "Taken and passed over: plans here know no such choice."),
    known("jit_inline_above_cost", "500000", Kind::Real, "Taken and passed over: plans here know no such choice."),
    known("jit_optimize_above_cost", "500000", Kind::Real, "Taken and passed over: plans here know no such choice."),
    known("jit_tuple_deforming", "on", Kind::Bool, "Taken and passed over: plans here know no such choice."),
    known("join_collapse_limit", "8", Kind::Int(0, 10_000), "Taken and passed over: plans here know no such choice."),
    known("lc_collate", "C", Kind::Internal, "Shows the collation order locale."),
    known("lc_ctype", "C.UTF-8", Kind::Internal, "Shows the character classification and case conversion locale."),
    known("lc_messages", "C", Kind::Text, "Sets the language in which messages are displayed."),
    known("lc_monetary", "C", Kind::Text, "Sets the locale for formatting monetary amounts."),
    known("lc_numeric", "C", Kind::Text, "Sets the locale for formatting numbers."),
    known("lc_time", "C", Kind::Text, "Sets the locale for formatting date and time values."),
    known("lock_timeout", "0", Kind::Millis, "Sets the maximum allowed duration of any wait for a lock."),
    known("maintenance_work_mem", "64MB", Kind::Text, "Taken and passed over: plans here know no such choice."),
    known("max_identifier_length", "63", Kind::Internal, "Shows the maximum identifier length."),
    known("max_index_keys", "32", Kind::Internal, "Shows the maximum number of index keys."),
    known("max_parallel_workers", "8", Kind::Int(0, 10_000), "Taken and passed over: plans here know no such choice."),
    known("max_parallel_workers_per_gather", "2", Kind::Int(0, 1024), "Taken and passed over: plans here know no such choice."),
    known("max_stack_depth", "2MB", Kind::Text, "Taken and passed over: plans here know no such choice."),
    known("min_parallel_index_scan_size", "512kB", Kind::Text, "Taken and passed over: plans here know no such choice."),
    known("min_parallel_table_scan_size", "8MB", Kind::Text, "Taken and passed over: plans here know no such choice."),
    known("parallel_leader_participation", "on", Kind::Bool, "Taken and passed over: plans here know no such choice."),
    known("parallel_setup_cost", "1000", Kind::Real, "Taken and passed over: plans here know no such choice."),
    known("parallel_tuple_cost", "0.1", Kind::Real, "Taken and passed over: plans here know no such choice."),
    known("plan_cache_mode", "auto", Kind::Enum(&["auto", "force_generic_plan", "force_custom_plan"]), "Taken and passed over: plans here know no such choice."),
    known("random_page_cost", "4", Kind::Real, "Taken and passed over: plans here know no such choice."),
    known("row_security", "on", Kind::Bool, "Enable row security."),
    known("search_path", "\"$user\", public", Kind::Text, "Sets the schema search order for names that are not schema-qualified."),
    known("seq_page_cost", "1", Kind::Real, "Taken and passed over: plans here know no such choice."),
    known("server_encoding", "UTF8", Kind::Internal, "Shows the server (database) character set encoding."),
    known("server_version", SERVER_VERSION, Kind::Internal, "Shows the server version."),
    known("server_version_num", SERVER_VERSION_NUM, Kind::Internal, "Shows the server version as an integer."),
    known("session_authorization", "", Kind::Internal, "Shows the session user name."),
    known("standard_conforming_strings", "on", Kind::Enum(&["on", "true", "1", "yes"]), "Causes '...' strings to treat backslashes literally."),
    known("statement_timeout", "0", Kind::Millis, "Sets the maximum allowed duration of any statement."),
    known("synchronize_seqscans", "on", Kind::Bool, "Enable synchronized sequential scans."),
    known("synchronous_commit", "on", Kind::Enum(&["local", "remote_write", "remote_apply", "on", "off"]), "Taken and passed over: plans here know no such choice."),
    known("temp_buffers", "8MB", Kind::Text, "Taken and passed over: plans here know no such choice."),
    known("TimeZone", "UTC", Kind::Zone, "Sets the time zone for displaying and interpreting time stamps."),
    known("transaction_isolation", "read committed", Kind::Text, "Sets the current transaction's isolation level."),
    known("transaction_read_only", "off", Kind::Bool, "Sets the current transaction's read-only status."),
    known("vacuum_cost_delay", "0", Kind::Real, "Taken and passed over: plans here know no such choice."),
    known("work_mem", "4MB", Kind::Text, "Taken and passed over: the memory of queries is limited for all together."),
    known("xmloption", "content", Kind::Enum(&["content", "document"]), "Sets whether XML data is to be considered as documents or content fragments."),
];
