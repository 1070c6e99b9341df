//! The interface of `wit/`, as the host sees it.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "image-cache-driver",
    imports: { default: trappable },
    with: { "image-cache:driver/files.listing": image_cache_store::Scan },
});
