//! `driver wit`: shows the contract between this host and a driver, for tools that generate bindings.

use super::new::SDK;
use crate::exit::Code;
use crate::output::Format;
use anyhow::Context;
use include_dir::File;
use serde::Serialize;
use std::io::Write;
use std::path::Path;

/// The output of `driver wit`.
#[derive(Serialize)]
struct WitAnswer<'a> {
    /// The package with its version.
    package: &'a str,
    files: Vec<WitFile<'a>>,
}

#[derive(Serialize)]
struct WitFile<'a> {
    name: &'a str,
    text: &'a str,
}

impl WitAnswer<'_> {
    fn new() -> WitAnswer<'static> {
        // The SDK, which `driver new` writes, has it as well.
        let files = SDK.get_dir("wit").into_iter().flat_map(|wit| wit.files());
        let file = |file: &'static File<'_>| {
            let name = file.path().file_name()?.to_str()?;
            Some(WitFile { name, text: file.contents_utf8()? })
        };
        let mut files: Vec<_> = files.filter_map(file).collect();
        files.sort_unstable_by_key(|file| file.name);
        let package = files.iter().flat_map(|file| file.text.lines()).find_map(package_of);
        WitAnswer { package: package.unwrap_or_default(), files }
    }

    /// All files as one: the package is declared once.
    fn in_one_file(&self) -> String {
        let mut text = format!("package {};\n", self.package);
        for file in &self.files {
            let lines = file.text.lines().filter(|line| package_of(line).is_none());
            text.push('\n');
            lines.for_each(|line| text.extend([line, "\n"]));
        }
        text
    }

    /// Writes each file; none may exist.
    fn write(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        for file in &self.files {
            let path = folder.join(file.name);
            let written = std::fs::File::create_new(&path)
                .and_then(|mut to| to.write_all(file.text.as_bytes()));
            written.with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

fn package_of(line: &str) -> Option<&str> {
    line.strip_prefix("package ")?.strip_suffix(';')
}

pub fn wit(format: Format, out: Option<&Path>) -> anyhow::Result<Code> {
    let answer = WitAnswer::new();
    if let Some(folder) = out {
        answer.write(folder)?;
        return Ok(Code::Done);
    }
    format.print(&answer, WitAnswer::in_one_file)?;
    Ok(Code::Done)
}
