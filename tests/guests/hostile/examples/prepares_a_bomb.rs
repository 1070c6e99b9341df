//! Short texts that stand for large queries: tables and expressions that double at each step are copied while SQLite
//! prepares, which nothing interrupts.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::{statement, stopped};

#[derive(Default)]
struct Prepares;

const STEPS: u32 = 28;

/// Tables of which each is twice the one before.
fn tables() -> String {
    let step = |n| format!(", t{} AS (SELECT a.x FROM t{n} a, t{n} b)", n + 1);
    let steps: String = (0..STEPS).map(step).collect();
    format!("WITH t0(x) AS (SELECT 1){steps} SELECT count(*) FROM t{STEPS}")
}

/// Expressions of which each is twice the one inside.
fn expressions() -> String {
    (0..STEPS)
        .fold("SELECT x FROM t".into(), |inner, _| format!("SELECT x + x AS x FROM ({inner})"))
}

impl image_cache_guest_hostile::Hostile for Prepares {
    fn strike() -> Result<(), Error> {
        sql::execute(&statement("CREATE TABLE IF NOT EXISTS t(x)"))?;
        for (what, text) in [("tables", tables()), ("expressions", expressions())] {
            stopped(what, sql::query(&statement(text)), &[Error::TooLarge]);
        }
        for n in 0..STEPS {
            let from = if n == 0 { "t".into() } else { format!("v{n}") };
            let view = format!("CREATE VIEW v{} AS SELECT a.x FROM {from} a, {from} b", n + 1);
            if sql::execute(&statement(view)).is_err() {
                break;
            }
        }
        // Which bound it meets first depends on the view; that it is none of them must not be.
        for n in 12..STEPS {
            if sql::query(&statement(format!("SELECT count(*) FROM v{n}"))).is_ok() {
                panic!("not stopped: a view of 2^{n} tables");
            }
        }
        Ok(())
    }
}

image_cache_guest_hostile::hostile!(Prepares);
