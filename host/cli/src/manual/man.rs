//! The man page, in roff.

use crate::manual::entry::Entry;
use clap::Command;
use image_cache::{ConfigOption, OptionDefinition};

/// The whole page.
pub fn page(program: &Command) -> String {
    let (name, version) = (program.get_name(), env!("CARGO_PKG_VERSION"));
    let about = program.get_about().map(ToString::to_string).unwrap_or_default();
    let mut page = format!(
        ".\\\" `cargo xtask docs` writes this page.\n\
         .TH {} 1 \"\" \"{name} {version}\"\n",
        escape(&name.to_uppercase())
    );
    page += &section("NAME");
    page += &format!("{} \\- {}\n", escape(name), escape(about.trim_end_matches('.')));
    page += &section("SYNOPSIS");
    page += &format!(".B {} [OPTIONS] COMMAND\n", escape(name));
    page += &section("OPTIONS OF EVERY COMMAND");
    page += &entries(program);
    page += &section("OPTIONS OF THE CACHE");
    ConfigOption::ALL.iter().for_each(|option| page += &cache_option(*option));
    page += &section("COMMANDS");
    page += &commands(program, name);
    page += &section("EXIT STATUS AND CONFIGURATION");
    page + &after_help(program)
}

fn cache_option(option: ConfigOption) -> String {
    let OptionDefinition { name, flag, value_name, default, help, details, accepted, .. } =
        option.definition();
    let default = if default.is_empty() { "none, the option is required" } else { *default };
    let text = format!("{name}: {help}. {details}");
    format!(
        "{}Accepted: {}.\n.br\nDefault: {}.\n",
        item(&format!("{flag} {value_name}"), &text),
        escape(accepted),
        escape(default)
    )
}

/// Each command without subcommands, with its path.
fn commands(command: &Command, path: &str) -> String {
    let all = command.get_subcommands().map(|command| {
        let path = format!("{path} {}", command.get_name());
        if command.has_subcommands() { commands(command, &path) } else { leaf(command, &path) }
    });
    all.collect()
}

fn leaf(command: &Command, path: &str) -> String {
    let usage = command.clone().bin_name(path).render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    format!(
        ".SS {}\n{}.\n{}{}",
        escape(usage),
        escape(about.trim_end_matches('.')),
        entries(command),
        after_help(command)
    )
}

fn entries(command: &Command) -> String {
    let entries = Entry::all(command).into_iter().map(|entry| {
        let variable = entry.variable.map(|name| format!("Variable: {}.\n", escape(&name)));
        let default = entry.default.map(|value| format!("Default: {}.\n", escape(&value)));
        let required = if entry.is_required { " Required." } else { "" };
        item(&entry.usage, &format!("{}.{required}", entry.help))
            + &variable.unwrap_or_default()
            + &default.unwrap_or_default()
    });
    entries.collect()
}

fn after_help(command: &Command) -> String {
    let Some(text) = command.get_after_help() else { return String::new() };
    format!(".PP\n.nf\n{}\n.fi\n", escape(&text.to_string()))
}

fn section(title: &str) -> String {
    format!(".SH {title}\n")
}

fn item(term: &str, text: &str) -> String {
    format!(".TP\n.B {}\n{}\n", escape(term), escape(text.trim_end()))
}

/// Escapes a text for roff.
fn escape(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_a_roff_request() {
        assert_eq!(escape(".so /etc/passwd\n'x\na-b\\c"), "\\&.so /etc/passwd\n\\&'x\na\\-b\\ec");
    }
}
