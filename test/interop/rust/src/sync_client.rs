use crate::messages::{context, described, failure, payload, stray_request};
use crate::outcome::answer_lines;
use crate::proto::interop::Payload;
use crate::proto::unary_ttrpc::InteropServiceClient;
use serde_json::{Value, json};
use std::{thread, time::Duration};
use ttrpc::context::{Context, with_duration};
use ttrpc::{Client, Error, Result};

const SERVICE: &str = "ttrpc.interop.v1.InteropService";
const THREADS: usize = 50;
const CALLS: usize = 20;

/// Runs scenarios, all of them unary: the crate has no streams without async.
pub fn run(address: &str) -> Result<()> {
    let client = Client::connect(address)?;
    answer_lines(|name, argument| scenario(&client, name, argument));
    Ok(())
}

fn scenario(client: &Client, name: &str, argument: Value) -> Result<Value> {
    let service = InteropServiceClient::new(client.clone());
    match name {
        "echo" => {
            let size = argument.as_u64().expect("a size") as usize;
            Ok(json!(service.echo(Context::default(), &payload(size))?.data.len()))
        }
        "concurrent" => concurrent(&service),
        "describe" => Ok(described(&service.describe(context(), &Payload::new())?)),
        "fail" => service.fail(Context::default(), &failure(&argument)).map(|_| Value::Null),
        "deadline" => {
            let context = with_duration(Duration::from_millis(10));
            service.wait(context, &Payload::new()).map(|_| Value::Null)
        }
        "unknown-service" => client.request(stray_request("no.Such", "Echo")).map(|_| Value::Null),
        "unknown-method" => client.request(stray_request(SERVICE, "Nope")).map(|_| Value::Null),
        _ => panic!("unknown scenario {name}"),
    }
}

/// Calls from many threads at once, and returns how many calls were answered as they should be.
fn concurrent(service: &InteropServiceClient) -> Result<Value> {
    let call = |index: usize| {
        let request = Payload { data: index.to_string().into(), ..Default::default() };
        let reply = service.echo(Context::default(), &request)?;
        if reply == request { Ok(()) } else { Err(Error::Others(format!("call {index}: {reply}"))) }
    };
    let calls = |thread: usize| (0..CALLS).try_for_each(|each| call(thread * CALLS + each));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || calls(thread))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a thread ends"))
    })?;
    Ok(json!(THREADS * CALLS))
}
