//! Short texts for large queries: tables and expressions that double in each step are copied while SQLite prepares the query,
//! which the host cannot interrupt.

use image_cache_driver_sdk::prelude::*;
use image_cache_guest_hostile::statement;

#[derive(Default)]
struct Prepares;

/// Tables, each of which is twice as large as the previous one.
fn tables(steps: u32) -> String {
    let step = |n| format!(", t{} AS (SELECT a.x FROM t{n} a, t{n} b)", n + 1);
    let all: String = (0..steps).map(step).collect();
    format!("WITH t0(x) AS (SELECT 1){all} SELECT count(*) FROM t{steps}")
}

/// Expressions, each of which is twice as large as the inner one.
fn expressions(steps: u32) -> String {
    (0..steps)
        .fold("SELECT x FROM t".into(), |inner, _| format!("SELECT x + x AS x FROM ({inner})"))
}

impl image_cache_guest_hostile::Hostile for Prepares {
    fn misbehave() -> Result<(), Error> {
        sql::execute(&statement("CREATE TABLE IF NOT EXISTS t(x)"))?;
        for n in 0..28 {
            let from = if n == 0 { "t".into() } else { format!("v{n}") };
            let view = format!("CREATE VIEW v{} AS SELECT a.x FROM {from} a, {from} b", n + 1);
            if sql::execute(&statement(view)).is_err() {
                break;
            }
        }
        // The size of a query determines which bound it exceeds first; it must exceed one of them.
        for steps in [18, 22, 27] {
            let view = format!("SELECT count(*) FROM v{steps}");
            for text in [tables(steps), expressions(steps), view] {
                assert!(
                    sql::query(&statement(&text)).is_err(),
                    "not stopped: {steps} steps of {text}"
                );
            }
        }
        Ok(())
    }
}

image_cache_guest_hostile::hostile!(Prepares);
