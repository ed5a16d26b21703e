use crate::failure::fail;
use crate::messages::{describe, payload};
use crate::proto::interop::{Description, Failure, FetchRequest, Payload};
use crate::proto::unary_ttrpc::{InteropService, create_interop_service};
use std::{sync::Arc, thread};
use ttrpc::error::get_rpc_status;
use ttrpc::{Code, Result, Server, TtrpcContext};

/// Serves the unary methods: the crate has no streams without async.
pub fn serve(address: &str) -> Result<()> {
    let mut server = Server::new().bind(address)?.register_service(create_interop_service(Arc::new(Service)));
    server.start()?;
    println!("ready");
    loop {
        thread::park();
    }
}

struct Service;

impl InteropService for Service {
    fn echo(&self, _: &TtrpcContext, request: Payload) -> Result<Payload> {
        Ok(request)
    }

    fn fetch(&self, _: &TtrpcContext, request: FetchRequest) -> Result<Payload> {
        Ok(payload(request.size as usize))
    }

    fn describe(&self, context: &TtrpcContext, _: Payload) -> Result<Description> {
        Ok(describe(&context.metadata, context.timeout_nano))
    }

    fn fail(&self, _: &TtrpcContext, request: Failure) -> Result<Payload> {
        fail(&request)
    }

    /// The crate watches no deadline here; what it reports is the end of the connection.
    fn wait(&self, context: &TtrpcContext, _: Payload) -> Result<Payload> {
        let _ = context.cancel_rx.recv();
        Err(get_rpc_status(Code::CANCELLED, "connection closed"))
    }
}
