//! The page of all options, in Markdown.

use crate::manual::entry::Entry;
use clap::Command;
use image_cache::{ConfigOption, DRIVER_KEYS, OptionDefinition};

const INTRODUCTION: &str = "\
<!-- `cargo xtask docs` writes this page from the table of options and from the help texts. -->

# Configuration

An option of the cache has a key in the configuration file, an environment variable and a flag. A flag overrides the environment, which
overrides the file. The file is named by `--config`. It is TOML, or an oslo.config file such as Glance's: image-cache reads a file as an oslo.config file if its
name ends in `.conf` or `.ini`, or if it begins with `[DEFAULT]`. It reads from `[DEFAULT]` the options that Glance also
has. All errors of all sources are reported at once, each with its file and line or its variable.

```toml
image_cache_dir = \"/var/lib/image-cache\"
image_cache_driver = \"lfu\"
image_cache_max_size = \"200 GiB\"

[drivers.lfu]
component = \"/usr/lib/image-cache/lfu.wasm\"
grants = [\"sql\"]
options = { largest = \"10737418240\" }
limits = { memory = \"64 MiB\", call_time = \"2s\" }
```

Sizes are bytes or have a unit (`500MB`, `10 GiB`). Times are seconds or have a unit (`500ms`, `24h`).
";

const DRIVERS: &str = "\
## Drivers

A table `[drivers.NAME]` in the TOML file defines a driver that is not built in. For a built-in policy (`gdsf`, `s3-fifo`, `sieve`, `two-hit`), a table without
`component` sets its options and limits.

";

/// The whole page.
pub fn page(program: &Command) -> String {
    let mut page = format!("{INTRODUCTION}\n## Options of the cache\n");
    for option in ConfigOption::ALL {
        page += &cache_option(*option);
    }
    page += &format!("\n{DRIVERS}| key | default | accepted | meaning |\n|---|---|---|---|\n");
    for key in DRIVER_KEYS {
        page += &row([&code(key.name), &code(key.default), key.accepted, key.help]);
    }
    page += "\n## Options of every command\n\n";
    page += &table(&Entry::all(program));
    for command in ["serve", "prefetch"] {
        if let Some(command) = program.find_subcommand(command) {
            page += &format!("\n## Options of `image-cache {}`\n", command.get_name());
            page += &groups(&Entry::all(command));
        }
    }
    page
}

fn cache_option(option: ConfigOption) -> String {
    let OptionDefinition {
        name,
        flag,
        value_name,
        default,
        is_of_glance,
        help,
        details,
        accepted,
        ..
    } = option.definition();
    let default = if default.is_empty() { "none, the option is required" } else { &code(default) };
    let details = if details.is_empty() { "" } else { &format!(" {details}") };
    let glance = if *is_of_glance { "- also read from Glance's configuration files\n" } else { "" };
    format!(
        "\n### `{name}`\n\n{help}.{details}\n\n\
         - flag: `{flag} {value_name}`\n\
         - variable: `{}`\n\
         - default: {default}\n\
         - accepted: {accepted}\n{glance}",
        option.variable()
    )
}

/// A table for each heading of the help text.
fn groups(entries: &[Entry]) -> String {
    let groups = entries.chunk_by(|one, other| one.heading == other.heading);
    let titled = groups.map(|group| {
        let heading = group.first().and_then(|entry| entry.heading.as_deref());
        let title = heading.map(|heading| format!("\n### {heading}\n")).unwrap_or_default();
        format!("{title}\n{}", table(group))
    });
    titled.collect()
}

fn table(entries: &[Entry]) -> String {
    let rows = entries.iter().map(|entry| {
        let variable = entry.variable.as_deref().unwrap_or_default();
        let default = code(entry.default.as_deref().unwrap_or_default());
        let default = if entry.is_required { "required" } else { &default };
        row([&code(&entry.usage), &code(variable), default, &entry.help])
    });
    format!(
        "| flag | variable | default | meaning |\n|---|---|---|---|\n{}",
        rows.collect::<String>()
    )
}

fn row(cells: [&str; 4]) -> String {
    format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|").replace('\n', " ")).join(" | "))
}

/// A text as code; an empty text stays empty.
fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}
