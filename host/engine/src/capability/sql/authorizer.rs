//! What a guest's SQL may do: use its own tables in its own file, within limits.

use super::functions;
use super::interrupt::Interrupt;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization, Wal};
use rusqlite::limits::Limit;
use rusqlite::{Connection, Result};
use std::ffi::c_int;
use std::sync::Arc;

/// Maximum length of a value and of a row, in bytes. It also limits the time of a single SQL function, which no deadline
/// interrupts: `instr` on two values of this length takes about 20 ms.
pub(super) const MAX_VALUE: i32 = 64 << 10;

/// Maximum length of a statement's text, in bytes.
pub(super) const MAX_SQL: usize = 64 << 10;

/// Maximum number of parameters of a statement.
pub(super) const MAX_PARAMETERS: usize = 1000;

/// Maximum number of tables, indexes, views and triggers of a database, and maximum size of their definitions: SQLite keeps
/// all of them in memory and needs at least a hundred bytes for each byte of text.
pub(super) const MAX_SCHEMA: i64 = 200;
pub(super) const MAX_SCHEMA_TEXT: i64 = 32 << 10;

/// Maximum number of arguments of a function, each of which may have the maximum length and be copied.
const MAX_ARGUMENTS: i32 = 32;

/// How many steps of SQLite's virtual machine run between two checks of the clock: about 1 µs, unless they call slow functions.
/// Memory and log are checked at a tenth of this rate; they grow by at most 3 MiB between two checks.
const STEPS: i32 = 20;

/// Functions whose time grows with the product of their arguments' lengths: about 20 ms for the longest values.
const SLOW: [&str; 4] = ["instr", "replace", "like", "glob"];

/// Maximum number of such calls in a statement's text. SQLite checks the clock where its virtual machine jumps, at least once
/// for each row; between two checks nothing can be interrupted.
const MAX_SLOW: u32 = 4;

/// The same for all other functions, the slowest of which takes about 0.2 ms.
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
    // Otherwise SQLite may prepare a statement again whenever another parameter is bound.
    (DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true),
];

/// Pragmas that read the schema of the driver's own tables.
const PRAGMAS: [&str; 6] =
    ["table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo"];

/// SQLite's built-in tables that a guest may not read: they scan the whole
/// database, or access data outside of SQL.
const TABLES: [&str; 6] =
    ["dbstat", "fts3tokenize", "sqlite_dbpage", "sqlite_stmt", "bytecode", "tables_used"];

/// Limits a new connection. The host's own statements are not limited.
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
        // If the schema has changed, SQLite prepares a running statement again, without limits, and a small table may have been
        // replaced by an exponential view. A running statement may prepare only pragmas: `pragma_table_info` does.
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

/// Whether a statement that is being prepared calls more functions than may run without a check of the clock.
fn calls_too_much(interrupt: &Interrupt, function: &str) -> bool {
    let weight = if is_among(&SLOW, function) { MAX_FUNCTIONS / MAX_SLOW } else { 1 };
    interrupt.add_function_weight(weight) > MAX_FUNCTIONS
}

/// Whether this is why the last prepared statement was refused.
pub(super) fn called_too_much(interrupt: &Interrupt) -> bool {
    interrupt.function_weight() > MAX_FUNCTIONS
}

/// Keeps the database from filling the disk: SQLite reports that it is full instead. The log is written into the database
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
    // Replaces `wal_autocheckpoint`, which would itself be such a hook.
    connection.wal_hook(Some(move |log: &mut Wal, pages: c_int| {
        let pages = i64::from(pages);
        interrupt.set_log_bytes(u64::try_from(pages.saturating_mul(page + FRAME)).unwrap_or(0));
        if pages >= often
            && let Err(error) = log.checkpoint()
        {
            tracing::debug!(%error, "cannot write the log into the database now");
        }
        Ok(())
    }))
}

/// Bytes of the log in addition to each page: <https://www.sqlite.org/fileformat.html#wal_file_format>.
const FRAME: i64 = 24;

/// By default, SQLite writes the log into the database after this many pages.
const CHECKPOINT: i64 = 1000;

/// The disk space that a database and its log may use, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DiskShare {
    pub database: u64,
    pub log: u64,
}

impl DiskShare {
    /// Divides a total size. The amount that one call may write into the log limits the time to write it into the
    /// database, which nothing interrupts. The same amount is reserved for SQLite's writes between two checks of the log.
    pub fn of(bytes: u64) -> Self {
        let log = (bytes / 4).min(MAX_LOG);
        DiskShare { database: bytes - 2 * log, log }
    }

    /// The built-in driver is trusted not to flood its log, which grows while another connection reads.
    pub fn trusted(bytes: u64) -> Self {
        DiskShare { database: bytes, log: bytes }
    }
}

/// Maximum size of a log, in bytes.
const MAX_LOG: u64 = 16 << 20;

/// Whether a guest's statement may do this.
fn authorize(context: &AuthContext<'_>) -> Authorization {
    use AuthAction::*;
    // Temporary tables are outside of the database and of its size limit.
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
        Pragma { pragma_name, pragma_value } => may_use_pragma(pragma_name, pragma_value),
        // ATTACH (and so VACUUM), DETACH, ANALYZE (which prepares while it runs), transactions, virtual and temporary tables,
        // and new actions.
        _ => false,
    };
    if allowed { Authorization::Allow } else { Authorization::Deny }
}

/// Whether a guest may read this pragma, or set it to the value: only the version of its schema, an integer.
fn may_use_pragma(pragma: &str, value: Option<&str>) -> bool {
    let is_integer = |value: &str| value.parse::<i32>().is_ok();
    is_among(&PRAGMAS, pragma)
        || (pragma.eq_ignore_ascii_case("user_version") && value.is_none_or(is_integer))
}

/// Whether a name is one of these; SQLite ignores the case of ASCII letters.
fn is_among(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether a statement may add to the schema: it begins with CREATE or ALTER, or not with a word (a comment).
pub(super) fn may_define(sql: &str) -> bool {
    let sql = sql.trim_ascii_start();
    let word = sql.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    word.is_empty() || is_among(&["create", "alter"], word)
}
