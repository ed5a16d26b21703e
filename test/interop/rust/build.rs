//! Generates the messages, the service for the crate's asynchronous half, and its unary methods for the synchronous one.

use std::{env, fs, io, path::Path};
use ttrpc_codegen::{Codegen, Customize};

const PROTO: &str = "../proto/interop.proto";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed={PROTO}");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let out = Path::new(&out);
    Codegen::new()
        .input(PROTO)
        .include("../proto")
        .rust_protobuf()
        .customize(Customize { async_all: true, ..Default::default() })
        .run()?;
    // The generator makes code that does not compile of streams without async.
    let unary = out.join("unary.proto");
    let all = fs::read_to_string(PROTO)?;
    let kept: Vec<_> = all.lines().filter(|line| !line.contains("stream ")).collect();
    fs::write(&unary, kept.join("\n"))?;
    Codegen::new().input(&unary).include(out).run()?;
    let modules =
        "pub mod interop;\npub mod interop_ttrpc;\npub use interop as unary;\npub mod unary_ttrpc;\n";
    fs::write(out.join("mod.rs"), modules)
}
