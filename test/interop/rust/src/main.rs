//! The Rust side of the tests of ttrpc-ts, by the crate's asynchronous or its synchronous half.
//!
//! ```text
//! ttrpc-interop async|sync server <socket>   serves until standard input ends
//! ttrpc-interop async|sync client <socket>   runs the scenarios named on standard input, one a line
//! ```

mod async_client;
mod async_server;
mod failure;
mod messages;
mod outcome;
mod proto;
mod sync_client;
mod sync_server;

use std::{env, fs, io, path::PathBuf, process, thread};

fn main() -> ttrpc::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [half, role, socket] = words[..] else {
        panic!("usage: ttrpc-interop async|sync server|client <socket>");
    };
    let address = format!("unix://{socket}");
    if role == "server" {
        end_with_input(socket.into());
    }
    match (half, role) {
        ("async", "server") => async_server::serve(&address),
        ("async", "client") => async_client::run(&address),
        ("sync", "server") => sync_server::serve(&address),
        ("sync", "client") => sync_client::run(&address),
        _ => panic!("unknown: {half} {role}"),
    }
}

/// Ends the server, its socket included, when whoever started it closes its standard input.
fn end_with_input(socket: PathBuf) {
    thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        let _ = fs::remove_file(socket);
        process::exit(0);
    });
}
