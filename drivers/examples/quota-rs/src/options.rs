//! The options: a quota for each tenant.

use image_cache_driver_sdk::{ConfigurationError, Options};
use std::collections::BTreeMap;

/// The prefix of the options that name a tenant.
const OF_TENANT: &str = "quota.";

/// The quotas in bytes.
pub struct Quotas {
    /// For tenants that no option names; none without a limit.
    default: Option<u64>,
    of: BTreeMap<String, u64>,
}

impl Quotas {
    /// Takes the option `default-quota` and all options `quota.TENANT`.
    pub fn take(options: &mut Options) -> Result<Quotas, ConfigurationError> {
        let default = options.take_parsed("default-quota", "a number of bytes")?;
        let mut of = BTreeMap::new();
        for (tenant, value) in options.take_prefixed(OF_TENANT) {
            let fault = |_| {
                let words =
                    format!("option {OF_TENANT}{tenant}: '{value}' is not a number of bytes");
                ConfigurationError::InvalidOption(words)
            };
            let bytes = value.parse().map_err(fault)?;
            of.insert(tenant, bytes);
        }
        Ok(Quotas { default, of })
    }

    /// Whether an option names the tenant.
    pub fn names(&self, tenant: &str) -> bool {
        self.of.contains_key(tenant)
    }

    /// The tenants that options name.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.of.keys().map(String::as_str)
    }

    /// The quota of a tenant; none without a limit.
    pub fn of(&self, tenant: &str) -> Option<u64> {
        self.of.get(tenant).copied().or(self.default)
    }
}
