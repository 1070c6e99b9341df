//! Rebuilds the package if the contents of `driver new` change.

fn main() {
    println!("cargo::rerun-if-changed=../../drivers/templates");
    println!("cargo::rerun-if-changed=../../drivers/examples");
    println!("cargo::rerun-if-changed=../../drivers/sdk");
}
