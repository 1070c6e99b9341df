//! Many readers of one image for tokio, on a runtime of one thread, and beside others without it.
