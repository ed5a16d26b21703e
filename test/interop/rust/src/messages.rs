use crate::proto::interop::{Description, Failure, Payload, RepeatRequest};
use protobuf::EnumOrUnknown;
use serde_json::{Value, json};
use std::{collections::HashMap, time::Duration};
use ttrpc::Request;
use ttrpc::context::{Context, with_duration};

/// Returns a message of so many bytes.
pub fn payload(size: usize) -> Payload {
    Payload { data: vec![0; size], ..Default::default() }
}

/// Returns the message that a scenario's argument describes.
pub fn failure(argument: &Value) -> Failure {
    let number = |key: &str| argument[key].as_i64().unwrap_or(0) as i32;
    Failure {
        kind: EnumOrUnknown::from_i32(number("kind")),
        code: number("code"),
        message: argument["message"].as_str().unwrap_or("").into(),
        ..Default::default()
    }
}

/// Returns the message that a scenario's argument describes.
pub fn repeat_request(argument: &Value) -> RepeatRequest {
    let number = |key: &str| argument[key].as_u64().unwrap_or(0) as u32;
    RepeatRequest { count: number("count"), size: number("size"), ..Default::default() }
}

/// Returns the sizes that a scenario's argument lists.
pub fn sizes(argument: &Value) -> Vec<usize> {
    let sizes = argument.as_array().expect("a list of sizes");
    sizes.iter().map(|size| size.as_u64().expect("a size") as usize).collect()
}

/// Returns metadata and a timeout, for the calls that show how they arrive.
pub fn context() -> Context {
    let mut context = with_duration(Duration::from_secs(60));
    context.add("One".into(), "1".into());
    context.set("two".into(), vec!["a".into(), "b".into()]);
    context
}

/// Returns what a handler sees of a call.
pub fn describe(metadata: &HashMap<String, Vec<String>>, timeout_nano: i64) -> Description {
    let pairs =
        metadata.iter().flat_map(|(key, values)| values.iter().map(move |value| format!("{key}={value}")));
    let mut metadata: Vec<String> = pairs.collect();
    metadata.sort();
    Description { metadata, timeout_nano, ..Default::default() }
}

/// Returns a description as a test compares it.
pub fn described(description: &Description) -> Value {
    json!([description.metadata, description.timeout_nano])
}

/// Returns a request that no service or no method is there for.
pub fn stray_request(service: &str, method: &str) -> Request {
    Request { service: service.into(), method: method.into(), ..Default::default() }
}
