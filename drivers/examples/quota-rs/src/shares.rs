//! The bytes that each tenant uses: a row for each image that was fetched for a tenant, or that is being fetched.

use image_cache_driver_sdk::sql::{self, Value};
use image_cache_driver_sdk::transactions::{self, CheckedStatement, Outcome};
use image_cache_driver_sdk::types::Error;
use image_cache_driver_sdk::{ConfigurationError, error_words, integer, statement, unsigned};

/// A reservation without a published image is dropped after this time, in microseconds: six hours.
const STALE: u64 = 6 * 60 * 60 * 1_000_000;

/// Ids in one DELETE.
const IDS_PER_DELETE: usize = 500;

/// `reserved_at` is NULL when the image is cached.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS shares (image_id TEXT NOT NULL PRIMARY KEY, \
    tenant TEXT NOT NULL, size INTEGER NOT NULL, reserved_at INTEGER) WITHOUT ROWID";

/// The version of these tables; a driver that changes them increases it.
const VERSION: u64 = 1;

const BY_TENANT: &str = "CREATE INDEX IF NOT EXISTS shares_of_tenants ON shares (tenant, size)";

const BY_TIME: &str = "CREATE INDEX IF NOT EXISTS reservations ON shares (reserved_at) \
    WHERE reserved_at IS NOT NULL";

/// Changes one row if the tenant has room, and none otherwise. A call that is repeated has the same effect. An image stays in the share
/// of the tenant that requested it first.
const RESERVE: &str = "INSERT INTO shares (image_id, tenant, size, reserved_at) \
    SELECT ?2, ?1, ?3, ?5 WHERE ?3 + \
        (SELECT total(size) FROM shares WHERE tenant = ?1 AND image_id <> ?2) <= ?4 \
    ON CONFLICT (image_id) DO UPDATE SET size = excluded.size, \
        reserved_at = iif(reserved_at IS NULL, NULL, excluded.reserved_at)";

const CONFIRM: &str = "UPDATE shares SET reserved_at = NULL, size = ?2 WHERE image_id = ?1";

const CANCEL: &str = "DELETE FROM shares WHERE image_id = ?1 AND reserved_at IS NOT NULL";

const DROP_STALE: &str = "DELETE FROM shares WHERE reserved_at < ?1";

const USED: &str = "SELECT total(size) FROM shares WHERE tenant = ?1";

/// The shares, in the driver's database.
pub struct Shares(());

impl Shares {
    /// Creates the table if it does not exist, and refuses tables of a later version of this driver.
    pub fn open() -> Result<Shares, ConfigurationError> {
        let fault = |error| {
            ConfigurationError::Other(format!("opening the table shares: {}", error_words(&error)))
        };
        let version = sql::query(&statement("PRAGMA user_version", vec![])).map_err(fault)?.rows;
        let version = version.first().and_then(|row| row.first()).map_or(0, unsigned);
        if version > VERSION {
            return Err(ConfigurationError::Other(format!(
                "its tables have the version {version}, and this driver knows {VERSION}: use a newer one"
            )));
        }
        let set_version = format!("PRAGMA user_version = {VERSION}");
        let statements =
            [TABLE, BY_TENANT, BY_TIME, &set_version].map(|sql| statement(sql, vec![]));
        sql::execute_all(&statements).map(|_| Shares(())).map_err(fault)
    }

    /// Reserves bytes for an image; false if the tenant's quota has no room for them. Two processes that reserve at the same time
    /// do not exceed the quota together.
    pub fn reserve(
        &mut self,
        image_id: &str,
        tenant: &str,
        size: u64,
        quota: u64,
        now: u64,
    ) -> Result<bool, Error> {
        let values =
            vec![text(tenant), text(image_id), integer(size), integer(quota), integer(now)];
        let reserve =
            CheckedStatement { statement: statement(RESERVE, values), expected_rows: Some(1) };
        Ok(matches!(transactions::execute_checked(&[reserve])?, Outcome::Committed(_)))
    }

    /// The image of a reservation was published with this size.
    pub fn confirm(&mut self, image_id: &str, size: u64) -> Result<(), Error> {
        sql::execute(&statement(CONFIRM, vec![text(image_id), integer(size)])).map(drop)
    }

    /// The fetch of a reservation did not fill the cache.
    pub fn cancel(&mut self, image_id: &str) -> Result<(), Error> {
        sql::execute(&statement(CANCEL, vec![text(image_id)])).map(drop)
    }

    /// Removes the shares of removed images.
    pub fn release(&mut self, image_ids: &[String]) -> Result<(), Error> {
        let some = |ids: &[String]| {
            let marks = ", ?".repeat(ids.len() - 1);
            let sql = format!("DELETE FROM shares WHERE image_id IN (?{marks})");
            statement(&sql, ids.iter().map(|id| text(id)).collect())
        };
        let statements: Vec<_> = image_ids.chunks(IDS_PER_DELETE).map(some).collect();
        sql::execute_all(&statements).map(drop)
    }

    /// Removes reservations of fetches that did not end with a cached image.
    pub fn drop_stale(&mut self, now: u64) -> Result<(), Error> {
        sql::execute(&statement(DROP_STALE, vec![integer(now.saturating_sub(STALE))])).map(drop)
    }

    /// The bytes that a tenant uses.
    pub fn used(&mut self, tenant: &str) -> Result<u64, Error> {
        let rows = sql::query(&statement(USED, vec![text(tenant)]))?.rows;
        Ok(rows.first().and_then(|row| row.first()).map_or(0, unsigned))
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}
