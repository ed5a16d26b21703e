//! What build.rs generates.

include!(concat!(env!("OUT_DIR"), "/mod.rs"));
