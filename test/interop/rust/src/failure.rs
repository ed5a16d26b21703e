use crate::messages::payload;
use crate::proto::interop::{Failure, Payload, failure::Kind};
use protobuf::Enum;
use ttrpc::error::get_rpc_status;
use ttrpc::{Code, Error, Result};

/// Fails in the way that is asked for, as far as the crate has it: it translates no errors of the system.
pub fn fail(request: &Failure) -> Result<Payload> {
    match request.kind.enum_value_or_default() {
        Kind::STATUS => {
            let code = Code::from_i32(request.code).expect("a code of google.rpc.Code");
            Err(get_rpc_status(code, &request.message))
        }
        Kind::OVERSIZE_REPLY => Ok(payload(4 << 20)),
        _ => Err(Error::Others(request.message.clone())),
    }
}
