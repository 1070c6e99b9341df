//! Runs the corpora as ordinary tests. Each package whose code is fuzzed includes this module in its tests.

use std::path::Path;

/// The name of a corpus, and the function that gets its inputs.
pub type Target = (&'static str, fn(&[u8]));

/// Passes each input of its corpus to each target.
pub fn feed(targets: &[Target]) -> std::io::Result<()> {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, target) in targets {
        let mut inputs = 0;
        for entry in std::fs::read_dir(corpora.join(name))? {
            let path = entry?.path();
            let data = std::fs::read(&path)?;
            // Shows the input if the target panics.
            println!("{}", path.display());
            target(&data);
            inputs += 1;
        }
        assert!(inputs > 0, "the corpus of {name} is empty");
    }
    Ok(())
}
