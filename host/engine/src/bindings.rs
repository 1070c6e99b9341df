//! The interface of `wit/`, from the host's side.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "image-cache-driver",
    // If the guest or the host is at fault, these end the call. The others return every error to the guest.
    imports: {
        "image-cache:driver/attributes.is-supported": trappable,
        "image-cache:driver/files.[method]listing.next": trappable,
    },
    with: { "image-cache:driver/files.listing": crate::capability::listing::Listing },
});

/// The interfaces that a driver may export in addition. No component needs to export all of them, so only the parts are used.
pub mod optional {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "optional-exports",
        with: { "image-cache:driver/types": crate::bindings::image_cache::driver::types },
    });
}
