//! The table at the end of the demonstration.

use comfy_table::{CellAlignment, Table, presets};
use std::time::Duration;

/// The figures of all steps so far.
#[derive(Default)]
pub struct Figures(Vec<Figure>);

struct Figure {
    driver: &'static str,
    step: &'static str,
    took: Duration,
    bytes: Option<u64>,
}

impl Figures {
    pub fn add(
        &mut self,
        driver: &'static str,
        step: &'static str,
        took: Duration,
        bytes: Option<u64>,
    ) {
        self.0.push(Figure { driver, step, took, bytes });
    }

    pub fn table(&self) -> Table {
        let mut table = Table::new();
        let header = ["driver", "operation", "time", "throughput"];
        table.load_style(presets::UTF8_BORDERS_ONLY).set_header(header);
        for Figure { driver, step, took, bytes } in &self.0 {
            let rate = |bytes| format!("{:.0} MB/s", bytes as f64 / took.as_secs_f64() / 1e6);
            let rate = bytes.map(rate).unwrap_or_default();
            table.add_row([(*driver).into(), (*step).into(), format!("{took:.2?}"), rate]);
        }
        for column in [2, 3] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
    }
}
