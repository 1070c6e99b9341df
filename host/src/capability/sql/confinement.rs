//! What a guest's SQL may do: its own tables in its own file, within bounds.

use crate::driver::Deadline;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Longest value and longest row, in bytes. It also bounds the time of a single SQL function, which no deadline
/// interrupts: `instr` over two values of this length takes a second.
pub(super) const MAX_VALUE: i32 = 256 << 10;

/// Longest text of a statement, in bytes.
pub(super) const MAX_SQL: usize = 64 << 10;

/// Most parameters of a statement.
pub(super) const MAX_PARAMETERS: usize = 1000;

/// Bytes that a database may grow to.
const MAX_DATABASE: i64 = 1 << 30;

/// So many steps of SQLite's machine run between two looks at the clock: some 10 µs.
const STEPS: i32 = 1000;

const LIMITS: [(Limit, i32); 11] = [
    (Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, MAX_SQL as i32),
    (Limit::SQLITE_LIMIT_COLUMN, 100),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 20),
    (Limit::SQLITE_LIMIT_VDBE_OP, 100_000),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 100),
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, MAX_PARAMETERS as i32),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 10),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
];

const SWITCHES: [(DbConfig, bool); 5] = [
    (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
    (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
    (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
    (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
];

/// Pragmas that read the schema of the driver's own tables.
const PRAGMAS: [&str; 6] =
    ["table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo"];

/// Functions that reach outside of the database, where SQLite was built with them.
const FUNCTIONS: [&str; 5] = ["load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"];

/// Puts the bounds on a new connection. While `ours` is set, the host's own statements pass.
pub(super) fn confine(
    connection: &mut Connection,
    ours: &Arc<AtomicBool>,
    deadline: &Deadline,
) -> Result<()> {
    for (limit, value) in LIMITS {
        connection.set_limit(limit, value)?;
    }
    for (switch, on) in SWITCHES {
        connection.set_db_config(switch, on)?;
    }
    let (ours, deadline) = (Arc::clone(ours), deadline.clone());
    connection.authorizer(Some(move |context: AuthContext<'_>| {
        if ours.load(Ordering::Relaxed) { Authorization::Allow } else { authorize(&context) }
    }))?;
    connection.progress_handler(STEPS, Some(move || deadline.passed()))
}

/// Keeps the database from filling the disk: SQLite answers that it is full instead.
pub(super) fn cap_pages(connection: &Connection) -> Result<()> {
    let page: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    let pages = MAX_DATABASE / page.max(512);
    connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
}

/// Whether a guest's statement may do this.
fn authorize(context: &AuthContext<'_>) -> Authorization {
    use AuthAction::*;
    // What is temporary lies outside of the database, and outside of its cap.
    let temporary = context.database_name == Some("temp");
    let allowed = match context.action {
        Select | Recursive | Read { .. } => true,
        Insert { .. } | Update { .. } | Delete { .. } => !temporary,
        CreateTable { .. } | CreateIndex { .. } | CreateView { .. } | CreateTrigger { .. } => {
            !temporary
        }
        DropTable { .. } | DropIndex { .. } | DropView { .. } | DropTrigger { .. } => !temporary,
        AlterTable { .. } | Reindex { .. } | Analyze { .. } => !temporary,
        Function { function_name } => {
            !FUNCTIONS.iter().any(|name| function_name.eq_ignore_ascii_case(name))
        }
        Pragma { pragma_name, pragma_value } => may_read(pragma_name, pragma_value),
        // ATTACH (and so VACUUM), DETACH, transactions of its own, virtual and temporary tables, and what is new.
        _ => false,
    };
    if allowed { Authorization::Allow } else { Authorization::Deny }
}

fn may_read(pragma: &str, value: Option<&str>) -> bool {
    PRAGMAS.iter().any(|name| pragma.eq_ignore_ascii_case(name))
        || (pragma.eq_ignore_ascii_case("user_version") && value.is_none())
}
