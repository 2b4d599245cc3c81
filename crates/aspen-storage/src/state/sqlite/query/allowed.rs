//! What a query may do: select from the views, with functions that touch nothing else.

use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use super::views::{VIEWS, Views};

/// SQLite's tables that are functions of their arguments.
const TABLE_FUNCTIONS: [&str; 4] = ["json_each", "json_tree", "jsonb_each", "jsonb_tree"];

/// SQLite's functions of their arguments, chance and the clock. Whatever SQLite may get later is
/// refused until it is named here.
const FUNCTIONS: &[&str] = &[
    // Scalars.
    "abs",
    "char",
    "coalesce",
    "concat",
    "concat_ws",
    "format",
    "glob",
    "hex",
    "if",
    "ifnull",
    "iif",
    "instr",
    "length",
    "like",
    "likelihood",
    "likely",
    "lower",
    "ltrim",
    "max",
    "min",
    "nullif",
    "octet_length",
    "printf",
    "quote",
    "random",
    "randomblob",
    "replace",
    "round",
    "rtrim",
    "sign",
    "soundex",
    "substr",
    "substring",
    "trim",
    "typeof",
    "unhex",
    "unicode",
    "unistr",
    "unistr_quote",
    "unlikely",
    "upper",
    "zeroblob",
    "sqlite_version",
    // Dates and times.
    "current_date",
    "current_time",
    "current_timestamp",
    "date",
    "datetime",
    "julianday",
    "strftime",
    "time",
    "timediff",
    "unixepoch",
    // Sums, and windows over rows.
    "avg",
    "count",
    "cume_dist",
    "dense_rank",
    "first_value",
    "group_concat",
    "lag",
    "last_value",
    "lead",
    "median",
    "nth_value",
    "ntile",
    "percent_rank",
    "percentile",
    "percentile_cont",
    "percentile_disc",
    "rank",
    "row_number",
    "string_agg",
    "sum",
    "total",
    // Mathematics.
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "ceil",
    "ceiling",
    "cos",
    "cosh",
    "degrees",
    "exp",
    "floor",
    "ln",
    "log",
    "log10",
    "log2",
    "mod",
    "pi",
    "pow",
    "power",
    "radians",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
    // JSON.
    "->",
    "->>",
    "json",
    "json_array",
    "json_array_insert",
    "json_array_length",
    "json_error_position",
    "json_extract",
    "json_group_array",
    "json_group_object",
    "json_insert",
    "json_object",
    "json_patch",
    "json_pretty",
    "json_quote",
    "json_remove",
    "json_replace",
    "json_set",
    "json_type",
    "json_valid",
    "jsonb",
    "jsonb_array",
    "jsonb_array_insert",
    "jsonb_extract",
    "jsonb_group_array",
    "jsonb_group_object",
    "jsonb_insert",
    "jsonb_object",
    "jsonb_patch",
    "jsonb_remove",
    "jsonb_replace",
    "jsonb_set",
];

/// What was refused first, for the error.
pub(super) type Refused = Arc<Mutex<Option<String>>>;

/// An authorizer for the connection with these views.
pub(super) fn authorizer(
    views: Views,
    refused: Refused,
) -> impl for<'r> FnMut(AuthContext<'r>) -> Authorization + Send + 'static {
    move |asked| match refusal(&views, &asked) {
        None => Authorization::Allow,
        Some(what) => {
            refused.lock().get_or_insert(what);
            Authorization::Deny
        }
    }
}

/// What is wrong with an action, if anything.
fn refusal(views: &Views, asked: &AuthContext<'_>) -> Option<String> {
    match asked.action {
        AuthAction::Select | AuthAction::Recursive => None,
        AuthAction::Read { table_name, column_name } => {
            let by_us = asked.accessor.is_some_and(|accessor| views.is_inner(accessor));
            let readable = VIEWS.contains(&table_name)
                || TABLE_FUNCTIONS.contains(&table_name)
                || views.is_inner(table_name)
                // So SQLite tells of a table expression of which no column is used.
                || column_name.is_empty() && !views.is_table(table_name);
            (!readable && !by_us)
                .then(|| format!("table {table_name}; there are {}", VIEWS.join(", ")))
        }
        AuthAction::Function { function_name } => {
            let known = FUNCTIONS.iter().any(|name| name.eq_ignore_ascii_case(function_name));
            (!known).then(|| format!("function {function_name}()"))
        }
        AuthAction::Pragma { pragma_name, .. } => Some(format!("PRAGMA {pragma_name}")),
        AuthAction::Attach { .. } => Some("ATTACH".to_owned()),
        AuthAction::Detach { .. } => Some("DETACH".to_owned()),
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
            Some("transactions; every query is one".to_owned())
        }
        AuthAction::Insert { .. } | AuthAction::Update { .. } | AuthAction::Delete { .. } => {
            Some("writing; SQL only reads".to_owned())
        }
        _ => Some("anything but SELECT".to_owned()),
    }
}
