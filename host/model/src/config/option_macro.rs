//! Turns the table of options into the code that reads, checks and stores them.

/// The definition of an option, for help, manuals, flags and variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptionDefinition {
    /// The key in a TOML or oslo.config file; in capitals it is the environment variable.
    pub name: &'static str,
    /// The flag, with its dashes.
    pub flag: &'static str,
    /// The placeholder for the value in help texts.
    pub value_name: &'static str,
    /// The default as a user would write it; empty if the option is required.
    pub default: &'static str,
    /// Whether Glance has the same option, so that its configuration files may set it.
    pub is_of_glance: bool,
    /// What the option does, in one line.
    pub help: &'static str,
    /// Further sentences for the manual; may be empty.
    pub details: &'static str,
    /// Which values are accepted, in words.
    pub accepted: &'static str,
}

/// Generates [`ConfigOption`](super::ConfigOption) and [`ConfigBuilder`](super::ConfigBuilder) from a table with an entry for
/// each option.
///
/// `field` is the field of [`Config`](super::Config); the key in a file is derived from its name. `set` is the argument of the
/// builder's method and the value that is stored. `read` reads a value that is text or TOML. `check`, if present, returns the
/// normalised value, or why it is not accepted.
macro_rules! options {
    ($(
        $option:ident {
            flag: $flag:literal,
            value_name: $value_name:literal,
            default: $default:literal,
            is_of_glance: $is_of_glance:literal,
            help: $help:literal,
            details: $details:literal,
            accepted: $accepted:expr,
            field: $field:ident: $type:ty,
            set: ($argument:ident: $argument_type:ty) => $kept:expr,
            read: $read:expr,
            $(check: $check:expr,)?
        }
    )*) => {
        /// An option that can come from a file, the environment or a flag.
        ///
        /// ```
        /// use image_cache_model::ConfigOption;
        /// assert_eq!(ConfigOption::MaxSize.name(), "image_cache_max_size");
        /// assert_eq!(ConfigOption::MaxSize.variable(), "IMAGE_CACHE_MAX_SIZE");
        /// assert_eq!(ConfigOption::MaxSize.definition().flag, "--max-size");
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ConfigOption {
            $(#[doc = concat!("`image_cache_", stringify!($field), "`: ", $help, ".")] $option,)*
        }

        impl ConfigOption {
            /// Every option, in the order of the documentation.
            pub const ALL: &'static [ConfigOption] = &[$(ConfigOption::$option,)*];

            /// The definition of the option.
            pub fn definition(self) -> &'static OptionDefinition {
                match self {
                    $(ConfigOption::$option => &OptionDefinition {
                        name: concat!("image_cache_", stringify!($field)),
                        flag: $flag,
                        value_name: $value_name,
                        default: $default,
                        is_of_glance: $is_of_glance,
                        help: $help,
                        details: $details,
                        accepted: $accepted,
                    },)*
                }
            }

            /// Reads and checks a value, and replaces an earlier one.
            pub(super) fn set(
                self,
                given: &Given<'_>,
                into: &mut ConfigBuilder,
            ) -> Result<(), Rejected> {
                match self {
                    $(ConfigOption::$option => {
                        let value = $read(given, $accepted)?;
                        $(let value = $check(value, $accepted)?;)?
                        into.$field = Some(value);
                    })*
                }
                Ok(())
            }
        }

        /// Builds a [`Config`]; see [`Config::builder`].
        #[derive(Debug, Clone, Default)]
        pub struct ConfigBuilder {
            $(pub(super) $field: Option<$type>,)*
            pub(super) drivers: BTreeMap<String, DriverConfig>,
        }

        impl Config {
            /// A builder with all values of this configuration, to change some of them.
            ///
            /// ```
            /// use image_cache_model::Config;
            /// let config = Config::builder("/var/lib/images").driver("xattr").build()?;
            /// let larger = config.to_builder().max_size(50 << 30).build()?;
            /// assert_eq!((larger.driver.as_str(), larger.max_size), ("xattr", 50 << 30));
            /// # Ok::<(), image_cache_model::ConfigError>(())
            /// ```
            pub fn to_builder(&self) -> ConfigBuilder {
                ConfigBuilder {
                    $($field: Some(self.$field.clone()),)*
                    drivers: self.drivers.clone(),
                }
            }
        }

        impl ConfigBuilder {
            $(
                #[doc = concat!($help, ".\n\n", $details, "\n\nDefault: `", $default, "`.")]
                #[must_use]
                pub fn $field(mut self, $argument: $argument_type) -> Self {
                    self.$field = Some($kept);
                    self
                }
            )*

            /// Normalises each value that was set in code. Returns the options whose values are not accepted.
            pub(super) fn check_values(&mut self) -> Vec<(ConfigOption, Rejected)> {
                let mut rejected = Vec::new();
                $($(
                    match self.$field.take().map(|value| $check(value, $accepted)) {
                        Some(Ok(value)) => self.$field = Some(value),
                        Some(Err(reason)) => rejected.push((ConfigOption::$option, reason)),
                        None => {}
                    }
                )?)*
                rejected
            }

            /// Sets the default of each option that is not set. The values must be checked before.
            pub(super) fn with_defaults(self) -> Config {
                let ConfigBuilder { $($field,)* drivers } = self;
                Config {
                    // A test shows that every default is accepted.
                    $($field: $field.unwrap_or_else(|| {
                        let value = $read(&Given::Text($default.as_ref()), $accepted);
                        $(let value = value.and_then(|value| $check(value, $accepted));)?
                        value.unwrap_or_default()
                    }),)*
                    drivers,
                }
            }
        }
    };
}
pub(super) use options;
