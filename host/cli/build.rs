//! Rebuilds the package if the contents of `driver new` change.

fn main() {
    println!("cargo::rerun-if-changed=../../drivers/template");
    println!("cargo::rerun-if-changed=../../drivers/sdk");
}
