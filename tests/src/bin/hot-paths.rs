//! Runs one hot path for counting its instructions: `hot-paths prepare|go PATH DRIVER DIR`.

use image_cache_tests::instructions::HotPath;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    image_cache_tests::ended(run())
}

fn run() -> image_cache_tests::Tested {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [step, name, driver, directory] = arguments[..] else {
        return Err("usage: hot-paths prepare|go PATH DRIVER DIR".into());
    };
    let path = HotPath::find(name, driver).ok_or("there is no such path")?;
    match step {
        "prepare" => path.prepare(Path::new(directory)),
        "go" => path.go(Path::new(directory)),
        other => Err(format!("{other:?} is neither \"prepare\" nor \"go\"").into()),
    }
}
