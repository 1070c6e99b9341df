//! `driver migrate`: moves the records from one driver to another.

use crate::command_context::CommandContext;
use crate::exit::{Code, print_message};
use crate::output::{count, facts};
use crate::progress;
use image_cache::Migrated;
use serde::Serialize;

/// The output of `driver migrate`.
#[derive(Serialize)]
struct MigrateAnswer<'a> {
    from: &'a str,
    to: &'a str,
    images: u64,
    hits: u64,
    adopted: u64,
    left_out: u64,
    forgotten: u64,
}

pub fn migrate(context: &CommandContext, from: &str, to: &str) -> anyhow::Result<Code> {
    let bar = progress::waiting("moving the records");
    let moved =
        |records| bar.set_message(format!("moving the records: {}", count(records, "record")));
    let migrated = image_cache::migrate(&context.config, from, to, moved)?;
    bar.finish_and_clear();
    let Migrated { images, hits, adopted, left_out, forgotten, .. } = migrated;
    let answer = MigrateAnswer { from, to, images, hits, adopted, left_out, forgotten };
    context.format.print(&answer, |_| {
        let mut lines = vec![
            ("moved", format!("{}, {}", count(images, "record"), count(hits, "hit"))),
            ("from", format!("{from}, whose records are unchanged")),
            ("to", format!("{to}, whose records were read again and agree")),
        ];
        let few = [
            (adopted, "adopted", "from their files: the old records did not know them, or others"),
            (left_out, "left out", "of images that are not cached"),
            (forgotten, "forgotten", "that the new driver had of images that are not cached"),
        ];
        let few = few.into_iter().filter(|(number, ..)| *number > 0);
        lines.extend(
            few.map(|(number, name, why)| (name, format!("{} {why}", count(number, "record")))),
        );
        facts(lines)
    })?;
    if !context.config.driver.eq_ignore_ascii_case(to) {
        print_message(
            "note",
            &format!("now set image_cache_driver = \"{to}\": it is {:?}", context.config.driver),
        );
    }
    Ok(Code::Done)
}
