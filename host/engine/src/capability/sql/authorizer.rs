//! What a guest's SQL may do: its own tables in its own file, within bounds.

use super::functions;
use super::interrupt::Interrupt;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization, Wal};
use rusqlite::limits::Limit;
use rusqlite::{Connection, Result};
use std::ffi::c_int;
use std::sync::Arc;

/// Longest value and longest row, in bytes. It also bounds the time of a single SQL function, which no deadline
/// interrupts: `instr` over two values of this length takes some 20 ms.
pub(super) const MAX_VALUE: i32 = 64 << 10;

/// Longest text of a statement, in bytes.
pub(super) const MAX_SQL: usize = 64 << 10;

/// Most parameters of a statement.
pub(super) const MAX_PARAMETERS: usize = 1000;

/// Most tables, indexes, views and triggers of a database, and most bytes of the texts that define them: SQLite keeps them
/// all in memory, a hundred bytes and more for each byte of text.
pub(super) const MAX_SCHEMA: i64 = 200;
pub(super) const MAX_SCHEMA_TEXT: i64 = 32 << 10;

/// Most arguments of a function, each of which may be a longest value, and be copied.
const MAX_ARGUMENTS: i32 = 32;

/// So many steps of SQLite's machine run between two looks at the clock: some 1 µs, unless they are calls of slow functions. Between
/// two looks at memory and log it is ten times as much, and at most 3 MiB.
const STEPS: i32 = 20;

/// Functions whose time grows with the product of their arguments' lengths: some 20 ms for the longest values.
const SLOW: [&str; 4] = ["instr", "replace", "like", "glob"];

/// Most calls of those in a statement's text. SQLite looks at the clock where its machine jumps, and so at least once for
/// each row: what lies between cannot be interrupted.
const MAX_SLOW: u32 = 4;

/// The same for all other functions, of which the slowest takes some 0.2 ms.
const MAX_FUNCTIONS: u32 = 500;

const LIMITS: [(Limit, i32); 12] = [
    (Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, MAX_SQL as i32),
    (Limit::SQLITE_LIMIT_COLUMN, 100),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 20),
    (Limit::SQLITE_LIMIT_VDBE_OP, 100_000),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, MAX_ARGUMENTS),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 100),
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, MAX_PARAMETERS as i32),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 10),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
];

