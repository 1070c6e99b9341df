//! The context of a command: the configuration, and the output format.

use crate::global_options::GlobalOptions;
use crate::output::Format;
use image_cache::{Config, ConfigError, ConfigLayers, ImageCache};

pub struct CommandContext {
    pub config: Config,
    pub format: Format,
}

impl CommandContext {
    /// Reads the file, the environment and the flags; each overrides the one before, and all override `defaults`.
    pub fn new(
        global: &GlobalOptions,
        defaults: ConfigLayers,
    ) -> Result<CommandContext, ConfigError> {
        let mut layers = defaults;
        if let Some(path) = &global.config {
            layers = layers.file(path);
        }
        layers = layers.environment(std::env::vars_os());
        for (option, value) in &global.cache.0 {
            layers = layers.flag(option.definition().flag, *option, value);
        }
        Ok(CommandContext { config: layers.build()?, format: global.format })
    }

    pub fn open(&self) -> Result<ImageCache, image_cache::Error> {
        ImageCache::open(self.config.clone())
    }
}
