//! Prints components.

use image_cache_guest_toolchain::Component;

/// Prints a component's size and imports.
pub fn print_component(component: &Component) {
    println!("{}: {:.1} KiB", component.package, component.bytes.len() as f64 / 1024.0);
    for import in &component.imports {
        println!("  imports {import}");
    }
}