const SWITCHES: [(DbConfig, bool); 6] = [
    (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
    (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
    (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
    (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
    (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    // Otherwise a statement may be prepared anew each time that another parameter is bound.
    (DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true),
];

/// Pragmas that read the schema of the driver's own tables.
const PRAGMAS: [&str; 6] =
    ["table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo"];

/// Tables that SQLite has without anybody having made them, and that a guest may not read: they walk through the whole
/// database, or reach what is not SQL's.
const TABLES: [&str; 6] =
    ["dbstat", "fts3tokenize", "sqlite_dbpage", "sqlite_stmt", "bytecode", "tables_used"];

/// Puts the bounds on a new connection. The host's own statements pass.
pub(super) fn confine(connection: &mut Connection, interrupt: &Arc<Interrupt>) -> Result<()> {
    for (limit, value) in LIMITS {
        connection.set_limit(limit, value)?;
    }
    for (switch, on) in SWITCHES {
        connection.set_db_config(switch, on)?;
    }
    let asked = Arc::clone(interrupt);
    connection.authorizer(Some(move |context: AuthContext<'_>| {
        if asked.is_host_statement() {
            return Authorization::Allow;
        }
        // SQLite prepares a statement anew, as it runs, if the schema has changed: nothing bounds that, and what was a
        // small table may be a bomb of views by now. What runs may prepare pragmas alone: `pragma_table_info` does.
        if !asked.is_preparing() && !matches!(context.action, AuthAction::Pragma { .. }) {
            asked.set_stale();
            return Authorization::Deny;
        }
        match context.action {
            AuthAction::Function { function_name } if calls_too_much(&asked, function_name) => {
                Authorization::Deny
            }
            _ => authorize(&context),
        }
    }))?;
    let interrupt = Arc::clone(interrupt);
    connection.progress_handler(STEPS, Some(move || interrupt.check_limits()))
}

/// Whether a statement that is prepared now calls more functions than can be gone through without a look at the clock.
fn calls_too_much(interrupt: &Interrupt, function: &str) -> bool {
    let weight = if is_among(&SLOW, function) { MAX_FUNCTIONS / MAX_SLOW } else { 1 };
    interrupt.add_function_weight(weight) > MAX_FUNCTIONS
}

/// Whether that is why the statement that was prepared last was refused.
pub(super) fn called_too_much(interrupt: &Interrupt) -> bool {
    interrupt.function_weight() > MAX_FUNCTIONS
}

/// Keeps the database from filling the disk: SQLite answers that it is full instead. The log is written into the database
/// often enough to stay well below its own share.
pub(super) fn cap_pages(
    connection: &mut Connection,
    interrupt: &Arc<Interrupt>,
    share: DiskShare,
) -> Result<()> {
    let page: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    let page = page.max(512);
    let pages = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX) / page;
    let (most, often) = (pages(share.database), (pages(share.log) / 4).min(CHECKPOINT));
    connection.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(()))?;
    let limit = format!("PRAGMA journal_size_limit = {}", share.log / 4);
    connection.query_row(&limit, [], |_| Ok(()))?;
    let interrupt = Arc::clone(interrupt);
    // In place of `wal_autocheckpoint`, which would be such a hook itself.
    connection.wal_hook(Some(move |log: &mut Wal, pages: c_int| {
        let pages = i64::from(pages);
        interrupt.set_log_bytes(u64::try_from(pages.saturating_mul(page + FRAME)).unwrap_or(0));
        if pages >= often
            && let Err(error) = log.checkpoint()
        {
            tracing::debug!(%error, "the log is not written into the database for now");
        }
        Ok(())
    }))
}

/// Bytes of the log beside each page: <https://www.sqlite.org/fileformat.html#wal_file_format>.
const FRAME: i64 = 24;

/// After so many pages of its log SQLite writes it into the database by default.
const CHECKPOINT: i64 = 1000;

/// The bytes of disk that a database and its log may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DiskShare {
    pub database: u64,
    pub log: u64,
}

impl DiskShare {
    /// Of so many bytes in all. What one call may write into the log bounds how long it takes to write that into the
    /// database, which nothing interrupts. As much again is for what SQLite writes between two looks at the log.
    pub fn of(bytes: u64) -> Self {
        let log = (bytes / 4).min(MAX_LOG);
        DiskShare { database: bytes - 2 * log, log }
    }

    /// The built-in driver is trusted not to flood its log, which grows while somebody else reads.
    pub fn trusted(bytes: u64) -> Self {
        DiskShare { database: bytes, log: bytes }
    }
}

/// Most bytes of a log.
const MAX_LOG: u64 = 16 << 20;

/// Whether a guest's statement may do this.
fn authorize(context: &AuthContext<'_>) -> Authorization {
    use AuthAction::*;
    // What is temporary lies outside of the database, and outside of its cap.
    let temporary = context.database_name == Some("temp");
    let allowed = match context.action {
        Select | Recursive => true,
        Read { table_name, .. } => !is_among(&TABLES, table_name),
        Insert { .. } | Update { .. } | Delete { .. } => !temporary,
        CreateTable { .. } | CreateIndex { .. } | CreateView { .. } | CreateTrigger { .. } => {
            !temporary
        }
        DropTable { .. } | DropIndex { .. } | DropView { .. } | DropTrigger { .. } => !temporary,
        AlterTable { .. } | Reindex { .. } => !temporary,
        Function { function_name } => functions::may_call(function_name),
        Pragma { pragma_name, pragma_value } => may_read(pragma_name, pragma_value),
        // ATTACH (and so VACUUM), DETACH, ANALYZE (which prepares as it runs), transactions of its own, virtual and temporary tables, and what is new.
        _ => false,
    };
    if allowed { Authorization::Allow } else { Authorization::Deny }
}

fn may_read(pragma: &str, value: Option<&str>) -> bool {
    is_among(&PRAGMAS, pragma) || (pragma.eq_ignore_ascii_case("user_version") && value.is_none())
}

/// Whether a name is one of these; SQLite ignores the case of ASCII letters.
fn is_among(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether a statement may add to the schema: it begins with CREATE or ALTER, or with what is no word (a comment).
pub(super) fn may_define(sql: &str) -> bool {
    let sql = sql.trim_ascii_start();
    let word = sql.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    word.is_empty() || is_among(&["create", "alter"], word)
}
