//! Rebuilds where what `driver new` carries has changed.

fn main() {
    println!("cargo::rerun-if-changed=../../drivers/template");
    println!("cargo::rerun-if-changed=../../drivers/sdk");
}
