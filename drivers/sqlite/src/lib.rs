//! The built-in sqlite driver: Glance's table `cached_images`, least recently accessed first.
//!
//! The host manages SQLite, its files and its locks; this crate has the schema and all statements.

mod record;
mod schema;
mod select;
mod statements;
mod victims;

use image_cache_driver_sdk::{ImageHits, prelude::*};

/// The driver keeps nothing in memory.
struct Sqlite;

impl Driver for Sqlite {
    fn describe() -> Description {
        Description { name: "sqlite".into(), version: env!("CARGO_PKG_VERSION").into() }
    }

    fn configure(options: Options) -> Result<Self, ConfigurationError> {
        options.finish()?;
        schema::prepare()?;
        Ok(Sqlite)
    }

    fn record_cached(&mut self, image: CachedImage) -> Result<(), Error> {
        sql::execute(&statements::insert(image)).map(drop)
    }

    fn record_hits(&mut self, mut hits: Vec<Hit>) -> Result<(), Error> {
        // The most frequent call has one hit: there is nothing to group.
        if hits.len() == 1
            && let Some(hit) = hits.pop()
        {
            let hits = ImageHits { count: 1, latest: hit.at };
            return sql::execute(&statements::count_of(hit.image_id, hits)).map(drop);
        }
        run(statements::count(hits))
    }

    fn forget(&mut self, image_ids: Vec<String>) -> Result<(), Error> {
        run(statements::delete(image_ids))
    }

    fn cached_image(&mut self, image_id: String) -> Result<Option<CachedImage>, Error> {
        let rows = statements::select_one(image_id).rows()?;
        Ok(rows.into_iter().find_map(record::from_row))
    }

    fn cached_images(
        &mut self,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<CachedImage>, Error> {
        let mut odd = Vec::new();
        let images = statements::page(after, limit, select::Select::rows, |id| odd.push(id))?;
        drop_odd(odd);
        Ok(images)
    }

    fn cache_size(&mut self) -> Result<CacheSize, Error> {
        let rows = sql::query(&statements::select_size())?.rows;
        Ok(statements::size_from_rows(&rows))
    }

    fn select_victims(&mut self, request: Eviction) -> Result<Vec<Victim>, Error> {
        victims::select(request, select::Select::rows)
    }
}

/// Removes rows whose ids can never have a file. If this fails, the driver ignores them again the next time.
fn drop_odd(image_ids: Vec<Value>) {
    let count = image_ids.len();
    match run(image_ids.into_iter().map(statements::delete_odd).collect()) {
        Ok(()) if count == 0 => {}
        Ok(()) => log(Level::Warn, &format!("{count} rows whose ids are no image's were removed")),
        Err(error) => log(
            Level::Warn,
            &format!("{count} rows whose ids are no image's stay: {}", error_words(&error)),
        ),
    }
}

/// Executes one statement directly, and several statements in one transaction.
fn run(statements: Vec<Statement>) -> Result<(), Error> {
    match statements.as_slice() {
        [] => Ok(()),
        [one] => sql::execute(one).map(drop),
        several => sql::execute_all(several).map(drop),
    }
}

export_driver!(Sqlite);
