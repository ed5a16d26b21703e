use serde_json::{Value, json};
use std::io;
use ttrpc::{Error, Result};

/// Runs what standard input names, `<name>` or `<name> <JSON of the request>`, and prints what each came to.
pub fn answer_lines(run: impl Fn(&str, Value) -> Result<Value>) {
    for line in io::stdin().lines() {
        let line = line.expect("standard input is UTF-8");
        let (name, argument) = line.split_once(' ').unwrap_or((&line, "null"));
        let argument = serde_json::from_str(argument).expect("an argument is JSON");
        println!("{}", to_json(run(name, argument)));
    }
}

/// The code is -1 for an error that is no status, as in the Go program.
fn to_json(result: Result<Value>) -> Value {
    match result {
        Ok(value) => json!({ "value": value, "code": 0, "error": "" }),
        Err(Error::RpcStatus(status)) => {
            json!({ "value": null, "code": status.code.value(), "error": status.message })
        }
        Err(error) => json!({ "value": null, "code": -1, "error": error.to_string() }),
    }
}
