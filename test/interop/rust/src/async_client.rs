use crate::messages::{context, described, failure, payload, repeat_request, sizes, stray_request};
use crate::outcome::answer_lines;
use crate::proto::interop::Payload;
use crate::proto::interop_ttrpc::InteropServiceClient;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use ttrpc::asynchronous::{CSReceiver, CSSender, Client};
use ttrpc::context::{Context, with_duration};
use ttrpc::{Error, Result};

const SERVICE: &str = "ttrpc.interop.v1.InteropService";
const CALLS: usize = 1000;

/// Runs scenarios on several threads, which the crate's stream ids leave out of order.
pub fn run(address: &str) -> Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(8).enable_all().build().expect("a runtime");
    let client = runtime.block_on(Client::connect(address))?;
    answer_lines(|name, argument| runtime.block_on(scenario(&client, name, argument)));
    Ok(())
}

async fn scenario(client: &Client, name: &str, argument: Value) -> Result<Value> {
    let service = InteropServiceClient::new(client.clone());
    match name {
        "echo" => {
            let size = argument.as_u64().expect("a size") as usize;
            Ok(json!(service.echo(Context::default(), &payload(size)).await?.data.len()))
        }
        "concurrent" => concurrent(&service).await,
        "describe" => Ok(described(&service.describe(context(), &Payload::new()).await?)),
        "fail" => service.fail(Context::default(), &failure(&argument)).await.map(|_| Value::Null),
        "deadline" => {
            let context = with_duration(Duration::from_millis(10));
            service.wait(context, &Payload::new()).await.map(|_| Value::Null)
        }
        "unknown-service" => client.request(stray_request("no.Such", "Echo")).await.map(|_| Value::Null),
        "unknown-method" => client.request(stray_request(SERVICE, "Nope")).await.map(|_| Value::Null),
        _ => stream_scenario(&service, name, argument).await,
    }
}

async fn stream_scenario(service: &InteropServiceClient, name: &str, argument: Value) -> Result<Value> {
    match name {
        "repeat" => {
            let mut answers = service.repeat(context(), &repeat_request(&argument)).await?;
            let mut received = vec![];
            while let Some(answer) = answers.recv().await? {
                received.push(answer.data.len());
            }
            Ok(json!(received))
        }
        "count" => {
            let mut stream = service.count(context()).await?;
            for size in sizes(&argument) {
                stream.send(&payload(size)).await?;
            }
            let summary = stream.close_and_recv().await?;
            Ok(json!([summary.messages, summary.bytes]))
        }
        "chat" => {
            let (sender, receiver) = service.chat(context()).await?.split();
            let (_, received) = tokio::try_join!(send(&sender, sizes(&argument)), receive(receiver))?;
            Ok(json!(received))
        }
        _ => panic!("unknown scenario {name}"),
    }
}

/// Makes many calls at once, and returns how many were answered as they should be.
async fn concurrent(service: &InteropServiceClient) -> Result<Value> {
    let mut calls = JoinSet::new();
    for index in 0..CALLS {
        let service = service.clone();
        calls.spawn(async move {
            let request = Payload { data: index.to_string().into(), ..Default::default() };
            let reply = service.echo(Context::default(), &request).await?;
            if reply == request { Ok(()) } else { Err(Error::Others(format!("call {index}: {reply}"))) }
        });
    }
    calls.join_all().await.into_iter().collect::<Result<Vec<()>>>()?;
    Ok(json!(CALLS))
}

async fn send(sender: &CSSender<Payload>, sizes: Vec<usize>) -> Result<()> {
    for size in sizes {
        sender.send(&payload(size)).await?;
    }
    sender.close_send().await
}

async fn receive(mut receiver: CSReceiver<Payload>) -> Result<Vec<usize>> {
    let mut received = vec![];
    loop {
        match receiver.recv().await {
            Ok(answer) => received.push(answer.data.len()),
            Err(Error::Eof) => return Ok(received),
            Err(error) => return Err(error),
        }
    }
}
