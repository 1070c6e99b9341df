//! Runs the corpus of the fuzzer, call by call.

#[test]
fn all_calls_in_the_corpus_pass() -> std::io::Result<()> {
    let corpus =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/sql_calls");
    let mut inputs = 0;
    for entry in std::fs::read_dir(corpus)? {
        let (path, place) = (entry?.path(), tempfile::tempdir()?);
        // Shows the input if the target panics.
        println!("{}", path.display());
        super::sql_calls::check(place.path(), &std::fs::read(&path)?);
        inputs += 1;
    }
    assert!(inputs > 0, "the corpus is empty");
    Ok(())
}
