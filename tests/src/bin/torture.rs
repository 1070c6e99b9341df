//! All of the torture, in full: `torture COMMAND-LINE [crash|fault|power|disk]`.

fn main() -> std::process::ExitCode {
    let programs = image_cache_tests::torture::Programs::new(std::env::args_os().nth(1).unwrap().as_ref(), &std::env::current_exe().unwrap().with_file_name("read-through")).unwrap();
    let which = std::env::args().nth(2).unwrap_or_default();
    use image_cache_tests::torture::*;
    let choice = match std::env::args().nth(3) { Some(n) => Choice::Sample { runs: n.parse().unwrap(), seed: 1 }, None => Choice::All };
    let m = match which.as_str() { "power" => power(&programs, &choice), "crash" => matrix(&programs, Blow::Kill, &choice), _ => matrix(&programs, Blow::Fault, &choice) }.unwrap();
    for f in &m.failures { println!("FAIL {f}"); }
    println!("{m}");
    std::process::ExitCode::SUCCESS
}
