//! The interface of `wit/`, as the host sees it.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "image-cache-driver",
    // These can find the guest or the host itself at fault, and end the call then. The others answer every error.
    imports: {
        "image-cache:driver/attributes.is-supported": trappable,
        "image-cache:driver/files.[method]listing.next": trappable,
    },
    with: { "image-cache:driver/files.listing": image_cache_store::Scan },
});
