use crate::failure::fail;
use crate::messages::{describe, payload};
use crate::proto::interop::{Description, Failure, FetchRequest, Payload, RepeatRequest, Summary};
use crate::proto::interop_ttrpc::{InteropService, create_interop_service};
use async_trait::async_trait;
use std::{future, sync::Arc};
use tokio::runtime::Builder;
use ttrpc::Result;
use ttrpc::asynchronous::{Server, ServerStream, ServerStreamReceiver, ServerStreamSender, TtrpcContext};

/// Serves on one thread: on several, the crate's tasks for the messages of a stream overtake each other.
pub fn serve(address: &str) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut server =
            Server::new().bind(address)?.register_service(create_interop_service(Arc::new(Service)));
        server.start().await?;
        println!("ready");
        future::pending().await
    })
}

struct Service;

#[async_trait]
impl InteropService for Service {
    async fn echo(&self, _: &TtrpcContext, request: Payload) -> Result<Payload> {
        Ok(request)
    }

    async fn fetch(&self, _: &TtrpcContext, request: FetchRequest) -> Result<Payload> {
        Ok(payload(request.size as usize))
    }

    async fn describe(&self, context: &TtrpcContext, _: Payload) -> Result<Description> {
        Ok(describe(&context.metadata, context.timeout_nano))
    }

    async fn fail(&self, _: &TtrpcContext, request: Failure) -> Result<Payload> {
        fail(&request)
    }

    /// The crate ends it at the caller's deadline.
    async fn wait(&self, _: &TtrpcContext, _: Payload) -> Result<Payload> {
        future::pending().await
    }

    async fn repeat(
        &self,
        _: &TtrpcContext,
        request: RepeatRequest,
        answers: ServerStreamSender<Payload>,
    ) -> Result<()> {
        for _ in 0..request.count {
            answers.send(&payload(request.size as usize)).await?;
        }
        Ok(())
    }

    async fn count(&self, _: &TtrpcContext, mut requests: ServerStreamReceiver<Payload>) -> Result<Summary> {
        let mut summary = Summary::new();
        while let Some(request) = requests.recv().await? {
            summary.messages += 1;
            summary.bytes += request.data.len() as u64;
        }
        Ok(summary)
    }

    async fn chat(&self, _: &TtrpcContext, mut stream: ServerStream<Payload, Payload>) -> Result<()> {
        while let Some(request) = stream.recv().await? {
            stream.send(&request).await?;
        }
        Ok(())
    }
}
